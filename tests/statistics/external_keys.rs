//! "The session of INC0012345" is found without reading every pack.

use serde_json::Value;

use super::{DAY, MARCH, form, get, pack, send};
use crate::support::Memory;

/// A pack for each of some days, and one loose session.
fn store(days: i64) -> Memory {
    let store = Memory::default();
    for day in 0..=days {
        for number in 0..3 {
            let (lsid, at) = (format!("s{day}-{number}"), MARCH + day * DAY + number);
            let key = format!("&external_key=INC{day}{number}");
            send(
                &store,
                ["hq", "west"][usize::from(number == 2)],
                &form("support_conference_begin", &lsid, at, ""),
                at,
            );
            send(&store, "hq", &form("support_conference_end", &lsid, at + 9, &key), at + 9);
        }
        if day < days {
            pack(&store, MARCH + day * DAY + 60);
        }
    }
    store
}

fn found(store: &Memory, key: &str) -> Vec<String> {
    let list = get(store, &format!("/api/sessions?external_key={key}"), MARCH + 50 * DAY);
    assert_eq!((&list["next"], &list["searched_through"]), (&Value::Null, &Value::Null), "{list}");
    let lsid = |row: &Value| format!("{}/{}", row["site"].as_str().unwrap(), row["lsid"].as_str().unwrap());
    list["sessions"].as_array().unwrap().iter().map(lsid).collect()
}

#[test]
fn a_session_is_found_by_its_external_key_wherever_it_is() {
    let store = store(20);
    let find_all = |what: &str| {
        for (key, session) in [("INC50", "hq/s5-0"), ("INC191", "hq/s19-1"), ("INC201", "hq/s20-1")] {
            assert_eq!(found(&store, key), [session], "{what}: {key}");
        }
        assert_eq!(found(&store, "INC5"), [""; 0], "{what}: only the whole key counts");
        assert_eq!(found(&store, "inc50"), [""; 0], "{what}: as it is spelled");
    };
    find_all("with indexes");
    store.values.borrow_mut().retain(|key, _| !key.starts_with("index.keys."));
    find_all("without the index of keys");
    store.values.borrow_mut().retain(|key, _| !key.starts_with("index."));
    find_all("without any index");
}

#[test]
fn other_packs_are_not_read() {
    let store = store(20);
    let calls = |key: &str| {
        store.calls.borrow_mut().clear();
        found(&store, key);
        store.calls.borrow().iter().filter(|call| **call == "get").count()
    };
    let indexes = store.keys().iter().filter(|key| key.starts_with("index.")).count();
    let loose = store.keys().iter().filter(|key| key.starts_with("event.")).count();
    // The pack of the session; a key that nobody has needs none.
    let most = indexes + loose;
    assert!(calls("INC50") <= most + 1, "{} > {most} + 1", calls("INC50"));
    assert!(calls("INC999") <= most, "{} > {most}", calls("INC999"));
}
