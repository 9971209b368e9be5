//! The limits of each service, and hostile events: they must not make links, mentions, formatting or lines.

use std::collections::BTreeSet;

use outbound_events::archive::pack::RecordEntry;
use serde_json::Value;

use super::{HOSTILE, body, entry, form, joins, report, report_of};

/// Names with a meaning for a chat, and names that exceed its limits.
fn texts() -> Vec<String> {
    let long = ["a", "\"", "\\", "😀", "`", "*", "<", "&", "\n", "\u{202e}", "[", "<!channel> "];
    let marked = [
        "[Reset your password](https://evil.example/x)",
        "1. Jane",
        "- Jane",
        "+ Jane",
        "# Jane",
        "> Jane",
        "=",
        "*Jane* _Jane_ ~Jane~ **Jane** __Jane__ ~~Jane~~ `Jane` ```Jane```",
        "`*Jane*`",
        "<at>all</at> @all @channel @here <!here> <!subteam^S1> <@U1>",
        "https://evil.example www.evil.example jane@evil.example <https://evil.example|x> <https://evil.example>",
        "&lt;!channel&gt; &#91;x&#93;(https://evil.example)",
        "| a | b |",
        "\\",
        "\\`*Jane*",
    ];
    let breaks = ["\n", "\r", "\r\n", "\n\n", "\u{b}", "\u{c}", "\u{85}", "\u{2028}", "\u{2029}"];
    let second_lines = breaks.iter().map(|breaks| format!("Jane{breaks}Session `0000` of hq, ended"));
    let long = long.iter().map(|text| text.repeat(16 * 1024 / text.len()));
    let turned = "\u{202e}enaJ\u{202c} \u{2066}x\u{2069}".to_owned();
    let short = marked.into_iter().chain(HOSTILE).map(str::to_owned);
    short.chain(second_lines).chain(long).chain([turned]).collect()
}

const LSIDS: [&str; 7] = ["a", "*a*_b_~c~", "`a`<!channel>", "[a](https://e.example)", "1.", "-", "\"\\{{\"&lt;"];

fn entries() -> Vec<RecordEntry> {
    let mut entries = Vec::new();
    for text in texts() {
        let key: String = text.chars().take(1024).collect();
        entries.extend(LSIDS.map(|lsid| joins(lsid, &text, &key)));
        let custom: Vec<_> = (0..240).map(|number| format!("{number} {}", text.chars().next().unwrap())).collect();
        let mut owner = vec![
            ("event", "support_conference_owner_changed"),
            ("version", "1"),
            ("timestamp", "1767000000"),
            ("lsid", "a"),
            ("conference_id", "team:5"),
            ("conference_name", &text),
            ("external_key", &key),
        ];
        owner.extend(custom.iter().map(|name| (name.as_str(), "x")));
        entries.push(entry(&form(&owner)));
    }
    for event in ["_", "_new_thing_", "new_thing"] {
        let unknown = [("event", event), ("version", "1"), ("timestamp", "1767000000"), ("external_key", "*K*")];
        entries.push(entry(&form(&unknown)));
    }
    entries
}

/// Reports that consist of these texts.
fn reports() -> Vec<RecordEntry> {
    let texts = texts().into_iter().chain(["[code]<img src=x onerror=alert(1)>[/code]".to_owned(), String::new()]);
    let all = texts.flat_map(|text| {
        let key: String = text.chars().take(1024).collect();
        [report("a", report_of(&text, 0), &key), report("[code]", report_of(&text, u64::MAX), "")]
    });
    all.collect()
}

/// Whether a text has lines of its own alone: each begins as the template has it.
fn has_lines_of(text: &str, beginnings: &[&str]) -> bool {
    text.split('\n').all(|line| is_one_line(line) && beginnings.iter().any(|beginning| line.starts_with(beginning)))
}

/// How the lines of a summary begin.
const LINES: [&str; 7] = [
    "Session Report",
    "2025-12-29 09:20:00 to ",
    "Recording: https://",
    "Representatives: ",
    "Customers: ",
    "Files: ",
    "Note",
];

fn is_one_line(text: &str) -> bool {
    let turns = |c| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text.chars().any(|c| c.is_control() || turns(c))
}

/// The text outside code spans, and the code spans.
fn spans(text: &str) -> (String, Vec<&str>) {
    let parts: Vec<&str> = text.split('`').collect();
    assert!(parts.len() % 2 == 1, "a code span is left open: {text}");
    (parts.iter().step_by(2).copied().collect(), parts.into_iter().skip(1).step_by(2).collect())
}

