//! No event that was answered 200 is lost or doubled, however often the host is killed.
#![allow(clippy::unwrap_used)]

use bench::kills::{Ledger, kill};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_under_load_lose_nothing_and_double_nothing() {
    let ledger = kill(100, || ()).await.unwrap();
    println!("{ledger:?}");
    assert_eq!(ledger, Ledger { lost: 0, doubled: 0, kills: 100, ..ledger });
    // The kills fell where it matters: between a commit and its 200.
    assert!(ledger.acknowledged > 10_000 && ledger.unanswered > 0, "{ledger:?}");
}
