//! Generators of forms.

use std::collections::BTreeMap;

use outbound_events::event::{EventName, Timestamp};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

/// Variables, each with one value.
pub(super) type Form = BTreeMap<String, String>;

/// Ordinary text, and any other.
pub(super) fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{0,20}", 2 => "\\PC{0,20}", 1 => any::<String>()]
}

fn lsid() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[0-9a-f]{32}", 1 => "[!-~]{1,33}"]
}

/// A form that is an event.
pub(super) fn valid() -> impl Strategy<Value = Form> {
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

pub(super) fn encode(form: &Form) -> Vec<u8> {
    serde_urlencoded::to_string(form).unwrap().into_bytes()
}

/// One small thing done to a form's bytes.
pub(super) fn almost() -> impl Strategy<Value = Vec<u8>> {
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
