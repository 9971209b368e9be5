//! Promises for every form, tested with forms that are almost valid: random bytes would all fail at the first rule.
//!
//! | module | what lives there |
//! |---|---|
//! | `before.rs` | the keys of events as the version before computed them |
//! | `several.rs` | variables with several values |
//! | `generated.rs` | the generators |

mod before;
mod generated;
mod several;

use crate::support::{GUARDED, Memory, now, post};
use generated::{Form, almost, encode, text, valid};
use outbound_events::event::Lsid;
use outbound_events::identity::{Id, Site};
use outbound_events::keys::{EventKey, SetAsideKey};
use outbound_events::parse::parse;
use outbound_events::record::Record;
use outbound_events::set_aside::SetAside;
use proptest::prelude::*;

fn record(form: &Form, site: &str) -> (EventKey, Record) {
    let event = parse(&encode(form)).unwrap_or_else(|problems| panic!("{form:?}: {problems}"));
    Record::new(event, Site::parse(site).unwrap(), now())
}

/// The same forms in every run, so that a failure can be repeated.
fn config() -> ProptestConfig {
    let rng_seed = "20231114".parse().unwrap();
    ProptestConfig { failure_persistence: None, rng_seed, ..ProptestConfig::with_cases(2_000) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_event_of_before_has_the_same_key(form in valid(), site in "[A-Za-z0-9-]{1,32}") {
        let body = encode(&form);
        let key = record(&form, &site).0.to_string();
        prop_assert_eq!(before::key(&body, &site), Some(key));
    }

    #[test]
    fn whatever_was_an_event_before_has_the_same_key(body in almost()) {
        // A form encoder writes no raw line end. Behind the body it was a part of the last value.
        prop_assume!(!body.ends_with(b"\n") && !body.ends_with(b"\r"));
        if let Some(key) = before::key(&body, "hq") {
            let (now, _) = Record::from_form(&body, &Site::parse("hq").unwrap(), now()).unwrap();
            prop_assert_eq!(now.to_string(), key);
        }
    }

    #[test]
    fn a_record_holds_the_form(form in valid()) {
        let (_, record) = record(&form, "hq");
        let (read, event) = Record::from_json(&record.to_json().unwrap()).unwrap();
        prop_assert_eq!(&read, &record);
        let sent: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.into())).collect();
        prop_assert_eq!(read.data.form(), sent);
        prop_assert_eq!(event, parse(&encode(&form)).unwrap());
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
        // In another order, in other spellings, and some of it twice.
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
    fn whatever_an_authenticated_sender_sends_is_kept_and_nothing_panics(body in almost()) {
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
