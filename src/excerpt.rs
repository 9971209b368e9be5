//! The beginning of an answer's body as one line of text: for the log, the API and the page.
//!
//! It is shown unparsed, be it JSON or HTML. A server may repeat what it was sent, so secrets are removed first.

/// A shorter text is not hidden: it would be cut out of ordinary words.
const SHORTEST_SECRET: usize = 5;

const MOST: usize = 200;

/// Replaces a secret.
const HIDDEN: &str = "…";

/// The secrets that are hidden, the longest first: one can be a part of another.
pub(crate) fn hidden(mut secrets: Vec<String>) -> Vec<String> {
    secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

/// The first 200 characters of a text, without these secrets, as [`hidden`] returns them. `None` if nothing remains.
pub(crate) fn without_secrets(body: &[u8], secrets: &[String]) -> Option<String> {
    let mut text = one_line(&String::from_utf8_lossy(body));
    if text.is_empty() {
        return None;
    }
    for secret in secrets {
        hide(&mut text, &one_line(secret));
    }
    Some(text.chars().take(MOST).collect())
}

/// Replaces each run of white space, line breaks and invisible characters by one space.
fn one_line(text: &str) -> String {
    let words = text.split(is_invisible).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn is_invisible(char: char) -> bool {
    char.is_control()
        || char.is_whitespace()
        // Characters that change the direction of text, join it or mark it.
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Removes a secret everywhere, also with JSON's escaped slashes.
fn hide(text: &mut String, secret: &str) {
    hide_spelling(text, secret);
    let escaped = secret.replace('/', "\\/");
    if escaped != secret {
        hide_spelling(text, &escaped);
    }
}

/// Also removes a beginning of the secret at the end of the text, where the text was cut.
fn hide_spelling(text: &mut String, secret: &str) {
    if text.contains(secret) {
        *text = text.replace(secret, HIDDEN);
    }
    let mut beginnings = (SHORTEST_SECRET..secret.len()).rev().filter_map(|end| secret.get(..end));
    if let Some(beginning) = beginnings.find(|beginning| text.ends_with(beginning)) {
        text.truncate(text.len().saturating_sub(beginning.len()));
        text.push_str(HIDDEN);
    }
}
