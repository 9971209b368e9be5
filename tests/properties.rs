//! What holds for every form, tried on forms that are almost right: random bytes would all fail at the first rule.

use std::collections::BTreeMap;

use crate::support::{GUARDED, Memory, now, post};
use outbound_events::event::{EventName, Lsid, Timestamp};
use outbound_events::identity::{Id, Site};
use outbound_events::keys::{EventKey, SetAsideKey};
use outbound_events::parse::parse;
use outbound_events::record::{Record, SetAside};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

type Form = BTreeMap<String, String>;

/// Text as people write it, and as they should not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{0,20}", 2 => "\\PC{0,20}", 1 => any::<String>()]
}

fn lsid() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[0-9a-f]{32}", 1 => "[!-~]{1,33}"]
}

/// A form that is an event.
fn valid() -> impl Strategy<Value = Form> {
    let name = prop_oneof![
        7 => (0..7_usize).prop_map(|i| EventName::GUIDE[i].as_str().to_owned()),
        1 => "[a-z0-9_]{1,64}",
    ];
    let member = (option::of(text()), option::of(text()), text(), any::<bool>());
    let owner = ("[^:]{1,10}:.{1,10}", text());
    let custom = btree_map("session\\.custom\\.[a-z]{1,8}|\\PC{1,8}", text(), 0..5);
    (name, "[!-~]{1,32}", 0..=Timestamp::MAX, lsid(), option::of(text()), member, owner, custom).prop_map(
        |(event, version, timestamp, lsid, key, (user_id, username, name, rep), (id, owner), custom)| {
            let mut form = custom;
            let mut add = |name: &str, value: String| form.insert(name.to_owned(), value);
            if event.contains("member") {
                add("type", if rep { "representative" } else { "customer" }.to_owned());
                add("name", name);
                user_id.map(|value| add("user_id", value));
                username.map(|value| add("username", value));
            }
            if event.contains("owner") {
                add("conference_id", id);
                add("conference_name", owner);
            }
            add("event", event);
            add("version", version);
            add("timestamp", timestamp.to_string());
            add("lsid", lsid);
            key.filter(|key| !key.is_empty()).map(|key| add("external_key", key));
            form
        },
    )
}

fn encode(form: &Form) -> Vec<u8> {
    serde_urlencoded::to_string(form).unwrap().into_bytes()
}

/// One small thing done to a form's bytes.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..6_u8, vec(any::<u8>(), 0..4));
    (valid(), vec(change, 1..4)).prop_map(|(form, changes)| {
        let mut bytes = encode(&form);
        for (index, byte, kind, more) in changes {
            let at = index.index(bytes.len().max(1)).min(bytes.len());
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => _ = bytes.remove(at),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, b"%&=+;"[usize::from(byte) % 5]),
                4 => _ = bytes.splice(at..at, more),
                _ => bytes.extend_from_slice(&bytes.clone()[at..]),
            }
        }
        bytes
    })
}

fn record(form: &Form, site: &str) -> (EventKey, Record) {
    let event = parse(&encode(form)).unwrap_or_else(|problems| panic!("{form:?}: {problems}"));
    Record::new(event, Site::parse(site).unwrap(), now())
}

