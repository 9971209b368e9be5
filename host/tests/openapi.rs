//! The description of the API is true: schemathesis makes requests of it, and holds the answers to it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

#[path = "../../tests/support/forms.rs"]
mod forms;

use std::path::PathBuf;
use std::process::Command;

use support::{GUARDED, Kind, Recipient, TOKEN};

/// One where nobody listens, and one that pulls.
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
    recipient.post(&path, "no event");
    // A sender with a token may send anything, and it is kept: only what is described is tried there.
    for (paths, mode) in [("^/(api|health|tick)", "all"), ("^/events", "positive")] {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(schemathesis())
            .args(["run", &format!("http://{}/openapi.yaml", recipient.address), "--checks", "all"])
            .args(["--include-path-regex", paths, "--mode", mode, "--max-examples", "30", "--seed", "1", "--no-color"])
            .args(["--header", &format!("Authorization: Bearer {TOKEN}")])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(" passed"), "{said}");
    }
}

fn schemathesis() -> PathBuf {
    let path = support::root().join("target/python/bin/schemathesis");
    assert!(path.is_file(), "{} is not there; `cargo xtask test` installs it", path.display());
    path
}
