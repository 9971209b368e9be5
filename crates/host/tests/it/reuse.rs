//! Instances that serve several events, one after the other (`--reuse-instances`).

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::forms;
use crate::support::{TOKEN, component, numbered};
use http_body_util::{BodyExt as _, Full};
use outbound_events_host::guest::{Guest, Limits};
use outbound_events_host::store::KeyValueStore;

/// A recipient without a socket.
struct Reusing {
    guest: Guest,
    store: KeyValueStore,
}

/// All of an answer.
type WholeAnswer = (u16, Vec<(String, String)>, String);

impl Reusing {
    fn new(reuse: u32) -> Self {
        let settings = [("ingest_tokens", TOKEN), ("read_tokens", READER)];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let limits = Limits { reuse_instances: NonZeroU32::new(reuse).unwrap(), ..Limits::default() };
        let store = KeyValueStore::memory();
        let guest = Guest::new(&std::fs::read(component()).unwrap(), store.clone(), settings, limits).unwrap();
        Self { guest, store }
    }

    async fn answer(&self, request: &Request) -> WholeAnswer {
        let Request { method, uri, headers, body } = request;
        let body = Full::from(body.clone()).map_err(|never| match never {}).boxed_unsync();
        let mut built = http::Request::builder().method(*method).uri(uri).header("host", "x");
        for (name, value) in headers {
            built = built.header(*name, value);
        }
        let response = self.guest.handle(built.body(body).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), headers.collect(), masked(&String::from_utf8_lossy(&body)))
    }

    /// Every stored byte, but for leases: the work after the last answer can still hold one.
    async fn stored(&self) -> BTreeMap<String, String> {
        let mut stored = BTreeMap::new();
        let keys = self.store.get_keys().await.unwrap();
        for key in keys.into_iter().filter(|key| !key.starts_with("lease.")) {
            let value = self.store.get(&key).unwrap().unwrap();
            stored.insert(masked(&key), masked(&String::from_utf8_lossy(&value)));
        }
        stored
    }
}

const READER: &str = "a-token-of-a-reader-with-35-letters";

/// Without the times at which the requests arrived, which differ between two recipients.
fn masked(text: &str) -> String {
    let now = chrono::Utc::now();
    let beginnings = [now.format("%Y-").to_string(), (now.timestamp() / 100_000).to_string()];
    let is_of_a_time = |c: char| c.is_ascii_digit() || "-:.T".contains(c);
    let mut masked = String::new();
    let mut rest = text;
    while let Some(start) = beginnings.iter().filter_map(|beginning| rest.find(beginning.as_str())).min() {
        let (before, time) = rest.split_at(start);
        let end = time.find(|c| !is_of_a_time(c)).unwrap_or(time.len());
        masked.extend([before, "(now)"]);
        rest = time.split_at(end).1;
    }
    masked + rest
}

#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    uri: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// A request, a quarter of them damaged.
fn fuzzed_request(random: &mut fastrand::Rng) -> Request {
    let mut request = any_request(random);
    if random.u8(..4) == 0 {
        for _ in 0..random.usize(1..6) {
            damage(&mut request, random);
        }
        // What the recipient sets aside, it sets aside once a second.
        request.body.extend(format!("&{}", random.u64(..)).bytes());
    }
    request
}

/// Changes a few bytes, or removes, repeats or moves some. A damaged URI or header that HTTP does not allow is left out.
fn damage(request: &mut Request, random: &mut fastrand::Rng) {
    let mut damaged = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let (from, to) = (random.usize(..=bytes.len()), random.usize(..=bytes.len()));
        let part = bytes.get(from..to).unwrap_or_default().to_vec();
        match random.u8(..4) {
            0 if from < bytes.len() => bytes[from] = *random.choice(b"=&%+;\0\xff\"{[,0z").unwrap(),
            1 => bytes.splice(from..from, part).for_each(drop),
            2 => bytes.truncate(from),
            _ => drop(bytes.drain(from.min(to)..(from.min(to) + 3).min(bytes.len()))),
        }
        bytes
    };
    request.body = damaged(&request.body);
    if let Ok(uri) = String::from_utf8(damaged(request.uri.as_bytes()))
        && let Ok(uri) = uri.parse::<http::Uri>()
        && uri.path_and_query().is_some()
    {
        request.uri = uri.to_string();
    }
    for (_, value) in &mut request.headers {
        if let Ok(header) = http::HeaderValue::from_bytes(&damaged(value.as_bytes()))
            && let Ok(text) = header.to_str()
        {
            value.replace_range(.., text);
        }
    }
}

