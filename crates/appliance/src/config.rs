//! The appliance's settings page as a file, `appliance.toml`. What it holds is checked before anything is sent; a fault is
//! reported with the file's line and what was expected.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::macros::{self, EmailEvent, Place, Template};
use lettre::message::Mailbox;
use outbound_events::event::EventName;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use toml::Spanned;

use crate::email::Encryption;
use crate::http;
use crate::retry::Rules;
use crate::tls;

/// The most addresses that one email recipient may have (settings page).
const MAX_ADDRESSES: usize = 10;

/// A checked `appliance.toml`. Without `Debug`, as are its parts: they hold passwords, and tokens in URLs.
pub struct Config {
    /// The file of the queues.
    pub queue: PathBuf,
    /// The sessions to make, if any are to be made.
    pub sessions: Option<Sessions>,
    /// The HTTP recipients.
    pub http: Vec<HttpRecipient>,
    /// The email recipients.
    pub email: Vec<EmailRecipient>,
    /// The SMTP server. There is one if anything sends email.
    pub smtp: Option<Smtp>,
}

/// `[sessions]`
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    /// The time from the start of one session to the start of the next.
    pub every: Duration,
    /// What decides them.
    pub seed: u64,
    /// How many times faster than life they go.
    pub speed: f64,
}

/// `[[http_recipient]]`
pub struct HttpRecipient {
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
    pub rules: Rules,
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
pub struct EmailRecipient {
    /// Whether emails are sent, or even queued.
    pub enabled: bool,
    /// Its name.
    pub name: String,
    /// 1 to 10 addresses.
    pub addresses: Vec<Mailbox>,
    /// The events that it is sent.
    pub events: Vec<EmailEvent>,
    /// The subject. Its macros are available for all the events.
    pub subject: Template,
    /// The body. Likewise.
    pub body: Template,
    /// Retry interval and retry duration.
    pub rules: Rules,
}

/// `[smtp]`
pub struct Smtp {
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

/// What is wrong with a configuration, and where.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    file: PathBuf,
    line: Option<usize>,
    what: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match self.line {
            Some(line) => write!(f, ":{line}: {}", self.what),
            None => write!(f, ": {}", self.what),
        }
    }
}

impl Config {
    /// Reads and checks the file at `path`. Paths in it start from its folder.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let fault = |what: String| ConfigError { file: path.to_owned(), line: None, what };
        let text = std::fs::read_to_string(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
        Self::parse(&text, path).map_err(|Fault { at, what }| ConfigError {
            file: path.to_owned(),
            line: at.map(|at| line(&text, at.start)),
            what,
        })
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Fault> {
        let file: File =
            toml::from_str(text).map_err(|error| Fault { at: error.span(), what: error.message().to_owned() })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        if file.http_recipient.is_empty() && file.email_recipient.is_empty() {
            return Err(Fault { at: None, what: "has no [[http_recipient]] and no [[email_recipient]]".to_owned() });
        }
        let smtp = file.smtp.map(|smtp| smtp.check(folder)).transpose()?;
        let can_email = smtp.is_some();
        unique(file.http_recipient.iter().map(|recipient| &recipient.name))?;
        unique(file.email_recipient.iter().map(|recipient| &recipient.name))?;
        Ok(Self {
            queue: file.queue.map_or_else(|| path.with_extension("queue.db"), |queue| folder.join(queue)),
            sessions: file.sessions.map(SessionsTable::check).transpose()?,
            http: file.http_recipient.into_iter().map(|r| r.check(folder, can_email)).collect::<Result<_, _>>()?,
            email: file.email_recipient.into_iter().map(|r| r.check(text, can_email)).collect::<Result<_, _>>()?,
            smtp,
        })
    }
}

/// The line that a byte of `text` is in, counted from 1.
fn line(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

/// A fault at some bytes of the file.
struct Fault {
    at: Option<Range<usize>>,
    what: String,
}

impl Fault {
    fn at<T>(value: &Spanned<T>, what: impl Into<String>) -> Self {
        Self { at: Some(value.span()), what: what.into() }
    }
}

fn unique<'a>(names: impl Iterator<Item = &'a Spanned<String>>) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.get_ref().is_empty() {
            return Err(Fault::at(name, "the name is empty"));
        }
        if !seen.insert(name.get_ref()) {
            return Err(Fault::at(name, format!("{:?} is the name of two recipients of one kind", name.get_ref())));
        }
    }
    Ok(())
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    queue: Option<PathBuf>,
    sessions: Option<SessionsTable>,
    smtp: Option<SmtpTable>,
    #[serde(default)]
    http_recipient: Vec<HttpTable>,
    #[serde(default)]
    email_recipient: Vec<EmailTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionsTable {
    per_minute: Spanned<f64>,
    seed: u64,
    speed: Option<Spanned<f64>>,
}

