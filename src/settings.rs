//! Configuration, read from variables by name. One that does not parse is an error that names it, never a guess.
//!
//! [`Settings`] are all of them, for who looks at all at once; [`Variables`] are read one by one, as a request comes to need them.

use std::cell::OnceCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use subtle::ConstantTimeEq as _;

use crate::archive::compaction::Policy;
use crate::forward::destination::Destination;

/// The names of all settings. On Spin these are variables of the component, elsewhere values of `wasi:config`.
pub const NAMES: [&str; 15] = [
    "ingest_tokens",
    "ingest_open",
    "invalid_events",
    "max_body_bytes",
    "read_tokens",
    "admin_tokens",
    "key_budget",
    "loose_events",
    "packing_grace",
    "retention_days",
    "destinations",
    "tick_token",
    "max_requests_per_hour",
    "rounds",
    "bucket",
];

/// What the service is told by whoever runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From `ingest_tokens` and `ingest_open`: who may send events.
    pub ingest: Ingest,
    /// From `invalid_events`: the answer to a trusted sender's body that is no valid event.
    pub invalid_events: InvalidEvents,
    /// From `max_body_bytes`: the most bytes that a body may have.
    pub max_body_bytes: usize,
    /// From `read_tokens`: who may read what came in. `None`: nobody.
    pub read_tokens: Option<Tokens>,
    /// From `admin_tokens`: who may remove it, try it again, and have it packed. `None`: nobody.
    pub admin_tokens: Option<Tokens>,
    /// From `loose_events`, `key_budget` (how many keys the platform's store takes, where it is known to take few),
    /// `packing_grace` (seconds) and `retention_days`: how what came in is kept.
    pub packing: Policy,
    /// From `destinations`: whom events are pushed on to. JSON; see [`crate::forward::destination`].
    pub destinations: Vec<Destination>,
    /// From `tick_token`: who may have what is due done. `None`: nobody.
    pub tick_tokens: Option<Tokens>,
    /// From `max_requests_per_hour`: how many requests the platform lets out, all destinations together.
    pub max_requests_per_hour: Option<u32>,
    /// From `rounds`: when rounds to destinations begin.
    pub rounds: Begin,
    /// From `bucket`: which of the host's stores events are kept in.
    pub bucket: Bucket,
}

/// The name of one of the host's stores: Spin's label, WASI's bucket. `default` unless it is given, and never empty: to some hosts the
/// empty name is a store that forgets what it was given when the request ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket(String);

impl Bucket {
    fn read(name: &'static str, text: &str) -> Result<Self, SettingsError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        match text {
            "" => Ok(Self::default()),
            text if text.len() <= 64 && text.bytes().all(allowed) => Ok(Self(text.to_owned())),
            _ => Err(error(name, "is not 1 to 64 characters of A-Z, a-z, 0-9, _ and -")),
        }
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

/// When rounds to destinations begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// After each answer, and on ticks.
    AfterAnswers,
    /// On ticks alone: whoever ticks does so as soon as an event was taken, and one tick does for many events.
    OnTicks,
}

/// Who may send events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingest {
    /// Who knows one of these tokens. So it is wherever tokens are configured, whatever `ingest_open` says.
    Guarded(Tokens),
    /// Anyone.
    Open,
    /// Nobody: neither tokens nor `ingest_open=true` are configured.
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

/// What a trusted sender is told of a body that is no valid event. It is kept either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidEvents {
    /// 200: the appliance's queue flows on.
    SetAside,
    /// 400: the appliance holds its queue and alerts its administrator.
    Reject,
}

