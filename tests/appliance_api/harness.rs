//! An appliance without a socket, and a client of it.

use std::fmt::Write as _;

use outbound_events::appliance_api::{ApiError, Appliance, ApplianceClient, FetchedSessions, ReportedSession};
use outbound_events::event::{Lsid, Timestamp};
use outbound_events::platform::Platform;
use serde_json::{Value, json};

use crate::promises::report::asked;
use crate::support::{Memory, Says, ScriptedAnswer, TestPlatform, Ways};

pub const SECRET: &str = "XYZZY-the-secret-of-the-account";
pub const TOKEN: &str = "PLUGH-the-token-of-the-run";

/// The namespaces of products and ages, and none.
pub const NAMESPACES: [&str; 4] = [
    " xmlns=\"https://www.beyondtrust.com/namespaces/API/reporting\"",
    " xmlns=\"http://www.bomgar.com/namespaces/API/reporting\"",
    " xmlns=\"https://www.beyondtrust.com/sra/namespaces/API/reporting\"",
    "",
];

/// The `Date` of all answers: 2026-01-02T03:05:00Z.
pub const DATE: &str = "Fri, 02 Jan 2026 03:05:00 GMT";
pub const DATE_SECONDS: u64 = 1_767_323_100;

pub fn lsid(text: &str) -> Lsid {
    Lsid::parse(text).unwrap()
}

/// An entry of the setting, with these fields besides the required ones.
pub fn appliance(fields: &Value) -> Appliance {
    let mut entry = json!({
        "site": "hq",
        "url": "https://support.example.com",
        "client_id": "the-account",
        "client_secret": SECRET,
    });
    for (name, value) in fields.as_object().unwrap() {
        entry[name] = value.clone();
    }
    Appliance::read_all(&json!([entry]).to_string()).unwrap().remove(0)
}

/// An appliance that keeps all parts of reports.
pub fn with_everything() -> Appliance {
    appliance(&json!({ "include": ["notes", "chat", "system_information"] }))
}

pub fn token_answer() -> ScriptedAnswer {
    let body = json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 });
    ScriptedAnswer::new(200).header("date", DATE).header("content-type", "application/json").body(body.to_string())
}

pub fn xml_answer(xml: impl AsRef<[u8]>) -> ScriptedAnswer {
    ScriptedAnswer::new(200).header("date", DATE).header("content-type", "text/xml; charset=utf-8").body(xml)
}

/// The error of the Reporting API.
pub fn error_answer(text: &str) -> ScriptedAnswer {
    xml_answer(format!("<error{}>{text}</error>", NAMESPACES[0]))
}

pub const NOTHING: &str = "No Support report information matching your chosen criteria is available.";

/// Runs with a platform whose appliance gives these answers.
pub fn on<T>(
    ways: &Ways,
    answers: impl IntoIterator<Item = impl Into<Says>>,
    run: impl AsyncFnOnce(&TestPlatform<'_>) -> T,
) -> T {
    ways.say(answers);
    let store = Memory::default();
    let monotonic = || ways.passed.get();
    let platform = TestPlatform::new(&store, || ways.now()).http_client(ways).monotonic(&monotonic);
    pollster::block_on(run(&platform))
}

/// A client that has its token.
pub async fn connect<'a, P: Platform>(platform: &'a P, appliance: &'a Appliance) -> ApplianceClient<'a, P> {
    ApplianceClient::connect(platform, appliance).await.unwrap()
}

/// The error of a first request for a token.
pub fn refused(answer: impl Into<Says>) -> ApiError {
    let appliance = appliance(&json!({}));
    let ways = Ways::default();
    on(&ways, [answer], async |platform| ApplianceClient::connect(platform, &appliance).await.map(drop)).unwrap_err()
}

/// The result of a listing with this answer, after a token.
pub fn listed(answer: impl Into<Says>) -> Result<Vec<Lsid>, ApiError> {
    let appliance = appliance(&json!({}));
    let ways = Ways::default();
    on(&ways, [token_answer().into(), answer.into()], async |platform| {
        let mut client = connect(platform, &appliance).await;
        client.list_ended(Timestamp::from_seconds(1_767_319_445).unwrap(), 3_600).await
    })
}

/// The sessions of an answer to a request for those of [`asked`].
pub fn fetch(appliance: &Appliance, answer: impl Into<Says>) -> Result<FetchedSessions, ApiError> {
    let ways = Ways::default();
    on(&ways, [token_answer().into(), answer.into()], async |platform| {
        connect(platform, appliance).await.reports(&asked()).await
    })
}

/// The only session of an answer.
pub fn only(fetched: FetchedSessions) -> ReportedSession {
    assert_eq!((fetched.sessions.len(), fetched.unreadable.len(), fetched.not_ready.len()), (1, 0, 0), "{fetched:?}");
    fetched.sessions.into_iter().next().unwrap()
}

/// A list with the session `s`, which has this inside.
pub fn session(inside: &str) -> String {
    format!("<session_list{}><session lsid=\"s\">{inside}</session></session_list>", NAMESPACES[0])
}

/// The end of a session.
pub const END: &str = "<end_time timestamp=\"1764300333\">2025-11-28T03:25:33+00:00</end_time>";

/// A report with all parts, in a namespace, and with a prefix for each element.
pub fn sample(namespace: &str, prefix: &str) -> String {
    let text = SAMPLE.replace(" NAMESPACE", namespace);
    let mut sample = String::new();
    for part in text.split_inclusive('<') {
        let begins = part.starts_with(|char: char| char.is_ascii_alphabetic() || char == '/');
        match part.strip_prefix('/') {
            Some(rest) if begins => write!(sample, "/{prefix}{rest}").unwrap(),
            _ if begins && !sample.is_empty() => write!(sample, "{prefix}{part}").unwrap(),
            _ => sample.push_str(part),
        }
    }
    sample
}

const SAMPLE: &str = include_str!("sample.xml");
