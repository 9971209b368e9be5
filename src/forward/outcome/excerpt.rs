//! The beginning of an answer's body as one line of text: for the log, the API and the page.
//!
//! It is shown as it is, be it JSON or HTML. A destination may repeat what it was sent, so what is secret is taken out first.

use crate::forward::destination::secret_texts::SHORTEST_SECRET;
use crate::forward::destination::{Push, Secrets};

/// How many characters are shown.
const MOST: usize = 200;

/// Stands for what is secret.
const HIDDEN: &str = "…";

/// The first 200 characters of a text without what is secret. None where nothing is left.
pub fn without_secrets(body: &[u8], push: &Push, secrets: &Secrets) -> Option<String> {
    let mut text = one_line(&String::from_utf8_lossy(body));
    if text.is_empty() {
        return None;
    }
    for secret in push.secret_texts(secrets) {
        hide(&mut text, &one_line(&secret));
    }
    Some(text.chars().take(MOST).collect())
}

/// One space for each run of white space, line breaks and characters that are not seen.
fn one_line(text: &str) -> String {
    let words = text.split(is_invisible).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn is_invisible(char: char) -> bool {
    char.is_control()
        || char.is_whitespace()
        // What changes the direction of text, and joins or marks it.
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Takes out a secret wherever it is, also as JSON has it whose slashes are escaped.
fn hide(text: &mut String, secret: &str) {
    hide_spelling(text, secret);
    let escaped = secret.replace('/', "\\/");
    if escaped != secret {
        hide_spelling(text, &escaped);
    }
}

/// Also where the text breaks off within it.
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
