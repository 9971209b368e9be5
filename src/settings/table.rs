//! The table of settings, from which everything else derives or to which a test holds it: reading, the names that a host knows, the two
//! lists in `spin.toml`, and `docs/operate/settings.md`.
//!
//! The documentation is what `docs/operate/settings.md` says of the setting, word for word. It is no part of the component.

#[cfg(not(target_family = "wasm"))]
use super::kinds::SettingKind;
use super::kinds::{BucketName, DestinationList, Number, NumberOrNone, Setting, TokenList, Words};
use super::values::{DeliveryRunStart, InvalidEvents};

/// Set aside in base64, a body of this size still fits a record.
const MOST_BODY_BYTES: u32 = 262_144;

/// What there is to know of a setting.
#[cfg(not(target_family = "wasm"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingRow {
    /// The variable's name.
    pub name: &'static str,
    /// The text that means the same as none. Empty if no text does.
    pub default: String,
    /// What may stand there.
    pub allowed: String,
    /// Whether it is to be kept from everyone else.
    pub secret: bool,
    /// What it does: Markdown, with a line feed at the end of each line.
    pub about: &'static str,
}

macro_rules! table {
    ($($(#[doc = $about:literal])+ $setting:ident: $kind:ty = $name:literal, $value:expr;)+) => {
        $($(#[doc = $about])+ pub(super) const $setting: Setting<$kind> = Setting { name: $name, kind: $value };)+

        /// The names of all settings. On Spin these are variables of the component, elsewhere values of `wasi:config`.
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
    /// The tokens that authenticate senders of events, as `?outbound_event_token=TOKEN` in the URL or as
    /// `Authorization: Bearer TOKEN`. To replace a token while events come in, list the old one and the new one.
    INGEST_TOKENS: TokenList = "ingest_tokens", TokenList;

    /// `true` accepts valid events from anyone. It has no effect where `ingest_tokens` is set. With neither, no event is
    /// accepted: the answer is 503.
    INGEST_OPEN: Words<bool> = "ingest_open", Words(&[("false", false), ("true", true)]);

    /// The answer to an authenticated sender whose body is not a valid event. `set-aside` answers 200, so the appliance's
    /// queue moves on. `reject` answers 400, so the appliance holds its queue and alerts its contact. The body is kept
    /// either way.
    INVALID_EVENTS: Words<InvalidEvents> = "invalid_events",
        Words(&[("set-aside", InvalidEvents::SetAside), ("reject", InvalidEvents::Reject)]);

    /// The largest body of an event, in bytes. A larger one is answered 413.
    MAX_BODY_BYTES: Number = "max_body_bytes", Number { range: 1..=MOST_BODY_BYTES, default: 131_072 };

    /// The tokens that may read: the page and the API. Without one, the API is closed.
    READ_TOKENS: TokenList = "read_tokens", TokenList;

    /// The tokens for deleting, retrying and packing. They do not grant read access unless they are also listed in
    /// `read_tokens`.
    ADMIN_TOKENS: TokenList = "admin_tokens", TokenList;

    /// How many keys the platform's store holds, where that is few (Fermyon Cloud: 1024). Compaction then starts in time, and
    /// the number of keys in use is shown beside it.
    KEY_BUDGET: NumberOrNone = "key_budget", NumberOrNone(1..=u32::MAX);

    /// How many of the newest events stay loose, each under a key of its own. Compaction puts older events into packs.
    LOOSE_EVENTS: Number = "loose_events", Number { range: 0..=10_000_000, default: 512 };

    /// How many seconds an event stays loose after it was packed: for stores whose lists and reads lag behind writes (Akamai
    /// Functions, DynamoDB).
    PACKING_GRACE: Number = "packing_grace", Number { range: 0..=86_400, default: 0 };

    /// How many days events and bodies that were set aside are kept. The age counts from when an event was taken, or from its
    /// own time if that is later. Compaction deletes what is older, after midnight UTC; until then it is visible. Without
    /// this setting, nothing is deleted by age. [Retention](../operations.md#retention) has the details.
    RETENTION_DAYS: NumberOrNone = "retention_days", NumberOrNone(1..=36_500);

    /// Where events are forwarded to. "Push on" in the [README](../../README.md#push-on) describes the fields of a
    /// destination. Set it by `--destinations FILE`, or write the array on one line: see above.
    DESTINATIONS: DestinationList = "destinations", DestinationList;

    /// The tokens that may call `/tick`, as `?tick_token=TOKEN` in the URL or as `Authorization: Bearer TOKEN`. The host calls
    /// it by itself, with a token that it makes at each start.
    TICK_TOKEN: TokenList = "tick_token", TokenList;

    /// How many requests to destinations the platform allows in an hour (Fermyon Cloud: 500). Each destination has an equal
    /// share.
    MAX_REQUESTS_PER_HOUR: NumberOrNone = "max_requests_per_hour", NumberOrNone(1..=10_000_000);

    /// When delivery runs start: `after-answers` starts one after each answer and at each tick, `on-ticks` at ticks alone. Use
    /// `on-ticks` only if something ticks as soon as an event was taken. The host does, so it sets this unless you do.
    DELIVERY_RUNS: Words<DeliveryRunStart> = "delivery_runs",
        Words(&[("after-answers", DeliveryRunStart::AfterAnswers), ("on-ticks", DeliveryRunStart::OnTicks)]);

    /// Which of the platform's stores has the events, where there are several: the label of a store of Spin, which `spin.toml`
    /// must allow, or the bucket of `wasi:keyvalue`. Our host has one store, `default`.
    BUCKET: BucketName = "bucket", BucketName;
}
