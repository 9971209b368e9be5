//! A visit: settings, and a few requests in a row on one store, with the promises that hold for each request.
//!
//! It is written as text, so that a visit that broke a promise can be read, changed and kept, even if this code
//! changes:
//!
//! ```text
//! set ingest_tokens=a-token-of-24-characters
//! request POST /events?outbound_event_token=a-token-of-24-characters
//! header content-type: application/x-www-form-urlencoded
//! body event=support_conference_begin&version=1
//! body &timestamp=1700000000&lsid=1
//! request GET /health
//! ```
//!
//! Each `body` is one chunk, and `more` is a chunk with a line end before it; `broken` breaks the body off. Any other
//! line is ignored, and so is a request after the sixteenth.

use std::collections::{BTreeMap, BTreeSet};

use http::Uri;
use outbound_events::archive::Listing;
use outbound_events::archive::covers::Covers;
use outbound_events::archive::pack::{Pack, RecordEntry};
use outbound_events::identity::Id;
use outbound_events::keys::{CLOCK_FAULTS, EventKey, PackKey, RETENTION_CLOCK, SetAsideKey};
use outbound_events::record::Record;
use outbound_events::set_aside::SetAside;
use percent_encoding::percent_decode;

use crate::support::{Call, Limited, Reply, TOKEN, call, now};

/// The other token that no answer must show, beside [`TOKEN`].
const READ_TOKEN: &str = "a-read-token-of-many-characters";

/// Checks the promises for each request, and returns its status and `OutboundEvent-Result`.
pub fn hold(text: &[u8]) -> Vec<(u16, String)> {
    let visit = Visit::parse(text);
    let store = Limited::default();
    let mut sent_texts = Vec::new();
    let mut answers = Vec::new();
    for request in &visit.requests {
        sent_texts.push(request.text_without_tokens());
        let before = values(&store);
        // The work after the answer is left out: it would change the store after the answer.
        let reply = request.call().answer_alone(&store, &visit.settings);
        let exchange = Exchange { visit: &visit, request, before, reply, after: values(&store) };
        exchange.is_well_formed();
        exchange.keeps_secrets(&sent_texts);
        exchange.changes_no_more_than_it_says();
        exchange.requires_a_token();
        if exchange.is_accepted() {
            exchange.is_in_the_store();
            exchange.is_a_duplicate_when_repeated(&store);
            exchange.loses_nothing_in_compaction(&store);
        }
        answers.push((exchange.reply.status, exchange.reply.result().to_owned()));
    }
    answers
}

#[derive(Default)]
struct Visit<'t> {
    settings: Vec<(&'t str, &'t str)>,
    requests: Vec<Request<'t>>,
}

struct Request<'t> {
    method: &'t str,
    uri: &'t str,
    headers: Vec<(&'t str, &'t [u8])>,
    chunks: Vec<Vec<u8>>,
    broken: bool,
}

impl<'t> Visit<'t> {
    fn parse(text: &'t [u8]) -> Self {
        let mut visit = Self::default();
        for line in text.split(|&b| b == b'\n') {
            visit.add(line);
        }
        visit.requests.truncate(16);
        visit
    }

    /// Adds a line. `None` if the line is ignored.
    fn add(&mut self, line: &'t [u8]) -> Option<()> {
        let end = line.iter().position(|&b| b == b' ').unwrap_or(line.len());
        let (word, rest) = (&line[..end], line.get(end + 1..).unwrap_or_default());
        match word {
            b"set" => self.settings.push(str::from_utf8(rest).ok()?.split_once('=')?),
            b"request" => self.requests.push(Request::new(str::from_utf8(rest).ok()?.split_once(' ')?)),
            _ => self.requests.last_mut()?.add(word, rest)?,
        }
        Some(())
    }

    fn setting(&self, name: &str) -> &'t str {
        self.settings.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value)
    }

    /// Whether a text contains one of the tokens of a setting.
    fn has_token(&self, setting: &str, text: &str) -> bool {
        let tokens = self.setting(setting);
        !tokens.is_empty() && tokens.split(',').any(|token| text.contains(token))
    }
}

impl<'t> Request<'t> {
    fn new((method, uri): (&'t str, &'t str)) -> Self {
        Self { method, uri, headers: Vec::new(), chunks: Vec::new(), broken: false }
    }