/// A setting that cannot be used. Says which and why; never repeats a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} {reason}")]
pub struct SettingsError {
    /// The setting's name.
    pub name: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Settings {
    /// The most that `max_body_bytes` can be: set aside in base64, this still fits a record.
    pub const MAX_BODY_BYTES: usize = 262_144;

    /// Reads all settings through `variable`, which knows a variable's value by its name, `None` where it is not
    /// configured, or says why it cannot tell. An empty value counts as not configured.
    pub fn read(variable: impl Fn(&str) -> Result<Option<String>, String>) -> Result<Self, SettingsError> {
        let variables = Variables::new(&variable);
        let destinations = variables.destinations()?;
        // Where there are tokens it decides nothing, and is a mistake all the same.
        variables.open()?;
        Ok(Self {
            ingest: variables.ingest()?,
            invalid_events: variables.invalid_events()?,
            max_body_bytes: variables.max_body_bytes()?,
            read_tokens: variables.tokens("read_tokens")?,
            admin_tokens: variables.tokens("admin_tokens")?,
            packing: variables.packing()?,
            destinations,
            tick_tokens: variables.tokens("tick_token")?,
            max_requests_per_hour: variables.number("max_requests_per_hour", 1..=10_000_000)?,
            rounds: variables.rounds()?,
            bucket: variables.bucket()?.clone(),
        })
    }
}

/// Tells a variable's value by its name, `None` where it is not configured, or why it cannot tell.
pub type Variable<'a> = dyn Fn(&str) -> Result<Option<String>, String> + 'a;

/// The variables that settings are read from, each when it is asked for: in a component that is a call to its host, and an event needs
/// few of them. A wrong one is told by whatever needs it.
pub struct Variables<'a> {
    variable: &'a Variable<'a>,
    bucket: OnceCell<Result<Bucket, SettingsError>>,
    all: OnceCell<Result<Settings, SettingsError>>,
}

impl<'a> Variables<'a> {
    /// Reads through `variable`. An empty value counts as not configured.
    pub fn new(variable: &'a Variable<'a>) -> Self {
        Self { variable, bucket: OnceCell::new(), all: OnceCell::new() }
    }

    /// All settings, read the first time.
    pub fn all(&self) -> Result<&Settings, SettingsError> {
        self.all.get_or_init(|| Settings::read(self.variable)).as_ref().map_err(Clone::clone)
    }

    /// [`Settings::bucket`], read the first time.
    pub fn bucket(&self) -> Result<&Bucket, SettingsError> {
        let read = || Bucket::read("bucket", &self.read("bucket")?);
        self.bucket.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// [`Settings::ingest`].
    pub fn ingest(&self) -> Result<Ingest, SettingsError> {
        match self.read("ingest_tokens")?.as_str() {
            "" if self.open()? => Ok(Ingest::Open),
            "" => Ok(Ingest::Shut),
            tokens => Tokens::parse("ingest_tokens", tokens).map(Ingest::Guarded),
        }
    }

    fn open(&self) -> Result<bool, SettingsError> {
        match self.read("ingest_open")?.as_str() {
            "true" => Ok(true),
            "false" | "" => Ok(false),
            _ => Err(error("ingest_open", "is neither true nor false")),
        }
    }

    /// [`Settings::invalid_events`].
    pub fn invalid_events(&self) -> Result<InvalidEvents, SettingsError> {
        invalid_events(&self.read("invalid_events")?)
    }

    /// [`Settings::max_body_bytes`].
    pub fn max_body_bytes(&self) -> Result<usize, SettingsError> {
        max_body_bytes(&self.read("max_body_bytes")?)
    }

    /// [`Settings::destinations`].
    pub fn destinations(&self) -> Result<Vec<Destination>, SettingsError> {
        destinations("destinations", &self.read("destinations")?)
    }

    /// [`Settings::packing`].
    pub fn packing(&self) -> Result<Policy, SettingsError> {
        Ok(Policy {
            loose_events: self.number("loose_events", 0..=10_000_000)?.unwrap_or(512) as usize,
            key_budget: self.number("key_budget", 1..=u32::MAX)?.map(|keys| keys as usize),
            grace: Duration::from_secs(self.number("packing_grace", 0..=86_400)?.unwrap_or(0).into()),
            retention_days: self.number("retention_days", 1..=36_500)?,
        })
    }

    /// [`Settings::rounds`].
    pub fn rounds(&self) -> Result<Begin, SettingsError> {
        match self.read("rounds")?.as_str() {
            "after-answers" | "" => Ok(Begin::AfterAnswers),
            "on-ticks" => Ok(Begin::OnTicks),
            _ => Err(error("rounds", "is neither after-answers nor on-ticks")),
        }
    }

    fn tokens(&self, name: &'static str) -> Result<Option<Tokens>, SettingsError> {
        tokens_if_any(name, &self.read(name)?)
    }

    fn number(&self, name: &'static str, range: RangeInclusive<u32>) -> Result<Option<u32>, SettingsError> {
        number(name, &self.read(name)?, range)
    }

    fn read(&self, name: &'static str) -> Result<String, SettingsError> {
        match (self.variable)(name) {
            Ok(value) => Ok(value.unwrap_or_default()),
            Err(reason) => Err(SettingsError { name, reason: format!("cannot be read: {reason}") }),
        }
    }
}

fn destinations(name: &'static str, text: &str) -> Result<Vec<Destination>, SettingsError> {
    Destination::read_all(text).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(|fault| format!("{} {}", fault.place, fault.reason)).collect();
        error(name, faults.join("; ").trim_start())
    })
}

