//! Which bodies were events before ingest was opened, and under which key: a constant copy of the old computation.
//!
//! Written apart from the crate, so that no change of the crate can change both. Ids must never change: an appliance
//! that repeats an event after an upgrade must be answered `duplicate`.

use std::collections::BTreeMap;

use percent_encoding::percent_decode;
use sha2::{Digest, Sha256};

type Form = BTreeMap<String, String>;

/// The key of a body's event, or `None` if the body was set aside.
pub(super) fn key(body: &[u8], site: &str) -> Option<String> {
    let mut form = decoded(body)?;
    let event = form.get("event").filter(|event| is_event(event))?.clone();
    let version = form.get("version")?;
    if !(1..=32).contains(&version.chars().count()) || version.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let digits = form.get("timestamp").filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    let seconds = digits.parse::<u64>().ok().filter(|seconds| *seconds <= 253_402_300_799)?;
    form.insert("timestamp".to_owned(), seconds.to_string());
    let external_key = form.get("external_key").map_or("", String::as_str);
    if external_key.chars().count() > 1024 {
        return None;
    } else if external_key.is_empty() {
        form.remove("external_key");
    }
    let short = short(&event);
    let lsid = match form.get("lsid") {
        Some(lsid) => lsid_in_key(lsid)?,
        None if short.is_some() => return None,
        None => "_".to_owned(),
    };
    let is_valid = match short {
        Some("owner") => form.contains_key("conference_name") && is_conference(form.get("conference_id")?),
        Some("added" | "departed") => {
            form.contains_key("name") && ["customer", "representative"].contains(&form.get("type")?.as_str())
        }
        _ => true,
    };
    let name = short.map_or_else(|| format!("x-{event}"), str::to_owned);
    is_valid.then(|| format!("event.{site}.{seconds:012}.{lsid}.{name}.{}", id(site, &form)))
}

/// The variables of a body, each with its one value.
fn decoded(body: &[u8]) -> Option<Form> {
    let mut form = Form::new();
    for pair in body.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |&b| b == b'=');
        let name = text(halves.next()?)?;
        let value = text(halves.next().unwrap_or_default())?;
        let name = if ["Isid", "isid"].contains(&name.as_str()) { "lsid".to_owned() } else { name };
        if name.len().max(value.len()) > 16_384 {
            return None;
        }
        if form.insert(name, value.clone()).is_some_and(|first| first != value) {
            return None;
        }
    }
    (form.len() <= 256).then_some(form)
}

fn text(encoded: &[u8]) -> Option<String> {
    let whole = |after: &[u8]| after.len() >= 2 && after[..2].iter().all(u8::is_ascii_hexdigit);
    if !encoded.split(|&b| b == b'%').skip(1).all(whole) {
        return None;
    }
    let spaced: Vec<_> = encoded.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    String::from_utf8(percent_decode(&spaced).collect()).ok()
}

fn is_event(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

fn is_conference(id: &str) -> bool {
    id.split_once(':').is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty())
}

fn lsid_in_key(lsid: &str) -> Option<String> {
    if !(1..=64).contains(&lsid.len()) || !lsid.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let spelled: String =
        lsid.chars().map(|c| if plain(c) { c.to_string() } else { format!("_{:02x}", c as u32) }).collect();
    (spelled.len() <= 100).then_some(spelled)
}

/// The names of the guide's events in keys.
fn short(event: &str) -> Option<&'static str> {
    Some(match event {
        "support_conference_begin" => "begin",
        "support_conference_end" => "end",
        "support_conference_owner_changed" => "owner",
        "support_conference_member_added" => "added",
        "support_conference_member_departed" => "departed",
        "support_conference_customer_exit_survey_completed" => "customer-survey",
        "support_conference_rep_exit_survey_completed" => "rep-survey",
        _ => return None,
    })
}

fn id(site: &str, form: &Form) -> String {
    let variables = form.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let mut hash = Sha256::new();
    for part in ["v1", site].into_iter().chain(variables) {
        hash.update(u32::try_from(part.len()).unwrap().to_be_bytes());
        hash.update(part);
    }
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}
