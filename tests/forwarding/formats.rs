//! The formats for log systems, field by field. `crates/appliance/tests/forwarding/others.rs` reads them with what
//! others have made.

use super::recipient::{ForwardingRecipient, event};
use crate::support::now;
use outbound_events::event::{Lsid, Timestamp};
use outbound_events::identity::Site;
use outbound_events::report::{FetchedReport, ReportCustomer, SessionReport};
use serde_json::{Value, json};

fn with_format(more: &Value) -> ForwardingRecipient {
    let mut destination = json!({ "name": "logs", "url": "https://logs.example/in", "batch": {} });
    destination.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ForwardingRecipient::new(json!([destination]))
}

/// The body of the first request, and its content type.
fn body(recipient: &ForwardingRecipient) -> (String, String) {
    let requests = recipient.ways.got.borrow();
    let content_type = requests[0].headers()["content-type"].to_str().unwrap().to_owned();
    (String::from_utf8(requests[0].body().clone()).unwrap(), content_type)
}

/// Text from events is data: no line end of its own, in any format.
const HOSTILE: &str = "name=a%0A%7B%22b%22%3A1%7D%0Ac&type=customer";

fn joined(number: u64) -> String {
    format!("event=support_conference_member_added&version=1&timestamp={}&lsid=s1&{HOSTILE}", 1_767_000_000 + number)
}

#[test]
fn ndjson_has_a_record_a_line() {
    let recipient = with_format(&json!({ "format": "ndjson" }));
    let ids = [recipient.take_and_die(&event(0)), recipient.take_and_die(&joined(1))];
    recipient.tick();
    let (body, content_type) = body(&recipient);
    assert_eq!(content_type, "application/x-ndjson");
    assert!(body.ends_with('\n'));
    let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let read: Vec<_> = lines.iter().map(|record| record["id"].as_str().unwrap()).collect();
    assert_eq!(read, ids);
}

#[test]
fn splunk_gets_objects_one_after_the_other() {
    let fields = json!({ "format": "splunk-hec", "splunk_hec": { "index": "support", "host": "desk" } });
    for (more, host, index, sourcetype) in [
        (json!({ "format": "splunk-hec" }), "hq", Value::Null, "beyondtrust:remote_support"),
        (fields, "desk", json!("support"), "beyondtrust:remote_support"),
        (json!({ "format": "splunk-hec", "splunk_hec": { "sourcetype": "x" } }), "hq", Value::Null, "x"),
    ] {
        let recipient = with_format(&more);
        let ids = [recipient.take_and_die(&event(0)), recipient.take_and_die(&joined(1))];
        recipient.tick();
        let (body, _) = body(&recipient);
        let events: Vec<Value> =
            serde_json::Deserializer::from_str(&body).into_iter().collect::<Result<_, _>>().unwrap();
        assert_eq!(events.len(), 2);
        for (event, id) in events.iter().zip(ids) {
            assert_eq!(event["event"]["id"], json!(id));
            assert_eq!(event["time"], event["event"]["data"]["timestamp"]);
            assert_eq!(
                (&event["host"], &event["index"], &event["sourcetype"]),
                (&json!(host), &index, &json!(sourcetype))
            );
            assert_eq!(event["source"], "/beyondtrust/hq");
        }
    }
}

fn attributes(record: &Value) -> Vec<(String, Value)> {
    let all = record["attributes"].as_array().unwrap();
    all.iter().map(|one| (one["key"].as_str().unwrap().to_owned(), one["value"].clone())).collect()
}

