//! Reports of every shape.

use outbound_events::event::Timestamp;
use outbound_events::report::{MAX_REPORT_TEXT_BYTES, SessionReport};
use serde_json::{Value, json};

use super::harness::{END, NAMESPACES, appliance, fetch, lsid, only, sample, session, with_everything, xml_answer};

fn json(report: &SessionReport) -> Value {
    serde_json::to_value(report).unwrap()
}

/// The report of the session `s` with this inside, and everything included.
fn report(inside: &str) -> Value {
    json(&only(fetch(&with_everything(), xml_answer(session(&format!("{END}{inside}")))).unwrap()).report)
}

fn expected() -> Value {
    json!({
        "session_type": "support",
        "sequence_number": "4711",
        "start": "2025-11-28T03:20:00Z",
        "end": "2025-11-28T03:25:33Z",
        "duration_seconds": 333,
        "public_site": "Default & more",
        "team": "Desk",
        "primary_customer": "Erika Müller",
        "primary_representative": "Sam Example",
        "files_transferred": 3,
        "files_moved": 0,
        "files_deleted": 1,
        "custom_attributes": { "asset_tag": "A-271973" },
        "customers": [
            {
                "name": "Erika Müller", "public_address": "203.0.113.7:50123", "private_address": "10.0.0.7",
                "hostname": "PC-0815", "os": "Windows 11 Enterprise x64", "company": "Example <GmbH>",
                "issue": "Printer", "details": "It says <!> & stops",
            },
            {},
        ],
        "representatives": [{
            "id": "12", "name": "Sam Example", "username": "sam", "public_address": "198.51.100.2:1",
            "seconds_involved": 280, "owner": true,
        }],
        "links": {
            "chat": "https://support.example.com/chat?a=1&b=2",
            "recording": "https://support.example.com/recording",
        },
        "files": [
            { "time": "2025-11-28T03:23:20Z", "action": "File Upload", "by": "Sam Example",
              "name": "C:\\drivers\\fuser.zip", "bytes": 1024 },
            { "time": "2025-11-28T03:23:21Z", "action": "File Download", "name": "log.txt", "bytes": 7 },
            { "time": "2025-11-28T03:23:22Z", "action": "Files Shared", "name": "a.txt", "bytes": 1 },
            { "time": "2025-11-28T03:23:22Z", "action": "Files Shared", "name": "b.txt", "bytes": 2 },
            { "time": "2025-11-28T03:23:22Z", "action": "Files Shared", "name": "c.txt" },
            { "action": "Directory Created" },
        ],
        "surveys": [
            { "by": "customer", "answers": { "Solved?": "yes", "Why?": "fast, kind" } },
            { "by": "representative", "answers": { "Category": "hardware" } },
        ],
        "notes": [{ "time": "2025-11-28T03:21:40Z", "by": "Sam Example", "text": "Replaced the fuser." }],
        "chat": [
            { "time": "2025-11-28T03:20:05Z", "by": "Sam Example", "text": "Hello,\nhow can I help? 😀" },
            { "time": "2025-11-28T03:20:06Z", "by": "erika", "text": "Hello" },
        ],
        "system_information": [
            { "time": "2025-11-28T03:20:10Z", "by": "System", "text": "OS\nname: Windows\nversion: 11" },
            { "time": "2025-11-28T03:20:11Z", "text": "cpu: 8 cores" },
        ],
    })
}

#[test]
fn a_whole_report_is_read_in_every_namespace() {
    for namespace in NAMESPACES {
        let prefixed = namespace.replace("xmlns=", "xmlns:r=");
        for xml in [sample(namespace, ""), sample(&prefixed, "r:")] {
            let session = only(fetch(&with_everything(), xml_answer(&xml)).unwrap());
            assert_eq!((session.lsid, session.external_key.as_deref()), (lsid("s"), Some("INC0012345")), "{xml}");
            assert_eq!(json(&session.report), expected(), "{xml}");
        }
    }
}

