//! Who sends: decided from the head alone, before anything of the body is read.
//!
//! The guide offers no header and no signature, so the secret rides in the recipient's URL, under the name that the
//! vendor's own integrations use. Senders that can set headers use `Authorization: Bearer`.

use http::header;
use http::request::Parts;

use super::problem::Refusal;
use crate::forward::destination::{DeliveryMode, Secrets};
use crate::settings::{Ingest, Settings, Tokens};

/// The query parameter that carries a sender's token.
const SENDER: &str = "outbound_event_token";

/// The query parameter that carries a scheduler's token: cloud schedulers can set no header.
const SCHEDULER: &str = "tick_token";

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// Knows a token: whatever it sends is kept.
    Authenticated,
    /// Anyone, where ingest is open: only valid events are kept.
    Unauthenticated,
}

/// Lets the sender in, or says why not.
pub(super) fn sender(head: &Parts, ingest: &Ingest) -> Result<Sender, Refusal> {
    match ingest {
        Ingest::Shut => Err(Refusal::Shut),
        Ingest::Open => Ok(Sender::Unauthenticated),
        // It ends at the first that is right: that time is told to who knows a token, and to nobody else.
        Ingest::Guarded(tokens) => {
            let is_known = candidates(head, SENDER).iter().any(|candidate| tokens.contain(candidate));
            if is_known { Ok(Sender::Authenticated) } else { Err(Refusal::Token) }
        }
    }
}

/// Whether the request shows a token that is worth something here, whichever it is and whatever for. For who serves this and limits
/// what strangers may ask of it: it costs little, and nobody is let in by it.
pub fn shows_a_token(head: &Parts, settings: &Settings) -> bool {
    let bears = |tokens: Option<&Tokens>| tokens.is_some_and(|tokens| bearers(head).any(|token| tokens.contain(token)));
    sender(head, &settings.ingest) == Ok(Sender::Authenticated)
        || bears(settings.read_tokens.as_ref())
        || bears(settings.admin_tokens.as_ref())
        || scheduler(head, settings.tick_tokens.as_ref()).is_ok()
        || settings
            .destinations
            .iter()
            .any(|one| one.mode == DeliveryMode::Pull && destination(head, &one.secrets).is_ok())
}

/// Lets a reader in, or says why not. A browser keeps a URL in its history: the header alone counts.
pub(super) fn reader(head: &Parts, tokens: Option<&Tokens>) -> Result<(), Refusal> {
    let tokens = tokens.ok_or(Refusal::Closed)?;
    let is_known = bearers(head).any(|candidate| tokens.contain(candidate));
    if is_known { Ok(()) } else { Err(Refusal::ReadToken) }
}

/// Lets in who may remove, try again and pack, or says why not. Such a token reads nothing by itself.
pub(super) fn admin(head: &Parts, settings: &Settings) -> Result<(), Refusal> {
    let offers =
        |tokens: Option<&Tokens>| tokens.is_some_and(|tokens| bearers(head).any(|token| tokens.contain(token)));
    let set = settings.admin_tokens.is_some();
    match (offers(settings.admin_tokens.as_ref()), offers(settings.read_tokens.as_ref())) {
        (true, _) => Ok(()),
        (false, true) => Err(Refusal::ReadOnly { set }),
        (false, false) if set => Err(Refusal::AdminToken),
        (false, false) => Err(Refusal::AdminClosed),
    }
}

/// Lets a scheduler in, or says why not.
pub(super) fn scheduler(head: &Parts, tokens: Option<&Tokens>) -> Result<(), Refusal> {
    let tokens = tokens.ok_or(Refusal::NoTicks)?;
    let is_known = candidates(head, SCHEDULER).iter().any(|candidate| tokens.contain(candidate));
    if is_known { Ok(()) } else { Err(Refusal::TickToken) }
}

/// Lets a destination in that asks for what is pending for it, or says why not.
pub(super) fn destination(head: &Parts, secrets: &Secrets) -> Result<(), Refusal> {
    let is_known = bearers(head).any(|candidate| secrets.contain(candidate));
    if is_known { Ok(()) } else { Err(Refusal::Secret) }
}

/// What the request offers as its token.
fn candidates(head: &Parts, parameter: &str) -> Vec<String> {
    let query = head.uri.query().unwrap_or_default();
    let parameters: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let in_query = parameters.into_iter().filter(|(name, _)| name == parameter).map(|(_, value)| value);
    in_query.chain(bearers(head).map(str::to_owned)).collect()
}

fn bearers(head: &Parts) -> impl Iterator<Item = &str> {
    head.headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| bearer(value.to_str().ok()?))
}

/// The token of `Bearer <token>`; the scheme's name is not case-sensitive (RFC 9110).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}