proptest! {
    // The same forms at every run: a failure is there again when it is looked for.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(20_231_114),
        ..ProptestConfig::with_cases(2_000)
    })]

    #[test]
    fn what_goes_in_comes_back_from_the_record(form in valid()) {
        let (_, record) = record(&form, "hq");
        let read: Record = serde_json::from_slice(&record.to_json().unwrap()).unwrap();
        prop_assert_eq!(&read, &record);
        let sent: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
        prop_assert_eq!(read.data.form(), sent);
        prop_assert_eq!(read.data.event().unwrap(), parse(&encode(&form)).unwrap());
    }

    #[test]
    fn keys_read_back_and_are_portable(form in valid(), site in "[A-Za-z0-9-]{1,32}") {
        let (key, _) = record(&form, &site);
        let written = key.to_string();
        prop_assert!(written.len() <= 252);
        prop_assert!(written.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
        prop_assert_eq!(written.parse::<EventKey>().unwrap(), key);
    }

    #[test]
    fn keys_that_are_read_are_written_the_same(key in "(event|setaside)\\.[a-z]{1,3}\\.(0000000000[0-9]{2}\\.[a-z_0-9]{1,9}\\.(begin|x-[a-z_]{1,3})\\.)?[0-9a-f]{32}") {
        if let Ok(read) = key.parse::<EventKey>() {
            prop_assert_eq!(read.to_string(), key.clone());
        }
        if let Ok(read) = key.parse::<SetAsideKey>() {
            prop_assert_eq!(read.to_string(), key);
        }
    }

    #[test]
    fn sorted_keys_are_in_the_order_of_time(a in valid(), b in valid()) {
        let (a, b) = (record(&a, "hq").0, record(&b, "hq").0);
        if a.timestamp < b.timestamp {
            prop_assert!(a.to_string() < b.to_string());
        }
    }

    #[test]
    fn the_same_event_has_the_same_id_and_another_has_another(a in valid(), b in valid(), change in text()) {
        let id = |form: &Form| record(form, "hq").0.id;
        // In another order, spelled otherwise, and some of it twice.
        let pairs = a.iter().rev().map(|(name, value)| (if name == "lsid" { "Isid" } else { name }, value));
        let again = serde_urlencoded::to_string(pairs.chain(a.iter().map(|(n, v)| (n.as_str(), v))).collect::<Vec<_>>());
        let (again, _) = Record::new(parse(again.unwrap().as_bytes()).unwrap(), Site::parse("hq").unwrap(), now());
        prop_assert_eq!(id(&a), again.id);
        prop_assert_eq!(a == b, id(&a) == id(&b));
        prop_assert_ne!(id(&a), record(&a, "elsewhere").0.id);
        let mut changed = a.clone();
        changed.insert("session.custom.change".to_owned(), change);
        prop_assert_eq!(a == changed, id(&a) == id(&changed));
    }

    #[test]
    fn a_name_and_a_value_cannot_run_into_each_other(whole in "[a-z]{2,12}", at in any::<(prop::sample::Index, prop::sample::Index)>()) {
        let form = |at: usize| {
            let base = [("event", "e"), ("version", "1"), ("timestamp", "0")];
            let mut form: Form = base.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
            let (name, value) = whole.split_at(at);
            form.insert(format!("x-{name}"), value.to_owned());
            form
        };
        let (a, b) = (at.0.index(whole.len()), at.1.index(whole.len()));
        prop_assert_eq!(a == b, record(&form(a), "hq").0.id == record(&form(b), "hq").0.id);
    }

    #[test]
    fn whatever_a_trusted_sender_sends_is_kept_and_nothing_panics(body in almost()) {
        prop_assume!(!body.is_empty());
        let store = Memory::default();
        let call = || post("/?outbound_event_token=a-token-of-24-characters").body(&body).answer(&store, GUARDED);
        let reply = call();
        prop_assert_eq!(reply.status, 200);
        let again = call();
        let expected = if reply.result() == "stored" { "duplicate" } else { "set-aside" };
        prop_assert_eq!((again.status, again.result()), (200, expected));
        if reply.result() == "set-aside" {
            let kept: SetAside = serde_json::from_value(store.only()).unwrap();
            prop_assert_eq!(kept.body.bytes().unwrap().into_owned(), body.clone());
            prop_assert_eq!(kept.id.parse(), Ok(Id::of_body(&Site::default(), &body)));
        }
    }

    #[test]
    fn an_lsid_is_text_and_never_a_number(digits in "0{0,3}[0-9]{1,30}") {
        prop_assert_eq!(Lsid::parse(&digits).unwrap().to_string(), digits.clone());
        let form = format!("event=support_conference_end&version=1&timestamp=1&lsid={digits}");
        let (_, record) = Record::new(parse(form.as_bytes()).unwrap(), Site::default(), now());
        prop_assert_eq!(record.data.lsid, Some(digits));
    }
}
