//! The same result, however an answer is split.

use proptest::collection::vec;
use proptest::prelude::*;

use super::harness::{sample, session};
use crate::promises::report::fetch_in_parts;

fn texts() -> Vec<Vec<u8>> {
    let texts = [
        sample(" xmlns=\"https://www.beyondtrust.com/namespaces/API/reporting\"", ""),
        sample(" xmlns:r=\"https://www.beyondtrust.com/namespaces/API/reporting\"", "r:").replace('\n', "\r\n"),
        format!("\u{feff}<?xml version='1.0' encoding='utf-8'?>{}", session("<end_time timestamp='1764300333'/>")),
        session(
            "<end_time timestamp='1'/><lseq>a\r&#13;\r\n<![CDATA[\r\n]]]]>&lt;]]&gt;😀&amp;ü<!-- - -- -></lseq>--></lseq>",
        ),
        session("<lseq>&bad;</lseq>"),
        session("<lseq>&#x0000000000000000000000000000000000041;</lseq>"),
        session("<lseq>ü&ä;</lseq>"),
        "<session_list><a></b>".to_owned(),
        "<!DOCTYPE html><html><body>Sign in</body></html>".to_owned(),
        "<error>No Support report information matching your chosen criteria is available.</error>".to_owned(),
        "<?xml version=\"1.0\" encoding=\"latin1\"?><session_list/>".to_owned(),
        "<session_list>".repeat(70),
    ];
    let mut all: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
    all.extend([
        b"\xFF\xFE<\0a\0".to_vec(),
        b"<session_list>\xF0\x9F\x98</session_list>".to_vec(),
        b"<session_list>ok \xC3".to_vec(),
        b"<session_list>&am\0p;</session_list>".to_vec(),
        b"\xEF\xBB".to_vec(),
    ]);
    all
}

#[test]
fn every_size_of_parts_gives_the_same_result() {
    for text in texts() {
        let whole = fetch_in_parts([text.as_slice()]);
        for size in (1..=16).chain([100, 1_000]) {
            assert_eq!(fetch_in_parts(text.chunks(size)), whole, "{size}: {}", String::from_utf8_lossy(&text));
        }
        // Empty parts change nothing.
        let with_empty = text.chunks(7).flat_map(|part| [part, &[]]);
        assert_eq!(fetch_in_parts(with_empty), whole);
    }
}

proptest! {
    #[test]
    fn random_splits_and_changes_give_one_result(
        text in prop::sample::select(texts()),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        lengths in vec(1_usize..200, 1..40),
    ) {
        let mut text = text;
        for (index, byte) in changes {
            let index = index.index(text.len());
            text[index] = byte;
        }
        let mut parts = Vec::new();
        let mut rest = text.as_slice();
        for length in lengths.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, after) = rest.split_at((*length).min(rest.len()));
            parts.push(part);
            rest = after;
        }
        prop_assert_eq!(fetch_in_parts(parts), fetch_in_parts([text.as_slice()]));
    }
}
