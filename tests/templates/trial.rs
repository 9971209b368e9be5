//! The trial of templates on invented events: their faults, and the places.

use outbound_events::forward::destination::Destination;
use outbound_events::forward::trial;
use serde_json::{Value, json};

fn faults(all: &Value) -> Vec<String> {
    let all = Destination::read_all(&all.to_string()).unwrap_or_else(|faults| panic!("{faults:?}"));
    trial::faults(&all).iter().map(ToString::to_string).collect()
}

fn own(body: &str) -> Value {
    json!([{ "name": "a", "url": "https://example.com", "format": "template", "template": { "body": body } }])
}

#[test]
fn a_placeholder_in_quotes_is_reported() {
    let found = faults(&own("{\"text\": \"{{ title }}\"}"));
    assert_eq!(
        found,
        [
            "destinations[0].template.body does not make valid JSON of support_conference_begin: expected `,` or `}` at line 1 column 12; \
          a placeholder brings its own quotes (32 more of 33 invented events fail)"
        ]
    );
}

#[test]
fn each_failing_template_is_reported_with_its_place() {
    let cases = [
        ("{\"a\": {{ title }}", "does not make valid JSON of support_conference_begin: EOF"),
        ("{{ title|shout }}", "fails (line 1): filter shout is unknown, for support_conference_begin ("),
        ("{{ title|truncate }}", "fails (line 1): missing argument"),
        // Only some events have these values.
        (
            "{\"a\": {{ event.data.member.name|safe }}}",
            "does not make valid JSON of support_conference_begin: expected value",
        ),
        (
            "{\"a\": \"{{ event.subject|safe }}\"}",
            "does not make valid JSON of support_conference_begin with quotes, line breaks",
        ),
        (
            "{\"a\": \"{{ event.data.external_key|safe }}\"}",
            "does not make valid JSON of support_conference_begin with quotes",
        ),
        ("{\"a\": {{ event.data.external_key[3] }}, {% if not session %}{% endif %}\"b\": {{ session.state }}}", ""),
        (
            "{\"a\": {% if session %}1{% endif %}}",
            "does not make valid JSON of support_conference_example without a session",
        ),
        (
            "{\"a\": {% if event.data.conference %}{% else %}1{% endif %}}",
            "does not make valid JSON of support_conference_owner_changed",
        ),
        ("{\"a\": {{ event.data.variables|items|length }}}", ""),
    ];
    for (body, fault) in cases {
        let found = faults(&own(body));
        if fault.is_empty() {
            assert_eq!(found, [""; 0], "{body}");
        } else {
            let place = format!("destinations[0].template.body {fault}");
            assert!(found.len() == 1 && found[0].starts_with(&place), "{body}: {found:?}");
        }
    }
}

#[test]
fn the_ready_templates_have_no_fault() {
    for template in ["slack", "google-chat", "teams", "jira", "servicenow", "servicenow-note"] {
        let mut one = json!({ "name": "a", "url": "https://example.com", "format": "template", "template": template });
        assert_eq!(faults(&json!([one])), [""; 0], "{template}");
        one["events"] = json!(["report", "support_conference_end"]);
        assert_eq!(faults(&json!([one])), [""; 0], "{template} for reports");
    }
}

#[test]
fn only_events_that_pass_the_filter_are_tried() {
    let url = "https://x.example/issue/{{ event.data.external_key }}/comment";
    let jira = |filter: Value| {
        let mut one = json!({ "name": "a", "url": url, "format": "template", "template": "jira" });
        one.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        faults(&json!([{ "name": "other", "url": "https://example.com" }, one]))
    };
    let found = jira(json!({}));
    assert!(
        found.len() == 1
            && found[0].starts_with(
                "destinations[1].url cannot be built for support_conference_begin without external key, names and custom fields: "
            ),
        "{found:?}"
    );
    for filter in [
        json!({ "external_key": "present" }),
        json!({ "external_key": "DESK-", "sites": ["hq"], "from": "2030-01-01T00:00:00Z" }),
        json!({ "external_key": "present", "events": ["support_conference_end", "support_survey_sent"] }),
    ] {
        assert_eq!(jira(filter.clone()), [""; 0], "{filter}");
    }
    let only_new = json!([{ "name": "a", "url": "https://example.com", "format": "template", "events": ["support_survey_sent"],
                            "template": { "body": "{{ unfinished|nothing }}" } }]);
    assert!(faults(&only_new)[0].contains("for support_survey_sent (4 more of 5"), "{:?}", faults(&only_new));
}

#[test]
fn formats_without_a_template_are_not_tried() {
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
    let all = json!([
        { "name": "a", "url": "https://example.com" },
        { "name": "b", "url": "https://example.com", "format": "form" },
        { "name": "c", "format": "pull", "secret": secret },
    ]);
    assert_eq!(faults(&all), [""; 0]);
}

#[test]
fn a_condition_is_tried_on_every_event_that_the_other_filters_want() {
    let with = |when: &str, more: Value| {
        let mut one = json!({ "name": "a", "url": "https://example.com", "when": when });
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([one])
    };
    for (when, more, fault) in [
        ("event.data.version == \"1\"", json!({}), ""),
        ("session.state == \"ended\"", json!({}), ""),
        ("event.data.member.name|lower == \"x\"", json!({}), ""),
        ("event.data.timestamp + 1 > 2", json!({}), ""),
        (
            "event.data.version + 1 == 2",
            json!({}),
            "destinations[0].when fails (line 1): invalid operation, for support_conference_begin",
        ),
        (
            "title|shout",
            json!({}),
            "destinations[0].when fails (line 1): filter shout is unknown, for support_conference_begin (",
        ),
        ("title|shout", json!({ "format": "otlp" }), "destinations[0].when fails"),
        // Only some events have the value that it fails on.
        (
            "event.data.external_key == none or event.data.external_key + 1 == 2",
            json!({ "external_key": "present" }),
            "destinations[0].when fails",
        ),
    ] {
        let found = faults(&with(when, more));
        assert_eq!(found.is_empty(), fault.is_empty(), "{when}: {found:?}");
        assert!(found.iter().all(|found| found.starts_with(fault)), "{when}: {found:?}");
    }
    // A condition that excludes all events hides no fault of the template.
    let both = with("false", json!({ "format": "template", "template": { "body": "{{ title" } }));
    assert!(Destination::read_all(&both.to_string()).is_err());
    let both = with("false", json!({ "format": "template", "template": { "body": "{\"a\": \"{{ title }}\"}" } }));
    assert!(faults(&both)[0].starts_with("destinations[0].template.body does not make valid JSON"));
}

#[test]
fn a_template_of_several_events_is_tried() {
    let of_several = |body: &str| {
        json!([{ "name": "a", "url": "https://example.com", "format": "template", "batch": {},
                 "template": { "body": body, "takes": "events" } }])
    };
    assert_eq!(faults(&of_several("[{% for one in events %}{{ one.event }}{% endfor %}]")), Vec::<String>::new());
    let found = faults(&of_several("[{% for one in events %}{{ one.event }},{% endfor %}]"));
    assert!(found[0].starts_with("destinations[0].template.body does not make valid JSON"), "{found:?}");
    assert_eq!(
        faults(&json!([{ "name": "a", "url": "https://example.com", "format": "template", "template": "sentinel" }])),
        Vec::<String>::new()
    );
}
