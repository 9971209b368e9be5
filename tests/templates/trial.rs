//! Invented events, rendered before anything is sent: what is wrong with a template, and where.

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
fn a_placeholder_that_is_quoted_twice_is_found() {
    let told = faults(&own("{\"text\": \"{{ title }}\"}"));
    assert_eq!(
        told,
        [
            "destinations[0].template.body makes no valid JSON of support_conference_begin: expected `,` or `}` at line 1 column 12; \
          a placeholder brings its own quotes (32 more of 33 invented events fail)"
        ]
    );
}

#[test]
fn each_template_that_fails_is_told_with_its_place() {
    let cases = [
        ("{\"a\": {{ title }}", "makes no valid JSON of support_conference_begin: EOF"),
        (
            "{{ title|shout }}",
            "is a template that fails (line 1): filter shout is unknown, for support_conference_begin (",
        ),
        ("{{ title|truncate }}", "is a template that fails (line 1): missing argument"),
        // Only some events have what these need.
        (
            "{\"a\": {{ event.data.member.name|safe }}}",
            "makes no valid JSON of support_conference_begin: expected value",
        ),
        (
            "{\"a\": \"{{ event.subject|safe }}\"}",
            "makes no valid JSON of support_conference_begin with quotes, line breaks",
        ),
        (
            "{\"a\": \"{{ event.data.external_key|safe }}\"}",
            "makes no valid JSON of support_conference_begin with quotes",
        ),
        ("{\"a\": {{ event.data.external_key[3] }}, {% if not session %}{% endif %}\"b\": {{ session.state }}}", ""),
        (
            "{\"a\": {% if session %}1{% endif %}}",
            "makes no valid JSON of support_conference_example without a session",
        ),
        (
            "{\"a\": {% if event.data.conference %}{% else %}1{% endif %}}",
            "makes no valid JSON of support_conference_owner_changed",
        ),
        ("{\"a\": {{ event.data.variables|items|length }}}", ""),
    ];
    for (body, fault) in cases {
        let told = faults(&own(body));
        if fault.is_empty() {
            assert_eq!(told, [""; 0], "{body}");
        } else {
            let place = format!("destinations[0].template.body {fault}");
            assert!(told.len() == 1 && told[0].starts_with(&place), "{body}: {told:?}");
        }
    }
}

#[test]
fn the_ready_templates_have_no_fault() {
    for template in ["slack", "google-chat", "teams", "jira", "servicenow"] {
        let all = json!([{ "name": "a", "url": "https://example.com", "format": "template", "template": template }]);
        assert_eq!(faults(&all), [""; 0], "{template}");
    }
}

#[test]
fn only_events_that_are_wanted_are_tried() {
    let url = "https://x.example/issue/{{ event.data.external_key }}/comment";
    let jira = |filter: Value| {
        let mut one = json!({ "name": "a", "url": url, "format": "template", "template": "jira" });
        one.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        faults(&json!([{ "name": "other", "url": "https://example.com" }, one]))
    };
    let told = jira(json!({}));
    assert!(
        told.len() == 1
            && told[0].starts_with(
                "destinations[1].url cannot be sent support_conference_begin without external key, names and custom fields: "
            ),
        "{told:?}"
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
