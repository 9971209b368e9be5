//! Templates turn an event and its session into the body and the path of a request.
//!
//! A template has `event` (the record: `id`, `source`, `type`, `subject`, `time`, `data` …), `title` (the guide's
//! name of the event), `site` and `session` (its timeline: `state`, `start`, `end`, `duration_seconds`, `owners`,
//! `participants`, `external_keys`, `surveys`). The value of a placeholder is escaped for its context: as JSON, with
//! quotes, if the content type is JSON; percent-encoded in a form and in the path and query of a URL. In any other
//! text it is not escaped. A template that takes several events has `events`, a list of these.
//!
//! | what | file |
//! |---|---|
//! | templates, their context, rendering | this file |
//! | how deep an expression can nest | `bounds.rs`, `expression_tokens.rs` |
//! | the filters: minijinja's, and ours for text from events | `filters.rs` |
//! | the ready templates | `../templates/` |
//! | a trial on invented events, before anything is sent | `../trial.rs` |

mod bounds;
pub(super) mod expression_tokens;
mod filters;

use std::borrow::Cow;

use http::{HeaderValue, Method};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::archive::pack::RecordEntry;
use crate::session::Timeline;

/// A template for requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplate {
    /// The method of the request.
    pub method: Method,
    /// The type of the body.
    pub content_type: HeaderValue,
    /// The body, in minijinja's language.
    pub body: Cow<'static, str>,
    /// Whether it has `events`, a list, rather than one event.
    pub takes_events: bool,
}

/// The values that a template can use.
#[derive(Clone)]
pub(super) struct TemplateContext(Value);

impl TemplateContext {
    /// The context of a record and its session. An error if the value is not JSON.
    pub(super) fn new(entry: &RecordEntry, session: Option<&Timeline>) -> Result<Self, String> {
        let read = |json: &[u8]| serde_json::from_slice::<Value>(json).map_err(|error| error.to_string());
        // By way of JSON: minijinja's own serializer would be one more for all that a timeline has.
        let session = serde_json::to_vec(&session).map_err(|error| error.to_string())?;
        Ok(Self(Value::from_pairs([
            ("event", read(&entry.value)?),
            ("title", entry.key.event.title().into()),
            ("site", entry.key.site.as_str().into()),
            ("session", read(&session)?),
        ])))
    }

    /// The context of a template that takes several events.
    pub(super) fn of_several(events: Vec<Self>) -> Self {
        let events: Vec<Value> = events.into_iter().map(|one| one.0).collect();
        Self(Value::from_pairs([("events", Value::from(events))]))
    }
}

/// A ready template that begins with what there is to say of a session's report.
macro_rules! with_report {
    ($file:literal) => {
        concat!(include_str!("../templates/report.jinja"), include_str!($file))
    };
}

/// The ready templates: JSON, sent by POST.
const READY: [(&str, &str); 7] = [
    ("google-chat", include_str!("../templates/google-chat.json")),
    ("jira", with_report!("../templates/jira.json")),
    ("sentinel", include_str!("../templates/sentinel.json")),
    ("servicenow", with_report!("../templates/servicenow.json")),
    ("servicenow-note", with_report!("../templates/servicenow-note.json")),
    ("slack", include_str!("../templates/slack.json")),
    ("teams", include_str!("../templates/teams.json")),
];

/// The names of the ready templates.
pub fn names() -> String {
    READY.map(|(name, _)| name).join(", ")
}

/// Why a template could not be rendered. Repeats nothing of the event.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenderError {
    #[error("{0}")]
    Failed(String),
    #[error("does not make valid JSON: {0}")]
    NotJson(serde_json::Error),
}

impl From<RenderError> for String {
    fn from(error: RenderError) -> Self {
        format!("template.body {error}")
    }
}

impl RequestTemplate {
    /// The ready template of this name.
    pub fn ready(name: &str) -> Option<Self> {
        let (_, body) = READY.iter().find(|(known, _)| *known == name)?;
        let content_type = HeaderValue::from_static("application/json");
        Some(Self { method: Method::POST, content_type, body: Cow::Borrowed(body), takes_events: name == "sentinel" })
    }

    /// Whether it may ask for the session, which must be read from the store.
    pub(super) fn needs_session(&self) -> bool {
        self.body.contains("session")
    }

