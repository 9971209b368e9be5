//! The connection that sends the items of one queue of `appliance run`.

use bytes::Bytes;

use crate::config::{HttpRecipientSettings, SmtpSettings};
use crate::email::{Email, RefusedAddress, Relay, RelayError};
use crate::http::{HttpError, HttpRecipient};
use crate::retry::AttemptFailure;
use crate::tls::{self, CaCertificateError};

/// A connection to an HTTP recipient or an SMTP server.
pub enum Outlet {
    /// For events.
    Http(HttpRecipient),
    /// For emails.
    Smtp(Relay),
}

/// Why an outlet cannot be made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each is the error that it holds")]
pub enum OutletError {
    #[error("{0}")]
    Recipient(String, #[source] HttpError),
    #[error(transparent)]
    Tls(#[from] CaCertificateError),
    #[error(transparent)]
    Relay(#[from] RelayError),
}

impl Outlet {
    /// The outlet of an HTTP recipient.
    pub fn http(recipient: &HttpRecipientSettings) -> Result<Self, OutletError> {
        let tls = tls::client_config(&recipient.url, &recipient.authorities)?;
        HttpRecipient::new(recipient.url.clone(), tls, recipient.timeout)
            .map(Self::Http)
            .map_err(|error| OutletError::Recipient(recipient.name.clone(), error))
    }

    /// The outlet of emails.
    pub fn smtp(smtp: &SmtpSettings) -> Result<Self, OutletError> {
        let relay = Relay::new(&smtp.host, smtp.port, smtp.encryption.clone(), smtp.credentials.clone(), smtp.timeout)?;
        Ok(Self::Smtp(relay))
    }

    /// Makes one attempt. Returns the addresses that an SMTP server refused while it took the email for others.
    pub async fn attempt(&self, item: &Bytes) -> Result<Vec<RefusedAddress>, AttemptFailure> {
        match self {
            Self::Http(recipient) => recipient.post(item.clone()).await.map(|_| Vec::new()),
            Self::Smtp(relay) => {
                let email: Email = serde_json::from_slice(item)
                    .map_err(|error| AttemptFailure::new(format!("the queued item is not an email: {error}")))?;
                relay.send(&email).await
            }
        }
    }
}