/// One of many kinds of request: events, repeated events, and everything that is refused or answered otherwise.
fn any_request(random: &mut fastrand::Rng) -> Request {
    let form = "application/x-www-form-urlencoded";
    let guarded = format!("/events?outbound_event_token={TOKEN}");
    let request = |method, uri: &str, body: Vec<u8>| Request {
        method,
        uri: uri.to_owned(),
        headers: vec![("content-length", body.len().to_string()), ("content-type", form.to_owned())],
        body,
    };
    let with = |request: Request, name, value: &str| Request {
        headers: request.headers.into_iter().filter(|(n, _)| *n != name).chain([(name, value.to_owned())]).collect(),
        ..request
    };
    let event = numbered(random.usize(..40)).into_bytes();
    match random.u8(..24) {
        0 => request("POST", &guarded, forms::seven()[random.usize(..7)].1.clone().into_bytes()),
        1 => request("POST", &format!("/events/site-{}?outbound_event_token={TOKEN}", random.u8(..3)), event),
        2 => with(request("POST", "/", event), "authorization", &format!("Bearer {TOKEN}")),
        3 => request("POST", "/events", event),
        4 => request("POST", "/events?outbound_event_token=a-wrong-token-of-27-letters", event),
        // Never the same body twice: it is set aside once a second.
        5 => request("POST", &guarded, format!("event=half&{}", random.u64(..)).into_bytes()),
        6 => request("POST", &guarded, (0..random.usize(1..3_000)).map(|_| random.u8(..)).collect()),
        7 => request(
            "POST",
            &guarded,
            format!("{}{}", random.u64(..), "x".repeat(random.usize(60_000..140_000))).into_bytes(),
        ),
        8 => with(request("POST", &guarded, event), "content-type", "text/plain"),
        9 => with(request("POST", &guarded, event), "content-encoding", "gzip"),
        10 => request("POST", "/events/not a site?".replace(' ', "%20").as_str(), event),
        11 => request("GET", "/health", Vec::new()),
        12 => request("HEAD", "/", Vec::new()),
        13 => with(request("GET", "/api/events", Vec::new()), "authorization", &format!("Bearer {READER}")),
        14 => {
            with(request("GET", "/api/sessions?q=j%C3%BCr", Vec::new()), "authorization", &format!("Bearer {READER}"))
        }
        15 => request("DELETE", "/api/sessions/default/1", Vec::new()),
        16 => request("GET", "/tick", Vec::new()),
        17 => Request { headers: Vec::new(), ..request("POST", &guarded, event) },
        _ => request("POST", &guarded, event),
    }
}

/// What one request leaves in an instance must change nothing for the next: neither its answer nor a stored byte.
#[tokio::test]
async fn requests_to_one_instance_have_the_answers_and_the_store_of_fresh_instances() {
    let rounds = std::env::var("REUSE_SEQUENCES").map_or(12, |rounds| rounds.parse().unwrap());
    for seed in 0..rounds {
        let mut random = fastrand::Rng::with_seed(seed);
        let (reused, fresh) = (Reusing::new(u32::MAX), Reusing::new(1));
        let mut events = 0;
        for number in 0..400 {
            let request = fuzzed_request(&mut random);
            let answer = reused.answer(&request).await;
            assert_eq!(answer, fresh.answer(&request).await, "seed {seed}, request {number}: {request:?}");
            events += u64::from(answer.0 == 200 && request.method == "POST");
        }
        let (left, right) = (reused.stored().await, fresh.stored().await);
        for (key, value) in &left {
            assert_eq!(Some(value), right.get(key), "seed {seed}: {key}");
        }
        assert_eq!(left.len(), right.len(), "seed {seed}");
        let (reused, fresh) = (reused.guest.instances_created(), fresh.guest.instances_created());
        assert!(reused < fresh - events / 2, "seed {seed}: {reused} and {fresh} instances, {events} events");
    }
}

#[tokio::test]
async fn an_instance_serves_as_many_events_as_it_may_and_is_ended_by_anything_else() {
    let event = |number: usize| Request {
        method: "POST",
        uri: format!("/events?outbound_event_token={TOKEN}"),
        headers: Vec::new(),
        body: numbered(number).into_bytes(),
    };
    for reuse in [1, 2, 5] {
        let recipient = Reusing::new(reuse);
        for number in 0..60 {
            assert_eq!(recipient.answer(&event(number)).await.0, 200);
        }
        // Those made ahead of their requests are at most 4.
        let (created, needed) = (recipient.guest.instances_created(), u64::from(60 / reuse));
        assert!((needed..needed + 5).contains(&created), "{reuse} events each: {created} instances for 60");
    }
    let ending = [
        ("wrong token", Request { uri: "/events?outbound_event_token=wrong".to_owned(), ..event(1) }),
        ("no event", Request { uri: format!("/nowhere?outbound_event_token={TOKEN}"), ..event(1) }),
        ("a health check", Request { method: "GET", uri: "/health".to_owned(), ..event(1) }),
        ("a reader", Request { method: "GET", uri: "/api/events".to_owned(), ..event(1) }),
    ];
    for (what, request) in ending {
        let recipient = Reusing::new(u32::MAX);
        for _ in 0..20 {
            assert_eq!(recipient.answer(&event(1)).await.0, 200);
            recipient.answer(&request).await;
        }
        let created = recipient.guest.instances_created();
        assert!(created >= 20, "{what}: {created} instances for 20 such requests");
    }
}

/// An instance whose memory grew would be replaced, and so be counted. A few more are created while one that has
/// answered has not ended.
#[tokio::test]
async fn a_hundred_thousand_events_do_not_grow_the_memory_of_their_instance() {
    let recipient = Reusing::new(u32::MAX);
    for number in 0..100_000 {
        let body = Full::from(numbered(number)).map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::post(format!("/events?outbound_event_token={TOKEN}")).header("host", "x");
        let response = recipient.guest.handle(request.body(body).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        // Deleted, so that nothing is packed.
        for key in recipient.store.get_keys().await.unwrap() {
            recipient.store.delete(key).await.unwrap();
        }
    }
    let created = recipient.guest.instances_created();
    assert!(created < 10, "{created} instances");
}

#[tokio::test]
async fn events_at_the_same_time_never_share_an_instance() {
    let recipient = Reusing::new(3);
    let all = (0..200).map(|number| {
        let body = Full::from(numbered(number)).map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::post(format!("/events?outbound_event_token={TOKEN}")).header("host", "x");
        recipient.guest.handle(request.body(body).unwrap())
    });
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    let keys = recipient.store.get_keys().await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.starts_with("event.")).count(), 200, "{keys:?}");
}
