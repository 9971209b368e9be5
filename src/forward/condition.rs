//! The condition `when` of a destination: an expression in minijinja's language over what templates see.

use super::template::expression_tokens::{ExpressionToken, ExpressionTokens};
use super::template::{self, TemplateContext};
use crate::archive::pack::RecordEntry;
use crate::session::Timeline;

/// An expression whose syntax was checked, such as `event.data.variables["session.custom.department"] == "IT"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCondition(String);

/// The longest expression, in bytes.
const MAX_BYTES: usize = 4_000;

impl EventCondition {
    /// Checks the syntax. The error completes a sentence that begins with the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("is empty; leave it out to send every event".to_owned());
        }
        if text.len() > MAX_BYTES {
            return Err("is longer than 4,000 bytes".to_owned());
        }
        template::check_expression(text)?;
        Ok(Self(text.to_owned()))
    }

    /// Whether it asks for the session, which must be read from the store.
    pub(super) fn needs_session(&self) -> bool {
        names(&self.0).any(|name| name == "session")
    }

    /// Whether it is true for an event of this session. The error says why that cannot be told.
    pub fn is_true(&self, entry: &RecordEntry, session: Option<&Timeline>) -> Result<bool, String> {
        let holds = TemplateContext::new(entry, session).and_then(|seen| self.holds(&seen));
        holds.map_err(|reason| format!("its condition (when) {reason}"))
    }

    /// Whether it holds for an event. The error says why that cannot be told, and repeats nothing of the event.
    pub(super) fn holds(&self, seen: &TemplateContext) -> Result<bool, String> {
        template::is_true(&self.0, seen)
    }
}

/// The names of an expression that are not attributes of others. Texts in quotes have none.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let mut after_dot = false;
    ExpressionTokens::of(expression).filter_map(move |token| {
        let is_attribute = std::mem::replace(&mut after_dot, token == ExpressionToken::Sign('.'));
        match token {
            ExpressionToken::Word(name) if !is_attribute => Some(name),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_only_if_the_expression_names_it() {
        let cases = [
            (r#"event.data.variables["session.custom.department"] == "IT""#, false),
            (r#"session.state == "ended""#, true),
            (r#"event.session == 1"#, false),
            (r#"event . session"#, false),
            (r#"not session"#, true),
            (r#""it's" ~ 'a \' session' == site"#, false),
            (r#"site == "hq" and (session.owners|length) > 1"#, true),
            (r#"sessions or my_session"#, false),
            (r#""unclosed session"#, false),
            ("ä.session or session", true),
        ];
        for (expression, expected) in cases {
            assert_eq!(EventCondition(expression.to_owned()).needs_session(), expected, "{expression}");
        }
    }
}
