//! `/api`: what came in, as JSON, for who has a read token; and its removal, for who has an admin token.
//!
//! | resource | file |
//! |---|---|
//! | `/api/sessions`, `/api/sessions/{site}/{lsid}` | `sessions.rs` |
//! | `/api/events`, `/api/events/{id}` | `events.rs` |
//! | `/api/set-aside`, `/api/set-aside/{id}`, `/api/set-aside/{id}/retry` | `set_aside.rs` |
//! | `/api/destinations`, `/api/destinations/{name}/…` | `destinations.rs` |
//! | `/api/stats`, `/api/pack` | `stats.rs`, `pack.rs` |
//!
//! What is read is [`crate::archive`]'s union of loose records and packs. What cannot be read is named in the answer.

mod destinations;
mod events;
mod naming;
mod pack;
mod query;
mod sessions;
mod set_aside;
mod stats;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{After, Answer, BrokenOff, Refusal, Service, auth, json_response};
use crate::event::Lsid;
use crate::identity::{DestinationName, Id, Site};
use crate::platform::Platform;

use destinations::Action;
use query::Query;

/// The most bytes of values that one answer holds. A page that would be larger ends before.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// What a path under `/api` names.
pub(super) enum Resource {
    Sessions,
    Session(Site, Lsid),
    Events,
    Event(Id),
    SetAsides,
    SetAside(Id),
    Retry(Id),
    Destinations,
    Refused(DestinationName),
    Act(DestinationName, Action),
    Owed(DestinationName),
    Sent(DestinationName),
    Stats,
    Pack,
}

impl Resource {
    /// Reads a path, without its `/api/`.
    pub(super) fn of(path: &str) -> Result<Self, Refusal> {
        let id = |text: &str, what| text.parse().map_err(|_| Refusal::Absent(what));
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["sessions"] => Ok(Self::Sessions),
            ["sessions", site, lsid] => {
                let lsid =
                    percent_decode_str(lsid).decode_utf8().ok().and_then(|lsid| Lsid::parse(without_tilde(&lsid)).ok());
                let session = Site::parse(site).zip(lsid).map(|(site, lsid)| Self::Session(site, lsid));
                session.ok_or(Refusal::Absent("session"))
            }
            ["events"] => Ok(Self::Events),
            ["events", event] => id(event, "event").map(Self::Event),
            ["set-aside"] => Ok(Self::SetAsides),
            ["set-aside", body] => id(body, "body").map(Self::SetAside),
            ["set-aside", body, "retry"] => id(body, "body").map(Self::Retry),
            ["destinations"] => Ok(Self::Destinations),
            ["destinations", name, rest @ ..] => {
                let name = DestinationName::parse(name).ok_or(Refusal::Absent("destination"))?;
                match rest {
                    ["refused"] => Ok(Self::Refused(name)),
                    ["refused", "retry"] => Ok(Self::Act(name, Action::RetryAll)),
                    ["refused", event, "retry"] => id(event, "event").map(|id| Self::Act(name, Action::Retry(id))),
                    ["pause"] => Ok(Self::Act(name, Action::Pause)),
                    ["resume"] => Ok(Self::Act(name, Action::Resume)),
                    ["replay"] => Ok(Self::Act(name, Action::Replay)),
                    ["owed"] => Ok(Self::Owed(name)),
                    ["sent"] => Ok(Self::Sent(name)),
                    _ => Err(Refusal::Path),
                }
            }
            ["stats"] => Ok(Self::Stats),
            ["pack"] => Ok(Self::Pack),
            _ => Err(Refusal::Path),
        }
    }

    /// As `openapi.yaml` has it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sessions => "/api/sessions",
            Self::Session(..) => "/api/sessions/{site}/{lsid}",
            Self::Events => "/api/events",
            Self::Event(_) => "/api/events/{id}",
            Self::SetAsides => "/api/set-aside",
            Self::SetAside(_) => "/api/set-aside/{id}",
            Self::Retry(_) => "/api/set-aside/{id}/retry",
            Self::Destinations => "/api/destinations",
            Self::Refused(_) => "/api/destinations/{name}/refused",
            Self::Act(_, Action::RetryAll) => "/api/destinations/{name}/refused/retry",
            Self::Act(_, Action::Retry(_)) => "/api/destinations/{name}/refused/{id}/retry",
            Self::Act(_, Action::Pause) => "/api/destinations/{name}/pause",
            Self::Act(_, Action::Resume) => "/api/destinations/{name}/resume",
            Self::Act(_, Action::Replay) => "/api/destinations/{name}/replay",
            Self::Owed(_) => "/api/destinations/{name}/owed",
            Self::Sent(_) => "/api/destinations/{name}/sent",
            Self::Stats => "/api/stats",
            Self::Pack => "/api/pack",
        }
    }

    fn allow(&self) -> &'static str {
        match self {
            Self::Sessions | Self::Event(_) | Self::SetAsides | Self::Stats => "GET, HEAD",
            Self::Destinations | Self::Refused(_) | Self::Owed(_) => "GET, HEAD",
            Self::Session(..) | Self::Events => "GET, HEAD, DELETE",
            Self::SetAside(_) => "DELETE",
            Self::Retry(_) | Self::Pack | Self::Act(..) | Self::Sent(_) => "POST",
        }
    }
}

