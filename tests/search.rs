//! A search finds a name in any spelling that folds to the same text. Stored names stay unchanged.

use crate::support::{Memory, TOKEN, at, call, compact, now, post};
use chrono::TimeDelta;
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::folding::fold;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

const SETTINGS: &[(&str, &str)] = &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN)];

fn get(store: &Memory, uri: &str) -> Value {
    let reply = call("GET", uri).header("authorization", format!("Bearer {TOKEN}")).answer(store, SETTINGS);
    assert_eq!(reply.status, 200, "{uri}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Stored names, and texts that find them.
const NAMES: [(&str, &[&str]); 9] = [
    ("Zoe\u{308} Quinn", &["Zo\u{eb}", "Zoe\u{308}", "zoe", "ZOË"]),
    ("Zo\u{eb} Adams", &["Zoe\u{308}", "zoë a", "zoe a"]),
    ("\u{130}STANBUL", &["istanbul", "\u{130}stanbul", "İSTANBUL"]),
    ("Nguyễn Thị", &["nguyen thi", "Nguye\u{302}\u{303}n"]),
    ("ΟΔΥΣΣΕΑΣ", &["οδυσσέας", "οδυσσεασ"]),
    ("김철수", &["\u{1100}\u{1175}\u{11b7}", "철수"]),
    ("Ｗｉｄｅ", &["wide"]),
    ("ﬁnance", &["FINANCE"]),
    ("שלום", &["שלום"]),
];

#[test]
fn a_name_is_found_in_other_spellings() {
    for packed in [false, true] {
        let store = Memory::default();
        for (number, (name, _)) in (0..).zip(NAMES) {
            let body = format!(
                "event=support_conference_member_added&version=1&timestamp={}&lsid=s{number}&type=customer&name={}",
                1_700_000_000 + number,
                encoded(name)
            );
            let uri = format!("/events/hq?outbound_event_token={TOKEN}");
            let reply = post(&uri).body(body).answer_alone(&store, SETTINGS);
            assert_eq!((reply.status, reply.result()), (200, "stored"), "{reply:?}");
        }
        if packed {
            let later = at(&store, now() + TimeDelta::seconds(1));
            pollster::block_on(compact(&later, &Policy::packs(0), &Bound::WIDE)).unwrap();
        }
        for (number, (name, found_by)) in (0..).zip(NAMES) {
            for text in found_by {
                let list = get(&store, &format!("/api/sessions?q={}", encoded(text)));
                let sessions = list["sessions"].as_array().unwrap();
                let found = sessions.iter().find(|row| row["lsid"] == format!("s{number}"));
                assert!(found.is_some_and(|row| row["customers"][0] == name), "{text} in {name}: {list}");
            }
        }
        assert_eq!(get(&store, "/api/sessions?q=zo%C3%AB%20q")["sessions"].as_array().unwrap().len(), 1);
    }
}

/// The component's own tables agree with those of the crate `unicode-normalization`.
#[test]
fn every_character_is_folded_as_by_nfkd() {
    let expected = |text: &str| {
        let kept = text.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c));
        kept.flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c }).collect::<String>()
    };
    for c in '\0'..=char::MAX {
        assert_eq!(fold(&c.to_string()), expected(&c.to_string()), "U+{:04X}", u32::from(c));
    }
    // Marks that are kept get a canonical order.
    for text in ["ש\u{5c1}\u{5b8}", "ש\u{5b8}\u{5c1}", "\u{fb2a}\u{5b8}", "a\u{323}\u{5b0}\u{301}b"] {
        assert_eq!(fold(text), expected(text), "{text:?}");
    }
    assert_eq!(fold("ש\u{5c1}\u{5b8}"), fold("ש\u{5b8}\u{5c1}"));
}
