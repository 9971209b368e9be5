//! The ready templates against what each service documents, and what no event may do to them.

use crate::support::seven;
use chrono::Utc;
use outbound_events::archive::pack::Entry;
use outbound_events::forward::destination::{Destination, Way};
use outbound_events::forward::format::request;
use outbound_events::identity::Site;
use outbound_events::parse::parse;
use outbound_events::record::Record;
use outbound_events::session::Timeline;
use serde_json::{Value, json};

/// What an event may hold that means something to someone.
const HOSTILE: [&str; 9] = [
    "\"}],\"x\":\"",
    "<!channel> <@U1> <https://evil.example|click>",
    "<users/all>",
    "{{ 7 * 7 }} {% raw %}",
    "a\nb\r\n\tc\u{0}\u{1f}",
    "ä€😀\u{202e}",
    "</script><script>alert(1)</script>",
    "../../admin?x=1#y&z=%2e%2e",
    "\\u0022",
];

fn entry(form: &str) -> Entry {
    let event = parse(form.as_bytes()).unwrap_or_else(|problems| panic!("{form}: {problems}"));
    Entry::read(Record::new(event, Site::parse("hq").unwrap(), Utc::now()).1.to_json().unwrap()).unwrap()
}

fn form(pairs: &[(&str, &str)]) -> String {
    serde_urlencoded::to_string(pairs).unwrap()
}

/// Each of the guide's events, one that it does not know, and some that mean harm.
fn entries() -> Vec<Entry> {
    let mut forms: Vec<_> = seven().into_iter().map(|(_, body)| body).collect();
    forms.push("event=new_thing&timestamp=1767000000&version=2".to_owned());
    for hostile in HOSTILE {
        let member = [
            ("event", "support_conference_member_added"),
            ("version", "1"),
            ("timestamp", "1767000000"),
            ("lsid", "a"),
        ];
        forms.push(form(
            &[member.as_slice(), &[("type", "customer"), ("name", hostile), ("external_key", hostile)]].concat(),
        ));
    }
    forms.iter().map(|form| entry(form)).collect()
}

fn destination(template: Value, url: &str) -> Destination {
    let all = json!([{ "name": "a", "url": url, "format": "template", "template": template }]);
    Destination::read_all(&all.to_string()).unwrap_or_else(|faults| panic!("{faults:?}")).remove(0)
}

fn send(destination: &Destination, entry: &Entry) -> Result<(String, Vec<u8>), String> {
    let Way::Push(push) = &destination.way else { panic!("it pulls") };
    let timeline = entry.key.lsid.as_ref().map(|_| Timeline::new([(&entry.event().unwrap(), entry.delivered)]));
    let request = request(push, &destination.secrets, entry, timeline.as_ref(), Utc::now())?;
    Ok((request.uri().to_string(), request.into_body()))
}

fn bodies(template: &str) -> Vec<Value> {
    let destination = destination(json!(template), "https://x.example/y");
    let body = |entry: &Entry| serde_json::from_slice(&send(&destination, entry).unwrap().1).unwrap();
    entries().iter().map(body).collect()
}

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn slack_gets_a_message_whose_text_calls_nobody() {
    for body in bodies("slack") {
        assert_eq!(fields(&body), ["text", "unfurl_links"]);
        let text = body["text"].as_str().unwrap();
        assert!((1..=40_000).contains(&text.chars().count()), "{text}");
        assert!(!text.contains('<') && !text.contains('>'), "<…> is a link or a call: {text}");
        let escapes = ["amp;", "lt;", "gt;"];
        for rest in text.split('&').skip(1) {
            assert!(escapes.iter().any(|escape| rest.starts_with(escape)), "{text}");
        }
    }
}

#[test]
fn google_chat_gets_a_text_that_calls_nobody() {
    for body in bodies("google-chat") {
        assert_eq!(fields(&body), ["text"]);
        let text = body["text"].as_str().unwrap();
        assert!(!text.is_empty() && text.len() <= 32_000 && !text.contains('<'), "{text}");
    }
}

#[test]
fn teams_gets_an_adaptive_card() {
    for body in bodies("teams") {
        assert_eq!(body["type"], "message");
        let attachments = body["attachments"].as_array().unwrap();
        assert_eq!(attachments.len(), 1);
        assert_eq!(attachments[0]["contentType"], "application/vnd.microsoft.card.adaptive");
        let card = &attachments[0]["content"];
        assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
        assert_eq!(card["$schema"], "http://adaptivecards.io/schemas/adaptive-card.json");
        let blocks = card["body"].as_array().unwrap();
        assert_eq!(blocks[0]["type"], "TextBlock");
        assert!(!blocks[0]["text"].as_str().unwrap().is_empty());
        assert_eq!(blocks[1]["type"], "FactSet");
        for fact in blocks[1]["facts"].as_array().unwrap() {
            assert!(fact["title"].is_string() && fact["value"].is_string(), "{fact}");
        }
    }
}

