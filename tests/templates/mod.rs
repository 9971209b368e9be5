//! Templates: ready ones against the documentation of each service, own ones, and hostile events.
//!
//! | file | what it tests |
//! |---|---|
//! | `ready.rs` | the format that each service requires, and the text that its users read |
//! | `hostile.rs` | the limits of each service, and hostile events: no links, mentions, formatting or lines |
//! | `own.rs` | own templates: filters, escapes, paths |
//! | `trial.rs` | invented events, rendered before anything is sent |

mod hostile;
mod own;
mod ready;
mod trial;

use chrono::{DateTime, Utc};
use outbound_events::archive::pack::RecordEntry;
use outbound_events::event::{Lsid, Timestamp};
use outbound_events::forward::destination::{DeliveryMode, Destination};
use outbound_events::forward::request::{EventToSend, request};
use outbound_events::identity::Site;
use outbound_events::parse::parse;
use outbound_events::record::Record;
use outbound_events::report::{
    FetchedReport, ReportCustomer, ReportFile, ReportLinks, ReportRepresentative, ReportText, SessionReport,
};
use outbound_events::session::Timeline;
use serde_json::{Value, json};

/// Values that have a meaning for some receiver.
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

fn entry(form: &str) -> RecordEntry {
    let event = parse(form.as_bytes()).unwrap_or_else(|problems| panic!("{form}: {problems}"));
    RecordEntry::parse(Record::new(event, Site::parse("hq").unwrap(), Utc::now()).1.to_json().unwrap()).unwrap()
}

fn form(pairs: &[(&str, &str)]) -> String {
    serde_urlencoded::to_string(pairs).unwrap()
}

/// A customer of this name joins a session with this external key.
fn joins(lsid: &str, name: &str, external_key: &str) -> RecordEntry {
    entry(&form(&[
        ("event", "support_conference_member_added"),
        ("version", "1"),
        ("timestamp", "1767000000"),
        ("lsid", lsid),
        ("type", "customer"),
        ("name", name),
        ("external_key", external_key),
    ]))
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds).unwrap()
}

/// A report.
fn report(lsid: &str, report: SessionReport, external_key: &str) -> RecordEntry {
    let (site, lsid) = (Site::parse("hq").unwrap(), Lsid::parse(lsid).unwrap());
    let external_key = Some(external_key.to_owned()).filter(|key| !key.is_empty());
    let fetched = FetchedReport { fetched: report.end, report };
    let (_, value) = fetched.record(&site, &lsid, external_key, DateTime::UNIX_EPOCH).unwrap();
    RecordEntry::parse(value).unwrap()
}

/// A report in which every text is this one, and every list has more items than a template shows.
fn report_of(text: &str, number: u64) -> SessionReport {
    let some = Some(text.to_owned());
    let customer = ReportCustomer {
        name: some.clone(),
        public_address: some.clone(),
        private_address: some.clone(),
        hostname: some.clone(),
        os: some.clone(),
        company: some.clone(),
        issue: some.clone(),
        details: some.clone(),
    };
    let representative = ReportRepresentative {
        id: some.clone(),
        name: some.clone(),
        username: some.clone(),
        public_address: some.clone(),
        private_address: some.clone(),
        hostname: some.clone(),
        os: some.clone(),
        seconds_involved: Some(number),
        owner: true,
    };
    let said = ReportText { time: Some(at(1_767_000_000)), by: some.clone(), text: text.to_owned() };
    let file =
        ReportFile { time: None, action: text.to_owned(), by: some.clone(), name: some.clone(), bytes: Some(number) };
    let url = Some(format!("https://support.example.com/{text}"));
    SessionReport {
        session_type: some.clone(),
        sequence_number: some.clone(),
        start: Some(at(1_767_000_000)),
        duration_seconds: Some(number),
        public_site: some.clone(),
        team: some.clone(),
        primary_customer: some.clone(),
        primary_representative: some.clone(),
        files_transferred: Some(number),
        files_moved: Some(number),
        files_deleted: Some(number),
        customers: vec![customer; 12],
        representatives: vec![representative; 12],
        links: ReportLinks {
            chat: url.clone(),
            chat_download: url.clone(),
            recording: url.clone(),
            recording_download: url,
        },
        files: vec![file; 12],
        notes: vec![said.clone(); 6],
        chat: vec![said.clone()],
        system_information: vec![said],
        ..SessionReport::ended(at(1_767_000_333))
    }
}

fn destination(template: Value, url: &str) -> Destination {
    let all = json!([{ "name": "a", "url": url, "format": "template", "template": template }]);
    Destination::read_all(&all.to_string()).unwrap_or_else(|faults| panic!("{faults:?}")).remove(0)
}

/// The request for an event in a session with these events.
fn send_in_session(
    destination: &Destination,
    entry: &RecordEntry,
    session: &[RecordEntry],
) -> Result<(String, Vec<u8>), String> {
    let DeliveryMode::Push(push) = &destination.mode else { panic!("it pulls") };
    let events: Vec<_> = session.iter().map(|entry| (entry.event().unwrap(), entry.delivered)).collect();
    let timeline = Timeline::new(events.iter().map(|(event, delivered)| (event, *delivered)));
    let timeline = entry.key.lsid.as_ref().map(|_| &timeline);
    let event = EventToSend { entry, session: timeline };
    let request = request(push, &destination.secrets, &[event], None, Utc::now())?;
    Ok((request.uri().to_string(), request.into_body()))
}

/// The request for an event that is the only one of its session.
fn send(destination: &Destination, entry: &RecordEntry) -> Result<(String, Vec<u8>), String> {
    send_in_session(destination, entry, std::slice::from_ref(entry))
}

fn body(template: &str, entry: &RecordEntry) -> Value {
    let destination = destination(json!(template), "https://x.example/y");
    serde_json::from_slice(&send(&destination, entry).unwrap().1).unwrap()
}
