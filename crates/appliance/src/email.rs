//! The email of an event, and one attempt to hand it to the SMTP server (guide, "Email Recipients").

use std::fmt;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::retry::AttemptFailure;

/// How long the server's answer to QUIT is waited for.
const QUIT_TIMEOUT: Duration = Duration::from_secs(1);

/// An email in a queue: its envelope and its whole text, so that every attempt sends the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    from: Address,
    to: Vec<Address>,
    /// Headers and body (RFC 5322). lettre encodes what is not ASCII.
    message: String,
}

/// Why an email cannot be queued.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each is the error that it holds")]
pub enum EmailError {
    #[error("the email cannot be built")]
    Message(#[from] lettre::error::Error),
    #[error("the email is not text")]
    Text(#[from] std::string::FromUtf8Error),
    #[error("the email cannot be queued")]
    Json(#[from] serde_json::Error),
}

impl Email {
    /// Builds an email of plain text. Control characters in `subject` become blanks, so that a value cannot add
    /// headers.
    pub fn new(from: &Mailbox, to: &[Mailbox], subject: &str, body: &str) -> Result<Self, EmailError> {
        let one_line: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let builder = Message::builder().from(from.clone()).subject(one_line).header(ContentType::TEXT_PLAIN);
        let builder = to.iter().fold(builder, |builder, mailbox| builder.to(mailbox.clone()));
        let lines = body.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        let message = String::from_utf8(builder.message_id(None).body(lines)?.formatted())?;
        Ok(Self { from: from.email.clone(), to: to.iter().map(|to| to.email.clone()).collect(), message })
    }

    /// The extensions that the server must have for this email, as parameters of MAIL FROM.
    fn parameters(&self, connection: &AsyncSmtpConnection) -> Result<Vec<MailParameter>, AttemptFailure> {
        let supports = |extension| connection.server_info().supports_feature(extension);
        let mut parameters = Vec::new();
        if std::iter::once(&self.from).chain(&self.to).any(|address| !address.to_string().is_ascii()) {
            if !supports(Extension::SmtpUtfEight) {
                return Err(AttemptFailure::new("the server lacks SMTPUTF8, which an address outside ASCII needs"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !self.message.is_ascii() {
            if !supports(Extension::EightBitMime) {
                return Err(AttemptFailure::new("the server lacks 8BITMIME, which text outside ASCII needs"));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }
}

/// An address that the server refused for good (RCPT TO answered 5xx).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedAddress {
    /// The address.
    pub address: Address,
    /// The server's answer.
    pub reason: AttemptFailure,
}

impl fmt::Display for RefusedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was refused: {}", self.address, self.reason)
    }
}

/// How the connection to the server is protected. With TLS, only the given authorities are trusted, or the machine's
/// own if none are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Plain text.
    None,
    /// STARTTLS (RFC 3207). No email is sent without it.
    StartTls(Vec<CertificateDer<'static>>),
    /// TLS from the first byte (RFC 8314), usually on port 465.
    Implicit(Vec<CertificateDer<'static>>),
}

/// [`Encryption`], prepared for one server.
enum TlsMode {
    None,
    Upgrade(TlsParameters),
    Implicit(TlsParameters),
}

/// The SMTP server that takes all emails.
pub struct Relay {
    host: String,
    port: u16,
    tls: TlsMode,
    credentials: Option<Credentials>,
    timeout: Duration,
}

/// TLS with the server cannot be prepared.
#[derive(Debug, thiserror::Error)]
#[error("TLS with the SMTP server cannot be prepared: {0}")]
pub struct RelayError(smtp::Error);

/// Without `#[from]`: the text of lettre's error includes its cause, which would appear twice.
impl From<smtp::Error> for RelayError {
    fn from(error: smtp::Error) -> Self {
        Self(error)
    }
}

impl Relay {
    /// A relay that opens one connection for each email. `timeout` limits connecting and sending together.
    pub fn new(
        host: &str,
        port: u16,
        encryption: Encryption,
        credentials: Option<(String, String)>,
        timeout: Duration,
    ) -> Result<Self, RelayError> {
        let tls = match encryption {
            Encryption::None => TlsMode::None,
            Encryption::StartTls(authorities) => TlsMode::Upgrade(tls_parameters(host, authorities)?),
            Encryption::Implicit(authorities) => TlsMode::Implicit(tls_parameters(host, authorities)?),
        };
        let credentials = credentials.map(|(user, password)| Credentials::new(user, password));
        Ok(Self { host: host.to_owned(), port, tls, credentials, timeout })
    }

    /// Connects and logs in, without sending an email.
    pub async fn reach(&self) -> Result<(), AttemptFailure> {
        let connect = async { self.connect().await.map_err(failure) };
        quit(self.in_time(connect).await?).await;
        Ok(())
    }

    /// Hands over one email. The server's refusal of one address does not keep the email from the others: the refused
    /// addresses are returned. It is an error if the server refuses all of them.
    pub async fn send(&self, email: &Email) -> Result<Vec<RefusedAddress>, AttemptFailure> {
        let attempt = async {
            let mut connection = self.connect().await.map_err(failure)?;
            let result = hand_over(&mut connection, email).await;
            Ok((connection, result))
        };
        let (connection, result) = self.in_time(attempt).await?;
        // Outside the time limit: the email is delivered, and a slow answer to QUIT must not send it twice.
        quit(connection).await;
        result
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let client = ClientId::default();
        let implicit = match &self.tls {
            TlsMode::Implicit(parameters) => Some(parameters.clone()),
            TlsMode::None | TlsMode::Upgrade(_) => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection = AsyncSmtpConnection::connect_tokio1(server, None, &client, implicit, None).await?;
        if let TlsMode::Upgrade(parameters) = &self.tls {
            connection.starttls(parameters.clone(), &client).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    async fn in_time<T>(&self, step: impl Future<Output = Result<T, AttemptFailure>>) -> Result<T, AttemptFailure> {
        timeout(self.timeout, step).await.unwrap_or_else(|_| {
            Err(AttemptFailure::new(format!("no answer within {}", humantime::format_duration(self.timeout))))
        })
    }
}

/// Sends the envelope and the text. A temporary refusal (4xx) of any address fails the whole attempt, so that the next
/// one reaches everybody.
async fn hand_over(connection: &mut AsyncSmtpConnection, email: &Email) -> Result<Vec<RefusedAddress>, AttemptFailure> {
    let parameters = email.parameters(connection)?;
    connection.command(Mail::new(Some(email.from.clone()), parameters)).await.map_err(failure)?;
    let mut refused = Vec::new();
    for address in &email.to {
        match connection.command(Rcpt::new(address.clone(), Vec::new())).await {
            Ok(_) => {}
            Err(error) if error.is_permanent() => {
                refused.push(RefusedAddress { address: address.clone(), reason: failure(error) });
            }
            Err(error) => return Err(failure(error)),
        }
    }
    if refused.len() == email.to.len() {
        return Err(AttemptFailure::new(refused_text(&refused)));
    }
    connection.command(Data).await.map_err(failure)?;
    connection.message(email.message.as_bytes()).await.map_err(failure)?;
    Ok(refused)
}

/// The refused addresses and the server's answers, in one text.
pub fn refused_text(refused: &[RefusedAddress]) -> String {
    refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Says goodbye. The server has decided about the email before, so nothing depends on its answer.
async fn quit(mut connection: AsyncSmtpConnection) {
    let _ = timeout(QUIT_TIMEOUT, connection.abort()).await;
}

fn failure(error: smtp::Error) -> AttemptFailure {
    AttemptFailure::new(error.to_string())
}

fn tls_parameters(host: &str, authorities: Vec<CertificateDer<'static>>) -> Result<TlsParameters, RelayError> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if !authorities.is_empty() {
        builder = builder.certificate_store(CertificateStore::None);
    }
    for authority in authorities {
        builder = builder.add_root_certificate(Certificate::from_der(authority.to_vec())?);
    }
    Ok(builder.build_rustls()?)
}

#[cfg(test)]
mod tests {
    use lettre::message::Mailbox;

    use super::Email;

    #[test]
    fn a_value_adds_no_header_and_no_recipient() {
        let from: Mailbox = "Appliance <appliance@example.com>".parse().unwrap();
        let to: Vec<Mailbox> = vec!["desk@example.com".parse().unwrap()];
        let hostile = "x\r\nBcc: evil@example.com\r\n\r\nbody\u{85}\u{2028}";
        let email = Email::new(&from, &to, hostile, hostile).unwrap();
        assert_eq!(email.to.len(), 1);
        let (header, _) = email.message.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = header
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split(':').next())
            .collect();
        assert!(!names.contains(&"Bcc"), "{header}");
        assert_eq!(names.iter().filter(|name| **name == "Subject").count(), 1, "{header}");
    }
}
