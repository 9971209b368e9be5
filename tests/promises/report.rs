//! Any bytes, as an answer of an appliance's Reporting API: reports or a typed error, the same however the bytes are
//! split, and no more kept than there was.

use outbound_events::appliance_api::{ApiError, Appliance, ApplianceClient, FetchedSessions};
use outbound_events::event::Lsid;
use serde_json::json;

use crate::support::{Memory, Says, ScriptedAnswer, TestPlatform, Ways};

/// The sessions that are asked for: `s`, and `s-0` to `s-19`.
pub fn asked() -> Vec<Lsid> {
    let ids = (0..20).map(|number| format!("s-{number}")).chain(["s".to_owned()]);
    ids.map(|id| Lsid::parse(&id).unwrap()).collect()
}

/// The sessions of an answer, with all parts that a setting can ask for.
pub fn fetch(answer: impl Into<Says>) -> Result<FetchedSessions, ApiError> {
    let entry = json!([{
        "site": "hq", "url": "https://support.example.com", "client_id": "a", "client_secret": "a-secret-of-the-account",
        "include": ["notes", "chat", "system_information"],
    }]);
    let appliance = Appliance::read_all(&entry.to_string()).unwrap().remove(0);
    let (store, ways) = (Memory::default(), Ways::default());
    ways.say([ScriptedAnswer::new(200).body(json!({ "access_token": "a-token" }).to_string()).into(), answer.into()]);
    let monotonic = || ways.passed.get();
    let platform = TestPlatform::new(&store, || ways.now()).http_client(&ways).monotonic(&monotonic);
    pollster::block_on(async { ApplianceClient::connect(&platform, &appliance).await?.reports(&asked()).await })
}

/// The sessions of an answer that arrives in these parts.
pub fn fetch_in_parts<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> Result<FetchedSessions, ApiError> {
    let answer = ScriptedAnswer::new(200).header("content-type", "text/xml");
    fetch(parts.into_iter().fold(answer, ScriptedAnswer::body))
}

/// Checks an answer of these bytes.
pub fn hold(bytes: &[u8]) {
    let whole = fetch_in_parts([bytes]);
    let sizes = [1, 3, bytes.len() / 2 + 1];
    for size in sizes {
        assert_eq!(fetch_in_parts(bytes.chunks(size)), whole, "parts of {size} bytes change the result");
    }
    match whole {
        Err(error) => {
            assert!(!error.state().is_empty());
            let message = error.to_string();
            assert!(message.chars().count() < 500 && !message.contains(char::is_control), "{message:?}");
        }
        Ok(fetched) => {
            let asked = asked();
            let sessions = fetched.sessions.iter().map(|session| &session.lsid).chain(&fetched.not_ready);
            let mut seen: Vec<_> = sessions.collect();
            assert!(seen.iter().all(|lsid| asked.contains(lsid)), "only what was asked for");
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), fetched.sessions.len() + fetched.not_ready.len(), "each session once");
            let kept: usize =
                fetched.sessions.iter().map(|session| serde_json::to_vec(&session.report).unwrap().len()).sum();
            // Escapes of JSON, and the names and times of its fields.
            assert!(kept <= bytes.len() * 30 + 1_000, "{kept} bytes are kept of {}", bytes.len());
        }
    }
}