impl SessionsTable {
    fn check(self) -> Result<Sessions, Fault> {
        let range = 0.01..=6_000.0;
        if !range.contains(self.per_minute.get_ref()) {
            return Err(Fault::at(&self.per_minute, "per_minute is not a number from 0.01 to 6000"));
        }
        if let Some(speed) = self.speed.as_ref().filter(|speed| !(1.0..=10_000.0).contains(speed.get_ref())) {
            return Err(Fault::at(speed, "speed is not a number from 1 to 10000"));
        }
        Ok(Sessions {
            every: Duration::from_secs_f64(60.0 / self.per_minute.get_ref()),
            seed: self.seed,
            speed: self.speed.map_or(1.0, Spanned::into_inner),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SmtpTable {
    host: String,
    #[serde(default = "smtp_port")]
    port: u16,
    encryption: EncryptionName,
    username: Option<Spanned<String>>,
    password: Option<Spanned<Secret>>,
    from: Address,
    timeout: Option<Period>,
    ca_certificate: Option<Spanned<PathBuf>>,
}

fn smtp_port() -> u16 {
    25
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum EncryptionName {
    None,
    StartTls,
}

impl SmtpTable {
    fn check(self, folder: &Path) -> Result<Smtp, Fault> {
        let authorities = authorities(self.ca_certificate.as_ref(), folder)?;
        let encryption = match (self.encryption, self.ca_certificate) {
            (EncryptionName::StartTls, _) => Encryption::StartTls(authorities),
            (EncryptionName::None, None) => Encryption::None,
            (EncryptionName::None, Some(path)) => {
                return Err(Fault::at(&path, "ca_certificate is for encryption = \"starttls\""));
            }
        };
        let credentials = match (self.username, self.password) {
            (Some(user), Some(password)) => Some((user.into_inner(), password.into_inner().0)),
            (None, None) => None,
            (Some(alone), None) => return Err(Fault::at(&alone, "there is a username and no password")),
            (None, Some(alone)) => return Err(Fault::at(&alone, "there is a password and no username")),
        };
        let timeout = self.timeout.map_or(Duration::from_secs(60), |timeout| timeout.0);
        Ok(Smtp { host: self.host, port: self.port, encryption, credentials, from: self.from.0, timeout })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpTable {
    #[serde(default = "yes")]
    enabled: bool,
    name: Spanned<String>,
    url: RecipientUrl,
    ca_certificate: Option<Spanned<PathBuf>>,
    #[serde(default)]
    send_custom_fields: bool,
    events: Option<Spanned<Vec<Event>>>,
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
    fn check(self, folder: &Path, can_email: bool) -> Result<HttpRecipient, Fault> {
        let alert = match (self.email_contact, self.send_email_alert_after) {
            (Some(contact), _) if !can_email => return Err(Fault::at(&contact, NO_SMTP)),
            (Some(contact), after) => {
                let after = after.map_or(Duration::from_secs(600), |after| after.into_inner().0);
                Some(Alert { contact: contact.into_inner().0, after })
            }
            (None, Some(after)) => return Err(Fault::at(&after, "send_email_alert_after is for an email_contact")),
            (None, None) => None,
        };
        let authorities = authorities(self.ca_certificate.as_ref(), folder)?;
        if let Some(path) = &self.ca_certificate {
            tls::check(&self.url.0, &authorities).map_err(|error| Fault::at(path, error.to_string()))?;
        }
        if let Some(none) = self.events.as_ref().filter(|events| events.get_ref().is_empty()) {
            return Err(Fault::at(none, "events is empty; leave it out for all, or set enabled = false"));
        }
        let all = || EventName::GUIDE.into();
        let chosen = |events: Spanned<Vec<Event>>| events.into_inner().into_iter().map(|event| event.0).collect();
        Ok(HttpRecipient {
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

const NO_SMTP: &str = "there is no [smtp] to send it through";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailTable {
    #[serde(default = "yes")]
    enabled: bool,
    name: Spanned<String>,
    addresses: Spanned<Vec<Address>>,
    events: Spanned<Vec<EmailEventName>>,
    subject: Spanned<String>,
    body: Spanned<String>,
    retry_interval: Option<Period>,
    retry_duration: Option<Period>,
}

impl EmailTable {
    fn check(self, text: &str, can_email: bool) -> Result<EmailRecipient, Fault> {
        if !can_email {
            return Err(Fault::at(&self.name, NO_SMTP));
        }
        let count = self.addresses.get_ref().len();
        if !(1..=MAX_ADDRESSES).contains(&count) {
            return Err(Fault::at(
                &self.addresses,
                format!("there are {count} addresses; 1 to {MAX_ADDRESSES} are expected"),
            ));
        }
        if self.events.get_ref().is_empty() {
            return Err(Fault::at(&self.events, format!("events is empty; {}", email_events())));
        }
        let events: Vec<_> = self.events.into_inner().into_iter().map(|event| event.0).collect();
        Ok(EmailRecipient {
            enabled: self.enabled,
            name: self.name.into_inner(),
            addresses: self.addresses.into_inner().into_iter().map(|address| address.0).collect(),
            subject: template(text, &self.subject, &events, Place::Subject)?,
            body: template(text, &self.body, &events, Place::Body)?,
            events,
            rules: rules(self.retry_interval, self.retry_duration),
        })
    }
}

fn template(file: &str, text: &Spanned<String>, events: &[EmailEvent], place: Place) -> Result<Template, Fault> {
    let template = Template::parse(text.get_ref());
    let mut findings: Vec<_> = events.iter().flat_map(|event| macros::check(&template, *event, place)).collect();
    findings.sort_by_key(|finding| finding.at);
    let Some(first) = findings.first() else { return Ok(template) };
    let at = line_of_value(file, text.span(), first.at.line);
    // What is wrong for each of the events is wrong once.
    let mut words: Vec<_> = findings.iter().map(ToString::to_string).collect();
    words.dedup();
    Err(Fault { at: Some(at), what: words.join("; ") })
}

/// Where line `line` of a value is in the file: the text of a value in three quotes begins after a line break, if one is there.
fn line_of_value(file: &str, value: Range<usize>, line: usize) -> Range<usize> {
    let source = file.get(value.clone()).unwrap_or_default();
    let quotes = source.trim_start_matches(['"', '\'']);
    let begins_below = usize::from(quotes.starts_with(['\r', '\n']));
    let breaks: Vec<_> = source.match_indices('\n').map(|(at, _)| value.start + at + 1).collect();
    // A value in one line may have line breaks that are written as escapes.
    let start = (line + begins_below).checked_sub(2).and_then(|index| breaks.get(index).copied());
    start.unwrap_or(value.start)..value.end
}

fn rules(interval: Option<Period>, duration: Option<Period>) -> Rules {
    Rules {
        interval: interval.map_or(Duration::from_secs(60), |interval| interval.0),
        duration: duration.map_or(Duration::from_secs(86_400), |duration| duration.0),
    }
}

fn authorities(path: Option<&Spanned<PathBuf>>, folder: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let Some(path) = path else { return Ok(Vec::new()) };
    tls::read(&folder.join(path.get_ref()))
        .map_err(|error| Fault::at(path, format!("{:#}", anyhow::Error::from(error))))
}

/// A time such as `30s`, `10m` or `1day`: 10 milliseconds to 366 days.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(pub Duration);

impl std::str::FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = Duration::from_millis(10)..=Duration::from_secs(366 * 86_400);
        let period = humantime::parse_duration(text).ok().filter(|period| range.contains(period));
        period.map(Self).ok_or_else(|| format!("{text:?} is no time from 10ms to 366days, such as 30s, 10m or 1day"))
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct RecipientUrl(Url);

impl TryFrom<String> for RecipientUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        http::url(&text).map(Self).map_err(|error| format!("the url {error}"))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Address(Mailbox);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("{text:?} is no email address, such as desk@example.com"))
    }
}

/// Text that no message repeats, not even the one that says that it is no text.
struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self).map_err(|_| serde::de::Error::custom("expected text in quotes"))
    }
}

/// One of the guide's seven, by the name in the form or the title on the settings page.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Event(EventName);

impl TryFrom<String> for Event {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = EventName::GUIDE.into_iter().find(|event| event.as_str() == text || event.title() == text);
        let titles = EventName::GUIDE.map(|event| format!("{:?}", event.title())).join(", ");
        known.map(Self).ok_or_else(|| format!("there is no event {text:?}; there are {titles}"))
    }
}

/// One of the three events that send email, by the name in the form or the title on the settings page.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct EmailEventName(pub EmailEvent);

fn email_events() -> String {
    let titles = EmailEvent::ALL.map(|event| format!("\"{event}\"")).join(", ");
    format!("emails are sent for {titles}")
}

impl std::str::FromStr for EmailEventName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |event: &EmailEvent| event.event().as_str() == text || event.event().title() == text;
        let event = EmailEvent::ALL.into_iter().find(named);
        event.map(Self).ok_or_else(|| format!("no email is sent for {text:?}; {}", email_events()))
    }
}

impl TryFrom<String> for EmailEventName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
