//! The setting `appliances`: valid and invalid values, and that its secrets are never shown.

use outbound_events::appliance_api::{Appliance, Include};
use outbound_events::event::Timestamp;
use outbound_events::settings::Settings;
use serde_json::{Value, json};

use super::harness::{SECRET, appliance};

fn faults(all: &Value) -> Vec<String> {
    match Appliance::read_all(&all.to_string()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.iter().map(ToString::to_string).collect(),
    }
}

/// An entry with one field changed, or removed if it is null.
fn with(field: &str, value: Value) -> Value {
    let mut entry =
        json!({ "site": "hq", "url": "https://support.example.com", "client_id": "a", "client_secret": SECRET });
    entry[field] = value;
    entry.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json!([entry])
}

#[test]
fn an_entry_is_read_with_its_defaults() {
    let read = appliance(&json!({}));
    assert_eq!((read.site.as_str(), read.url.origin()), ("hq", "https://support.example.com"));
    assert_eq!((read.client_id.as_str(), read.include), ("the-account", Include::default()));
    assert_eq!((read.check_minutes, read.since, read.private), (5, None, false));
    let read = appliance(&json!({
        "url": "https://Support.Example.com:8443/", "include": ["chat", "notes", "chat"], "check_minutes": 1440,
        "since": "1970-01-01T01:00:01+01:00", "private": true,
    }));
    assert_eq!(read.url.origin(), "https://support.example.com:8443");
    assert_eq!(read.include, Include { notes: true, chat: true, system_information: false });
    assert_eq!((read.check_minutes, read.since, read.private), (1440, Timestamp::from_seconds(1), true));
    for text in ["", "  ", "[]"] {
        assert_eq!(Appliance::read_all(text).unwrap(), []);
    }
    assert!(faults(&with("url", json!("http://127.0.0.1:4001"))).is_empty());
    assert!(faults(&with("url", json!("https://[2001:db8::7]"))).is_empty());
}

#[test]
fn every_fault_is_named_with_its_place() {
    let cases = [
        (json!({}), "appliances is not an array of appliances"),
        (json!(["x"]), "appliances[0] is not an object"),
        (with("site", json!(null)), "appliances[0].site is missing"),
        (with("site", json!(7)), "appliances[0].site is not a string"),
        (with("site", json!("a b")), "appliances[0].site is not 1 to 32 characters"),
        (with("url", json!(null)), "appliances[0].url is missing"),
        (with("url", json!("http://support.example.com")), "appliances[0].url is not an https URL"),
        (with("url", json!("https://support.example.com/login")), "appliances[0].url has a path or a query"),
        (with("url", json!("https://support.example.com?x=y")), "appliances[0].url has a path or a query"),
        (with("url", json!("https://a:b@support.example.com")), "appliances[0].url has a user or a password"),
        (with("url", json!("https://support.example.com:0")), "appliances[0].url has a port"),
        (with("url", json!("support.example.com")), "appliances[0].url is not an https URL"),
        (with("client_id", json!(null)), "appliances[0].client_id is missing"),
        (with("client_id", json!("")), "appliances[0].client_id is not 1 to 256"),
        (with("client_id", json!("a:b")), "appliances[0].client_id is not 1 to 256"),
        (with("client_secret", json!(null)), "appliances[0].client_secret is missing"),
        (with("client_secret", json!("short")), "appliances[0].client_secret is not 8 to 512"),
        (with("client_secret", json!("with a blank")), "appliances[0].client_secret is not 8 to 512"),
        (with("client_secret", json!([SECRET])), "appliances[0].client_secret is not a string"),
        (with("include", json!("chat")), "appliances[0].include is not a list"),
        (with("include", json!(["chat", "files"])), "appliances[0].include[1] is not one of notes, chat and"),
        (with("include", json!([true])), "appliances[0].include[0] is not one of"),
        (with("check_minutes", json!(0)), "appliances[0].check_minutes is not a number from 1 to 1440"),
        (with("check_minutes", json!(1441)), "appliances[0].check_minutes is not a number from 1 to 1440"),
        (with("check_minutes", json!(1.5)), "appliances[0].check_minutes is not a number from 1 to 1440"),
        (with("check_minutes", json!("5")), "appliances[0].check_minutes is not a number from 1 to 1440"),
        (with("since", json!("yesterday")), "appliances[0].since is not a time such as"),
        (with("since", json!(1_764_300_333)), "appliances[0].since is not a string"),
        (with("private", json!("yes")), "appliances[0].private is not true or false"),
        (with("secret", json!("x")), "appliances[0].secret is not a field; the fields are site, url, client_id,"),
    ];
    for (all, fault) in cases {
        let found = faults(&all);
        assert!(found.len() == 1 && found[0].starts_with(fault), "{all}: {found:?}, not {fault}");
    }
    let all = json!([{ "site": "", "x": 1 }, 7]);
    let places: Vec<_> =
        Appliance::read_all(&all.to_string()).unwrap_err().into_iter().map(|fault| fault.place).collect();
    assert_eq!(places, ["[0].x", "[0].site", "[0].url", "[0].client_id", "[0].client_secret", "[1]"]);
}

#[test]
fn no_two_entries_share_a_site_or_an_appliance() {
    let two = |site: &str, url: &str| {
        let mut all = with("private", json!(false));
        let mut other = all[0].clone();
        (other["site"], other["url"]) = (json!(site), json!(url));
        all.as_array_mut().unwrap().push(other);
        faults(&all)
    };
    assert_eq!(two("branch", "https://branch.example.com"), [""; 0]);
    assert_eq!(two("hq", "https://branch.example.com"), ["appliances[1].site is used twice"]);
    for url in ["https://support.example.com", "https://SUPPORT.example.com:443/"] {
        let found = two("branch", url);
        assert!(found.len() == 1 && found[0].starts_with("appliances[1].url is used twice"), "{found:?}");
    }
    assert_eq!(two("branch", "https://support.example.com:8443"), [""; 0]);
    let many: Vec<_> = (0..33)
        .map(|number| {
            let mut entry = with("site", json!(format!("s{number}")))[0].clone();
            entry["url"] = json!(format!("https://a{number}.example.com"));
            entry
        })
        .collect();
    assert_eq!(faults(&json!(many)), ["appliances has more than 32 appliances"]);
}

#[test]
fn nothing_secret_is_shown() {
    let settings =
        |text: String| Settings::from_variables(move |name| Ok((name == "appliances").then(|| text.clone())));
    let all = with("private", json!(true)).to_string();
    let shown = format!("{:?}", settings(all.clone()).unwrap());
    assert!(shown.contains("https://support.example.com") && shown.contains("ClientSecret(hidden)"), "{shown}");
    let broken = [
        with("client_secret", json!("XYZZY XYZZY")).to_string(),
        with("site", json!("XYZZY XYZZY")).to_string(),
        with("url", json!("https://XYZZY:XYZZY@x.example/XYZZY")).to_string(),
        format!("{all}]"),
        "[{\"client_secret\": \"XYZZY\"".to_owned(),
        "\"XYZZY\"".to_owned(),
    ];
    let errors: String = broken.into_iter().map(|text| settings(text).unwrap_err().to_string()).collect();
    for text in [&shown, &errors] {
        assert!(!text.contains("XYZZY"), "{text}");
    }
    let error = settings(with("check_minutes", json!(0)).to_string()).unwrap_err();
    assert_eq!(error.to_string(), "the setting appliances [0].check_minutes is not a number from 1 to 1440");
}
