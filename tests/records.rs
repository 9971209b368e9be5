//! What is stored: the record, its id and its key.

use crate::support::{BEGIN, GUARDED, Memory, OPEN, post, seven};
use outbound_events::keys::{EventKey, KeyParts, SetAsideKey};
use outbound_events::record::SetAside;
use serde_json::json;

/// The one key and value that a body leaves.
fn stored(site: &str, body: &str) -> (String, serde_json::Value) {
    let store = Memory::default();
    let reply = post(&format!("/events/{site}")).body(body).answer(&store, OPEN);
    assert_eq!(reply.result(), "stored", "{body}: {reply:?}");
    (store.keys().remove(0), store.only())
}

#[test]
fn a_record_is_a_cloudevent() {
    let [_, _, owner, added, ..] = seven().map(|(_, form)| stored("hq", &format!("{form}&x=1")).1);
    let id = |record: &serde_json::Value| record["id"].clone();
    assert_eq!(
        added,
        json!({
            "specversion": "1.0",
            "id": id(&added),
            "source": "/beyondtrust/hq",
            "type": "com.beyondtrust.support_conference_member_added",
            "subject": "c69a8e10bea9428f816cfababe9815fe",
            "time": "2023-11-14T22:13:20Z",
            "recordedtime": "2026-01-02T03:04:05.678000Z",
            "datacontenttype": "application/json",
            "data": {
                "event": "support_conference_member_added",
                "version": "22.1.1",
                "timestamp": 1_700_000_000,
                "lsid": "c69a8e10bea9428f816cfababe9815fe",
                "external_key": "INC-1",
                "member": {"type": "representative", "name": "John Smith", "user_id": "12", "username": "jsmith"},
                "variables": {"x": "1"},
            },
        })
    );
    assert_eq!(owner["data"]["conference"], json!({"kind": "team", "id": "5", "name": "Troubleshooting"}));
}

#[test]
fn what_an_event_does_not_have_its_record_does_not_have() {
    let (_, record) = stored("hq", "event=new_event&version=1&timestamp=0");
    assert_eq!(record.get("subject"), None);
    assert_eq!(record["time"], "1970-01-01T00:00:00Z");
    assert_eq!(record["data"], json!({"event": "new_event", "version": "1", "timestamp": 0}));
}

#[test]
fn a_key_says_what_the_record_is() {
    let keys = seven().map(|(_, form)| stored("hq", &form).0);
    let short = keys.each_ref().map(|key| key.split('.').nth(4).unwrap());
    assert_eq!(short, ["begin", "end", "owner", "added", "departed", "customer-survey", "rep-survey"]);
    assert!(keys[0].starts_with("event.hq.001700000000.c69a8e10bea9428f816cfababe9815fe.begin."), "{}", keys[0]);

    let (key, record) = stored("hq", "event=new_event&version=1&timestamp=5&lsid=a/._B");
    assert_eq!(key, format!("event.hq.000000000005.a_2f_2e_5fB.x-new_event.{}", record["id"].as_str().unwrap()));
    let (key, _) = stored("hq", "event=new_event&version=1&timestamp=5");
    assert!(key.starts_with("event.hq.000000000005._.x-new_event."), "{key}");
}

/// Computed apart from this code, by what `Id::of_event` says: Python's hashlib over the parts, each after its length.
#[test]
fn the_id_is_the_one_that_the_docs_define() {
    assert_eq!(stored("default", BEGIN).1["id"], "2f05d53ae1bf5e405e85fc15be441e99");
}

#[test]
fn the_same_event_has_the_same_id_however_it_is_written() {
    let id = |form: &str| stored("hq", form).1["id"].clone();
    let first = id(&format!("{BEGIN}&note=a+b"));
    let same = [
        format!("note=a%20b&{BEGIN}"),
        format!("{BEGIN}&note=a%20b&external_key="),
        format!("&&{BEGIN}&note=a+b&version=1&"),
        format!("{BEGIN}&note=a+b").replace("lsid", "Isid"),
    ];
    for form in same {
        assert_eq!(id(&form), first, "{form}");
    }
    let other = [
        format!("{BEGIN}&note=a+b+"),
        format!("{BEGIN}&Note=a+b"),
        format!("{BEGIN}&note=a+b&external_key=+"),
        format!("{BEGIN}&not=ea+b"),
        BEGIN.to_owned(),
    ];
    for form in other {
        assert_ne!(id(&form), first, "{form}");
    }
    assert_ne!(stored("elsewhere", &format!("{BEGIN}&note=a+b")).1["id"], first, "another site's event is another");
}

#[test]
fn the_query_takes_no_part_in_the_id() {
    let store = Memory::default();
    for (uri, result) in [("/?a=1", "stored"), ("/?outbound_event_token=x&lsid=y", "duplicate")] {
        assert_eq!(post(uri).body(BEGIN).answer(&store, OPEN).result(), result);
    }
}

