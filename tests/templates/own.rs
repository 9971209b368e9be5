//! Own templates: filters, escapes, paths.

use outbound_events::forward::destination::Destination;
use outbound_events::forward::trial;
use serde_json::{Value, json};

use super::{HOSTILE, destination, entry, form, joins, send};

#[test]
fn values_of_events_are_escaped_for_their_context() {
    let body = "{\"a\": {{ event.data.member.name }}, \"b\": {{ session.state }}, \"c\": {{ event.data.nothing }}}";
    let of_json = destination(json!({ "body": body }), "https://x.example/y");
    let of_form = destination(
        json!({ "content_type": "application/x-www-form-urlencoded", "body": "a={{ event.data.member.name }}&b=c" }),
        "https://x.example/y",
    );
    for hostile in HOSTILE {
        let entry = joins("a", hostile, "");
        let sent: Value = serde_json::from_slice(&send(&of_json, &entry).unwrap().1).unwrap();
        assert_eq!(sent, json!({ "a": hostile, "b": "incomplete", "c": null }));
        let sent: Vec<(String, String)> = serde_urlencoded::from_bytes(&send(&of_form, &entry).unwrap().1).unwrap();
        assert_eq!(sent, [("a".to_owned(), hostile.to_owned()), ("b".to_owned(), "c".to_owned())]);
    }
}

#[test]
fn an_external_key_in_a_path_is_one_segment() {
    let destination =
        destination(json!("jira"), "https://x.example/rest/api/3/issue/{{ event.data.external_key }}/comment?a=b");
    let with = |key: &str| {
        entry(&form(&[
            ("event", "support_conference_end"),
            ("version", "1"),
            ("timestamp", "1767000000"),
            ("lsid", "a"),
            ("external_key", key),
        ]))
    };
    let cases = [
        ("INC-1", Some("INC-1")),
        ("a/b", Some("a%2Fb")),
        ("a?b#c", Some("a%3Fb%23c")),
        ("../..", Some("%2E%2E%2F%2E%2E")),
        ("ä", Some("%C3%A4")),
        ("@evil.example", Some("%40evil%2Eexample")),
        ("..", None),
        (".", None),
        ("", None),
    ];
    for (key, segment) in cases {
        let sent = send(&destination, &with(key)).map(|(url, _)| url);
        match segment {
            Some(segment) => {
                assert_eq!(sent.unwrap(), format!("https://x.example/rest/api/3/issue/{segment}/comment?a=b"), "{key}");
            }
            None => assert!(sent.is_err(), "{key}: {sent:?}"),
        }
    }
}

/// A template of 20,000 operators used up the stack of the host at its start.
#[test]
fn a_template_that_nests_too_deep_is_refused_wherever_its_tags_end() {
    let signs = |count: usize| "-".repeat(count);
    let in_tag = |text: &str| format!("a {{{{ 'x' ~ {text}1 }}}} b");
    let cases = [
        (in_tag(&signs(199)), ""),
        (in_tag(&signs(200)), "has 201 operators in one expression; at most 200"),
        (format!("{{% if {}1 %}}x{{% endif %}}", signs(200)), "has 201 operators"),
        // Neither the end of a map, nor a text, nor a comment is the end of the tag.
        (format!("{{{{ {{'a': {{'b': 1}}}}|length ~ {}1 }}}}", signs(200)), "has 206 operators"),
        (format!("{{{{ '}}}}\\'}}}}' ~ {}1 }}}}", signs(200)), "has 201 operators"),
        (format!("{{# {{{{ #}}{}", in_tag(&signs(200))), "has 201 operators"),
        (format!("{{{{- 1 -}}}}{}", in_tag(&signs(200))), "has 201 operators"),
        // What is between `raw` and `endraw` is text, also where it looks like a tag that never ends.
        (format!("{{% raw %}}{{{{ ' {{% endraw %}}{}", in_tag(&signs(200))), "has 201 operators"),
        (format!("{{%- raw -%}} endraw {{{{ ( {{%- endraw -%}}{}", in_tag(&signs(200))), "has 201 operators"),
        (format!("{{% raw %}}{{%\u{a0}endraw %}}{{{{ ' {{% endraw %}}{}", in_tag(&signs(200))), "has 201 operators"),
        (format!("{{% raw %}}{{{{ {}{{% endraw %}}", signs(300)), ""),
        // What is not in a tag is text.
        (format!("{{{{ 1 }}}}{}{{{{ 1 }}}}", "-.[(".repeat(200)), ""),
        (format!("{{{{ site in [{}] }}}}", ["'hq'"; 900].join(", ")), ""),
        (format!("{{{{ {}1{} }}}}", "(".repeat(31), ")".repeat(31)), "has 31 brackets in each other; at most 30"),
        ("{% set x = [[1]] %}".repeat(150), ""),
        ("{% set x = [[1]] %}".repeat(151), "has 302 opening brackets in its tags; at most 300"),
    ];
    for (body, expected) in cases {
        let template = json!({ "body": body, "content_type": "text/plain" });
        let all = json!([{ "name": "a", "url": "https://x.example/y", "format": "template", "template": template }]);
        let read = Destination::read_all(&all.to_string());
        let faults = read.err().map(|faults| format!("{faults:?}")).unwrap_or_default();
        assert!(faults.contains(expected) && faults.is_empty() == expected.is_empty(), "{expected}: {faults}");
    }
}

#[test]
fn a_template_with_invalid_json_refuses_the_event() {
    let destination = destination(json!({ "body": "{\"a\": {{ title }}" }), "https://x.example/y");
    let reason = send(&destination, &joins("a", "b", "c")).unwrap_err();
    assert!(reason.contains("template.body does not make valid JSON"), "{reason}");
}

