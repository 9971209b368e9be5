//! The content of an email about a session: a value for each of the guide's macros.

use std::borrow::Cow;

use crate::macros::{Macro, MacroValues};
use outbound_events::event::Timestamp;

use crate::session::SupportSession;

/// A session with the times that its emails name.
pub struct Story<'a> {
    /// The session.
    pub session: &'a SupportSession,
    /// When it started, in Unix seconds.
    pub started: u64,
    /// When it ended, in Unix seconds.
    pub ended: u64,
    /// The external key at the time of the event.
    pub external_key: Option<&'a str>,
}

impl MacroValues for Story<'_> {
    fn value(&self, of_macro: Macro) -> Option<Cow<'_, str>> {
        let primary = self.session.primary.as_ref();
        let recording = |kind: &str| format!("https://appliance.example/recordings/{}/{kind}", self.session.lsid);
        Some(match of_macro {
            Macro::ExternalKey => self.external_key?.into(),
            Macro::Lsid => self.session.lsid.as_str().into(),
            Macro::Lseq => (self.session.number + 1).to_string().into(),
            Macro::CustomerName => self.session.customer.as_str().into(),
            Macro::CustomerComputerName => self.session.computer.as_str().into(),
            Macro::PrimaryRepPrivateDisplayName => primary?.private_name.as_str().into(),
            Macro::PrimaryRepPublicDisplayName => primary?.public_name.as_str().into(),
            Macro::PrimaryRepUserName => primary?.username.as_str().into(),
            Macro::StartTime => time(self.started).into(),
            Macro::EndTime => time(self.ended).into(),
            Macro::SessionSummary => self.summary().into(),
            Macro::SessionNotes => "Restarted the print spooler; the queue is empty again.".into(),
            Macro::SessionChat => self.chat().into(),
            Macro::SystemInformation => self.system().into(),
            Macro::ScreenSharingRecording => recording("screen").into(),
            Macro::CommandShellRecording => format!("{}\n{}", recording("shell/1"), recording("shell/2")).into(),
            Macro::CustomerExitSurvey => {
                "How satisfied are you?\n  5 of 5\nAnything to add?\n  Quick and friendly.".into()
            }
            Macro::RepresentativeExitSurvey => "Was the problem solved?\n  Yes\nHow hard was it?\n  2 of 5".into(),
        })
    }
}

impl Story<'_> {
    fn summary(&self) -> String {
        let [transferred, renamed, deleted] = self.session.files;
        let representative = match &self.session.primary {
            Some(primary) => format!("{} ({})", primary.private_name, primary.id),
            None => "none".to_owned(),
        };
        format!(
            "Representative: {representative}\nCustomer: {} (192.0.2.{}, 10.0.0.{})\nStart: {}\nEnd: {}\nDuration: {}\nFiles transferred: {transferred}, renamed: {renamed}, deleted: {deleted}",
            self.session.customer,
            self.session.number % 254 + 1,
            self.session.number % 254 + 1,
            time(self.started),
            time(self.ended),
            humantime::format_duration(std::time::Duration::from_secs(self.ended.saturating_sub(self.started))),
        )
    }

    fn chat(&self) -> String {
        let customer = &self.session.customer;
        match &self.session.primary {
            Some(primary) => format!(
                "{0}: Hello, how can I help?\n{customer}: The printer says 100% but prints nothing.\n{0}: I will have a look.",
                primary.public_name
            ),
            None => format!("{customer}: Hello? Is anyone there?"),
        }
    }

    fn system(&self) -> String {
        format!("Computer name: {}\nOperating system: Windows 11\nMemory: 16 GB", self.session.computer)
    }
}

fn time(seconds: u64) -> String {
    Timestamp::from_seconds(seconds).map(Timestamp::rfc3339).unwrap_or_default()
}
