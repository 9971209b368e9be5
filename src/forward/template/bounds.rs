//! The bounds of a template: how deep an expression can nest.
//!
//! minijinja compiles an expression, evaluates it and lets it go by functions that call themselves, once for each
//! operator: `-` 4,000 times, or `a ~ a ~ a …`, used up an instance's stack. A component that traps while it reads its
//! settings takes events, and answers nothing else. minijinja itself bounds what stands in each other, statements and
//! twice the brackets, at 150 together. Of brackets alone that is too many: one takes as much as ten signs.
//!
//! No expression nests deeper than it has operators; and no value that a template builds, such as `{% set x = [x] %}`
//! again and again, nests deeper than it has brackets. So these are counted. What they may need of an instance's stack
//! is tested (`crates/host/tests/it/depth.rs`), and its size is set in `.cargo/config.toml`.

use super::expression_tokens::{ExpressionToken, ExpressionTokens};

/// The most operators in one tag or condition, where some 30 comparisons have as many. The items of a list have none.
const MAX_OPERATORS: usize = 200;

/// The most brackets in each other.
const MAX_NESTED_BRACKETS: isize = 30;

/// The most opening brackets in all tags of a template.
const MAX_BRACKETS: usize = 300;

/// Words that nest.
const KEYWORDS: [&str; 7] = ["and", "else", "if", "in", "is", "not", "or"];

/// Checks the bounds of a template. The error completes a sentence that begins with the field.
pub(super) fn check_template(text: &str) -> Result<(), String> {
    let mut open_brackets = 0;
    let mut brackets = 0;
    let mut rest = text;
    while let Some((start, after)) = next_tag(rest) {
        let mut tokens = ExpressionTokens::of(after);
        let end = match start {
            TagStart::Comment => {
                rest = after.split_once("#}").map_or("", |(_, after)| after);
                continue;
            }
            TagStart::Value => "}}",
            TagStart::Statement => {
                if let Some(text) = after_whole_tag(after, "raw") {
                    rest = after_raw_text(text);
                    continue;
                }
                "%}"
            }
        };
        let mut expression = Expression { open_brackets, ..Expression::default() };
        while !(expression.open_brackets == 0 && tokens.rest.trim_start().starts_with(end)) {
            let Some(token) = tokens.next() else { break };
            expression.add(token);
        }
        expression.check()?;
        brackets += expression.brackets;
        // minijinja does not begin anew either.
        open_brackets = expression.open_brackets;
        rest = tokens.rest;
    }
    if brackets > MAX_BRACKETS {
        return Err(format!("has {brackets} opening brackets in its tags; at most {MAX_BRACKETS} are allowed"));
    }
    Ok(())
}

/// Checks the bounds of an expression. The error completes a sentence that begins with the field.
pub(super) fn check_expression(text: &str) -> Result<(), String> {
    let mut expression = Expression::default();
    ExpressionTokens::of(text).for_each(|token| expression.add(token));
    expression.check()
}

/// What is counted of the tokens of one tag or condition.
#[derive(Default)]
struct Expression {
    operators: usize,
    brackets: usize,
    open_brackets: isize,
    nested_brackets: isize,
}

impl Expression {
    fn add(&mut self, token: ExpressionToken<'_>) {
        let opened = opens(token);
        self.operators += usize::from(nests(token));
        self.brackets += usize::from(opened > 0);
        self.open_brackets += opened;
        self.nested_brackets = self.nested_brackets.max(self.open_brackets);
    }

    fn check(&self) -> Result<(), String> {
        if self.operators > MAX_OPERATORS {
            let operators = self.operators;
            return Err(format!("has {operators} operators in one expression; at most {MAX_OPERATORS} are allowed"));
        }
        if self.nested_brackets > MAX_NESTED_BRACKETS {
            let nested = self.nested_brackets;
            return Err(format!("has {nested} brackets in each other; at most {MAX_NESTED_BRACKETS} are allowed"));
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum TagStart {
    Value,
    Statement,
    Comment,
}

/// How the next tag starts, and the text after that.
fn next_tag(text: &str) -> Option<(TagStart, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let after = text.get(at + 1..)?;
        let start = match after.chars().next()? {
            '{' => TagStart::Value,
            '%' => TagStart::Statement,
            '#' => TagStart::Comment,
            _ => return None,
        };
        let after = after.get(1..)?;
        Some((start, after.strip_prefix(['-', '+']).unwrap_or(after)))
    })
}

/// The text after a statement that is this word alone, given the text after `{%`.
fn after_whole_tag<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let text = text.trim_ascii_start().strip_prefix(word)?.trim_ascii_start();
    text.strip_prefix(['-', '+']).unwrap_or(text).strip_prefix("%}")
}

/// The text after `{% endraw %}`. Until there nothing is a tag, and quotes have no meaning.
fn after_raw_text(text: &str) -> &str {
    let ends = text.match_indices("{%").find_map(|(at, _)| {
        let after = text.get(at + 2..)?;
        after_whole_tag(after.strip_prefix(['-', '+']).unwrap_or(after), "endraw")
    });
    ends.unwrap_or_default()
}

/// Whether the token can be one more level. A comma separates what is on the same level.
fn nests(token: ExpressionToken<'_>) -> bool {
    match token {
        ExpressionToken::Word(word) => KEYWORDS.contains(&word),
        ExpressionToken::Quoted => false,
        ExpressionToken::Sign(sign) => !matches!(sign, ',' | ')' | ']' | '}'),
    }
}

/// Brackets that the token opens. Within brackets, minijinja does not see the end of a tag.
fn opens(token: ExpressionToken<'_>) -> isize {
    match token {
        ExpressionToken::Sign('(' | '[' | '{') => 1,
        ExpressionToken::Sign(')' | ']' | '}') => -1,
        _ => 0,
    }
}
