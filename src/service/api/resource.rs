//! The resources under `/api`: their paths, and the methods that each allows.

use percent_encoding::percent_decode_str;

use crate::event::Lsid;
use crate::identity::{DestinationName, Id, Site};
use crate::service::problem::Refusal;

/// A resource under `/api`.
pub(in crate::service) enum ApiResource {
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
    Pending(DestinationName),
    Sent(DestinationName),
    Appliances,
    CheckAppliance(Site),
    Stats,
    Statistics,
    Now,
    Pack,
}

impl ApiResource {
    /// Parses a path after `/api/`.
    pub(in crate::service) fn parse(path: &str) -> Result<Self, Refusal> {
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
                    ["skip"] => Ok(Self::Act(name, Action::Skip)),
                    ["pending"] => Ok(Self::Pending(name)),
                    ["sent"] => Ok(Self::Sent(name)),
                    _ => Err(Refusal::Path),
                }
            }
            ["appliances"] => Ok(Self::Appliances),
            ["appliances", site, "check"] => {
                Site::parse(site).map(Self::CheckAppliance).ok_or(Refusal::Absent("appliance"))
            }
            ["stats"] => Ok(Self::Stats),
            ["statistics"] => Ok(Self::Statistics),
            ["now"] => Ok(Self::Now),
            ["pack"] => Ok(Self::Pack),
            _ => Err(Refusal::Path),
        }
    }

    /// The path in `openapi.yaml`.
    pub(in crate::service) fn name(&self) -> &'static str {
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
            Self::Act(_, Action::Skip) => "/api/destinations/{name}/skip",
            Self::Pending(_) => "/api/destinations/{name}/pending",
            Self::Sent(_) => "/api/destinations/{name}/sent",
            Self::Appliances => "/api/appliances",
            Self::CheckAppliance(_) => "/api/appliances/{site}/check",
            Self::Stats => "/api/stats",
            Self::Statistics => "/api/statistics",
            Self::Now => "/api/now",
            Self::Pack => "/api/pack",
        }
    }

    pub(super) fn allow(&self) -> &'static str {
        match self {
            Self::Sessions | Self::Event(_) | Self::SetAsides => "GET, HEAD",
            Self::Stats | Self::Statistics | Self::Now => "GET, HEAD",
            Self::Destinations | Self::Refused(_) | Self::Pending(_) | Self::Appliances => "GET, HEAD",
            Self::Session(..) | Self::Events => "GET, HEAD, DELETE",
            Self::SetAside(_) => "DELETE",
            Self::Retry(_) | Self::Pack | Self::Act(..) | Self::Sent(_) | Self::CheckAppliance(_) => "POST",
        }
    }
}

/// Browsers remove the segments `.` and `..` from a path, so these ids are written `~.` and `~..`, and ids that begin
/// so with one more tilde.
fn without_tilde(written: &str) -> &str {
    let dots = matches!(written.trim_start_matches('~'), "." | "..");
    written.strip_prefix('~').filter(|_| dots).unwrap_or(written)
}

/// A command to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Action {
    Pause,
    Resume,
    Replay,
    RetryAll,
    Retry(Id),
    Skip,
}

impl Action {
    /// The allowed parameters of its query.
    pub(super) fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Replay => &["from", "to"],
            Self::Skip => &["event"],
            Self::Pause | Self::Resume | Self::RetryAll | Self::Retry(_) => &[],
        }
    }
}
