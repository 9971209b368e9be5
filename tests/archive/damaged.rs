//! Unreadable packs.

use std::io::{Read as _, Write as _};

use super::harness::{ALL, all_rows, api, get, pack, packed};
use flate2::Compression;
use flate2::read::{GzDecoder, MultiGzDecoder};
use flate2::write::GzEncoder;
use outbound_events::archive::check::check_store;
use serde_json::{Value, json};

fn gzip(text: &str) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::default());
    member.write_all(text.as_bytes()).unwrap();
    member.finish().unwrap()
}

/// The head and the records of a pack, inflated.
fn members(value: &[u8]) -> (String, String) {
    let (mut head, mut both) = (String::new(), String::new());
    GzDecoder::new(value).read_to_string(&mut head).unwrap();
    MultiGzDecoder::new(value).read_to_string(&mut both).unwrap();
    let records = both.strip_prefix(&head).unwrap().to_owned();
    (head, records)
}

#[test]
fn a_damaged_pack_is_reported_and_kept_and_everything_else_is_shown() {
    let (store, key) = packed();
    let value = store.values.borrow()[&key].clone();
    let (head, records) = members(&value);
    let again = |head: &str, records: &str| {
        let records = gzip(records);
        let mut head: Value = serde_json::from_str(head).unwrap();
        head["records_bytes"] = json!(records.len());
        [gzip(&format!("{head}\n")), records].concat()
    };
    let elsewhere: Value = serde_json::from_str::<Value>(&head)
        .map(|mut head| {
            head["site"] = json!("west");
            head
        })
        .unwrap();
    let mut later: Value = serde_json::from_str(&head).unwrap();
    later["format"] = json!(2);
    let mut lines: Vec<_> = records.lines().collect();
    lines.swap(0, 1);
    let swapped = lines.join("\n") + "\n";
    let flipped = {
        let mut value = value.clone();
        let at = value.len() - 20;
        value[at] ^= 1;
        value
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "gzip"),
        ("text", b"no gzip".to_vec(), "gzip"),
        ("truncated in its head", value[..100].to_vec(), "gzip"),
        ("truncated in its records", value[..value.len() - 9].to_vec(), "truncated"),
        ("bytes after it", [value.as_slice(), b"more"].concat(), "too long"),
        ("changed bytes", flipped, ""),
        ("the head of another site", again(&elsewhere.to_string(), &records), "another site"),
        ("a later format", again(&later.to_string(), &records), "format 2"),
        ("no head", again("{}", &records), "head"),
        ("records in another order", again(&head, &swapped), "out of order"),
        ("a record too few", again(&head, &(lines[1..].join("\n") + "\n")), "record"),
        (
            "a record of another site",
            again(&head, &records.replacen("beyondtrust/hq", "beyondtrust/west", 1)),
            "does not belong to this pack",
        ),
        ("no record", again(&head, &records.replacen("specversion", "x\": \"", 1)), ""),
        ("a pack of packs", again(&head, &head), ""),
    ];
    for (what, bad, reason) in cases {
        store.values.borrow_mut().insert(key.clone(), bad.clone());
        let unreadable = |answer: &Value| answer["unreadable"].to_string();
        let list = get(&store, "/api/sessions?limit=200");
        let session = get(&store, "/api/sessions/hq/c69a8e10bea9428f816cfababe9815fe");
        assert_eq!(session["events"].as_array().unwrap().len(), 7, "{what}");
        assert!(list["sessions"].as_array().unwrap().iter().any(|row| row["site"] == "west"), "{what}: {list}");
        let reply = api(&store, "GET", "/api/events?limit=500");
        assert_eq!(reply.status, 200, "{what}: {reply:?}");
        let named = [unreadable(&list), reply.header("unreadable-records").to_owned()].concat();
        assert!(named.contains(&key) || named.ends_with('1'), "{what}: {named}");
        assert!(unreadable(&list) == "[]" || unreadable(&list).contains(reason), "{what}: {list}");
        // Compaction reports it and keeps it, whatever else it packs.
        let report = pack(&store, &ALL);
        assert!(report.unreadable.iter().any(|one| one.key == key) || unreadable(&list) == "[]", "{what}: {report:?}");
        assert_eq!(store.values.borrow().get(&key), Some(&bad), "{what}");
        let faults = pollster::block_on(check_store(&store, |_, _| ())).unwrap().faults;
        assert!(faults.iter().any(|fault| fault.key == key), "{what}: {faults:?}");
        assert_eq!(api(&store, "GET", "/api/stats").status, 200, "{what}");
        let packed: Vec<_> = store.keys().into_iter().filter(|k| k.starts_with("index.")).collect();
        packed.iter().for_each(|index| _ = store.values.borrow_mut().remove(index));
    }
    store.values.borrow_mut().insert(key, value);
    assert_eq!(all_rows(&store, "sessions", "/api/sessions", 200).len(), 21);
}
