//! Promises for any bytes that are sent as a form.

use std::borrow::Cow;

use outbound_events::event::OutboundEvent;
use outbound_events::identity::{Id, Site};
use outbound_events::keys::{EventKey, KeyParts, SessionKeys};
use outbound_events::parse::{MAX_VARIABLE_BYTES, MAX_VARIABLES, Problems, parse};
use outbound_events::record::{MAX_RECORD_BYTES, Record};
use outbound_events::set_aside::SetAside;
use percent_encoding::percent_decode;

use crate::support::now;

/// Holds the parser, the record and its key to their promises.
pub fn hold(bytes: &[u8]) {
    match parse(bytes) {
        Ok(event) => {
            let (key, record) = Record::new(event.clone(), site(), now());
            nothing_is_lost(bytes, &record.data.form());
            the_key_reads_back(&key);
            the_record_reads_back(&record, &event);
            another_order_has_the_same_id(&record, key.id);
        }
        Err(problems) => it_can_be_set_aside(bytes, &problems),
    }
}

/// The longest name of a site.
const SITE: &str = "Headquarters-of-a-large-customer";

fn site() -> Site {
    Site::parse(SITE).unwrap()
}

/// The event holds what a browser would read from the form, within the limits.
fn nothing_is_lost(bytes: &[u8], form: &[(&str, Cow<'_, str>)]) {
    let end = bytes.iter().rposition(|b| !b"\r\n".contains(b)).unwrap() + 1;
    let mut sent = Vec::new();
    for (name, value) in pairs(&bytes[..end]) {
        let pair = (canonical(name), value);
        if !sent.contains(&pair) {
            sent.push(pair);
        }
    }
    // Where they are empty, they mean none.
    sent.retain(|(name, value)| !["external_key", "lsid"].contains(&name.as_str()) || !value.is_empty());
    let member_events = ["support_conference_member_added", "support_conference_member_departed"];
    let is_of_member = sent.iter().any(|(name, value)| name == "event" && member_events.contains(&value.as_str()));
    let is_named = sent.iter().any(|(name, _)| name == "name");
    for (name, value) in &mut sent {
        match name.as_str() {
            "timestamp" => *value = value.parse::<u64>().unwrap().to_string(),
            "display_name" if is_of_member && !is_named => *name = "name".to_owned(),
            _ => {}
        }
    }
    // In the order of their names; the values of one variable stay in the order in which they were sent.
    sent.sort_by(|(name, _), (other, _)| name.cmp(other));
    assert_eq!(form, sent.iter().map(|(name, value)| (name.as_str(), value.into())).collect::<Vec<_>>());
    assert!(form.len() <= MAX_VARIABLES);
    assert!(form.iter().all(|(name, value)| name.len().max(value.len()) <= MAX_VARIABLE_BYTES));
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = (String, String)> {
    bytes.split(|&b| b == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |&b| b == b'=').map(decoded);
        (halves.next().unwrap(), halves.next().unwrap_or_default())
    })
}

fn decoded(text: &[u8]) -> String {
    let spaced: Vec<_> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).unwrap()
}

fn canonical(name: String) -> String {
    if ["Isid", "isid"].contains(&name.as_str()) { "lsid".to_owned() } else { name }
}

fn the_key_reads_back(key: &EventKey) {
    let written = key.to_string();
    assert!(written.len() <= 252, "{written}");
    assert!(written.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{written}");
    assert_eq!(written.parse().as_ref(), Ok(key));
    let parts = KeyParts::split(&written).unwrap();
    assert_eq!((parts.site, parts.id, parts.has_lsid()), (SITE, &*key.id.to_string(), key.lsid.is_some()));
    assert!(parts.is_named(&key.event));
    assert!(key.lsid.as_ref().is_none_or(|lsid| SessionKeys::new(&key.site, lsid).matches(&written)));
}

fn the_record_reads_back(record: &Record, event: &OutboundEvent) {
    match record.to_json() {
        Ok(json) => {
            assert!(json.len() <= MAX_RECORD_BYTES);
            let read: Record = serde_json::from_slice(&json).unwrap();
            assert_eq!(read, *record);
            assert_eq!(read.data.event().as_ref(), Ok(event));
        }
        Err(_) => assert!(serde_json::to_vec(record).unwrap().len() > MAX_RECORD_BYTES),
    }
}

/// In the opposite order, in other spellings, and all of it twice.
fn another_order_has_the_same_id(record: &Record, id: Id) {
    let form = record.data.form();
    let spelled = |name: &'static str| move |(n, v): (_, _)| (if n == "lsid" { name } else { n }, v);
    let pairs = || form.iter().rev().map(|(name, value)| (*name, value.as_ref()));
    let twice: Vec<_> = pairs().map(spelled("Isid")).chain(pairs().map(spelled("isid"))).collect();
    let again = parse(serde_urlencoded::to_string(twice).unwrap().as_bytes()).unwrap();
    assert_eq!(Record::new(again, site(), now()).0.id, id);
}

/// A body that is not an event says why, and can be kept as it came.
fn it_can_be_set_aside(bytes: &[u8], problems: &Problems) {
    assert!(!problems.list().is_empty());
    let (key, set_aside) = SetAside::new(site(), bytes, None, problems, now());
    let read: SetAside = serde_json::from_slice(&set_aside.to_json().unwrap()).unwrap();
    assert_eq!(read, set_aside);
    assert_eq!(read.body.bytes().unwrap(), bytes);
    assert_eq!(read.id.parse(), Ok(key.id));
    assert_eq!(key.to_string().parse(), Ok(key));
}
