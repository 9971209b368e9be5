//! Values of settings with a type of their own.

use std::fmt;

use subtle::ConstantTimeEq as _;

/// Which clients can send events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingest {
    /// Clients with one of these tokens. `ingest_open` is then ignored.
    Guarded(Tokens),
    /// All clients.
    Open,
    /// No client: neither tokens nor `ingest_open=true` are configured.
    Shut,
}

impl Ingest {
    /// `open`, `guarded` or `shut`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Guarded(_) => "guarded",
            Self::Open => "open",
            Self::Shut => "shut",
        }
    }
}

/// The answer to an authenticated sender's body that is not a valid event. It is kept either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidEvents {
    /// 200: the appliance's queue moves on.
    SetAside,
    /// 400: the appliance holds its queue and alerts its administrator.
    Reject,
}

/// When delivery runs start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryRunStart {
    /// After each answer and at each tick.
    AfterAnswers,
    /// At ticks only. The scheduler sends one as soon as an event is received, and one tick can serve many events.
    OnTicks,
}

/// The name of one of the host's stores: Spin's label, WASI's bucket. The default is `default`. It is never empty:
/// some hosts give the empty name a temporary store that is lost when the request ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket(String);

impl Bucket {
    /// The rule of [`Bucket::parse`], for messages.
    pub(super) const ALLOWED: &str = "1 to 64 characters of A-Z, a-z, 0-9, _ and -";

    pub(super) fn parse(text: &str) -> Option<Self> {
        ((1..=64).contains(&text.len()) && text.bytes().all(is_word)).then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tokens of one right; several while one is being replaced. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens(Vec<String>);

impl Tokens {
    /// The rule for each token, for messages.
    pub(super) const ALLOWED: &str = "16 to 128 characters of A-Z, a-z, 0-9, _ and -";

    /// Parses a comma-separated list. The error is the number of the first invalid token, counted from 1, and the
    /// length of the list.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, usize)> {
        let tokens: Vec<_> = text.split(',').map(str::to_owned).collect();
        let wrong = |token: &String| !(16..=128).contains(&token.len()) || !token.bytes().all(is_word);
        match tokens.iter().position(wrong) {
            None => Ok(Self(tokens)),
            Some(index) => Err((index.saturating_add(1), tokens.len())),
        }
    }

    /// Whether `candidate` is one of the tokens. Takes the same time for every wrong candidate of a length.
    pub fn contain(&self, candidate: &str) -> bool {
        let found = self.0.iter().map(|token| token.as_bytes().ct_eq(candidate.as_bytes()));
        // Compare all tokens: `any` would stop at the first match.
        found.fold(subtle::Choice::from(0), |any, this| any | this).into()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} hidden)", self.0.len())
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
