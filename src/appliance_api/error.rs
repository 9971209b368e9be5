//! The errors of an appliance's APIs.

use std::time::Duration;

/// The most bytes of an answer.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Why an appliance gave no usable answer. The message completes a sentence that begins with the appliance, says what
/// to change if that is known, and has no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The API account is unknown, or its secret is another.
    #[error("it does not accept the credentials: correct client_id and client_secret of its entry in appliances{0}")]
    WrongSecret(AnswerExcerpt),
    /// The API account may not read reports, or not from this address.
    #[error(
        "it does not allow the API account to read reports: in /login > Management > API Configuration, allow access to \
         Support Session Reports and Recordings, and the network address of this recipient{0}"
    )]
    NoPermission(AnswerExcerpt),
    /// Its certificate is not trusted.
    #[error("its certificate is not trusted: correct the certificate, or add its authority on this host ({0})")]
    UntrustedCertificate(String),
    /// Another server, or a page for people.
    #[error("it does not answer like the API of an appliance: correct url of its entry in appliances ({0})")]
    NotAnAppliance(String),
    /// There is no connection, or no answer.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It has too many requests. It asks for this wait, if it names one.
    #[error("it asks for fewer requests{}", wait_text(.0))]
    RateLimited(Option<Duration>),
    /// The answer exceeds the limit of bytes or time: ask for less at once.
    #[error("its answer is larger than {} MiB, or takes longer than 15 s", MAX_ANSWER_BYTES >> 20)]
    TooLarge,
    /// It does not tell its time.
    #[error("its answers have no valid Date header: let the proxy before it pass the header on")]
    NoDate,
    /// The answer cannot be read.
    #[error("its answer cannot be read: {0}")]
    Unreadable(String),
    /// Any other failure.
    #[error("it fails: {0}")]
    Failing(String),
}

/// The beginning of an answer, for a message: at most 200 characters, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerExcerpt(pub(super) Option<String>);

impl std::fmt::Display for AnswerExcerpt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |text| write!(f, " (it said: {text})"))
    }
}

fn wait_text(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!(", and a wait of {} s", wait.as_secs())).unwrap_or_default()
}

impl ApiError {
    /// A stable name for the API, metrics and the page.
    pub fn state(&self) -> &'static str {
        match self {
            Self::WrongSecret(_) => "wrong-secret",
            Self::NoPermission(_) => "no-permission",
            Self::UntrustedCertificate(_) => "untrusted-certificate",
            Self::NotAnAppliance(_) => "not-an-appliance",
            Self::Unreachable(_) => "unreachable",
            Self::RateLimited(_) => "rate-limited",
            Self::TooLarge => "too-large",
            Self::NoDate => "no-date",
            Self::Unreadable(_) => "unreadable-answer",
            Self::Failing(_) => "failing",
        }
    }

    /// The wait that the appliance asks for.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(wait) => *wait,
            _ => None,
        }
    }
}
