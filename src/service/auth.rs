//! Authentication: decided from the head of a request, before its body is read.
//!
//! The guide offers no header and no signature, so the token is in the recipient's URL, under the name that the
//! vendor's own integrations use. Senders that can set headers use `Authorization: Bearer`.

use http::header;
use http::request::Parts;

use super::problem::Refusal;
use crate::forward::destination::{DeliveryMode, Secrets};
use crate::settings::{Ingest, Settings, Tokens};

/// The query parameter with a sender's token.
const SENDER: &str = "outbound_event_token";

/// The query parameter with a scheduler's token: some cloud schedulers cannot set headers.
const SCHEDULER: &str = "tick_token";

/// The sender of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// It showed a valid token: every body is kept.
    Authenticated,
    /// A client without a token, where ingest is open: only valid events are kept.
    Unauthenticated,
}

/// Authenticates a sender, or refuses it.
pub(super) fn sender(head: &Parts, ingest: &Ingest) -> Result<Sender, Refusal> {
    match ingest {
        Ingest::Shut => Err(Refusal::Shut),
        Ingest::Open => Ok(Sender::Unauthenticated),
        // Stopping at the first match reveals its position only to a client that knows a token.
        Ingest::Guarded(tokens) => {
            let is_known = candidates(head, SENDER).iter().any(|candidate| tokens.contain(candidate));
            if is_known { Ok(Sender::Authenticated) } else { Err(Refusal::Token) }
        }
    }
}

/// Whether the request shows any valid token, of whatever right. For hosts that limit unauthenticated clients: it is
/// cheap, and grants nothing.
pub fn shows_a_token(head: &Parts, settings: &Settings) -> bool {
    let bears = |tokens: Option<&Tokens>| tokens.is_some_and(|tokens| bearers(head).any(|token| tokens.contain(token)));
    sender(head, &settings.ingest) == Ok(Sender::Authenticated)
        || bears(settings.read_tokens.as_ref())
        || bears(settings.admin_tokens.as_ref())
        || scheduler(head, settings.tick_tokens.as_ref()).is_ok()
        || settings
            .destinations
            .iter()
            .any(|known| known.mode == DeliveryMode::Pull && destination(head, &known.secrets).is_ok())
}

/// Authorizes reading, or refuses it. Only the header counts: a browser would keep a URL in its history.
pub(super) fn reader(head: &Parts, tokens: Option<&Tokens>) -> Result<(), Refusal> {
    let tokens = tokens.ok_or(Refusal::Closed)?;
    let is_known = bearers(head).any(|candidate| tokens.contain(candidate));
    if is_known { Ok(()) } else { Err(Refusal::ReadToken) }
}

/// Authorizes deleting, retrying and packing, or refuses it. An admin token does not grant read access.
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

/// Authorizes a scheduler, or refuses it.
pub(super) fn scheduler(head: &Parts, tokens: Option<&Tokens>) -> Result<(), Refusal> {
    let tokens = tokens.ok_or(Refusal::NoTicks)?;
    let is_known = candidates(head, SCHEDULER).iter().any(|candidate| tokens.contain(candidate));
    if is_known { Ok(()) } else { Err(Refusal::TickToken) }
}

/// Authorizes the client of a destination that pulls, or refuses it.
pub(super) fn destination(head: &Parts, secrets: &Secrets) -> Result<(), Refusal> {
    let is_known = bearers(head).any(|candidate| secrets.contain(candidate));
    if is_known { Ok(()) } else { Err(Refusal::Secret) }
}

/// All texts that the request offers as its token.
fn candidates(head: &Parts, parameter: &str) -> Vec<String> {
    let query = head.uri.query().unwrap_or_default();
    let parameters: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let in_query = parameters.into_iter().filter(|(name, _)| name == parameter).map(|(_, value)| value);
    in_query.chain(bearers(head).map(str::to_owned)).collect()
}

fn bearers(head: &Parts) -> impl Iterator<Item = &str> {
    head.headers.get_all(header::AUTHORIZATION).iter().filter_map(|value| bearer(value.to_str().ok()?))
}

/// The token of `Bearer <token>`. The name of the scheme is not case-sensitive (RFC 9110, 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}
