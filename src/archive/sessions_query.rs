//! What is asked of a list of sessions, and where its pages end.

use std::cmp::Reverse;

use crate::event::{Lsid, Timestamp};
use crate::identity::Site;
use crate::keys;
use crate::session::{SessionState, Summary};

/// A session: lsids are unique only within a site.
pub type SessionId = (Site, Lsid);

/// The position of a session in the list.
pub(super) type SessionPosition = (Reverse<Timestamp>, SessionId);

/// The end of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionsCursor {
    pub(super) first: Reverse<Timestamp>,
    /// The last session of the page. `None` if the page ended before all sessions that began at that time.
    pub(super) session: Option<SessionId>,
}

impl SessionsCursor {
    /// A cursor before the sessions that began at `time`, and after those that began later.
    pub(super) fn before_time(time: Timestamp) -> Self {
        Self { first: Reverse(time), session: None }
    }

    pub(super) fn after_session((first, session): SessionPosition) -> Self {
        Self { first, session: Some(session) }
    }

    /// The time down to which sessions were looked at.
    pub fn time(&self) -> Timestamp {
        self.first.0
    }

    /// Parses the text that its `Display` writes.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "is not the cursor of a page of sessions";
        let mut parts = text.splitn(3, '.');
        let first = keys::read_timestamp(parts.next().unwrap_or_default()).map_err(|_| RULE)?;
        let session = match (parts.next(), parts.next()) {
            (None, _) => None,
            (Some(site), Some(lsid)) => {
                Some((Site::parse(site).ok_or(RULE)?, keys::read_lsid(lsid).map_err(|_| RULE)?))
            }
            (Some(_), None) => return Err(RULE),
        };
        Ok(Self { first: Reverse(first), session })
    }

    pub(super) fn precedes(&self, (first, session): &SessionPosition) -> bool {
        (self.first, self.session.as_ref()) < (*first, Some(session))
    }
}

impl std::fmt::Display for SessionsCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&keys::timestamp(self.first.0))?;
        match &self.session {
            Some((site, lsid)) => write!(f, ".{}.{}", site.as_str(), keys::lsid(lsid)),
            None => Ok(()),
        }
    }
}

/// The filter of a list of sessions, and the size of a page.
#[derive(Clone, Debug, Default)]
pub struct SessionsQuery {
    /// Only sessions of this site.
    pub site: Option<Site>,
    /// Only sessions in this state.
    pub state: Option<SessionState>,
    /// Only sessions whose first event has this time or a later one.
    pub from: Option<Timestamp>,
    /// Only sessions whose first event is before this time.
    pub to: Option<Timestamp>,
    /// Only sessions with this text in their lsid, an external key or a name. The text is folded
    /// ([`crate::folding::fold`]).
    pub text: Option<String>,
    /// Only sessions that had this external key at some time.
    pub external_key: Option<String>,
    /// Only sessions that were never announced as ended: their site is here, and their last record is before its time.
    /// Or, with `false`, only other sessions.
    pub unannounced: Option<(bool, Vec<(Site, Timestamp)>)>,
    /// Only sessions in which a representative was, or, with `false`, only sessions in which none was.
    pub answered: Option<bool>,
    /// Only sessions of which this was the last representative that owned them.
    pub representative: Option<String>,
    /// Only sessions of which this was the last team that owned them.
    pub team: Option<String>,
    /// Only sessions after the end of an earlier page.
    pub after: Option<SessionsCursor>,
    /// The most sessions of a page.
    pub limit: usize,
}

impl SessionsQuery {
    pub(super) fn matches(&self, site: &Site, summary: &Summary) -> bool {
        let is_missed = |sites: &[(Site, Timestamp)]| {
            let is_before = |(of, before): &(Site, Timestamp)| of == site && summary.last < *before;
            summary.is_unannounced() && sites.iter().any(is_before)
        };
        self.unannounced.as_ref().is_none_or(|(wanted, sites)| *wanted == is_missed(sites))
            && self.state.is_none_or(|state| state == summary.state())
            && self.external_key.as_ref().is_none_or(|key| summary.had_external_key(key))
            && self.answered.is_none_or(|answered| answered == summary.is_answered())
            && is_name(&self.representative, summary.last_representative())
            && is_name(&self.team, summary.last_team())
            && self.text.as_ref().is_none_or(|text| summary.contains_text(text))
    }
}

fn is_name(wanted: &Option<String>, name: Option<&str>) -> bool {
    wanted.as_deref().is_none_or(|wanted| name == Some(wanted))
}