fn tokens_if_any(name: &'static str, text: &str) -> Result<Option<Tokens>, SettingsError> {
    if text.is_empty() { Ok(None) } else { Tokens::parse(name, text).map(Some) }
}

fn number(name: &'static str, text: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, SettingsError> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && range.contains(number));
    let rule = || format!("is not a number from {} to {}", range.start(), range.end());
    number.map(Some).ok_or_else(|| error(name, rule()))
}

fn invalid_events(text: &str) -> Result<InvalidEvents, SettingsError> {
    match text {
        "set-aside" | "" => Ok(InvalidEvents::SetAside),
        "reject" => Ok(InvalidEvents::Reject),
        _ => Err(error("invalid_events", "is neither set-aside nor reject")),
    }
}

fn max_body_bytes(text: &str) -> Result<usize, SettingsError> {
    if text.is_empty() {
        return Ok(131_072);
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let bytes = text.parse().ok().filter(|bytes| digits && (1..=Settings::MAX_BODY_BYTES).contains(bytes));
    bytes.ok_or_else(|| error("max_body_bytes", "is not a number of bytes from 1 to 262144"))
}

fn error(name: &'static str, reason: impl Into<String>) -> SettingsError {
    SettingsError { name, reason: reason.into() }
}

/// Tokens that let someone in: one, or several while one is being replaced. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens(Vec<String>);

impl Tokens {
    fn parse(name: &'static str, text: &str) -> Result<Self, SettingsError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let tokens: Vec<_> = text.split(',').map(str::to_owned).collect();
        let wrong = |token: &String| !(16..=128).contains(&token.len()) || !token.bytes().all(allowed);
        match tokens.iter().position(wrong) {
            None => Ok(Self(tokens)),
            Some(index) => Err(error(
                name,
                format!(
                    "is not a comma-separated list of tokens: number {} of {} is not 16 to 128 characters of A-Z, a-z, 0-9, _ and -",
                    index.saturating_add(1),
                    tokens.len()
                ),
            )),
        }
    }

    /// Whether `candidate` is one of the tokens. Takes the same time for every wrong one of a length.
    pub fn contain(&self, candidate: &str) -> bool {
        let found = self.0.iter().map(|token| token.as_bytes().ct_eq(candidate.as_bytes()));
        // Every token is compared: `any` would stop at the first that matches.
        found.fold(subtle::Choice::from(0), |any, this| any | this).into()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} hidden)", self.0.len())
    }
}
