//! Variables with several values: events now, set aside before.

use std::collections::BTreeMap;

use crate::support::{Memory, TOKEN, call, now};
use outbound_events::identity::Site;
use outbound_events::keys::EventKey;
use outbound_events::parse::{Problem, parse};
use outbound_events::record::Record;
use outbound_events::set_aside::SetAside;
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;

use super::generated::{text, valid};
use super::{before, config};

/// Variables in the order in which they are sent.
type Pairs = Vec<(String, String)>;

/// The names of the variables with several values end with this, and no others do.
const SEVERAL: &str = "[]";

/// The same pairs in two orders. Some variables have two to four values.
fn in_two_orders() -> impl Strategy<Value = (Pairs, Pairs)> {
    let several = btree_map("session\\.custom\\.[a-z]{1,8}\\[\\]", btree_set(text(), 2..5), 1..4);
    (valid(), several).prop_flat_map(|(form, several)| {
        let mut pairs: Pairs = form.into_iter().collect();
        for (name, values) in several {
            pairs.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
        (Just(pairs.clone()).prop_shuffle(), Just(pairs).prop_shuffle())
    })
}

fn encode(pairs: &Pairs) -> Vec<u8> {
    serde_urlencoded::to_string(pairs).unwrap().into_bytes()
}

fn record(pairs: &Pairs) -> (EventKey, Record) {
    let event = parse(&encode(pairs)).unwrap_or_else(|problems| panic!("{pairs:?}: {problems}"));
    Record::new(event, Site::default(), now())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_id_ignores_the_order_of_variables_and_of_values((sent, shuffled) in in_two_orders()) {
        let (key, first) = record(&sent);
        prop_assert_eq!(&record(&shuffled).0, &key);
        let (key_of_both, both) = record(&[sent, shuffled].concat());
        prop_assert_eq!((key_of_both, both), (key, first), "a repeat counts once");
    }

    #[test]
    fn each_value_counts_in_the_id((sent, _) in in_two_orders(), index in any::<prop::sample::Index>()) {
        let (key, _) = record(&sent);
        let several: Vec<_> = (0..sent.len()).filter(|at| sent[*at].0.ends_with(SEVERAL)).collect();
        let mut without = sent;
        without.remove(*index.get(&several));
        prop_assert_ne!(record(&without).0.id, key.id);
    }

    #[test]
    fn values_are_kept_in_the_order_in_which_they_were_sent((sent, _) in in_two_orders()) {
        let (_, record) = record(&sent);
        let mut values = BTreeMap::<_, Vec<_>>::new();
        sent.iter().for_each(|(name, value)| values.entry(name).or_default().push(value.clone()));
        for (name, values) in values.into_iter().filter(|(name, _)| name.ends_with(SEVERAL)) {
            prop_assert_eq!(record.data.variables[name].values(), values);
        }
        let (read, event) = Record::from_json(&record.to_json().unwrap()).unwrap();
        prop_assert_eq!(&read, &record);
        let form = serde_urlencoded::to_string(read.data.form()).unwrap();
        prop_assert_eq!(parse(form.as_bytes()).unwrap(), event, "the form repeats the variable");
    }

    #[test]
    fn a_retry_of_a_body_that_is_an_event_now_stores_it((sent, _) in in_two_orders()) {
        let body = encode(&sent);
        prop_assert_eq!(before::key(&body, "default"), None);
        let store = Memory::default();
        let problems = Problem::of_variable("tags", "is given twice with different values").into();
        let (key, set_aside) = SetAside::new(Site::default(), &body, None, &problems, now());
        store.values.borrow_mut().insert(key.to_string(), set_aside.to_json().unwrap());
        let retry = call("POST", &format!("/api/set-aside/{}/retry", key.id));
        let reply = retry.header("authorization", format!("Bearer {TOKEN}")).answer(&store, &[("admin_tokens", TOKEN)]);
        prop_assert_eq!(reply.status, 200, "{:?}", reply);
        prop_assert_eq!(store.keys(), [record(&sent).0.to_string()]);
    }
}