/// Checks that text outside code spans is ours, and that code spans have one line and are not empty.
fn holds_events_in_code_spans(text: &str, bold: &str) {
    let (ours, of_the_event) = spans(text);
    let lines = [
        format!("{bold}Someone Joins a Support Session{bold}:  ()\nSession  of hq, incomplete"),
        format!("{bold}Someone Joins a Support Session{bold}\nSession  of hq, incomplete"),
        format!("{bold}Support Session Ownership Changes{bold}:  ()\nSession  of hq, incomplete"),
        format!("{bold}Support Session Ownership Changes{bold}\nSession  of hq, incomplete"),
        format!("{bold}new thing{bold} ()\nSession - of hq"),
        format!("{bold}event{bold} ()\nSession - of hq"),
    ];
    assert!(lines.contains(&ours), "{ours:?} of {text}");
    assert!(of_the_event.iter().all(|span| is_one_line(span) && !span.trim().is_empty()), "{text:?}");
}

/// Slack cuts a text after 40,000 characters and advises at most 4,000. Mentions and links are written `<…>`, also in
/// code.
#[test]
fn slack_shows_events_as_plain_text() {
    for entry in entries() {
        let body = body("slack", &entry);
        let text = body["text"].as_str().unwrap();
        assert!(text.encode_utf16().count() <= 4_000, "{text}");
        assert!(!text.contains(['<', '>']), "{text}");
        let escapes = ["amp;", "lt;", "gt;"];
        assert!(text.split('&').skip(1).all(|rest| escapes.iter().any(|escape| rest.starts_with(escape))), "{text}");
        holds_events_in_code_spans(text, "*");
    }
}

/// Google Chat: 4,096 characters of text, 32,000 bytes in all. Mentions and links are written `<…>`; URLs become
/// links.
#[test]
fn google_chat_shows_events_as_plain_text() {
    for entry in entries() {
        let body = body("google-chat", &entry);
        let text = body["text"].as_str().unwrap();
        assert!(text.encode_utf16().count() <= 4_096 && body.to_string().len() <= 32_000, "{text}");
        assert!(!text.contains(['<', '>']) && !text.contains("://"), "{text}");
        holds_events_in_code_spans(text, "");
    }
}

/// The text that CommonMark shows, if it shows the text unchanged. The error names the interpreted character.
fn shown_by_markdown(text: &str) -> Result<String, String> {
    let (mut shown, mut chars) = (String::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                shown.push(chars.next().filter(char::is_ascii_punctuation).ok_or("a backslash that escapes nothing")?)
            }
            '*' | '_' | '~' | '`' | '[' | ']' | '(' | ')' | '<' | '>' | '&' | '@' | '|' => return Err(c.to_string()),
            '-' | '+' | '#' | '=' if shown.is_empty() => return Err(c.to_string()),
            '.' if !shown.is_empty() && shown.bytes().all(|b| b.is_ascii_digit()) => return Err("a list".to_owned()),
            '.' if shown.to_ascii_lowercase().ends_with("www") => return Err("a host".to_owned()),
            ':' if chars.peek() == Some(&'/') => return Err("a URL".to_owned()),
            _ => shown.push(c),
        }
    }
    Ok(shown)
}

/// Teams: some 28 KB a message, which may be counted in UTF-16. TextBlock and both parts of a fact are Markdown.
#[test]
fn teams_shows_events_as_plain_text() {
    let mut names = BTreeSet::new();
    for entry in entries() {
        let body = body("teams", &entry);
        assert!(body.to_string().len() <= 14_000, "{body}");
        let blocks = &body["attachments"][0]["content"]["body"];
        let facts = blocks[1]["facts"].as_array().unwrap();
        for text in facts.iter().map(|fact| &fact["value"]).chain([&blocks[0]["text"]]) {
            let text = text.as_str().unwrap();
            let shown = shown_by_markdown(text).unwrap_or_else(|read| panic!("{read} is read in {text}"));
            assert!(is_one_line(&shown) && !shown.is_empty(), "{text:?}");
            names.insert(shown);
        }
    }
    assert!(names.contains("[Reset your password](https://evil.example/x)"), "it is shown as it came");
}

