//! The table of settings. Reading and the names that a host knows derive from it; a test holds the two lists in
//! `spin.toml` and `docs/operate/settings.md` to it.
//!
//! The documentation of each row is what `docs/operate/settings.md` says of the setting, word for word. It is not
//! compiled into the component.

#[cfg(not(target_family = "wasm"))]
use super::kinds::SettingKind;
use super::kinds::{ApplianceArray, BucketName, DestinationList, Number, NumberOrNone, Setting, TokenList, Words};
use super::values::{DeliveryRunStart, InvalidEvents};

/// A body of this size that is set aside in base64 still fits a record.
const MOST_BODY_BYTES: u32 = 262_144;

/// A setting and its documentation.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingRow {
    /// The name of the variable.
    pub name: &'static str,
    /// The text with the same meaning as an unset setting; empty if there is none.
    pub default: String,
    /// The allowed texts.
    pub allowed: String,
    /// Whether it must never be logged or shown.
    pub secret: bool,
    /// What it does: Markdown, a line feed at the end of each line.
    pub about: &'static str,
}

macro_rules! table {
    ($($(#[doc = $about:literal])+ $setting:ident: $kind:ty = $name:literal, $value:expr;)+) => {
        $($(#[doc = $about])+ pub(super) const $setting: Setting<$kind> = Setting { name: $name, kind: $value };)+

        /// The names of all settings: variables of the component on Spin, values of `wasi:config` elsewhere.
        pub const NAMES: &[&str] = &[$($name),+];

        /// All settings.
        #[cfg(not(target_family = "wasm"))]
        pub fn rows() -> Vec<SettingRow> {
            fn row<K: SettingKind>(setting: &Setting<K>, about: &'static str) -> SettingRow {
                SettingRow {
                    name: setting.name,
                    default: setting.kind.default(),
                    allowed: setting.kind.allowed(),
                    secret: K::SECRET,
                    about,
                }
            }
            vec![$(row(&$setting, concat!($($about, "\n"),+))),+]
        }
    };
}

table! {
    /// Tokens that authenticate senders of events, as `?outbound_event_token=TOKEN` in the URL or as
    /// `Authorization: Bearer TOKEN`. To replace a token without losing events, list the old one and the new one.
    INGEST_TOKENS: TokenList = "ingest_tokens", TokenList;

    /// `true` accepts valid events from clients without a token. It has no effect where `ingest_tokens` is set. With
    /// neither, no event is accepted: the answer is 503.
    INGEST_OPEN: Words<bool> = "ingest_open", Words(&[("false", false), ("true", true)]);

    /// The answer to an authenticated sender whose body is not a valid event. `set-aside` answers 200, so the
    /// appliance's queue moves on. `reject` answers 400, so the appliance holds its queue and alerts its contact. With
    /// either value the body is stored as a body set aside.
    INVALID_EVENTS: Words<InvalidEvents> = "invalid_events",
        Words(&[("set-aside", InvalidEvents::SetAside), ("reject", InvalidEvents::Reject)]);

    /// The largest body of an event, in bytes. A larger one is answered 413.
    MAX_BODY_BYTES: Number = "max_body_bytes", Number { range: 1..=MOST_BODY_BYTES, default: 131_072 };

    /// Tokens that grant read access to the API, and so to the page. Without any, the API is closed.
    READ_TOKENS: TokenList = "read_tokens", TokenList;

    /// Tokens for deleting, retrying and packing. They do not grant read access unless they are also listed in
    /// `read_tokens`.
    ADMIN_TOKENS: TokenList = "admin_tokens", TokenList;

    /// The number of keys that the platform's store can hold, if it is small (Fermyon Cloud: 1024). Compaction then
    /// starts before the store is full, and the page shows how many of the keys are in use.
    KEY_BUDGET: NumberOrNone = "key_budget", NumberOrNone(1..=u32::MAX);

    /// The number of newest events that stay loose, each under a key of its own. Compaction puts older events into
    /// packs.
    LOOSE_EVENTS: Number = "loose_events", Number { range: 0..=10_000_000, default: 512 };

    /// The seconds for which an event also stays loose after it was packed. Use it where lists and reads lag behind
    /// writes (Akamai Functions, DynamoDB).
    PACKING_GRACE: Number = "packing_grace", Number { range: 0..=86_400, default: 0 };

    /// The days for which events and bodies that were set aside are kept. The age counts from when an event was
    /// received, or from its own time if that is later. Compaction deletes older ones after midnight UTC; until then
    /// they are visible. Without this setting, nothing is deleted by age.
    /// [Retention](../guide/remove-and-retain.md#retention) has the details.
    RETENTION_DAYS: NumberOrNone = "retention_days", NumberOrNone(1..=36_500);

    /// The systems to which events are forwarded. [Destinations](../destinations/README.md) describes the fields. Set
    /// it by `--destinations FILE`, or write the array on one line: see above.
    DESTINATIONS: DestinationList = "destinations", DestinationList;

    /// The appliances whose APIs are asked for reports of sessions, and for sessions that were never announced. A JSON
    /// array; each object has these fields:
    ///
    /// - `site`: the site of its events, and of no other appliance.
    /// - `url`: `https://HOST` or `https://HOST:PORT`, without a path; `http` only to a loopback address. No two
    ///   appliances can have one URL: the reports of an appliance cover all its public sites.
    /// - `client_id`, `client_secret`: an API account of its own, with the permission "Allow Access to Support Session
    ///   Reports and Recordings" (/login > Management > API Configuration).
    /// - `include`: what reports have only on request, a list of `notes`, `chat` and `system_information`. Default:
    ///   none.
    /// - `check_minutes`: the minutes between two checks, from 1 to 1440. Default: 5.
    /// - `since`: the time from which sessions count, such as `2026-01-31T12:00:00Z`. Default: a day before the first
    ///   check.
    /// - `private`: `true` if its name leads to an address that is not public. Default: `false`.
    ///
    /// [Reports and completeness](../guide/reports.md) says what is asked and stored. Set it by `--appliances FILE`, or
    /// write the array on one line: see above. On Spin, also list each URL in `allowed_outbound_hosts`.
    APPLIANCES: ApplianceArray = "appliances", ApplianceArray;

    /// Tokens for `/tick`, as `?tick_token=TOKEN` in the URL or as `Authorization: Bearer TOKEN`. Our host calls
    /// `/tick` by itself, with a token that it makes at each start.
    TICK_TOKEN: TokenList = "tick_token", TokenList;

    /// The number of requests to destinations that the platform allows in an hour (Fermyon Cloud: 500). Each
    /// destination has an equal share.
    MAX_REQUESTS_PER_HOUR: NumberOrNone = "max_requests_per_hour", NumberOrNone(1..=10_000_000);

    /// When delivery runs start: `after-answers` starts one after each answer and at each tick, `on-ticks` at ticks
    /// only. Use `on-ticks` only if a scheduler sends a tick as soon as an event is received. Our host does, so it
    /// sets `on-ticks` unless you set a value.
    DELIVERY_RUNS: Words<DeliveryRunStart> = "delivery_runs",
        Words(&[("after-answers", DeliveryRunStart::AfterAnswers), ("on-ticks", DeliveryRunStart::OnTicks)]);

    /// The name of the platform's store for events, where there are several: the label of a Spin store, which
    /// `spin.toml` must allow, or the bucket of `wasi:keyvalue`. Our host has one store, `default`.
    BUCKET: BucketName = "bucket", BucketName;
}
