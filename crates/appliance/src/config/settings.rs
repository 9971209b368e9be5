//! Checked settings.

use std::path::PathBuf;
use std::time::Duration;

use crate::email::Encryption;
use crate::macros::{EmailEvent, EmailTemplate};
use crate::retry::RetryRules;
use lettre::message::Mailbox;
use outbound_events::event::EventName;
use reqwest::Url;
use rustls::pki_types::CertificateDer;

/// A checked `appliance.toml`. Like its parts without `Debug`: they contain passwords, and tokens in URLs.
pub struct Config {
    /// The file of the queues.
    pub queue: PathBuf,
    /// The sessions to generate. Without them, only queued events are delivered.
    pub sessions: Option<SessionSettings>,
    /// The HTTP recipients.
    pub http: Vec<HttpRecipientSettings>,
    /// The email recipients.
    pub email: Vec<EmailRecipientSettings>,
    /// The SMTP server. Always set if anything sends email.
    pub smtp: Option<SmtpSettings>,
}

/// `[sessions]`
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// The time from the start of one session to the start of the next.
    pub every: Duration,
    /// The seed of the sessions.
    pub seed: u64,
    /// How many times faster than real time they run.
    pub speed: f64,
}

/// `[[http_recipient]]`
pub struct HttpRecipientSettings {
    /// If not, events are not even queued.
    pub enabled: bool,
    /// Its name.
    pub name: String,
    /// Where events are posted to.
    pub url: Url,
    /// The only certificate authorities to trust. Empty: this machine's.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Whether custom fields are sent.
    pub custom_fields: bool,
    /// The events that are sent.
    pub events: Vec<EventName>,
    /// Retry interval and retry duration.
    pub rules: RetryRules,
    /// The time for an answer.
    pub timeout: Duration,
    /// The alert for its failures.
    pub alert: Option<Alert>,
}

/// Whom to alert about a failing recipient, and when.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The email contact.
    pub contact: Mailbox,
    /// How long the recipient must have been failing.
    pub after: Duration,
}

impl Alert {
    /// Whether a recipient has been failing for long enough.
    pub fn is_due(&self, failing_for: Duration) -> bool {
        failing_for >= self.after
    }
}

/// `[[email_recipient]]`
pub struct EmailRecipientSettings {
    /// If not, emails are not even queued.
    pub enabled: bool,
    /// Its name.
    pub name: String,
    /// 1 to 10 addresses.
    pub addresses: Vec<Mailbox>,
    /// The events that send an email.
    pub events: Vec<EmailEvent>,
    /// The subject. Its macros are available for all these events.
    pub subject: EmailTemplate,
    /// The body. Its macros are available for all these events.
    pub body: EmailTemplate,
    /// Retry interval and retry duration.
    pub rules: RetryRules,
}

/// `[smtp]`
pub struct SmtpSettings {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub encryption: Encryption,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// The sender of all emails.
    pub from: Mailbox,
    /// The time for connecting and sending one email.
    pub timeout: Duration,
}