#[test]
fn jira_gets_a_comment_in_its_document_format() {
    for body in bodies("jira") {
        assert_eq!(fields(&body), ["body"]);
        let document = &body["body"];
        assert_eq!((&document["type"], &document["version"]), (&json!("doc"), &json!(1)));
        let text = &document["content"][0]["content"][0];
        assert_eq!((&document["content"][0]["type"], &text["type"]), (&json!("paragraph"), &json!("text")));
        assert!(!text["text"].as_str().unwrap().is_empty());
    }
}

#[test]
fn servicenow_gets_events_whose_fields_are_all_text() {
    for body in bodies("servicenow") {
        assert_eq!(fields(&body), ["records"]);
        let record = body["records"][0].as_object().unwrap();
        for field in ["source", "node", "type", "resource", "severity", "message_key", "description", "additional_info"]
        {
            assert!(record[field].is_string(), "{field}: {}", record[field]);
        }
        let time = record["time_of_event"].as_str().unwrap();
        assert!(chrono::NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").is_ok(), "{time}");
        let info: Value = serde_json::from_str(record["additional_info"].as_str().unwrap()).unwrap();
        assert!(info.as_object().unwrap().values().all(Value::is_string), "{info}");
    }
}

#[test]
fn what_an_event_holds_stays_where_it_is_put() {
    let body = "{\"a\": {{ event.data.member.name }}, \"b\": {{ session.state }}, \"c\": {{ event.data.nothing }}}";
    let of_json = destination(json!({ "body": body }), "https://x.example/y");
    let of_form = destination(
        json!({ "content_type": "application/x-www-form-urlencoded", "body": "a={{ event.data.member.name }}&b=c" }),
        "https://x.example/y",
    );
    for hostile in HOSTILE {
        let entry = entry(&form(&[
            ("event", "support_conference_member_added"),
            ("version", "1"),
            ("timestamp", "1767000000"),
            ("lsid", "a"),
            ("type", "customer"),
            ("name", hostile),
        ]));
        let sent: Value = serde_json::from_slice(&send(&of_json, &entry).unwrap().1).unwrap();
        assert_eq!(sent, json!({ "a": hostile, "b": "incomplete", "c": null }));
        let sent: Vec<(String, String)> = serde_urlencoded::from_bytes(&send(&of_form, &entry).unwrap().1).unwrap();
        assert_eq!(sent, [("a".to_owned(), hostile.to_owned()), ("b".to_owned(), "c".to_owned())]);
    }
}

#[test]
fn an_external_key_in_a_path_is_a_part_of_it_and_leads_nowhere_else() {
    let destination =
        destination(json!("jira"), "https://x.example/rest/api/3/issue/{{ event.data.external_key }}/comment?a=b");
    let with = |key: &str| {
        entry(&form(&[
            ("event", "support_conference_end"),
            ("version", "1"),
            ("timestamp", "1767000000"),
            ("lsid", "a"),
            ("external_key", key),
        ]))
    };
    let cases = [
        ("INC-1", Some("INC-1")),
        ("a/b", Some("a%2Fb")),
        ("a?b#c", Some("a%3Fb%23c")),
        ("../..", Some("%2E%2E%2F%2E%2E")),
        ("ä", Some("%C3%A4")),
        ("@evil.example", Some("%40evil%2Eexample")),
        ("..", None),
        (".", None),
        ("", None),
    ];
    for (key, segment) in cases {
        let sent = send(&destination, &with(key)).map(|(url, _)| url);
        match segment {
            Some(segment) => {
                assert_eq!(sent.unwrap(), format!("https://x.example/rest/api/3/issue/{segment}/comment?a=b"), "{key}");
            }
            None => assert!(sent.is_err(), "{key}: {sent:?}"),
        }
    }
}

#[test]
fn a_template_that_makes_no_json_refuses_the_event_and_says_so() {
    let destination = destination(json!({ "body": "{\"a\": {{ title }}" }), "https://x.example/y");
    let reason = send(&destination, &entries()[0]).unwrap_err();
    assert!(reason.contains("no JSON"), "{reason}");
}