fn logs(recipient: &ForwardingRecipient) -> Value {
    let (body, content_type) = body(recipient);
    assert_eq!(content_type, "application/json");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn opentelemetry_gets_a_log_record_an_event() {
    let recipient = with_format(&json!({ "format": "otlp" }));
    let form = "event=support_conference_member_added&version=1&timestamp=1767000000&lsid=s1&type=representative&name=Jane+Doe\
                &user_id=12&username=jdoe&external_key=INC7&session.custom.department=IT&twice=1&twice=2";
    let id = recipient.take_and_die(form);
    recipient.tick();
    let logs = logs(&recipient);
    let text = |text: &str| json!({ "stringValue": text });
    let of_site = &logs["resourceLogs"][0];
    assert_eq!(
        attributes(&of_site["resource"]),
        [
            ("service.name".to_owned(), text("beyondtrust-remote-support")),
            ("service.instance.id".to_owned(), text("hq"))
        ]
    );
    assert_eq!(of_site["scopeLogs"][0]["scope"]["name"], "outbound-events");
    let record = &of_site["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1767000000000000000");
    let observed = now().timestamp_micros().to_string() + "000";
    assert_eq!(record["observedTimeUnixNano"], json!(observed));
    assert_eq!((&record["severityNumber"], &record["severityText"]), (&json!(9), &json!("INFO")));
    assert_eq!(record["eventName"], "com.beyondtrust.support_conference_member_added");
    assert_eq!(record["body"], text("Someone Joins a Support Session"), "{record}");
    let expected = [
        ("event.name", text("com.beyondtrust.support_conference_member_added")),
        ("cloudevents.event_id", text(&id)),
        ("cloudevents.event_source", text("/beyondtrust/hq")),
        ("cloudevents.event_type", text("com.beyondtrust.support_conference_member_added")),
        ("cloudevents.event_subject", text("s1")),
        ("session.id", text("s1")),
        ("beyondtrust.site", text("hq")),
        ("beyondtrust.external_key", text("INC7")),
        ("user.id", text("12")),
        ("user.name", text("jdoe")),
        ("user.full_name", text("Jane Doe")),
        ("user.roles", json!({ "arrayValue": { "values": [text("representative")] } })),
        ("beyondtrust.variable.session.custom.department", text("IT")),
        ("beyondtrust.variable.twice", json!({ "arrayValue": { "values": [text("1"), text("2")] } })),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    assert_eq!(attributes(record), expected);
}

#[test]
fn events_of_several_sites_are_of_several_resources() {
    let recipient = with_format(&json!({ "format": "otlp" }));
    for (number, site) in ["hq", "hq", "lab", "hq"].into_iter().enumerate() {
        let body = event(number as u64);
        let reply = crate::support::post(&format!("/events/{site}")).body(body).at(recipient.ways.now());
        reply.answer_alone(&recipient.store, &[("ingest_open", "true")]);
    }
    recipient.tick();
    let logs = logs(&recipient);
    let of = |resource: &Value| {
        let site = attributes(&resource["resource"])[1].1["stringValue"].as_str().unwrap().to_owned();
        (site, resource["scopeLogs"][0]["logRecords"].as_array().unwrap().len())
    };
    let all: Vec<_> = logs["resourceLogs"].as_array().unwrap().iter().map(of).collect();
    assert_eq!(all, [("hq".to_owned(), 2), ("lab".to_owned(), 1), ("hq".to_owned(), 1)], "in order");
}

#[test]
fn a_report_gives_the_address_of_the_client() {
    let cases = [
        (Some("203.0.113.7:51234"), Some("203.0.113.7"), Some("51234")),
        (Some("203.0.113.7"), Some("203.0.113.7"), None),
        (Some("[2001:db8::1]:443"), Some("2001:db8::1"), Some("443")),
        (Some("2001:db8::1"), Some("2001:db8::1"), None),
        (Some("desk.example"), Some("desk.example"), None),
        (None, None, None),
    ];
    for (address, host, port) in cases {
        let recipient = with_format(&json!({ "format": "otlp", "events": ["report"] }));
        let end = Timestamp::from_seconds(1_767_000_400).unwrap();
        let customer = ReportCustomer { public_address: address.map(str::to_owned), ..ReportCustomer::default() };
        let report = SessionReport {
            duration_seconds: Some(400),
            team: Some("Desk".to_owned()),
            customers: vec![customer],
            ..SessionReport::ended(end)
        };
        let fetched = FetchedReport { fetched: end, report };
        let (key, value) =
            fetched.record(&Site::parse("hq").unwrap(), &Lsid::parse("s1").unwrap(), None, now()).unwrap();
        recipient.store.values.borrow_mut().insert(key.to_string(), value);
        recipient.tick();
        let logs = logs(&recipient);
        let record = &logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        let all = attributes(record);
        let find = |key: &str| all.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        let text = |value: Option<&Value>| value.and_then(|value| value["stringValue"].as_str()).map(str::to_owned);
        assert_eq!(text(find("client.address")).as_deref(), host, "{address:?}");
        assert_eq!(find("client.port").and_then(|value| value["intValue"].as_str()), port, "{address:?}");
        assert_eq!(find("beyondtrust.report.duration_seconds"), Some(&json!({ "intValue": "400" })));
        assert_eq!(text(find("beyondtrust.report.team")).as_deref(), Some("Desk"));
    }
}

/// Without `batch` there is one event a request, in each format.
#[test]
fn without_batches_each_event_is_a_request() {
    for format in ["cloudevents", "ndjson", "otlp", "splunk-hec"] {
        let recipient =
            ForwardingRecipient::new(json!([{ "name": "logs", "url": "https://logs.example/in", "format": format }]));
        let ids: Vec<_> = (0..3).map(|number| recipient.take_and_die(&event(number))).collect();
        recipient.tick();
        assert_eq!(recipient.ways.take_ids(), ids, "{format}");
    }
}

#[test]
fn the_last_ten_attempts_are_shown() {
    use crate::support::{Says, ScriptedAnswer};
    let recipient = ForwardingRecipient::with_desk();
    recipient.ways.say([
        Says::from(ScriptedAnswer::new(500).body("Jane Doe is no user here")),
        Says::NoConnection,
        Says::Status(200),
    ]);
    let id = recipient.take(&event(1));
    for _ in 0..2 {
        recipient.ways.pass_time(std::time::Duration::from_secs(4_000));
        recipient.tick();
    }
    let attempts = recipient.status("desk")["attempts"].as_array().unwrap().clone();
    let answers: Vec<_> = attempts.iter().map(|attempt| attempt["answer"].as_str().unwrap()).collect();
    assert_eq!(answers, ["200 OK", "nobody is there", "500 Internal Server Error"], "newest first, without its words");
    for attempt in &attempts {
        assert_eq!((&attempt["event"], &attempt["events"]), (&json!(id), &json!(1)));
        assert_eq!(attempt["milliseconds"], 1);
    }
    assert!(attempts[0]["time"].as_str().unwrap() > attempts[1]["time"].as_str().unwrap());
    (2..20).for_each(|number| _ = recipient.take(&event(number)));
    assert_eq!(recipient.status("desk")["attempts"].as_array().unwrap().len(), 10);
    // A batch is one attempt.
    let recipient = with_format(&json!({}));
    let ids: Vec<_> = (0..3).map(|number| recipient.take_and_die(&event(number))).collect();
    recipient.tick();
    let attempts = &recipient.status("logs")["attempts"];
    assert_eq!((&attempts[0]["event"], &attempts[0]["events"]), (&json!(ids[0]), &json!(3)));
    assert_eq!(attempts[1], Value::Null);
}
