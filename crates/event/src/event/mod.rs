//! The typed model of an outbound event: seven kinds and their variables (guide, "HTTP recipients").
//!
//! Knows nothing of HTTP, forms or storage. The small types check their rule when they are made. Only [`crate::parse`]
//! makes a whole [`OutboundEvent`], but for a report: [`OutboundEvent::of_report`].
//!
//! | file | what lives there |
//! |---|---|
//! | `mod.rs` | [`OutboundEvent`] and [`EventKind`] |
//! | `name.rs` | [`EventName`]: the value of `event` |
//! | `people.rs` | [`Conference`], [`Member`] and [`MemberRole`] |
//! | `plain.rs` | [`Version`], [`Timestamp`] and [`Lsid`] |
//! | `stored_report.rs` | [`StoredReport`]: the appliance's report of a session |
//! | `variables.rs` | [`Variables`]: every variable outside the guide |

mod name;
mod people;
mod plain;
mod stored_report;
mod variables;

pub use name::{EventName, UnrecognisedName};
pub use people::{Conference, Member, MemberRole, OtherRole};
pub use plain::{Lsid, Timestamp, Version};
pub use stored_report::{ReportJson, StoredReport};
pub(crate) use variables::add_value;
pub use variables::{VariableValue, Variables};

/// A checked event, as an appliance announced it.
///
/// Text is kept byte for byte: nothing is trimmed and no case is folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundEvent {
    pub(crate) version: Version,
    pub(crate) timestamp: Timestamp,
    pub(crate) lsid: Option<Lsid>,
    pub(crate) external_key: Option<String>,
    pub(crate) kind: EventKind,
    pub(crate) variables: Variables,
}

impl OutboundEvent {
    /// The report of a session that ended at `end`, by the report.
    pub fn of_report(lsid: Lsid, external_key: Option<String>, end: Timestamp, report: StoredReport) -> Self {
        Self {
            version: Version::of_reports(),
            timestamp: end,
            lsid: Some(lsid),
            external_key,
            kind: EventKind::Report(Box::new(report)),
            variables: Variables::new(),
        }
    }

    /// The appliance's schema version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// When the event originated on the appliance, which can be long before its delivery.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The session that the event belongs to. The guide's seven events always have one.
    pub fn lsid(&self) -> Option<&Lsid> {
        self.lsid.as_ref()
    }

    /// The session's external key, if one is assigned. It can hold any text: users put JSON in it.
    pub fn external_key(&self) -> Option<&str> {
        self.external_key.as_deref()
    }

    /// What happened, with the variables of that kind of event.
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// Every variable without a field above, such as custom fields.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }
}

/// What happened: one of the guide's seven events, or another; or the report of what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A support session has started.
    Begin,
    /// A support session has ended.
    End,
    /// The session went to a representative or a team.
    OwnerChanged(Conference),
    /// Someone joined the session.
    MemberAdded(Member),
    /// Someone left the session.
    MemberDeparted(Member),
    /// The customer has submitted the exit survey.
    CustomerExitSurveyCompleted,
    /// The primary representative has submitted the survey.
    RepExitSurveyCompleted,
    /// The appliance's report of the ended session.
    Report(Box<StoredReport>),
    /// An event outside the guide: kept with all its variables.
    Unrecognised(UnrecognisedName),
}

impl EventKind {
    /// The value of `event` that the appliance sent.
    pub fn name(&self) -> EventName {
        match self {
            Self::Begin => EventName::Begin,
            Self::End => EventName::End,
            Self::OwnerChanged(_) => EventName::OwnerChanged,
            Self::MemberAdded(_) => EventName::MemberAdded,
            Self::MemberDeparted(_) => EventName::MemberDeparted,
            Self::CustomerExitSurveyCompleted => EventName::CustomerExitSurveyCompleted,
            Self::RepExitSurveyCompleted => EventName::RepExitSurveyCompleted,
            Self::Report(_) => EventName::Report,
            Self::Unrecognised(name) => EventName::Unrecognised(name.clone()),
        }
    }
}