    fn add(&mut self, word: &[u8], rest: &'t [u8]) -> Option<()> {
        match word {
            b"header" => {
                let colon = rest.iter().position(|&b| b == b':')?;
                self.headers.push((str::from_utf8(&rest[..colon]).ok()?, rest[colon + 1..].trim_ascii()));
            }
            b"body" => self.chunks.push(rest.to_vec()),
            b"more" => self.chunks.push([b"\n", rest].concat()),
            b"broken" => self.broken = true,
            _ => return None,
        }
        Some(())
    }

    fn call(&self) -> Call {
        let head =
            self.headers.iter().fold(call(self.method, self.uri), |call, (name, value)| call.header(name, value));
        let whole = self.body().iter().fold(head, |call, chunk| call.body(chunk));
        if self.broken { whole.broken_off() } else { whole }
    }

    /// The body's chunks as a server passes them on: no more than was announced.
    fn body(&self) -> Vec<&[u8]> {
        let mut left = self.announced().unwrap_or(usize::MAX);
        let mut handed_on = Vec::new();
        for chunk in &self.chunks {
            let (part, _) = chunk.split_at(chunk.len().min(left));
            left -= part.len();
            handed_on.push(part);
        }
        handed_on
    }

    fn announced(&self) -> Option<usize> {
        let first =
            |name: &str| self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let length = first("content-length").filter(|_| first("transfer-encoding").is_none())?;
        str::from_utf8(length).ok()?.parse().ok()
    }

    /// Whether it breaks off before its announced end.
    fn breaks_off(&self) -> bool {
        self.broken && self.announced().is_none_or(|length| self.body().concat().len() < length)
    }

    /// The path. Empty if the URI is invalid.
    fn path(&self) -> String {
        self.uri.parse().map(|uri: Uri| uri.path().to_owned()).unwrap_or_default()
    }

    fn authorization(&self) -> String {
        let values = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        values.map(|(_, value)| String::from_utf8_lossy(value) + "\n").collect()
    }

    /// The decoded text of the request outside the places for tokens. An answer can repeat it.
    fn text_without_tokens(&self) -> String {
        let mut text = self.uri.replace(&format!("outbound_event_token={TOKEN}"), "").into_bytes();
        for (name, value) in &self.headers {
            if !name.eq_ignore_ascii_case("authorization") {
                text.extend_from_slice(value);
            }
        }
        text.extend(self.chunks.concat());
        String::from_utf8_lossy(&percent_decode(&text).collect::<Vec<_>>()).into_owned()
    }
}

type Values = BTreeMap<String, Vec<u8>>;

fn values(store: &Limited) -> Values {
    store.0.values.borrow().clone()
}

/// A request, its answer, and the store before and after.
struct Exchange<'v> {
    visit: &'v Visit<'v>,
    request: &'v Request<'v>,
    before: Values,
    reply: Reply,
    after: Values,
}

