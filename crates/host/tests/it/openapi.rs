//! The description of the API is correct: schemathesis sends requests by it and checks the answers.

use crate::forms;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, GUARDED, Kind, Recipient, TOKEN};
use serde_json::Value;

/// A destination without a server, and one that pulls.
const DESTINATIONS: &str = r#"destinations=[{"name": "0", "url": "http://127.0.0.1:9/"}, {"name": "a", "format": "pull", "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"}]"#;

#[test]
fn every_answer_is_as_described() {
    let recipient = Recipient::start(
        Kind::Host,
        &[
            GUARDED,
            &format!("read_tokens={TOKEN}"),
            &format!("admin_tokens={TOKEN}"),
            &format!("tick_token={TOKEN}"),
            DESTINATIONS,
        ],
    );
    let path = format!("/events/hq?outbound_event_token={TOKEN}");
    for (_, form) in forms::seven() {
        recipient.post(&path, form);
    }
    // More events than the calls erase and remove.
    for n in 0..100 {
        let begin = "event=support_conference_begin&version=1&timestamp=1700000000";
        recipient.post(&path, format!("{begin}&lsid={n:032x}"));
        recipient.post(&path, format!("no event {n}"));
    }
    // With a token, any body is stored, so requests that violate the description are left out there, and for linked
    // calls.
    for (paths, mode, phases, examples) in [
        ("^/(api|health|tick)", "all", EACH, "30"),
        ("^/events", "positive", EACH, "30"),
        ("^/", "positive", "stateful", "400"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls.json");
        let output = Command::new(schemathesis())
            .args(["run", &format!("http://{}/openapi.yaml", recipient.address), "--checks", "all"])
            .args(["--include-path-regex", paths, "--mode", mode, "--phases", phases])
            .args(["--max-examples", examples, "--seed", "1", "--no-color", "--report-har-path"])
            .arg(&calls)
            .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(" passed"), "{said}");
        if phases == "stateful" {
            each_has_found_something(&calls);
        }
    }
}

/// All phases without linked calls.
const EACH: &str = "examples,coverage,fuzzing";

/// With made-up ids, these five operations would only get 404.
fn each_has_found_something(calls: &Path) {
    let calls: Value = serde_json::from_slice(&std::fs::read(calls).unwrap()).unwrap();
    let calls = calls["log"]["entries"].as_array().unwrap();
    for (method, begin, end) in [
        ("GET", "/api/events/", ""),
        ("GET", "/api/sessions/", ""),
        ("DELETE", "/api/sessions/", ""),
        ("DELETE", "/api/set-aside/", ""),
        ("POST", "/api/set-aside/", "/retry"),
    ] {
        let is_one = |call: &&Value| {
            let url: http::Uri = call["request"]["url"].as_str().unwrap().parse().unwrap();
            call["request"]["method"] == method && url.path().starts_with(begin) && url.path().ends_with(end)
        };
        let statuses: BTreeSet<_> =
            calls.iter().filter(is_one).map(|call| call["response"]["status"].as_u64().unwrap()).collect();
        // A body that was not an event still is not one: 409.
        let found = [200, 204, 409].iter().any(|status| statuses.contains(status));
        assert!(found, "{method} {begin}…{end}: {statuses:?}");
    }
}

fn schemathesis() -> PathBuf {
    let path = support::root().join("target/python/bin/schemathesis");
    assert!(path.is_file(), "{} is not there; `cargo xtask test` installs it", path.display());
    path
}
