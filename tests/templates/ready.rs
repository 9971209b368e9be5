//! The format that each service requires, and the text that its users read.

use outbound_events::archive::pack::RecordEntry;
use outbound_events::report::{
    ReportCustomer, ReportFile, ReportLinks, ReportRepresentative, ReportText, SessionReport,
};
use serde_json::{Value, json};

use super::{HOSTILE, at, body, destination, entry, joins, report, send, send_in_session};
use crate::support::seven;

/// All events of the guide, an unrecognised one, a report, and hostile ones.
fn entries() -> Vec<RecordEntry> {
    let seven = seven().into_iter().map(|(_, form)| entry(&form));
    let unknown = entry("event=new_thing&timestamp=1767000000&version=2");
    seven
        .chain([unknown, report("c69a", usual_report(), "INC-1")])
        .chain(HOSTILE.map(|hostile| joins("a", hostile, hostile)))
        .collect()
}

fn bodies(template: &str) -> Vec<Value> {
    entries().iter().map(|entry| body(template, entry)).collect()
}

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn slack_gets_a_message_that_mentions_nobody() {
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
fn google_chat_gets_a_text_that_mentions_nobody() {
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
fn ready_templates_name_the_event_and_the_session() {
    let jane = joins("c69a", "Jane O'Neil-Doe (ACME)", "DESK_1");
    assert_eq!(
        body("slack", &jane)["text"],
        "*Someone Joins a Support Session*: `Jane O'Neil-Doe (ACME)` (`DESK_1`)\nSession `c69a` of hq, incomplete"
    );
    assert_eq!(
        body("google-chat", &jane)["text"],
        "Someone Joins a Support Session: `Jane O'Neil-Doe (ACME)` (`DESK_1`)\nSession `c69a` of hq, incomplete"
    );
    let facts = body("teams", &jane)["attachments"][0]["content"]["body"][1]["facts"].clone();
    assert_eq!(facts[2]["value"], r"DESK\_1");
    assert_eq!(facts[3]["value"], r"Jane O'Neil-Doe \(ACME\)");
    assert_eq!(
        body("jira", &jane)["body"]["content"][0]["content"][0]["text"],
        "Someone Joins a Support Session: Jane O'Neil-Doe (ACME) at 2025-12-29T09:20:00Z, session c69a of hq"
    );
    let unknown = entry("event=_new_thing_&timestamp=1767000000&version=2");
    assert_eq!(body("slack", &unknown)["text"], "*new thing*\nSession - of hq");
    assert_eq!(body("teams", &unknown)["attachments"][0]["content"]["body"][0]["text"], r"\_new\_thing\_");
}

/// ServiceNow makes one alert per `message_key`, and severity 0 clears it.
#[test]
fn servicenow_has_one_alert_per_session_and_the_end_clears_it() {
    let of = |event: &str, time: u64, more: &str| {
        entry(&format!("event={event}&version=1&timestamp={time}&lsid=c69a&external_key=INC-1{more}"))
    };
    let session = [
        of("support_conference_begin", 1_767_000_000, ""),
        of("support_conference_owner_changed", 1_767_000_001, "&conference_id=team%3A5&conference_name=x"),
        of("support_conference_end", 1_767_000_100, ""),
        of("support_conference_customer_exit_survey_completed", 1_767_000_200, ""),
    ];
    let servicenow = destination(json!("servicenow"), "https://x.example/y");
    let alert = |entry: &RecordEntry, known: &[RecordEntry]| {
        let body: Value = serde_json::from_slice(&send_in_session(&servicenow, entry, known).unwrap().1).unwrap();
        let field = |name: &str| body["records"][0][name].as_str().unwrap().to_owned();
        (field("message_key"), field("severity"))
    };
    for (number, severity) in ["5", "5", "0", "0"].into_iter().enumerate() {
        assert_eq!(alert(&session[number], &session), ("hq/c69a".to_owned(), severity.to_owned()), "{number}");
    }
    assert_eq!(alert(&session[2], &[]).1, "0", "also where the session's other events are not known");
    let without = entry("event=new_thing&timestamp=1767000000&version=2");
    assert_eq!(alert(&without, &[]), (without.key.id.to_string(), "5".to_owned()));
}

/// A report as appliances make them.
fn usual_report() -> SessionReport {
    let text = |text: &str| Some(text.to_owned());
    SessionReport {
        start: Some(at(1_764_300_000)),
        duration_seconds: Some(333),
        customers: vec![
            ReportCustomer {
                name: text("Erika Example"),
                hostname: text("PC-0815"),
                company: text("Example Corp"),
                ..ReportCustomer::default()
            },
            ReportCustomer { name: text("Max [code]"), ..ReportCustomer::default() },
        ],
        representatives: vec![
            ReportRepresentative {
                name: text("Sam Example"),
                seconds_involved: Some(280),
                owner: true,
                ..ReportRepresentative::default()
            },
            ReportRepresentative { username: text("kim"), ..ReportRepresentative::default() },
        ],
        files_transferred: Some(2),
        files_deleted: Some(1),
        files: vec![ReportFile {
            time: None,
            action: "File Upload".to_owned(),
            by: text("Sam Example"),
            name: text("setup.log"),
            bytes: Some(1234),
        }],
        notes: vec![ReportText { time: None, by: text("Sam Example"), text: "Replaced\nthe driver.".to_owned() }],
        links: ReportLinks { recording: text("https://support.example.com/r?id=1"), ..ReportLinks::default() },
        ..SessionReport::ended(at(1_764_300_333))
    }
}

#[test]
fn tickets_get_the_summary_of_a_report() {
    let entry = report("c69a", usual_report(), "INC0012345");
    let lines = [
        "2025-11-28 03:20:00 to 2025-11-28 03:25:33 UTC, 5 min 33 s",
        "Recording: https://support.example.com/r?id=1",
        "Representatives: Sam Example (5 min), owner; kim",
        "Customers: Erika Example (PC-0815, Example Corp); Max [code]",
        "Files: 2 transferred, 1 deleted: File Upload setup.log (1234 bytes)",
        "Note of Sam Example: Replaced the driver.",
    ];
    let paragraphs = body("jira", &entry)["body"]["content"].clone();
    let paragraphs: Vec<_> = paragraphs.as_array().unwrap().iter().map(|one| &one["content"][0]["text"]).collect();
    assert_eq!(paragraphs[0], "Session Report at 2025-11-28T03:25:33Z, session c69a of hq");
    assert_eq!(paragraphs[1..], lines);
    let in_journal = lines.join("\n").replace("[code]", "(code)");
    let note = body("servicenow-note", &entry);
    assert_eq!(note["u_external_key"], "INC0012345");
    assert_eq!(note["u_work_note"], format!("Session Report, session c69a of hq\n{in_journal}"));
    let event = &body("servicenow", &entry)["records"][0];
    assert_eq!(event["description"], format!("Session Report\n{in_journal}"));
    let info: Value = serde_json::from_str(event["additional_info"].as_str().unwrap()).unwrap();
    assert_eq!(info["recording"], "https://support.example.com/r?id=1");
    assert_eq!((&info["start"], &info["end"]), (&json!("2025-11-28T03:20:00Z"), &json!("2025-11-28T03:25:33Z")));
}

#[test]
fn the_summary_of_an_empty_report_has_its_time_alone() {
    let entry = report("c69a", SessionReport::ended(at(1_764_300_333)), "INC0012345");
    let note = &body("servicenow-note", &entry)["u_work_note"];
    assert_eq!(note, "Session Report, session c69a of hq\nuntil 2025-11-28 03:25:33 UTC");
}

/// The recording's URL comes from the appliance. One that is none, or could be read as something else, is left out.
#[test]
fn only_a_url_is_shown_as_the_recording() {
    let shown = |url: String| {
        let links = ReportLinks { recording: Some(url), ..ReportLinks::default() };
        let entry = report("c69a", SessionReport { links, ..usual_report() }, "INC-1");
        let note = body("servicenow-note", &entry)["u_work_note"].as_str().unwrap().to_owned();
        note.contains("Recording")
    };
    for (url, expected) in [
        ("http://appliance/r", true),
        ("javascript:alert(1)", false),
        ("https://a.example/ x", false),
        ("https://a.example/\nx", false),
        ("https://a.example/[code]", false),
        ("https://a.example/]", false),
    ] {
        assert_eq!(shown(url.to_owned()), expected, "{url}");
    }
    assert!(!shown(format!("https://a.example/{}", "x".repeat(1_000))));
}

/// The columns of `docs/destinations/sentinel.md`, also where an event has nothing to say.
#[test]
fn sentinel_gets_a_row_an_event() {
    let destination = destination(json!("sentinel"), "https://x.example/y");
    let rows =
        |entry: &RecordEntry| -> Vec<Value> { serde_json::from_slice(&send(&destination, entry).unwrap().1).unwrap() };
    let rows = rows(&joins("s1", "Jane \"J\" Doe", "INC7"));
    let columns: Vec<_> = rows[0].as_object().unwrap().keys().cloned().collect();
    let documented = include_str!("../../docs/destinations/sentinel.md");
    for column in &columns {
        assert!(documented.contains(&format!("`{column}`")), "{column} is not documented");
    }
    assert_eq!((rows.len(), columns.len()), (1, 19));
    assert_eq!((&rows[0]["MemberName"], &rows[0]["ExternalKey"]), (&json!("Jane \"J\" Doe"), &json!("INC7")));
    assert_eq!((&rows[0]["OwnerName"], &rows[0]["DurationSeconds"]), (&Value::Null, &Value::Null));
    assert_eq!((&rows[0]["Variables"], &rows[0]["Site"]), (&json!({}), &json!("hq")));
}
