//! Answers that are broken, or made to harm.

use std::fmt::Write as _;
use std::time::Instant;

use outbound_events::appliance_api::{ApiError, FetchedSessions};

use super::harness::{END, fetch, sample, session, with_everything, xml_answer};
use crate::promises::report::fetch_in_parts;
use crate::support::{Rest, ScriptedAnswer};

fn read(xml: impl AsRef<[u8]>) -> Result<FetchedSessions, ApiError> {
    fetch(&with_everything(), xml_answer(xml))
}

fn fault(xml: impl AsRef<[u8]>) -> String {
    let error = read(&xml).unwrap_err();
    assert_eq!(error.state(), "unreadable-answer", "{}", String::from_utf8_lossy(xml.as_ref()));
    error.to_string()
}

#[test]
fn entities_and_document_types_are_refused() {
    let laughs: String = (1..10).fold("<!ENTITY l0 \"ha\">".to_owned(), |mut laughs, number| {
        let before = format!("&l{};", number - 1).repeat(10);
        write!(laughs, "<!ENTITY l{number} \"{before}\">").unwrap();
        laughs
    });
    let body = session("<lseq>&l9;</lseq>");
    let started = Instant::now();
    for xml in [
        format!("<?xml version=\"1.0\"?><!DOCTYPE session_list [{laughs}]>{body}"),
        format!("<!DOCTYPE x SYSTEM \"file:///etc/passwd\">{body}"),
        format!("<!DOCTYPE session_list PUBLIC \"a\" \"https://x.example/a.dtd\">{body}"),
        format!("<!ENTITY x \"y\">{body}"),
        "<session_list><!ATTLIST a b CDATA #IMPLIED></session_list>".to_owned(),
    ] {
        assert!(fault(&xml).contains("document type definition"), "{xml}");
    }
    for reference in
        ["&l9;", "&xxe;", "&nbsp;", "&;", "&", "&amp", "&#;", "&#x110000;", "&#0;", "&#xD800;", "&#-1;", "& amp;"]
    {
        for xml in [session(&format!("<lseq>{reference}</lseq>")), session(&format!("<lseq value=\"{reference}\"/>"))] {
            assert!(fault(&xml).contains("reference"), "{xml}");
        }
    }
    assert!(started.elapsed().as_secs() < 5);
}