#[test]
fn a_body_that_is_set_aside_comes_back_byte_for_byte() {
    let bodies: [&[u8]; 5] =
        [b"plain text", b"event=\xc3\xa9\r\n\t\"", b"\0\0\0\0", b"\xff", "a\u{2028}ü🦀".as_bytes()];
    for body in bodies {
        let store = Memory::default();
        let reply = post("/events/hq?outbound_event_token=a-token-of-24-characters").body(body).answer(&store, GUARDED);
        assert_eq!(reply.result(), "set-aside");
        let key: SetAsideKey = store.keys()[0].parse().unwrap();
        assert_eq!((key.site.as_str(), key.id.to_string().as_str()), ("hq", reply.header("event-id")));
        let kept: SetAside = serde_json::from_value(store.only()).unwrap();
        assert_eq!(kept.body.bytes().unwrap(), body);
        assert_eq!((kept.site.as_str(), kept.firstseen.as_str()), ("hq", "2026-01-02T03:04:05.678Z"));
        assert!(!kept.problems.is_empty());
    }
}

#[test]
fn only_a_key_as_it_is_written_is_one() {
    let id = "0123456789abcdef0123456789abcdef";
    assert!(format!("event.hq.000000000005.a_2f.begin.{id}").parse::<EventKey>().is_ok());
    let wrong = [
        String::new(),
        "health".into(),
        format!("event.hq.000000000005.a.begin.{id}."),
        format!("event.hq.000000000005.a.begin.{id}.x"),
        format!("event.hq.000000000005.a.begin.{}", id.to_uppercase()),
        format!("event.hq.5.a.begin.{id}"),
        format!("event.hq.+00000000005.a.begin.{id}"),
        format!("event.hq.999999999999.a.begin.{id}"),
        format!("event..000000000005.a.begin.{id}"),
        format!("event.h_q.000000000005.a.begin.{id}"),
        format!("event.hq.000000000005..begin.{id}"),
        format!("event.hq.000000000005.a_2F.begin.{id}"),
        format!("event.hq.000000000005.a_61.begin.{id}"),
        format!("event.hq.000000000005.a_e9.begin.{id}"),
        format!("event.hq.000000000005.a_é.begin.{id}"),
        format!("event.hq.000000000005.a_+f.begin.{id}"),
        format!("event.hq.000000000005.a__.begin.{id}"),
        format!("event.hq.000000000005._.begin.{id}"),
        format!("event.hq.000000000005.a.begun.{id}"),
        format!("event.hq.000000000005.a.x-.{id}"),
        format!("event.hq.000000000005.a.x-support_conference_begin.{id}"),
        format!("setaside.hq.{id}"),
    ];
    for key in wrong {
        assert!(key.parse::<EventKey>().is_err(), "{key}");
    }
    assert!(format!("setaside.hq.{id}").parse::<SetAsideKey>().is_ok());
    for key in [format!("setaside.{id}"), format!("setaside.hq.x.{id}"), format!("setaside.h_q.{id}")] {
        assert!(key.parse::<SetAsideKey>().is_err(), "{key}");
    }
}

/// Listed by the hundred thousand, keys are cut where their parts must be. What is none of ours goes by unharmed.
#[test]
fn what_is_cut_into_the_parts_of_an_events_key_has_them() {
    let id = "0123456789abcdef0123456789abcdef";
    let key = format!("event.hq.000000000005.a_2f.x-y.{id}");
    let parts = KeyParts::of(&key).unwrap();
    assert_eq!((parts.key, parts.site, parts.timestamp), (key.as_str(), "hq", "000000000005"));
    assert_eq!((parts.lsid, parts.event().unwrap().as_str(), parts.id), ("a_2f", "y", id));
    assert!(KeyParts::of(&format!("event.hq.253402300799._.x-y.{id}")).is_some_and(|parts| !parts.has_lsid()));
    let wrong = [
        String::new(),
        "event.".into(),
        "event.hq.".into(),
        "event.hq.000000000005.".into(),
        format!("event.hq.000000000005.{id}"),
        format!("event.hq.000000000005..{id}"),
        format!("event.hq.000000000005.a.{id}"),
        format!("event.hq.000000000005..begin.{id}"),
        format!("event.hq.000000000005.a.begin.more.{id}"),
        format!("event.hq.000000000005.a.begin.{id}."),
        format!("event.hq.000000000005.a.begin.{id}0"),
        format!("event.hq.000000000005.a.begin{id}"),
        format!("event.hq.000000000005a.begin.{id}"),
        format!("event.hq.000000000005.a.begin.{}", id.to_uppercase()),
        format!("event.hq.00000000005.a.begin.{id}"),
        format!("event.hq.0000000000005.a.begin.{id}"),
        format!("event.hq.+00000000005.a.begin.{id}"),
        format!("event.hq.253402300800.a.begin.{id}"),
        format!("event.hq.00000000000\u{e9}a.begin.{id}"),
        "event.hq.000000000005.a.begin.\u{e9}123456789abcdef0123456789abcdef".into(),
        format!("event..000000000005.a.begin.{id}"),
        format!("event.h_q.000000000005.a.begin.{id}"),
        format!("Event.hq.000000000005.a.begin.{id}"),
        format!("setaside.hq.{id}"),
        format!("pack.hq.000000000005.000000000006.{id}"),
    ];
    for key in wrong {
        assert!(KeyParts::of(&key).is_none(), "{key}");
    }
}
