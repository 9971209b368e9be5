//! The settings: what an operator can configure, read from variables by name. A value that cannot be used is an error
//! that names the setting. It is never guessed, and the error never repeats a secret.
//!
//! | what | file |
//! |---|---|
//! | the table: each setting's name, kind, default and documentation | `table.rs` |
//! | the kinds: which texts are allowed, and the value that they parse to | `kinds.rs` |
//! | values with a type of their own | `values.rs` |
//! | reading: all settings at once ([`Settings`]), or each one on demand ([`SettingVariables`]) | this file |
//!
//! To add a setting, add a row to `table.rs`, a method to [`SettingVariables`] and a field to [`Settings`].
//! `tests/settings.rs` fails until `spin.toml` and `docs/operate/settings.md` agree with the table; run with
//! `UPDATE_DOCS=1`, it rewrites them. The host needs no change.

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
use crate::appliance_api::Appliance;
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
    /// From `read_tokens`. `None`: the API is closed.
    pub read_tokens: Option<Tokens>,
    /// From `admin_tokens`. `None`: nothing can be deleted, retried or packed on request.
    pub admin_tokens: Option<Tokens>,
    /// From `loose_events`, `key_budget`, `packing_grace` and `retention_days`.
    pub packing: Policy,
    /// From `destinations`.
    pub destinations: Vec<Destination>,
    /// From `appliances`.
    pub appliances: Vec<Appliance>,
    /// From `tick_token`. `None`: `/tick` is closed.
    pub tick_tokens: Option<Tokens>,
    /// From `max_requests_per_hour`. `None`: no limit.
    pub max_requests_per_hour: Option<u32>,
    /// From `delivery_runs`.
    pub delivery_runs: DeliveryRunStart,
    /// From `bucket`.
    pub bucket: Bucket,
}

impl Settings {
    /// Reads all settings. See [`Variable`].
    pub fn from_variables(variable: impl Fn(&str) -> Result<Option<String>, String>) -> Result<Self, SettingsError> {
        SettingVariables::new(&variable).read_all()
    }
}

/// A setting that cannot be used: which one, and why. Never repeats a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the setting {name} {reason}")]
pub struct SettingsError {
    /// Its name.
    pub name: &'static str,
    /// What is wrong with its value.
    pub reason: String,
}

/// Looks up the text of a setting by name. `None` means not configured, and so does an empty text; the error says why
/// it could not be read.
pub type Variable<'a> = dyn Fn(&str) -> Result<Option<String>, String> + 'a;

/// The settings, each read when it is needed. In a component each read is a call to the host, and an event needs few
/// settings. An invalid setting fails only the requests that need it.
pub struct SettingVariables<'a> {
    variable: &'a Variable<'a>,
    bucket: OnceCell<Result<Bucket, SettingsError>>,
    all: OnceCell<Result<Settings, SettingsError>>,
}

impl<'a> SettingVariables<'a> {
    /// Reads through `variable`.
    pub fn new(variable: &'a Variable<'a>) -> Self {
        Self { variable, bucket: OnceCell::new(), all: OnceCell::new() }
    }

    /// All settings; read once.
    pub fn settings(&self) -> Result<&Settings, SettingsError> {
        self.all.get_or_init(|| self.read_all()).as_ref().map_err(Clone::clone)
    }

    fn read_all(&self) -> Result<Settings, SettingsError> {
        let destinations = self.destinations()?;
        // Checked even where tokens make it irrelevant: a typing error must be reported.
        self.parse(&table::INGEST_OPEN)?;
        Ok(Settings {
            ingest: self.ingest()?,
            invalid_events: self.invalid_events()?,
            max_body_bytes: self.max_body_bytes()?,
            read_tokens: self.parse(&table::READ_TOKENS)?,
            admin_tokens: self.parse(&table::ADMIN_TOKENS)?,
            packing: self.packing()?,
            destinations,
            appliances: self.appliances()?,
            tick_tokens: self.parse(&table::TICK_TOKEN)?,
            max_requests_per_hour: self.parse(&table::MAX_REQUESTS_PER_HOUR)?,
            delivery_runs: self.delivery_runs()?,
            bucket: self.bucket()?.clone(),
        })
    }

    /// [`Settings::bucket`]; read once.
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

    /// [`Settings::appliances`].
    pub fn appliances(&self) -> Result<Vec<Appliance>, SettingsError> {
        self.parse(&table::APPLIANCES)
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