/// A variable with several values is an array.
#[test]
fn templates_see_all_values_of_a_variable() {
    let tagged = entry(&form(&[
        ("event", "support_conference_end"),
        ("version", "1"),
        ("timestamp", "1767000000"),
        ("lsid", "a"),
        ("tags[]", "vip"),
        ("tags[]", "<!channel>"),
        ("department", "Support"),
    ]));
    let variables = "event.data.variables";
    let cases = [
        (
            "application/json",
            format!("{{{{ {variables} }}}}"),
            r#"{"department":"Support","tags[]":["vip","<!channel>"]}"#,
        ),
        ("text/plain", format!("{{{{ {variables}[\"tags[]\"]|join(\" \")|chat }}}}"), "vip &lt;!channel&gt;"),
        ("text/plain", format!("{{{{ {variables}[\"tags[]\"]|chat }}}}"), "['vip', '&lt;!channel&gt;']"),
        ("text/plain", format!("{{{{ {variables}.department|chat }}}}"), "Support"),
    ];
    for (content_type, body, expected) in cases {
        let destination = destination(json!({ "content_type": content_type, "body": body }), "https://x.example/y");
        let sent = String::from_utf8(send(&destination, &tagged).unwrap().1).unwrap();
        match serde_json::from_str::<Value>(expected) {
            Ok(expected) if content_type == "application/json" => {
                assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), expected);
            }
            _ => assert_eq!(sent, expected, "{body}"),
        }
    }
}

/// The result of a filter on a customer's name.
fn filtered(filters: &str, name: &str) -> String {
    let body = format!("{{{{ event.data.member.name|{filters} }}}}");
    let destination = destination(json!({ "content_type": "text/plain", "body": body }), "https://x.example/y");
    String::from_utf8(send(&destination, &joins("a", name, "")).unwrap().1).unwrap()
}

#[test]
fn one_line_stays_one_line() {
    let breaks =
        ["\n", "\r\n", "\t", "\0", "\u{b}", "\u{c}", "\u{1b}", "\u{7f}", "\u{85}", "\u{2028}", "\u{2029}", "\n \r\n"];
    for breaks in breaks {
        assert_eq!(filtered("one_line", &format!("a{breaks}b")), "a b", "{breaks:?}");
    }
    for turns in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
        assert_eq!(filtered("one_line", &format!("a{turns}b")), "a b", "{turns:?}");
    }
    assert_eq!(filtered("one_line", " \n a  b \r\n\r\n c\u{2028}"), "a b c");
    assert_eq!(filtered("one_line", "J\u{fc}rgen \u{5d3}\u{5df} 😀"), "J\u{fc}rgen \u{5d3}\u{5df} 😀");
    assert_eq!(filtered("one_line", "\n"), "");
}

#[test]
fn truncate_counts_characters() {
    for (most, expected) in [(0, ""), (1, "…"), (2, "J…"), (5, "Jä😀n…"), (6, "Jä😀n e"), (7, "Jä😀n e")]
    {
        assert_eq!(filtered(&format!("truncate({most})"), "Jä😀n e"), expected, "{most}");
    }
    assert_eq!(filtered("truncate(3)|chat", "a<b>"), "a&lt;…", "an escape is not cut where it comes last");
}

#[test]
fn escaped_markdown_is_shown_as_written() {
    let cases = [
        ("Jane O'Neil-Doe, Dr. med.", "Jane O'Neil-Doe, Dr. med."),
        ("[Reset](https://evil.example/x)", r"\[Reset\]\(https\://evil.example/x\)"),
        ("*a* _b_ ~c~ `d`", r"\*a\* \_b\_ \~c\~ \`d\`"),
        ("1. Jane", r"1\. Jane"),
        ("12) Jane", r"12\) Jane"),
        ("- a + b # c", r"\- a + b # c"),
        ("a\n  + b\n# c\n===", "a\n  \\+ b\n\\# c\n\\==="),
        ("> <b>&lt;", r"\> \<b\>\&lt;"),
        ("version 1.2", "version 1.2"),
        ("WWW.evil.example jane@evil.example", r"WWW\.evil.example jane\@evil.example"),
        (r"a\[b", r"a\\\[b"),
        ("10:30", "10:30"),
    ];
    for (name, expected) in cases {
        assert_eq!(filtered("markdown", name), expected);
    }
}

#[test]
fn text_cannot_end_a_code_span() {
    for (name, expected) in [("a", "`a`"), ("`*a*`", "`'*a*'`"), ("``", "`''`"), ("", "")] {
        assert_eq!(filtered("code", name), expected, "{name}");
    }
}

#[test]
fn filters_turn_missing_values_into_empty_text() {
    for filter in ["one_line", "truncate(3)", "markdown", "code", "chat", "text"] {
        for what in ["event.data.external_key", "event.data.nothing.at.all", "session.end"] {
            let template = json!({ "body": format!("{{{{ {what}|{filter} }}}}") });
            let sent = send(&destination(template, "https://x.example/y"), &joins("a", "b", "")).unwrap().1;
            assert_eq!(String::from_utf8(sent).unwrap(), "\"\"", "{what}|{filter}");
        }
    }
}

#[test]
fn the_example_of_the_docs_works() {
    let page = std::fs::read_to_string("docs/destinations/templates.md").unwrap();
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let all = Destination::read_all(example).unwrap();
    assert_eq!(trial::faults(&all), []);
    let sent = send(&all[0], &joins("c69a", "[Jane](https://evil.example)\n", "DESK-1")).unwrap().1;
    let sent: Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["text"], r"\[Jane\]\(https\://evil.example\) joined");
}