/// The ids `.` and `..` are no part of a path that a browser would send: there they are written `~.` and `~..`, and what begins so
/// itself has one more tilde.
fn without_tilde(written: &str) -> &str {
    let dots = matches!(written.trim_start_matches('~'), "." | "..");
    written.strip_prefix('~').filter(|_| dots).unwrap_or(written)
}

impl<P: Platform> Service<'_, P> {
    /// Answers a request for a resource: method, token, query, in this order.
    pub(super) async fn api(
        &self,
        resource: Resource,
        head: &Parts,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Result<Answer, Refusal> {
        let allow = resource.allow();
        if !allow.split(", ").any(|method| method == head.method.as_str()) {
            return Err(Refusal::Method { allow });
        }
        let settings = self.settings()?;
        if matches!(resource, Resource::Owed(_) | Resource::Sent(_)) {
            // Who may is for the destination's own secret to say.
        } else if matches!(head.method, Method::GET | Method::HEAD) {
            auth::reader(head, settings.read_tokens.as_ref())?;
        } else {
            auth::admin(head, settings)?;
        }
        let removes = head.method == Method::DELETE;
        let mut after = if matches!(resource, Resource::Act(..)) { After::round() } else { After::default() };
        let mut response = match resource {
            Resource::Sessions => self.sessions(head).await,
            Resource::Session(site, lsid) if removes => self.remove_session(head, &site, &lsid).await,
            Resource::Session(site, lsid) => self.session(head, &site, &lsid).await,
            Resource::Events if removes => self.remove_events(head).await,
            Resource::Events => self.events(head).await,
            Resource::Event(id) => self.event(head, id).await,
            Resource::SetAsides => self.set_asides(head).await,
            Resource::SetAside(id) => self.remove_set_aside(head, id).await,
            Resource::Retry(id) => self.retry(head, id).await.map(|(response, stored)| {
                after = stored;
                response
            }),
            Resource::Destinations => self.destinations(head).await,
            Resource::Refused(name) => self.refused(head, &name).await,
            Resource::Act(name, action) => self.act(head, &name, action).await,
            Resource::Owed(name) => self.owed(head, &name).await,
            Resource::Sent(name) => self.sent(head, &name, chunk).await,
            Resource::Stats => self.stats(head).await,
            Resource::Pack => self.pack(head).await,
        }?;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Answer { after, ..Answer::new(response) })
    }
}

fn json(body: &impl Serialize) -> Response<Vec<u8>> {
    json_response(StatusCode::OK, "application/json", body)
}

fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if !content_type.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    response
}
