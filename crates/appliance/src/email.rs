//! An email of an event, and one attempt to hand it to the SMTP server (guide, "Email Recipients").

use std::time::Duration;

use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::retry::Failure;

/// An email as it waits in a queue: to whom, and all of its text, so that it is the same at every attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Email {
    from: Address,
    to: Vec<Address>,
    /// Header and body (RFC 5322): ASCII, as lettre encodes all else.
    message: String,
}

/// Why an email cannot be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each is the error that it holds")]
pub enum EmailError {
    #[error("the email cannot be made")]
    Message(#[from] lettre::error::Error),
    #[error("the email is no text")]
    Text(#[from] std::string::FromUtf8Error),
    #[error("the email cannot be queued")]
    Json(#[from] serde_json::Error),
}

impl Email {
    /// An email of plain text. Whatever a macro left in `subject`, it is one line of one header.
    pub fn new(from: &Mailbox, to: &[Mailbox], subject: &str, body: &str) -> Result<Self, EmailError> {
        let one_line: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let builder = Message::builder().from(from.clone()).subject(one_line).header(ContentType::TEXT_PLAIN);
        let builder = to.iter().fold(builder, |builder, mailbox| builder.to(mailbox.clone()));
        let lines = body.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        let message = String::from_utf8(builder.message_id(None).body(lines)?.formatted())?;
        Ok(Self { from: from.email.clone(), to: to.iter().map(|to| to.email.clone()).collect(), message })
    }
}

/// How the connection to the server is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// STARTTLS, and no email without it. Trusts these authorities alone, or the machine's own where there are none.
    StartTls(Vec<CertificateDer<'static>>),
}

/// The SMTP server that takes all emails.
pub struct Relay {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    timeout: Duration,
}

/// Why no connection to a server could be prepared.
#[derive(Debug, thiserror::Error)]
#[error("TLS with the SMTP server cannot be prepared: {0}")]
pub struct RelayError(smtp::Error);

/// Not its source: the words of such an error hold those of its cause.
impl From<smtp::Error> for RelayError {
    fn from(error: smtp::Error) -> Self {
        Self(error)
    }
}

impl Relay {
    /// A relay that connects anew for each email, and gives the server `timeout` for all of it.
    pub fn new(
        host: &str,
        port: u16,
        encryption: Encryption,
        credentials: Option<(String, String)>,
        timeout: Duration,
    ) -> Result<Self, RelayError> {
        let tls = match encryption {
            Encryption::None => Tls::None,
            Encryption::StartTls(authorities) => Tls::Required(parameters(host, authorities)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host).port(port).tls(tls);
        if let Some((user, password)) = credentials {
            builder = builder.credentials(Credentials::new(user, password));
        }
        // The transport's own time-out is for connecting alone.
        Ok(Self { transport: builder.timeout(None).build(), timeout })
    }

    /// Whether the server takes us: connects, and greets it.
    pub async fn reach(&self) -> Result<(), Failure> {
        if self.in_time(self.transport.test_connection()).await? {
            Ok(())
        } else {
            Err(Failure::new("the server does not answer as it should"))
        }
    }

    /// Hands over one email. The failure is in the server's own words where it has some.
    pub async fn send(&self, email: &Email) -> Result<(), Failure> {
        let envelope = Envelope::new(Some(email.from.clone()), email.to.clone());
        let envelope = envelope.map_err(|error| Failure::new(error.to_string()))?;
        self.in_time(self.transport.send_raw(&envelope, email.message.as_bytes())).await.map(|_| ())
    }

    async fn in_time<T>(&self, step: impl Future<Output = Result<T, smtp::Error>>) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, step).await {
            Ok(result) => result.map_err(|error| Failure::new(error.to_string())),
            Err(_) => Err(Failure::new(format!("no answer within {}", humantime::format_duration(self.timeout)))),
        }
    }
}

fn parameters(host: &str, authorities: Vec<CertificateDer<'static>>) -> Result<TlsParameters, RelayError> {
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