/// Jira: 32,767 characters a comment. Its document format has text apart from marks, links and mentions.
#[test]
fn jira_shows_events_as_plain_text() {
    for entry in entries() {
        let body = body("jira", &entry);
        let text = body["body"]["content"][0]["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(body.to_string().len() <= 32_767 && is_one_line(&text), "{text:?}");
        let mut shape = body;
        shape["body"]["content"][0]["content"][0]["text"] = Value::Null;
        assert_eq!(
            shape.to_string(),
            r#"{"body":{"content":[{"content":[{"text":null,"type":"text"}],"type":"paragraph"}],"type":"doc","version":1}}"#
        );
    }
}

/// Nothing but paragraphs of plain text, each a line of the template.
#[test]
fn jira_shows_reports_as_plain_text() {
    for entry in reports() {
        let body = body("jira", &entry);
        assert!(body.to_string().len() <= 32_767, "{body}");
        let document = body["body"].as_object().unwrap();
        assert_eq!(document.keys().collect::<Vec<_>>(), ["content", "type", "version"]);
        let paragraphs = document["content"].as_array().unwrap();
        assert!((2..=11).contains(&paragraphs.len()), "{body}");
        for paragraph in paragraphs {
            let text = paragraph["content"][0]["text"].as_str().unwrap();
            assert!(has_lines_of(text, &LINES), "{text:?}");
            let shape = paragraph.to_string().replace(&serde_json::to_string(text).unwrap(), "null");
            assert_eq!(shape, r#"{"content":[{"text":null,"type":"text"}],"type":"paragraph"}"#);
        }
    }
}

/// `[code]` shows HTML in a journal field. A URL becomes a link: only that of the recording is one.
fn is_safe_in_a_journal(text: &str) -> bool {
    let ours = |line: &&str| line.starts_with("Recording: https://");
    !text.contains(['[', ']']) && !text.split('\n').filter(|line| !ours(line)).any(|line| line.contains("://"))
}

#[test]
fn servicenow_shows_reports_as_plain_text() {
    for entry in reports() {
        let record = &body("servicenow", &entry)["records"][0];
        let text = record["description"].as_str().unwrap();
        assert!(text.encode_utf16().count() <= 4_000 && has_lines_of(text, &LINES), "{text:?}");
        assert!(is_safe_in_a_journal(text), "{text:?}");
        let info = record["additional_info"].as_str().unwrap();
        assert!(info.encode_utf16().count() <= 4_000, "{info}");
        let info: Value = serde_json::from_str(info).unwrap();
        assert!(info.as_object().unwrap().values().all(|text| is_one_line(text.as_str().unwrap())), "{info}");
        assert_eq!(record["severity"], "0");
    }
}

#[test]
fn servicenow_notes_are_plain_text() {
    for entry in entries().into_iter().chain(reports()) {
        let row = body("servicenow-note", &entry);
        let row = row.as_object().unwrap();
        let note = row["u_work_note"].as_str().unwrap();
        assert!(note.encode_utf16().count() <= 4_000 && is_safe_in_a_journal(note), "{note:?}");
        assert!(note.split('\n').all(is_one_line) && (2..=12).contains(&note.split('\n').count()), "{note:?}");
        for (field, text) in row.iter().filter(|(field, _)| *field != "u_work_note") {
            let text = text.as_str().unwrap();
            assert!(is_one_line(text) && text.chars().count() <= 200, "{field}: {text}");
        }
    }
}

/// The other chats get the event's title and no text of the report.
#[test]
fn chats_show_reports_as_plain_text() {
    for entry in reports() {
        for template in ["slack", "google-chat"] {
            let text = body(template, &entry)["text"].as_str().unwrap().to_owned();
            assert!(!text.contains(['<', '>']) && text.chars().count() <= 4_000, "{text}");
            spans(&text);
        }
        assert!(body("teams", &entry).to_string().len() <= 14_000);
    }
}

/// ServiceNow, "Event field format for event collection", and 4,000 characters for the two long ones.
#[test]
fn servicenow_gets_fields_within_its_limits() {
    let limits = [
        ("source", 100),
        ("event_class", 100),
        ("node", 100),
        ("resource", 100),
        ("metric_name", 100),
        ("type", 100),
        ("message_key", 1024),
        ("description", 4000),
        ("additional_info", 4000),
    ];
    for entry in entries() {
        let record = &body("servicenow", &entry)["records"][0];
        for (field, most) in limits {
            let text = record[field].as_str().unwrap();
            assert!(text.encode_utf16().count() <= most && is_one_line(text), "{field}: {text:?}");
        }
        let info: Value = serde_json::from_str(record["additional_info"].as_str().unwrap()).unwrap();
        assert!(info.as_object().unwrap().values().all(|text| is_one_line(text.as_str().unwrap())), "{info}");
    }
}

/// A cut text must show that it is cut.
#[test]
fn a_long_text_ends_with_an_ellipsis() {
    let long = joins("a", &"x".repeat(5_000), "");
    let slack = body("slack", &long);
    let name = spans(slack["text"].as_str().unwrap()).1[0].to_owned();
    assert_eq!(name, "x".repeat(199) + "…");
}
