//! The tokens of an expression in minijinja's language, as far as they matter to what we check before it is compiled.

/// A token. White space is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::forward) enum ExpressionToken<'t> {
    /// A name, a keyword or a number.
    Word(&'t str),
    /// A text in quotes.
    Quoted,
    /// Any other character.
    Sign(char),
}

/// Reads tokens from the beginning of a text.
#[derive(Clone, Copy, Debug)]
pub(in crate::forward) struct ExpressionTokens<'t> {
    /// What has not been read.
    pub rest: &'t str,
}

impl<'t> ExpressionTokens<'t> {
    pub fn of(text: &'t str) -> Self {
        Self { rest: text }
    }
}

impl<'t> Iterator for ExpressionTokens<'t> {
    type Item = ExpressionToken<'t>;

    fn next(&mut self) -> Option<ExpressionToken<'t>> {
        let text = self.rest.trim_start();
        let first = text.chars().next()?;
        let (token, rest) = if matches!(first, '"' | '\'') {
            (ExpressionToken::Quoted, after_quotes(text, first))
        } else if is_of_word(first) {
            let (word, rest) = text.split_at_checked(text.find(|c| !is_of_word(c)).unwrap_or(text.len()))?;
            (ExpressionToken::Word(word), rest)
        } else {
            (ExpressionToken::Sign(first), text.get(first.len_utf8()..)?)
        };
        self.rest = rest;
        Some(token)
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The text after a text in quotes.
fn after_quotes(text: &str, quote: char) -> &str {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return text.get(at + 1..).unwrap_or_default(),
            _ => {}
        }
    }
    ""
}