    /// Checks the syntax of the body, and its bounds.
    pub fn check(&self) -> Result<(), String> {
        bounds::check_template(&self.body)?;
        environment(self.escape()).template_from_str(&self.body).map(drop).map_err(|error| describe(&error))
    }

    pub(super) fn render(&self, seen: &TemplateContext) -> Result<Vec<u8>, RenderError> {
        let rendered = environment(self.escape())
            .render_str(&self.body, seen.0.clone())
            .map_err(|error| RenderError::Failed(describe(&error)))?;
        if matches!(self.escape(), AutoEscape::Json) {
            serde_json::from_str::<serde::de::IgnoredAny>(&rendered).map_err(RenderError::NotJson)?;
        }
        Ok(rendered.into_bytes())
    }

    fn escape(&self) -> AutoEscape {
        let essence = self.content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let essence = essence.to_ascii_lowercase();
        if essence == "application/json" || essence.ends_with("+json") {
            AutoEscape::Json
        } else if essence == "application/x-www-form-urlencoded" {
            PERCENT
        } else {
            AutoEscape::None
        }
    }
}

const PERCENT: AutoEscape = AutoEscape::Custom(Cow::Borrowed("percent"));

/// Checks the syntax of a URL's path and query, and their bounds.
pub(super) fn check_path(path: &str) -> Result<(), String> {
    bounds::check_template(path)?;
    environment(PERCENT).template_from_str(path).map(drop).map_err(|error| describe(&error))
}

/// Checks the syntax of an expression, and its bounds.
pub(super) fn check_expression(text: &str) -> Result<(), String> {
    bounds::check_expression(text)?;
    environment(AutoEscape::None).compile_expression(text).map(drop).map_err(|error| describe(&error))
}

/// Whether an expression is true for an event. The error repeats nothing of the event.
pub(super) fn is_true(expression: &str, seen: &TemplateContext) -> Result<bool, String> {
    let environment = environment(AutoEscape::None);
    let compiled = environment.compile_expression(expression);
    let value = compiled.and_then(|compiled| compiled.eval(&seen.0)).map_err(|error| describe(&error))?;
    Ok(value.is_true())
}

/// The path and query of a URL for an event. It is an error if a value of the event would lead to another path.
pub(super) fn path<'p>(path: &'p str, seen: &TemplateContext) -> Result<Cow<'p, str>, String> {
    if !path.contains("{{") {
        return Ok(Cow::Borrowed(path));
    }
    let rendered = environment(PERCENT).render_str(path, seen.0.clone()).map_err(|error| describe(&error))?;
    let before_query = rendered.split('?').next().unwrap_or_default();
    // Dots in the template are the administrator's; a segment of dots alone came from an event.
    let climbs = |segment: &str| {
        let dots = segment.replace("%2E", ".");
        dots == "." || dots == ".."
    };
    let empty = before_query.matches("//").count() > path.matches("//").count()
        || before_query.ends_with('/') != path_ends(path);
    if empty || before_query.split('/').any(climbs) {
        return Err("the event's value cannot be a part of a path".to_owned());
    }
    Ok(Cow::Owned(rendered))
}

fn path_ends(path: &str) -> bool {
    path.split('?').next().unwrap_or_default().ends_with('/')
}

fn environment<'e>(escape: AutoEscape) -> Environment<'e> {
    let mut environment = Environment::empty();
    filters::add_to(&mut environment);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.set_formatter(format);
    // Events lack many values: only some have a member or an external key.
    environment.set_undefined_behavior(UndefinedBehavior::Chainable);
    environment
}

/// All characters except letters, digits, `-` and `_`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if *state.auto_escape() != PERCENT || value.is_safe() {
        return minijinja::escape_formatter(out, state, value);
    }
    if value.is_undefined() || value.is_none() {
        return Ok(());
    }
    write!(out, "{}", utf8_percent_encode(&value.to_string(), ENCODED)).map_err(|_| ErrorKind::BadEscape.into())
}

/// The error and its line, without values of the event: details are shown only if they come from the template alone.
fn describe(error: &Error) -> String {
    use ErrorKind::{SyntaxError, UnknownFilter, UnknownTest};
    let line = error.line().map(|line| format!(" (line {line})")).unwrap_or_default();
    let detail = error.detail().filter(|_| matches!(error.kind(), SyntaxError | UnknownFilter | UnknownTest));
    format!("fails{line}: {}", detail.map_or_else(|| error.kind().to_string(), str::to_owned))
}