#[test]
fn notes_chat_and_systems_are_kept_only_on_request() {
    for (include, kept) in [
        (json!([]), &[][..]),
        (json!(["chat"]), &["chat"]),
        (json!(["notes"]), &["notes"]),
        (json!(["system_information", "notes"]), &["notes", "system_information"]),
    ] {
        let appliance = appliance(&json!({ "include": include }));
        let mut whole = expected();
        for part in ["notes", "chat", "system_information"].iter().filter(|part| !kept.contains(part)) {
            whole.as_object_mut().unwrap().remove(*part);
        }
        assert_eq!(json(&only(fetch(&appliance, xml_answer(sample("", ""))).unwrap()).report), whole);
    }
}

#[test]
fn missing_parts_are_absent() {
    let end = json!({ "end": "2025-11-28T03:25:33Z" });
    for inside in [
        "",
        "<customer_list/><rep_list/><session_details/><custom_attributes/><cust_survey_list/>",
        "<start_time/><duration/><external_key/><session_type></session_type><lseq>  </lseq>",
        "<start_time timestamp=\"\">soon</start_time><duration>1:x</duration><file_move_count>-1</file_move_count>",
        "<cust_survey_list><cust_exit_survey gsnumber=\"1\"/></cust_survey_list>",
        "<session_details><event/><event event_type=\"\"/><event event_type=\"Chat Message\"/></session_details>",
        "<session_chat_view_url>data:text/html,x</session_chat_view_url>",
        "<session_chat_view_url>https://</session_chat_view_url>",
        "<session_recording_view_url>https://x.example/a b</session_recording_view_url>",
        "<name>outside</name><value name=\"x\" value=\"y\"/><username>outside</username>",
    ] {
        assert_eq!(report(inside), end, "{inside}");
    }
    let without_representative = "<customer_list><customer><username>Erika</username></customer></customer_list>";
    let expected = json!({ "end": "2025-11-28T03:25:33Z", "customers": [{ "name": "Erika" }] });
    assert_eq!(report(without_representative), expected);
}

#[test]
fn a_session_without_a_usable_end_does_not_lose_the_others() {
    let xml = format!(
        "<session_list>\
         <session lsid=\"s-0\">{END}</session>\
         <session lsid=\"s-1\"><start_time timestamp=\"1764300000\"/></session>\
         <session lsid=\"s-2\"><end_time/></session>\
         <session lsid=\"s-3\"><end_time timestamp=\"0\"></end_time></session>\
         <session lsid=\"s-4\"><end_time timestamp=\"tomorrow\"/></session>\
         <session lsid=\"s-5\"><end_time>2025-11-28T04:25:33+01:00</end_time></session>\
         <session lsid=\"\">{END}</session>\
         <session>{END}</session>\
         <session lsid=\"not-asked-for\">{END}</session>\
         <session lsid=\"s-0\"><end_time timestamp=\"1\"/></session>\
         <session lsid=\"s-6\">{END}</session>\
         </session_list>"
    );
    let fetched = fetch(&with_everything(), xml_answer(xml)).unwrap();
    let reported: Vec<_> = fetched.sessions.iter().map(|session| (session.lsid.as_str(), session.report.end)).collect();
    let end = Timestamp::from_seconds(1_764_300_333).unwrap();
    assert_eq!(reported, [("s-0", end), ("s-5", end), ("s-6", end)]);
    assert_eq!(fetched.not_ready, [lsid("s-1"), lsid("s-2"), lsid("s-3")]);
    let unreadable: Vec<_> = fetched
        .unreadable
        .iter()
        .map(|session| format!("{} {}", session.lsid.as_ref().map_or("-", |lsid| lsid.as_str()), session.reason))
        .collect();
    let expected = [
        "s-4 has an end_time that is not a time",
        "- has an lsid that is not 1 to 64 visible ASCII characters",
        "- has no lsid",
    ];
    assert_eq!(unreadable, expected);
}