impl Exchange<'_> {
    /// Whether the answer tells an appliance that the event is stored.
    fn is_accepted(&self) -> bool {
        self.reply.status == 200 && self.request.method == "POST" && !self.request.path().starts_with("/api/")
    }

    fn is_well_formed(&self) {
        let Reply { status, body, .. } = &self.reply;
        if *status != 204 {
            assert_eq!(self.reply.header("content-length"), body.len().to_string(), "{:?}", self.reply);
        }
        let content_type = self.reply.header("content-type");
        if content_type.ends_with("json") {
            body.parse::<serde_json::Value>().unwrap();
        }
        if *status >= 400 && self.request.path() != "/health" {
            assert_eq!(content_type, "application/problem+json", "{:?}", self.reply);
            let problem: serde_json::Value = body.parse().unwrap();
            assert_eq!(problem["status"], *status);
            assert!(!problem["detail"].as_str().unwrap().is_empty());
        }
    }

    /// No answer shows a token, unless a request had it outside the places for tokens.
    fn keeps_secrets(&self, sent_texts: &[String]) {
        let reply = format!("{:?}", self.reply);
        let repeats = |token: &&str| sent_texts.iter().any(|text| text.contains(token));
        for token in [TOKEN, READ_TOKEN].into_iter().filter(|token| !repeats(token)) {
            assert!(!reply.contains(token), "{reply}");
        }
    }

    /// A read changes nothing, a refusal stores nothing unless it says so, and no existing value changes, except what
    /// compaction remembers about clocks.
    fn changes_no_more_than_it_says(&self) {
        let refused = self.reply.status >= 400 && self.reply.result().is_empty();
        if refused || ["GET", "HEAD"].contains(&self.request.method) {
            assert_eq!(self.before, self.after, "{:?}", self.reply);
        }
        let is_of_compaction =
            |key: &str| self.request.path() == "/api/pack" && [RETENTION_CLOCK, CLOCK_FAULTS].contains(&key);
        let changed = |(key, value): (&String, &Vec<u8>)| {
            self.before.get(key).is_some_and(|before| before != value) && !is_of_compaction(key)
        };
        assert!(!self.after.iter().any(changed), "{:?}", self.reply);
    }

    fn requires_a_token(&self) {
        let authorization = self.request.authorization();
        let uri = percent_decode(self.request.uri.as_bytes()).decode_utf8_lossy().into_owned();
        let open = self.visit.setting("ingest_open") == "true" && self.visit.setting("ingest_tokens").is_empty();
        let sends = self.visit.has_token("ingest_tokens", &(uri + &authorization));
        let reads = self.visit.has_token("read_tokens", &authorization);
        let administers = self.visit.has_token("admin_tokens", &authorization);
        if self.is_accepted() {
            assert!(open || sends, "{:?}", self.reply);
        }
        if self.reply.result() == "set-aside" {
            assert!(sends, "{:?}", self.reply);
        }
        if self.request.path().starts_with("/api/") && self.reply.status < 400 {
            let is_allowed = if ["GET", "HEAD"].contains(&self.request.method) { reads } else { administers };
            assert!(is_allowed, "{:?}", self.reply);
        }
        if !(open || sends || administers) {
            assert_eq!(self.before, self.after, "{:?}", self.reply);
        }
    }

    /// A body answered with 200 was complete and is stored as it was sent. The answer has no body.
    fn is_in_the_store(&self) {
        assert!(!self.request.breaks_off() && self.reply.body.is_empty(), "{:?}", self.reply);
        let id: Id = self.reply.header("event-id").parse().unwrap();
        let (key, value) = self.after.iter().find(|(key, _)| key.ends_with(&format!(".{id}"))).unwrap();
        match self.reply.result() {
            "set-aside" => {
                let kept: SetAside = serde_json::from_slice(value).unwrap();
                let key: SetAsideKey = key.parse().unwrap();
                let body = self.request.body().concat();
                assert_eq!(kept.body.bytes().unwrap(), body);
                assert_eq!((key.id, Id::of_body(&key.site, &body)), (id, id));
            }
            result => {
                assert_eq!(result, if self.before.contains_key(key) { "duplicate" } else { "stored" });
                let kept: Record = serde_json::from_slice(value).unwrap();
                let key: EventKey = key.parse().unwrap();
                kept.data.event().unwrap();
                assert_eq!((key.id, Id::of_event(&key.site, &kept.data.form())), (id, id));
            }
        }
    }

    fn is_a_duplicate_when_repeated(&self, store: &Limited) {
        let again = self.request.call().answer_alone(store, &self.visit.settings);
        let expected = if self.reply.result() == "set-aside" { "set-aside" } else { "duplicate" };
        assert_eq!((again.status, again.result()), (200, expected));
        assert_eq!(again.header("event-id"), self.reply.header("event-id"));
        assert_eq!(values(store), self.after);
    }

    /// After compaction, every record is loose or in a pack, unless it was removed.
    fn loses_nothing_in_compaction(&self, store: &Limited) {
        let administer = [("admin_tokens", TOKEN), ("ingest_tokens", TOKEN)];
        let settings = [&administer, self.visit.settings.as_slice()].concat();
        call("POST", "/api/pack").header("authorization", format!("Bearer {TOKEN}")).answer(store, &settings);
        let after = values(store);
        let listing = Listing::new(after.keys().cloned().collect());
        let covers = pollster::block_on(Covers::load(store, &listing, now(), &mut BTreeSet::new())).unwrap();
        let packed: BTreeMap<_, _> = after.iter().flat_map(|(key, value)| records(key, value)).collect();
        for (key, value) in self.after.iter().filter(|(key, _)| key.parse::<EventKey>().is_ok()) {
            let kept = after.get(key).or_else(|| packed.get(key)) == Some(value);
            let removed = || RecordEntry::under(key, value.clone()).is_ok_and(|entry| covers.cover(&entry));
            assert!(kept || removed(), "{key} is lost");
        }
    }
}

/// The records of a pack, each with its loose key.
fn records(key: &str, value: &[u8]) -> Vec<(String, Vec<u8>)> {
    let Ok(key) = key.parse::<PackKey>() else { return Vec::new() };
    let entries = Pack::open(&key, value).unwrap().all_records().unwrap();
    entries.into_iter().map(|entry| (entry.key.to_string(), entry.value)).collect()
}
