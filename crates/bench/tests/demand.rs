//! What an event demands of an instance of the component, and of its host.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bench::contender::RECIPIENT;
use bench::demand::event_demands;

/// Each of the guide's seven events, in open mode: with tokens, one setting less is read. The one whose id lets the
/// component check whether a compaction is due needs more.
#[tokio::test]
async fn an_event_asks_its_store_twice_its_host_nineteen_times_and_writes_four_pages() {
    let demands = event_demands(RECIPIENT).await.unwrap();
    assert_eq!(demands.len(), 7);
    let mut without_check = 0;
    for demand in demands {
        let of_store = |function: &str| demand.calls.get(&format!("key-value [method]store.{function}")).copied();
        assert_eq!(of_store("exists"), Some(1), "{demand:?}");
        if of_store("get-keys").is_some() {
            assert!(demand.pages.written.len() <= 6, "{demand:?}");
            continue;
        }
        without_check += 1;
        assert_eq!((of_store("set"), of_store("get"), of_store("delete")), (Some(1), None, None), "{demand:?}");
        assert!(demand.calls.values().sum::<u64>() <= 19, "{demand:?}");
        // One more where the data ends just below a page.
        assert!(demand.pages.written.len() <= 5, "{demand:?}");
    }
    assert!(without_check >= 5);
}