#[test]
fn many_customers_are_kept_and_too_many_are_cut() {
    let customers = |count: usize| {
        let all: String =
            (0..count).map(|number| format!("<customer><username>C{number}</username></customer>")).collect();
        report(&format!("<customer_list>{all}</customer_list>"))
    };
    let some = customers(300);
    assert_eq!(some["customers"].as_array().unwrap().len(), 300);
    assert_eq!(some["customers"][299]["name"], "C299");
    assert_eq!(some.get("truncated"), None);
    let cut = customers(20_000);
    assert!(cut["customers"].as_array().unwrap().len() <= 10_000);
    assert_eq!(cut["truncated"], true);
}

#[test]
fn five_megabytes_of_chat_keep_a_bounded_part() {
    let message = format!(
        "<event timestamp=\"1764300005\" event_type=\"Chat Message\"><body>{}</body></event>",
        "chat ".repeat(200)
    );
    let cases = [
        message.repeat(5_000),
        format!("<event event_type=\"Chat Message\"><body>{}</body></event>", "chat ".repeat(1 << 20)),
        format!("<event event_type=\"Chat Message\"><body><![CDATA[{}]]></body></event>", "chat ".repeat(1 << 20)),
    ];
    for chat in cases {
        let report = report(&format!(
            "<session_details>{chat}<event event_type=\"Session Note Added\"><body>after</body></event></session_details>"
        ));
        let kept = serde_json::to_vec(&report).unwrap().len();
        assert!(kept < 600 * 1024, "{kept}");
        assert_eq!(report["truncated"], true);
        assert_eq!(report["notes"][0]["text"], "after", "one list takes no room from another");
        assert!(report["chat"][0]["text"].as_str().unwrap().len() <= MAX_REPORT_TEXT_BYTES);
    }
}

#[test]
fn texts_are_cut_at_a_character() {
    let long = "ü".repeat(MAX_REPORT_TEXT_BYTES);
    for (inside, pointer) in [
        (format!("<public_site>{long}</public_site>"), "/public_site"),
        (format!("<public_site>x{long}</public_site>"), "/public_site"),
        (
            format!(
                "<cust_survey_list><cust_exit_survey><value name=\"a\" value=\"{long}\"/></cust_exit_survey></cust_survey_list>"
            ),
            "/surveys/0/answers/a",
        ),
        (
            format!(
                "<session_details><event event_type=\"File Upload\"><filename>{long}</filename></event></session_details>"
            ),
            "/files/0/name",
        ),
        (
            format!(
                "<custom_attributes><custom_attribute code_name=\"a\">{long}</custom_attribute></custom_attributes>"
            ),
            "/custom_attributes/a",
        ),
    ] {
        let report = report(&inside);
        let text = report.pointer(pointer).unwrap().as_str().unwrap();
        assert!(text.len() <= MAX_REPORT_TEXT_BYTES && text.len() > MAX_REPORT_TEXT_BYTES - 4, "{pointer}");
        assert_eq!(report["truncated"], true, "{pointer}");
    }
    let fetched = fetch(
        &with_everything(),
        xml_answer(session(&format!("{END}<external_key>{}</external_key>", "ü".repeat(2_000)))),
    );
    let cut = only(fetched.unwrap());
    assert_eq!(cut.external_key.map(|key| key.chars().count()), Some(1_024));
    assert!(cut.report.truncated);
}

#[test]
fn bodies_in_base64_are_decoded() {
    let body = |encoded: &str| {
        let report = report(&format!(
            "<session_details><event event_type=\"Session Note Added\"><encoded_body>{encoded}</encoded_body></event></session_details>"
        ));
        report["notes"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(body("SGVsbG8="), "Hello");
    assert_eq!(body("SGVs\r\nbG8="), "Hello");
    assert_eq!(body("G1sxbUhp"), "\u{1b}[1mHi");
    assert_eq!(body("/w=="), "\u{fffd}");
    assert_eq!(body("not base64"), "not base64");
    let long = body(&"QUJD".repeat(10_000));
    assert_eq!(long.len(), MAX_REPORT_TEXT_BYTES / 4 * 3);
    assert!(long.starts_with("ABCABC"));
}
