//! Kills of the host do not lose or double an event that was answered 200.
#![allow(clippy::unwrap_used)]

use bench::kills::{KillLedger, kill_repeatedly};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_under_load_lose_nothing_and_double_nothing() {
    let ledger = kill_repeatedly(100, || ()).await.unwrap();
    println!("{ledger:?}");
    assert_eq!(ledger, KillLedger { lost: 0, doubled: 0, kills: 100, ..ledger });
    // Some kills were between a commit and its 200.
    assert!(ledger.acknowledged > 10_000 && ledger.unanswered > 0, "{ledger:?}");
}
