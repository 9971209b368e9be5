//! The email that alerts the contact of a failing recipient.

use chrono::{DateTime, SecondsFormat};
use lettre::message::Mailbox;

use crate::config::HttpRecipientSettings;
use crate::email::{Email, EmailError};
use crate::http;
use crate::occurrence::Millis;

/// The email to the contact of a recipient that has been failing since `since`. `status` is the last failure.
pub fn alert_email(
    from: &Mailbox,
    to: &Mailbox,
    recipient: &HttpRecipientSettings,
    since: Millis,
    queued: u64,
    status: &str,
) -> Result<Email, EmailError> {
    let since = DateTime::from_timestamp_millis(since).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Secs, true);
    let subject = format!("Outbound events: {} has been failing since {since}", recipient.name);
    let body = format!(
        "The HTTP recipient {} has not accepted an event since {since}.\n\nURL: {}\nStatus: {status}\nQueued events: {queued}\n\nAn event that fails for {} is dropped.\n",
        recipient.name,
        http::shown(&recipient.url),
        humantime::format_duration(recipient.rules.duration),
    );
    Email::new(from, std::slice::from_ref(to), &subject, &body)
}
