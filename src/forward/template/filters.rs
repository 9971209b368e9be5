//! The filters and tests that templates have: minijinja's for words and short lists, and ours for text that somebody else chose.
//!
//! | ours | what it does |
//! |---|---|
//! | `one_line` | control characters, line breaks and bidirectional controls become a space; runs of spaces become one |
//! | `truncate(n)` | at most `n` characters; what is longer ends with `…`, which counts |
//! | `markdown` | escapes what Markdown reads, for Teams' adaptive cards and the like |
//! | `code` | an inline code span, for Slack and Google Chat: their markup has no escape character |
//! | `chat` | escapes `&`, `<` and `>`, by which Slack's links and mentions begin |
//! | `text` | makes of JSON (`tojson`) a text that is escaped like any other |
//!
//! They go in this order, `one_line|truncate(n)|code|chat`: an escape that is cut in two escapes nothing. Of a value that is not there
//! each makes an empty text.

use std::borrow::Cow;
use std::iter::once;

use minijinja::value::Value;
use minijinja::{Environment, filters, tests};

/// Adds all filters and tests. What is not named here is no part of the component: each costs it its code.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("chat", |value: &Value| chat(&text_of(value)));
    environment.add_filter("code", |value: &Value| code(&text_of(value)));
    environment.add_filter("markdown", |value: &Value| markdown(&text_of(value)));
    environment.add_filter("one_line", |value: &Value| one_line(&text_of(value)));
    environment.add_filter("text", |value: &Value| text_of(value).into_owned());
    environment.add_filter("truncate", |value: &Value, most: usize| truncate(&text_of(value), most));

    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("default", filters::default);
    environment.add_filter("d", filters::default);
    environment.add_filter("first", filters::first);
    environment.add_filter("int", filters::int);
    environment.add_filter("items", filters::items);
    environment.add_filter("join", filters::join);
    environment.add_filter("last", filters::last);
    environment.add_filter("length", filters::length);
    environment.add_filter("count", filters::length);
    environment.add_filter("list", filters::list);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("reverse", filters::reverse);
    environment.add_filter("safe", filters::safe);
    environment.add_filter("split", filters::split);
    environment.add_filter("string", filters::string);
    environment.add_filter("title", filters::title);
    environment.add_filter("tojson", filters::tojson);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_test("none", tests::is_none);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("undefined", tests::is_undefined);
}

/// An event has what it has: a filter on what is not there is no fault of the template.
fn text_of(value: &Value) -> Cow<'_, str> {
    match value.as_str() {
        Some(text) => text.into(),
        None if value.is_undefined() || value.is_none() => "".into(),
        None => value.to_string().into(),
    }
}

fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c| c == ' ' || breaks_a_line(c)).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Whether a character begins another line, moves the cursor or turns the direction of what follows, which may be text of ours.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn truncate(text: &str, most: usize) -> String {
    match text.chars().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(once('…')).take(most).collect(),
    }
}

/// Escapes with a backslash what CommonMark and GitHub's extensions read: links, emphasis, code, HTML, entities and addresses anywhere;
/// headings and lists where a line begins; and what makes a link of a bare URL.
///
/// Parentheses too, though CommonMark does not need it: the reader of adaptive cards for phones ignores a backslash before `[`.
fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    let mut line_start = LineStart::Nothing;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let special = match c {
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '(' | ')' | '<' | '>' | '&' | '@' | '|' => true,
            '#' | '-' | '+' | '=' => line_start == LineStart::Nothing,
            '.' => line_start == LineStart::Digits || ends_with_www(&escaped),
            ':' => rest.as_str().starts_with('/'),
            _ => false,
        };
        if special {
            escaped.push('\\');
        }
        escaped.push(c);
        line_start = match c {
            '\n' | '\r' => LineStart::Nothing,
            ' ' | '\t' if line_start == LineStart::Nothing => LineStart::Nothing,
            '0'..='9' if line_start != LineStart::Over => LineStart::Digits,
            _ => LineStart::Over,
        };
    }
    escaped
}

/// What has been read of a line: `-` begins a list only before everything else, and `.` only behind digits that do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineStart {
    Nothing,
    Digits,
    Over,
}

fn ends_with_www(text: &str) -> bool {
    text.get(text.len().saturating_sub(3)..).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

/// In a code span nothing is read but its end. An empty text stays empty: two backquotes would be no span.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { ["`", &text.replace('`', "'"), "`"].concat() }
}

/// A customer named `<!channel>` calls nobody (Slack, "Escaping text").
fn chat(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
