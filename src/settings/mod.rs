//! The settings: what an operator can configure, read from variables by name. A value that cannot be used is an error that names the
//! setting, never a guess, and never repeats a secret.
//!
//! | what | file |
//! |---|---|
//! | the table: each setting's name, kind, default and documentation | `table.rs` |
//! | the kinds: what a text may be, and the value that it becomes | `kinds.rs` |
//! | the values that are types of their own | `values.rs` |
//! | reading: all settings at once ([`Settings`]), or each when it is needed ([`Variables`]) | this file |
//!
//! To add a setting: a row in `table.rs`, and what reads it in [`Variables`], with a field of [`Settings`] for its value. `tests/settings.rs`
//! fails until `spin.toml` and `docs/operate/settings.md` say the same, and rewrites them when it is run with `UPDATE_DOCS=1`. The host
//! knows a setting by its row alone.

mod kinds;
mod table;
mod values;

use std::cell::OnceCell;
use std::time::Duration;

pub use self::table::NAMES;
#[cfg(not(target_family = "wasm"))]
pub use self::table::{SettingRow, rows};
pub use self::values::{Bucket, DeliveryRunStart, Ingest, InvalidEvents, Tokens};

use self::kinds::{Setting, SettingKind};
use crate::archive::compaction::Policy;
use crate::forward::destination::Destination;

/// All settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From `ingest_tokens` and `ingest_open`.
    pub ingest: Ingest,
    /// From `invalid_events`.
    pub invalid_events: InvalidEvents,
    /// From `max_body_bytes`.
    pub max_body_bytes: usize,
    /// From `read_tokens`. `None`: nobody may read.
    pub read_tokens: Option<Tokens>,
    /// From `admin_tokens`. `None`: nobody may delete, retry and pack.
    pub admin_tokens: Option<Tokens>,
    /// From `loose_events`, `key_budget`, `packing_grace` and `retention_days`.
    pub packing: Policy,
    /// From `destinations`.
    pub destinations: Vec<Destination>,
    /// From `tick_token`. `None`: nobody may call `/tick`.
    pub tick_tokens: Option<Tokens>,
    /// From `max_requests_per_hour`. `None`: any number.
    pub max_requests_per_hour: Option<u32>,
    /// From `delivery_runs`.
    pub delivery_runs: DeliveryRunStart,
    /// From `bucket`.
    pub bucket: Bucket,
}

impl Settings {
    /// Reads all settings. See [`Variable`].
    pub fn read(variable: impl Fn(&str) -> Result<Option<String>, String>) -> Result<Self, SettingsError> {
        Variables::new(&variable).read_all()
    }
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

/// Gives the text of a setting by its name, `None` where it is not configured, or why it cannot be read. An empty text counts as not
/// configured.
pub type Variable<'a> = dyn Fn(&str) -> Result<Option<String>, String> + 'a;

/// The settings, each read when it is needed: in a component each is a call to its host, and an event needs few of them. A wrong one
/// is an error of whatever needs it.
pub struct Variables<'a> {
    variable: &'a Variable<'a>,
    bucket: OnceCell<Result<Bucket, SettingsError>>,
    all: OnceCell<Result<Settings, SettingsError>>,
}

impl<'a> Variables<'a> {
    /// Reads through `variable`.
    pub fn new(variable: &'a Variable<'a>) -> Self {
        Self { variable, bucket: OnceCell::new(), all: OnceCell::new() }
    }

    /// All settings, read the first time.
    pub fn settings(&self) -> Result<&Settings, SettingsError> {
        self.all.get_or_init(|| self.read_all()).as_ref().map_err(Clone::clone)
    }

    fn read_all(&self) -> Result<Settings, SettingsError> {
        let destinations = self.destinations()?;
        // Where there are tokens it has no effect, and is a mistake all the same.
        self.parse(&table::INGEST_OPEN)?;
        Ok(Settings {
            ingest: self.ingest()?,
            invalid_events: self.invalid_events()?,
            max_body_bytes: self.max_body_bytes()?,
            read_tokens: self.parse(&table::READ_TOKENS)?,
            admin_tokens: self.parse(&table::ADMIN_TOKENS)?,
            packing: self.packing()?,
            destinations,
            tick_tokens: self.parse(&table::TICK_TOKEN)?,
            max_requests_per_hour: self.parse(&table::MAX_REQUESTS_PER_HOUR)?,
            delivery_runs: self.delivery_runs()?,
            bucket: self.bucket()?.clone(),
        })
    }

    /// [`Settings::bucket`], read the first time.
    pub fn bucket(&self) -> Result<&Bucket, SettingsError> {
        self.bucket.get_or_init(|| self.parse(&table::BUCKET)).as_ref().map_err(Clone::clone)
    }

    /// [`Settings::ingest`].
    pub fn ingest(&self) -> Result<Ingest, SettingsError> {
        match self.parse(&table::INGEST_TOKENS)? {
            Some(tokens) => Ok(Ingest::Guarded(tokens)),
            None if self.parse(&table::INGEST_OPEN)? => Ok(Ingest::Open),
            None => Ok(Ingest::Shut),
        }
    }

    /// [`Settings::invalid_events`].
    pub fn invalid_events(&self) -> Result<InvalidEvents, SettingsError> {
        self.parse(&table::INVALID_EVENTS)
    }

    /// [`Settings::max_body_bytes`].
    pub fn max_body_bytes(&self) -> Result<usize, SettingsError> {
        Ok(self.parse(&table::MAX_BODY_BYTES)? as usize)
    }

    /// [`Settings::destinations`].
    pub fn destinations(&self) -> Result<Vec<Destination>, SettingsError> {
        self.parse(&table::DESTINATIONS)
    }

    /// [`Settings::packing`].
    pub fn packing(&self) -> Result<Policy, SettingsError> {
        Ok(Policy {
            loose_events: self.parse(&table::LOOSE_EVENTS)? as usize,
            key_budget: self.parse(&table::KEY_BUDGET)?.map(|keys| keys as usize),
            grace: Duration::from_secs(self.parse(&table::PACKING_GRACE)?.into()),
            retention_days: self.parse(&table::RETENTION_DAYS)?,
        })
    }

    /// [`Settings::delivery_runs`].
    pub fn delivery_runs(&self) -> Result<DeliveryRunStart, SettingsError> {
        self.parse(&table::DELIVERY_RUNS)
    }

    fn parse<K: SettingKind>(&self, setting: &Setting<K>) -> Result<K::Value, SettingsError> {
        let name = setting.name;
        let text = (self.variable)(name).map_err(|reason| format!("cannot be read: {reason}"));
        let value = text.and_then(|text| setting.kind.parse(text.as_deref().unwrap_or_default()));
        value.map_err(|reason| SettingsError { name, reason })
    }
}