#[test]
fn deep_nesting_is_refused_and_costs_little() {
    let deep = |depth: usize| format!("<session_list>{}{}</session_list>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(read(deep(60)).is_ok());
    for depth in [65, 1_000, 1_000_000] {
        assert!(fault(deep(depth)).contains("nested too deeply"));
    }
    assert!(fault("<a>".repeat(1_000_000)).contains("nested too deeply"));
}

#[test]
fn an_answer_that_breaks_off_is_an_error_as_a_whole() {
    let xml = sample("", "");
    let end = xml.rfind('>').unwrap();
    for length in 0..end {
        assert!(fault(&xml.as_bytes()[..length]).contains("breaks off"), "{length}");
    }
    assert!(read(&xml.as_bytes()[..=end]).is_ok());
}

#[test]
fn other_encodings_are_refused() {
    let utf_16: Vec<u8> = sample("", "").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = sample("", "").encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert!(fault([b"\xFF\xFE", &*utf_16].concat()).contains("UTF-16"));
    assert!(fault([b"\xFE\xFF", &*big].concat()).contains("UTF-16"));
    assert!(fault(&utf_16).contains("NUL"));
    assert_eq!(read(&big).unwrap_err().state(), "unreadable-answer");
    for encoding in ["ISO-8859-1", "utf-16", "UTF-7", "EBCDIC-CP-US", ""] {
        let xml = format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{}", session(END));
        assert!(fault(&xml).contains("not in UTF-8"), "{xml}");
    }
    for declaration in [
        "",
        "\u{feff}",
        "<?xml version=\"1.0\"?>",
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>\r\n",
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?><?xml-stylesheet href=\"x\"?><!-- <x> -- -->",
        "<?xml version=\"1.0\" encoding=\"us-ascii\"?>",
    ] {
        assert!(read(format!("{declaration}{}", session(END))).is_ok(), "{declaration}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for (bytes, words) in [
        (&b"\xC3\x28"[..], "not in UTF-8"),
        (b"\xFF", "not in UTF-8"),
        (b"\xC0\x80", "not in UTF-8"),
        (b"\xED\xA0\x80", "not in UTF-8"),
        (b"\xF0\x9F\x98", "not in UTF-8"),
        (b"a\0b", "NUL"),
    ] {
        let (begin, end) = (&b"<session_list><session lsid=\"s\"><lseq"[..], &b"</lseq></session></session_list>"[..]);
        assert!(fault([begin, b">", bytes, end].concat()).contains(words), "{bytes:?} in text");
        assert!(fault([begin, b"><![CDATA[", bytes, b"]]>", end].concat()).contains(words), "{bytes:?} in CDATA");
        assert!(fault([begin, b" a=\"", bytes, b"\">", end].concat()).contains(words), "{bytes:?} in a tag");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for xml in [
        "<session_list><a></b></session_list>",
        "<session_list></session_list></session_list>",
        "<session_list/><session_list/>",
        "<session_list/>x",
        "x<session_list/>",
        "<![CDATA[x]]><session_list/>",
        "<session_list a=b/>",
        "<session_list a=\"1\" a=\"2\"/>",
        "<session_list a/>",
        "<session_list <a/>",
        "<session_list>< a/></session_list>",
        "<session_list><1/></session_list>",
        "<session_list><a=\"b\"/></session_list>",
        "</session_list>",
        "<session_list><a href=\"<\"/></session_list>",
    ] {
        assert!(fault(xml).contains("not well-formed"), "{xml}");
    }
    for xml in
        ["", " ", "<session_list>", "<", "<!", "<!-", "<![CDATA", "<?", "<!-- <session_list/>", "<?x <session_list/>"]
    {
        assert!(fault(xml).contains("breaks off"), "{xml:?}");
    }
}

#[test]
fn long_tags_are_refused_and_long_comments_are_skipped() {
    let attributes: String = (0..100).map(|number| format!(" a{number}=\"x\"")).collect();
    for xml in [
        format!("<session_list a=\"{}\"/>", "x".repeat(1 << 20)),
        format!("<session_list a=\"{}", "x".repeat(1 << 20)),
        format!("<session_list{attributes}/>"),
        format!("<?xml {}?><session_list/>", " ".repeat(1_000)),
        format!("<?xml {}", " ".repeat(1_000)),
    ] {
        assert!(fault(&xml).contains("too long"), "{}", xml.len());
    }
    let name = "x".repeat(1_000);
    assert!(fault(format!("<session_list><{name}/></session_list>")).contains("not well-formed"));
    let comment = "-- > ]]> ?> ".repeat(100_000);
    for xml in [
        format!("<session_list><!--{}--></session_list>", comment.replace("-->", "")),
        format!("<session_list><?x {}?></session_list>", comment.replace("?>", "")),
    ] {
        assert!(read(xml).is_ok());
    }
}

#[test]
fn an_answer_of_the_largest_size_is_read_in_small_parts_within_seconds() {
    let started = Instant::now();
    let unfinished = ["<session_list><a b=\"", "<session_list>&", "<session_list><!--", "<session_list><![CDATA["];
    for begin in unfinished.iter().chain(&["<session_list>"]) {
        let parts = std::iter::once(begin.as_bytes()).chain(std::iter::repeat_n(&[b'-'; 64][..], 20_000));
        assert_eq!(fetch_in_parts(parts).unwrap_err().state(), "unreadable-answer", "{begin}");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[test]
fn a_body_that_never_ends_is_given_up() {
    let begin = ScriptedAnswer::new(200).header("content-type", "text/xml").body("<session_list>");
    let endless = fetch(&with_everything(), begin.clone().then(Rest::NeverEnds)).unwrap_err();
    assert_eq!(endless, ApiError::TooLarge);
    let silent = fetch(&with_everything(), begin.then(Rest::Hangs)).unwrap_err();
    assert_eq!(silent.to_string(), "it fails: its answer stopped for 10 s");
}
