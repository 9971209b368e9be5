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

/// A checked `appliance.toml`. Without `Debug`, as are its parts: they hold passwords, and tokens in URLs.
pub struct Config {
    /// The file of the queues.
    pub queue: PathBuf,
    /// The sessions to make, if any are to be made.
    pub sessions: Option<SessionSettings>,
    /// The HTTP recipients.
    pub http: Vec<HttpRecipientSettings>,
    /// The email recipients.
    pub email: Vec<EmailRecipientSettings>,
    /// The SMTP server. There is one if anything sends email.
    pub smtp: Option<SmtpSettings>,
}

/// `[sessions]`
#[derive(Clone, Copy, Debug)]
pub struct SessionSettings {
    /// The time from the start of one session to the start of the next.
    pub every: Duration,
    /// What decides them.
    pub seed: u64,
    /// How many times faster than life they go.
    pub speed: f64,
}

/// `[[http_recipient]]`
pub struct HttpRecipientSettings {
    /// Whether events are sent, or even queued.
    pub enabled: bool,
    /// Its name.
    pub name: String,
    /// Where events are posted to.
    pub url: Url,
    /// The only authorities to trust; empty for those of this machine.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Whether custom fields ride along.
    pub custom_fields: bool,
    /// The events that it is sent.
    pub events: Vec<EventName>,
    /// Retry interval and retry duration.
    pub rules: RetryRules,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Who is told when it fails.
    pub alert: Option<Alert>,
}

/// Who is told when a recipient fails, and when.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The email contact.
    pub contact: Mailbox,
    /// How long it has to fail before.
    pub after: Duration,
}

impl Alert {
    /// Whether it is time to tell, of a recipient that has been failing for so long.
    pub fn is_due(&self, failing_for: Duration) -> bool {
        failing_for >= self.after
    }
}

/// `[[email_recipient]]`
pub struct EmailRecipientSettings {
    /// Whether emails are sent, or even queued.
    pub enabled: bool,
    /// Its name.
    pub name: String,
    /// 1 to 10 addresses.
    pub addresses: Vec<Mailbox>,
    /// The events that it is sent.
    pub events: Vec<EmailEvent>,
    /// The subject. Its macros are available for all the events.
    pub subject: EmailTemplate,
    /// The body. Likewise.
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
    /// How long the server may take for an email.
    pub timeout: Duration,
}
