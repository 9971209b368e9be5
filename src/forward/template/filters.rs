//! The filters and tests of templates: minijinja's for words and short lists, and ours for text from events.
//!
//! | our filter | what it does |
//! |---|---|
//! | `one_line` | control characters, line breaks and bidirectional controls become a space; runs of spaces become one |
//! | `truncate(n)` | at most `n` characters; a longer text ends with `…`, which counts |
//! | `markdown` | escapes Markdown, for Teams' adaptive cards |
//! | `code` | an inline code span, for Slack and Google Chat: their markup cannot be escaped |
//! | `chat` | escapes `&`, `<` and `>`, with which Slack's links and mentions begin |
//! | `text` | turns JSON (`tojson`) into text, which is then escaped like any other |
//!
//! Apply them in this order: `one_line|truncate(n)|code|chat`. An escape that is cut in two escapes nothing. Each of
//! them turns a missing value into an empty text.

use std::borrow::Cow;
use std::iter::once;

use minijinja::value::Value;
use minijinja::{Environment, filters, tests};

/// Adds all filters and tests. Others are left out because each adds code to the component.
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

/// The text of a value. Events lack many values, so a missing value is empty text and not an error.
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

/// Whether a character begins a line, moves the cursor or changes the direction of the text that follows, which may
/// be ours.
fn breaks_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn truncate(text: &str, most: usize) -> String {
    match text.chars().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(once('…')).take(most).collect(),
    }
}

/// Escapes with a backslash what CommonMark and GitHub's extensions interpret: links, emphasis, code, HTML, entities
/// and addresses anywhere; headings and lists at the beginning of a line; and bare URLs, which become links.
///
/// Escapes parentheses too, which CommonMark does not require: the renderer of adaptive cards for phones ignores a
/// backslash before `[`.
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

/// The beginning of a line so far: `-` begins a list only as the first character, and `.` only after digits at the
/// beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LineStart {
    Nothing,
    Digits,
    Over,
}

fn ends_with_www(text: &str) -> bool {
    text.get(text.len().saturating_sub(3)..).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

/// In a code span only its end has a meaning. An empty text stays empty: two backquotes are not a code span.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { ["`", &text.replace('`', "'"), "`"].concat() }
}

/// A customer named `<!channel>` must mention nobody (Slack, "Escaping text").
fn chat(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
