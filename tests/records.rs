//! What an event is stored as: the record, its id and its key.

use crate::support::{BEGIN, GUARDED, Memory, OPEN, post, seven};
use outbound_events::keys::{EventKey, KeyParts, SetAsideKey};
use outbound_events::record::Record;
use outbound_events::set_aside::SetAside;
use serde_json::json;

/// Someone joins a session. A case adds the type and the name.
const JOINS: &str =
    "event=support_conference_member_added&version=1&timestamp=1700000000&lsid=c69a8e10bea9428f816cfababe9815fe";

/// The key and the value that a body is stored as.
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
fn a_record_has_no_empty_fields() {
    let (_, record) = stored("hq", "event=new_event&version=1&timestamp=0");
    assert_eq!(record.get("subject"), None);
    assert_eq!(record["time"], "1970-01-01T00:00:00Z");
    assert_eq!(record["data"], json!({"event": "new_event", "version": "1", "timestamp": 0}));
}

#[test]
fn several_values_are_an_array_and_one_is_a_text() {
    let form = format!("{BEGIN}&session.custom.tags[]=vip&session.custom.tags[]=eu&x=1&x=1&x=1");
    let (_, record) = stored("hq", &form);
    assert_eq!(record["data"]["variables"], json!({"session.custom.tags[]": ["vip", "eu"], "x": "1"}));
}

#[test]
fn a_record_has_a_role_as_it_was_sent_and_the_display_name() {
    let (_, record) = stored("hq", &format!("{JOINS}&type=external_representative&display_name=Jane+Doe"));
    assert_eq!(record["data"]["member"], json!({"type": "external_representative", "name": "Jane Doe"}));
    assert_eq!(record["data"].get("variables"), None);
}

/// An array that another program wrote into a store: what it says counts, not how.
#[test]
fn an_array_of_one_value_is_that_value() {
    let (_, one) = stored("hq", &format!("{BEGIN}&x=1"));
    let mut array = one.clone();
    array["data"]["variables"]["x"] = json!(["1"]);
    let read = |record: &serde_json::Value| Record::from_json(record.to_string().as_bytes()).unwrap().1;
    assert_eq!(read(&array), read(&one));
    for wrong in [json!(1), json!(null), json!({}), json!([1]), json!([["1"]])] {
        array["data"]["variables"]["x"] = wrong;
        assert!(Record::from_json(array.to_string().as_bytes()).is_err(), "{array}");
    }
}

#[test]
fn a_key_names_what_the_record_is() {
    let keys = seven().map(|(_, form)| stored("hq", &form).0);
    let short = keys.each_ref().map(|key| key.split('.').nth(4).unwrap());
    assert_eq!(short, ["begin", "end", "owner", "added", "departed", "customer-survey", "rep-survey"]);
    assert!(keys[0].starts_with("event.hq.001700000000.c69a8e10bea9428f816cfababe9815fe.begin."), "{}", keys[0]);

    let (key, record) = stored("hq", "event=new_event&version=1&timestamp=5&lsid=a/._B");
    assert_eq!(key, format!("event.hq.000000000005.a_2f_2e_5fB.x-new_event.{}", record["id"].as_str().unwrap()));
    let (key, _) = stored("hq", "event=new_event&version=1&timestamp=5");
    assert!(key.starts_with("event.hq.000000000005._.x-new_event."), "{key}");
}

/// Computed apart from this code, as `Id::of_event` defines it: by Python's hashlib.
#[test]
fn the_id_is_the_one_that_the_docs_define() {
    let cases = [
        (BEGIN.to_owned(), "2f05d53ae1bf5e405e85fc15be441e99"),
        (format!("{BEGIN}&session.custom.tags[]=vip&session.custom.tags[]=eu"), "778a1f247efb95f86146f48aef13be66"),
        (format!("{BEGIN}&session.custom.tags[]=eu&session.custom.tags[]=vip"), "778a1f247efb95f86146f48aef13be66"),
        (
            format!("{JOINS}&type=external_representative&display_name=Jane+Doe&appliance_id=hq"),
            "61db25dc7dbfdb853551f35f661d4fda",
        ),
        (
            "event=vault_account_checked_out&version=1&timestamp=1700000000&lsid=&name=svc".to_owned(),
            "8436a0170bffa4da7901ed4553773b18",
        ),
    ];
    for (form, id) in cases {
        assert_eq!(stored("default", &form).1["id"], id, "{form}");
    }
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
        format!("{BEGIN}&note=a+b\r\n"),
    ];
    for form in same {
        assert_eq!(id(&form), first, "{form}");
    }
    let other = [
        format!("{BEGIN}&note=a+b+"),
        format!("{BEGIN}&Note=a+b"),
        format!("{BEGIN}&note=a+b&external_key=+"),
        format!("{BEGIN}&not=ea+b"),
        format!("{BEGIN}&note=a+b&note=c"),
        format!("{BEGIN}&note=a+b%0D%0A"),
        BEGIN.to_owned(),
    ];
    for form in other {
        assert_ne!(id(&form), first, "{form}");
    }
    assert_ne!(stored("elsewhere", &format!("{BEGIN}&note=a+b")).1["id"], first, "another site's event is another");
}

#[test]
fn the_query_does_not_count_in_the_id() {
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
fn a_key_has_one_spelling() {
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

/// A listing has hundreds of thousands of keys, so they are split unchecked. Other keys are left alone.
#[test]
fn only_the_key_of_an_event_is_split() {
    let id = "0123456789abcdef0123456789abcdef";
    let key = format!("event.hq.000000000005.a_2f.x-y.{id}");
    let parts = KeyParts::split(&key).unwrap();
    assert_eq!((parts.key, parts.site, parts.timestamp), (key.as_str(), "hq", "000000000005"));
    assert_eq!((parts.lsid, parts.event().unwrap().as_str(), parts.id), ("a_2f", "y", id));
    assert!(KeyParts::split(&format!("event.hq.253402300799._.x-y.{id}")).is_some_and(|parts| !parts.has_lsid()));
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
        assert!(KeyParts::split(&key).is_none(), "{key}");
    }
}
