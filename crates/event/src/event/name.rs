//! The names of events.

/// The value of the variable `event`: `[a-z0-9_]{1,64}`, or [`EventName::REPORT`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventName {
    /// `support_conference_begin`
    Begin,
    /// `support_conference_end`
    End,
    /// `support_conference_owner_changed`
    OwnerChanged,
    /// `support_conference_member_added`
    MemberAdded,
    /// `support_conference_member_departed`
    MemberDeparted,
    /// `support_conference_customer_exit_survey_completed`
    CustomerExitSurveyCompleted,
    /// `support_conference_rep_exit_survey_completed`
    RepExitSurveyCompleted,
    /// The appliance's report of an ended session, which is fetched. No form has this name.
    Report,
    /// Any other name of 1 to 64 characters of a-z, 0-9 and _.
    Unrecognised(UnrecognisedName),
}

impl EventName {
    /// The guide's seven, in the guide's order.
    pub const GUIDE: [Self; 7] = [
        Self::Begin,
        Self::End,
        Self::OwnerChanged,
        Self::MemberAdded,
        Self::MemberDeparted,
        Self::CustomerExitSurveyCompleted,
        Self::RepExitSurveyCompleted,
    ];

    /// The name of a report in its record. The full stop keeps it apart from every name that a form can have.
    pub const REPORT: &str = "session.report";

    /// Parses the name in a record: that of an event or of a report.
    pub fn of_record(text: &str) -> Result<Self, &'static str> {
        if text == Self::REPORT { Ok(Self::Report) } else { Self::parse(text) }
    }

    /// Parses the name in a setting or in a query: that of an event, or `report`.
    pub fn of_setting(text: &str) -> Result<Self, &'static str> {
        if text == "report" { Ok(Self::Report) } else { Self::parse(text) }
    }

    /// Parses the value of `event`. A name outside the guide is [`EventName::Unrecognised`], not an error.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(known) = Self::GUIDE.into_iter().find(|name| name.as_str() == text) {
            return Ok(known);
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !(1..=64).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err("is not 1 to 64 characters of a-z, 0-9 and _");
        }
        Ok(Self::Unrecognised(UnrecognisedName(text.to_owned())))
    }

    /// The event's title in the guide and on the appliance's settings page: `Support Session Start`.
    pub fn title(&self) -> &str {
        match self {
            Self::Begin => "Support Session Start",
            Self::End => "Support Session End",
            Self::OwnerChanged => "Support Session Ownership Changes",
            Self::MemberAdded => "Someone Joins a Support Session",
            Self::MemberDeparted => "Someone Leaves a Support Session",
            Self::CustomerExitSurveyCompleted => "Customer Exit Survey is Completed",
            Self::RepExitSurveyCompleted => "Representative Survey is Completed",
            Self::Report => "Session Report",
            Self::Unrecognised(name) => name.as_str(),
        }
    }

    /// The name as the form or the record has it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Begin => "support_conference_begin",
            Self::End => "support_conference_end",
            Self::OwnerChanged => "support_conference_owner_changed",
            Self::MemberAdded => "support_conference_member_added",
            Self::MemberDeparted => "support_conference_member_departed",
            Self::CustomerExitSurveyCompleted => "support_conference_customer_exit_survey_completed",
            Self::RepExitSurveyCompleted => "support_conference_rep_exit_survey_completed",
            Self::Report => Self::REPORT,
            Self::Unrecognised(name) => name.as_str(),
        }
    }
}

/// A name outside the guide's seven, made by [`EventName::parse`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnrecognisedName(String);

impl UnrecognisedName {
    /// The name as the form has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
