//! The tables of the file of settings, and their checks.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::ConfigFault;
use super::settings::{Alert, EmailRecipientSettings, HttpRecipientSettings, SessionSettings, SmtpSettings};
use super::values::{Address, EmailEventName, GuideEventName, Period, RecipientUrl, SecretText, email_events};
use crate::email::Encryption;
use crate::macros::{self, EmailEvent, EmailField, EmailTemplate};
use crate::retry::RetryRules;
use crate::tls;
use outbound_events::event::EventName;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use toml::Spanned;

/// The most addresses of one email recipient (settings page).
const MAX_ADDRESSES: usize = 10;

/// The whole file, unchecked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub(super) queue: Option<PathBuf>,
    pub(super) sessions: Option<SessionsTable>,
    pub(super) smtp: Option<SmtpTable>,
    #[serde(default)]
    pub(super) http_recipient: Vec<HttpTable>,
    #[serde(default)]
    pub(super) email_recipient: Vec<EmailTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionsTable {
    pub(super) per_minute: Spanned<f64>,
    pub(super) seed: u64,
    pub(super) speed: Option<Spanned<f64>>,
}

impl SessionsTable {
    pub(super) fn check(self) -> Result<SessionSettings, ConfigFault> {
        let range = 0.01..=6_000.0;
        if !range.contains(self.per_minute.get_ref()) {
            return Err(ConfigFault::at_value(&self.per_minute, "per_minute is not a number from 0.01 to 6000"));
        }
        if let Some(speed) = self.speed.as_ref().filter(|speed| !(1.0..=10_000.0).contains(speed.get_ref())) {
            return Err(ConfigFault::at_value(speed, "speed is not a number from 1 to 10000"));
        }
        Ok(SessionSettings {
            every: Duration::from_secs_f64(60.0 / self.per_minute.get_ref()),
            seed: self.seed,
            speed: self.speed.map_or(1.0, Spanned::into_inner),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmtpTable {
    host: String,
    port: Option<u16>,
    encryption: EncryptionName,
    username: Option<Spanned<String>>,
    password: Option<Spanned<SecretText>>,
    from: Address,
    timeout: Option<Period>,
    ca_certificate: Option<Spanned<PathBuf>>,
}

/// SMTP's own port.
const SMTP_PORT: u16 = 25;

/// The port for implicit TLS (RFC 8314).
const SUBMISSIONS_PORT: u16 = 465;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum EncryptionName {
    None,
    StartTls,
    Implicit,
}

impl SmtpTable {
    pub(super) fn check(self, folder: &Path) -> Result<SmtpSettings, ConfigFault> {
        let authorities = authorities(self.ca_certificate.as_ref(), folder)?;
        let encryption = match (self.encryption, self.ca_certificate) {
            (EncryptionName::StartTls, _) => Encryption::StartTls(authorities),
            (EncryptionName::Implicit, _) => Encryption::Implicit(authorities),
            (EncryptionName::None, None) => Encryption::None,
            (EncryptionName::None, Some(path)) => {
                return Err(ConfigFault::at_value(
                    &path,
                    "ca_certificate needs encryption = \"starttls\" or \"implicit\"",
                ));
            }
        };
        let usual_port = if matches!(encryption, Encryption::Implicit(_)) { SUBMISSIONS_PORT } else { SMTP_PORT };
        let port = self.port.unwrap_or(usual_port);
        let credentials = match (self.username, self.password) {
            (Some(user), Some(password)) => Some((user.into_inner(), password.into_inner().0)),
            (None, None) => None,
            (Some(alone), None) => {
                return Err(ConfigFault::at_value(&alone, "username lacks a password; set both or neither"));
            }
            (None, Some(alone)) => {
                return Err(ConfigFault::at_value(&alone, "password lacks a username; set both or neither"));
            }
        };
        let timeout = self.timeout.map_or(Duration::from_secs(60), |timeout| timeout.0);
        Ok(SmtpSettings { host: self.host, port, encryption, credentials, from: self.from.0, timeout })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpTable {
    #[serde(default = "yes")]
    enabled: bool,
    pub(super) name: Spanned<String>,
    url: RecipientUrl,
    ca_certificate: Option<Spanned<PathBuf>>,
    #[serde(default)]
    send_custom_fields: bool,
    events: Option<Spanned<Vec<GuideEventName>>>,
    retry_interval: Option<Period>,
    retry_duration: Option<Period>,
    timeout: Option<Period>,
    email_contact: Option<Spanned<Address>>,
    send_email_alert_after: Option<Spanned<Period>>,
}

fn yes() -> bool {
    true
}

impl HttpTable {
    pub(super) fn check(self, folder: &Path, can_email: bool) -> Result<HttpRecipientSettings, ConfigFault> {
        let alert = match (self.email_contact, self.send_email_alert_after) {
            (Some(contact), _) if !can_email => return Err(ConfigFault::at_value(&contact, NO_SMTP)),
            (Some(contact), after) => {
                let after = after.map_or(Duration::from_secs(600), |after| after.into_inner().0);
                Some(Alert { contact: contact.into_inner().0, after })
            }
            (None, Some(after)) => {
                return Err(ConfigFault::at_value(&after, "send_email_alert_after needs an email_contact"));
            }
            (None, None) => None,
        };
        let authorities = authorities(self.ca_certificate.as_ref(), folder)?;
        if let Some(path) = &self.ca_certificate {
            tls::check_scheme(&self.url.0, &authorities)
                .map_err(|error| ConfigFault::at_value(path, error.to_string()))?;
        }
        if let Some(none) = self.events.as_ref().filter(|events| events.get_ref().is_empty()) {
            return Err(ConfigFault::at_value(none, "events is empty; leave it out for all, or set enabled = false"));
        }
        let all = || EventName::GUIDE.into();
        let chosen =
            |events: Spanned<Vec<GuideEventName>>| events.into_inner().into_iter().map(|event| event.0).collect();
        Ok(HttpRecipientSettings {
            enabled: self.enabled,
            name: self.name.into_inner(),
            url: self.url.0,
            authorities,
            custom_fields: self.send_custom_fields,
            events: self.events.map_or_else(all, chosen),
            rules: rules(self.retry_interval, self.retry_duration),
            timeout: self.timeout.map_or(Duration::from_secs(30), |timeout| timeout.0),
            alert,
        })
    }
}

const NO_SMTP: &str = "emails need a table [smtp]";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EmailTable {
    #[serde(default = "yes")]
    enabled: bool,
    pub(super) name: Spanned<String>,
    addresses: Spanned<Vec<Address>>,
    events: Spanned<Vec<EmailEventName>>,
    subject: Spanned<String>,
    body: Spanned<String>,
    retry_interval: Option<Period>,
    retry_duration: Option<Period>,
}

impl EmailTable {
    pub(super) fn check(self, text: &str, can_email: bool) -> Result<EmailRecipientSettings, ConfigFault> {
        if !can_email {
            return Err(ConfigFault::at_value(&self.name, NO_SMTP));
        }
        let count = self.addresses.get_ref().len();
        if !(1..=MAX_ADDRESSES).contains(&count) {
            return Err(ConfigFault::at_value(
                &self.addresses,
                format!("there are {count} addresses; give 1 to {MAX_ADDRESSES}"),
            ));
        }
        if self.events.get_ref().is_empty() {
            return Err(ConfigFault::at_value(&self.events, format!("events is empty; {}", email_events())));
        }
        let events: Vec<_> = self.events.into_inner().into_iter().map(|event| event.0).collect();
        Ok(EmailRecipientSettings {
            enabled: self.enabled,
            name: self.name.into_inner(),
            addresses: self.addresses.into_inner().into_iter().map(|address| address.0).collect(),
            subject: template(text, &self.subject, &events, EmailField::Subject)?,
            body: template(text, &self.body, &events, EmailField::Body)?,
            events,
            rules: rules(self.retry_interval, self.retry_duration),
        })
    }
}

fn template(
    file: &str,
    text: &Spanned<String>,
    events: &[EmailEvent],
    field: EmailField,
) -> Result<EmailTemplate, ConfigFault> {
    let template = EmailTemplate::parse(text.get_ref());
    let mut findings: Vec<_> = events.iter().flat_map(|event| macros::check(&template, *event, field)).collect();
    findings.sort_by_key(|finding| finding.at);
    let Some(first) = findings.first() else { return Ok(template) };
    let at = line_of_value(file, text.span(), first.at.line);
    // A fault for each of the events is reported once.
    let mut words: Vec<_> = findings.iter().map(ToString::to_string).collect();
    words.dedup();
    Err(ConfigFault { at: Some(at), what: words.join("; ") })
}

/// The range in the file of line `line` of a value. A line break directly after three quotes is not part of the value.
fn line_of_value(file: &str, value: Range<usize>, line: usize) -> Range<usize> {
    let source = file.get(value.clone()).unwrap_or_default();
    let quotes = source.trim_start_matches(['"', '\'']);
    let begins_below = usize::from(quotes.starts_with(['\r', '\n']));
    let breaks: Vec<_> = source.match_indices('\n').map(|(at, _)| value.start + at + 1).collect();
    // A value in one line can have escaped line breaks.
    let start = (line + begins_below).checked_sub(2).and_then(|index| breaks.get(index).copied());
    start.unwrap_or(value.start)..value.end
}

pub(super) fn rules(interval: Option<Period>, duration: Option<Period>) -> RetryRules {
    RetryRules {
        interval: interval.map_or(Duration::from_secs(60), |interval| interval.0),
        duration: duration.map_or(Duration::from_secs(86_400), |duration| duration.0),
    }
}

pub(super) fn authorities(
    path: Option<&Spanned<PathBuf>>,
    folder: &Path,
) -> Result<Vec<CertificateDer<'static>>, ConfigFault> {
    let Some(path) = path else { return Ok(Vec::new()) };
    tls::load_authorities(&folder.join(path.get_ref()))
        .map_err(|error| ConfigFault::at_value(path, format!("{:#}", anyhow::Error::from(error))))
}
