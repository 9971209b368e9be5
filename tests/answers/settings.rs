//! Settings that are missing or invalid, and `/health`.

use std::cell::RefCell;

use super::harness::{WITH_TOKEN, assert_accepted, assert_refused};
use crate::support::{BEGIN, Call, GUARDED, Memory, OPEN, TOKEN, call, now, post};
use outbound_events::service::{FollowUp, Service};
use outbound_events::settings::{SettingVariables, Settings};

#[test]
fn without_configuration_no_event_is_accepted() {
    for settings in [&[][..], &[("ingest_open", "false")], &[("ingest_tokens", ""), ("ingest_open", "")]] {
        let store = Memory::default();
        let reply = post("/events").body(BEGIN).answer(&store, settings);
        assert_refused("shut", &reply, 503, &store);
        assert!(reply.body.contains("ingest_tokens") && reply.body.contains("ingest_open=true"), "{}", reply.body);
        assert_eq!(reply.header("retry-after"), "5");
        assert_eq!(reply.chunks_asked, 0);
    }
}

#[test]
fn an_invalid_setting_is_named_and_never_guessed() {
    let (long_list, long_name) = (format!("{TOKEN},{TOKEN},short"), "b".repeat(65));
    let cases = [
        ("ingest_tokens", "short"),
        ("ingest_tokens", "a-token-of-24-characters,"),
        ("ingest_tokens", "a-token-of-24-characters "),
        ("ingest_tokens", "a token with blanks in it"),
        ("ingest_tokens", long_list.as_str()),
        ("ingest_open", "yes"),
        ("ingest_open", "True"),
        ("max_body_bytes", "0"),
        ("max_body_bytes", "262145"),
        ("max_body_bytes", "128k"),
        ("max_body_bytes", "+100"),
        ("max_body_bytes", "-1"),
        ("bucket", "a bucket"),
        ("bucket", long_name.as_str()),
    ];
    for (name, value) in cases {
        let store = Memory::default();
        let settings: Vec<_> =
            [("ingest_open", "true")].into_iter().filter(|(n, _)| *n != name).chain([(name, value)]).collect();
        let refused = post("/events").body(BEGIN).answer(&store, &settings);
        assert_refused(name, &refused, 503, &store);
        for reply in [refused, call("GET", "/health").answer(&store, &settings)] {
            assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
            assert!(reply.body.contains(name), "{}", reply.body);
            assert!(reply.log.as_ref().is_some_and(|line| line.contains(name)), "{:?}", reply.log);
            let shown = format!("{}{:?}", reply.body, reply.log);
            assert!(name != "ingest_tokens" || !shown.contains(value), "a token is shown: {shown}");
        }
    }
}

/// An invalid setting must not hold back events that do not need it. Requests that need it and `/health` report it.
#[test]
fn an_invalid_setting_that_no_event_needs_fails_only_where_it_is_needed() {
    let invalid = || post(WITH_TOKEN).body("no event");
    let stats = || call("GET", "/api/stats").header("authorization", format!("Bearer {TOKEN}"));
    let cases: [(&str, &str, &dyn Fn() -> Call); 6] = [
        ("invalid_events", "drop", &invalid),
        ("read_tokens", "short", &stats),
        ("read_tokens", "a-token-of-24-characters,", &stats),
        ("key_budget", "0", &stats),
        ("key_budget", "1k", &stats),
        ("destinations", "nobody", &stats),
    ];
    for (name, value, counts) in cases {
        let store = Memory::default();
        let settings = [("ingest_tokens", TOKEN), (name, value)];
        let stored = post(WITH_TOKEN).body(BEGIN).answer(&store, &settings);
        assert_accepted(&stored, "stored");
        // The work after the answer was not done.
        assert!(name != "destinations" || stored.log.is_some_and(|line| line.contains(name)));
        for reply in [counts().answer(&store, &settings), call("GET", "/health").answer(&store, &settings)] {
            assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{name}");
            assert!(reply.body.contains(name), "{}", reply.body);
            assert!(reply.log.as_ref().is_some_and(|line| line.contains(name)), "{:?}", reply.log);
        }
        assert_eq!(store.keys().len(), 1, "{name}: {:?}", store.keys());
    }
}

/// In a component, each read of a setting is a call to the host.
#[test]
fn an_event_reads_the_settings_that_it_needs_and_no_others() {
    let read = RefCell::new(Vec::new());
    let variable = |name: &str| {
        read.borrow_mut().push(name.to_owned());
        Ok((name == "ingest_tokens").then(|| TOKEN.to_owned()))
    };
    let (store, variables) = (Memory::default(), SettingVariables::new(&variable));
    let platform = crate::support::at(&store, now());
    let service = Service { platform: &platform, variables: &variables };
    let head = http::Request::post(WITH_TOKEN).body(()).unwrap().into_parts().0;
    let mut body = Some(BEGIN.as_bytes().to_vec());
    let answer = pollster::block_on(service.handle(Ok(head), async || Ok(body.take())));
    assert_eq!(answer.response.status(), 200);
    assert_eq!(read.take(), ["ingest_tokens", "max_body_bytes", "bucket"]);
    pollster::block_on(service.follow_up(FollowUp { deliver: true, ..FollowUp::default() }));
    assert_eq!(read.take(), ["delivery_runs", "destinations"]);
}

#[test]
fn the_bucket_always_has_a_name() {
    for (configured, name) in [(None, "default"), (Some(""), "default"), (Some("events-2"), "events-2")] {
        let variable = |name: &str| Ok(configured.filter(|_| name == "bucket").map(str::to_owned));
        assert_eq!(Settings::from_variables(variable).unwrap().bucket.as_str(), name, "{configured:?}");
    }
}

#[test]
fn health_reports_whether_events_are_accepted() {
    for (settings, ingest) in [(OPEN, "open"), (GUARDED, "guarded")] {
        for method in ["GET", "HEAD"] {
            let reply = call(method, "/health").answer(&Memory::default(), settings);
            assert_eq!(reply.status, 200);
            let health: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(health, serde_json::json!({"ready": true, "ingest": ingest}));
        }
    }
    let shut = call("GET", "/health").answer(&Memory::default(), &[]);
    assert_eq!(shut.status, 503);
    let health: serde_json::Value = serde_json::from_str(&shut.body).unwrap();
    assert_eq!((&health["ready"], &health["ingest"]), (&false.into(), &"shut".into()));
    assert!(health["detail"].as_str().unwrap().contains("ingest_tokens"));
}
