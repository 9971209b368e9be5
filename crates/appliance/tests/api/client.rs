//! A client of the APIs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use appliance::api::{ApiAnswer, ApiOptions, ApplianceApi, EmulatedSession, SessionRegister};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};

use super::xml::Element;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The root of its XML. Its status is 200.
    pub fn xml(&self) -> Element {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), "text/xml; charset=utf-8");
        Element::parse(&self.body)
    }

    /// A member of its JSON.
    pub fn json(&self, name: &str) -> serde_json::Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_str::<serde_json::Value>(&self.body).unwrap()[name].clone()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A request with `headers`, each `name: value`. A body makes it a POST of a form.
pub fn request(target: &str, headers: &[&str], form: Option<&str>) -> Request<Bytes> {
    let mut request = Request::builder().method(if form.is_some() { "POST" } else { "GET" }).uri(target);
    if form.is_some() {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    let mut request = request.body(Bytes::from(form.unwrap_or_default().to_owned())).unwrap();
    for header in headers {
        let (name, value) = header.split_once(": ").unwrap();
        let name = HeaderName::try_from(name).unwrap();
        request.headers_mut().insert(name, HeaderValue::try_from(value).unwrap());
    }
    request
}

/// `Authorization` with these credentials.
pub fn basic(id: &str, secret: &str) -> String {
    format!("authorization: Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// An API without connections, whose clock is set by the test.
pub struct StillApi {
    pub api: ApplianceApi,
    clock: Arc<AtomicI64>,
}

/// The first time of a [`StillApi`], in Unix seconds: 2026-11-29T12:00:00Z.
pub const NOON: u64 = 1_795_953_600;

impl StillApi {
    pub fn new(options: ApiOptions) -> Self {
        let clock = Arc::new(AtomicI64::new(NOON as i64 * 1_000));
        let reading = Arc::clone(&clock);
        let sessions = Arc::<SessionRegister>::default();
        Self { api: ApplianceApi::with_clock(options, sessions, move || reading.load(Ordering::Relaxed)), clock }
    }

    pub fn wait(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    /// Adds a session that ended `ago` seconds before the clock's time, after ten minutes.
    pub fn add_ended(&self, lsid: &str, ago: u64) {
        let now = self.clock.load(Ordering::Relaxed) as u64 / 1_000;
        self.api.add(EmulatedSession::example(lsid, now - ago - 600, now - ago));
    }

    pub fn answer(&self, request: &Request<Bytes>) -> Answer {
        match self.api.answer(request) {
            ApiAnswer::Whole(response) => {
                let (head, body) = response.into_parts();
                let body = String::from_utf8(body.to_vec()).unwrap();
                Answer { status: head.status, headers: head.headers, body }
            }
            other => panic!("{other:?}"),
        }
    }

    /// A new token.
    pub fn token(&self) -> String {
        let credentials = basic(ApiOptions::CLIENT_ID, ApiOptions::CLIENT_SECRET);
        let answer = self.answer(&request("/oauth2/token", &[&credentials], Some("grant_type=client_credentials")));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json("access_token").as_str().unwrap().to_owned()
    }

    /// The answer to a form, with this token.
    pub fn report_with(&self, token: &str, form: &str) -> Answer {
        self.answer(&request("/api/reporting", &[&format!("authorization: Bearer {token}")], Some(form)))
    }

    /// The root of a report, with a new token.
    pub fn report(&self, form: &str) -> Element {
        self.report_with(&self.token(), form).xml()
    }
}

/// Sends a request, and reads until the connection is closed. `None` if there is no whole head.
pub fn over_socket(address: SocketAddr, request: &Request<Bytes>) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\nhost: {address}\r\n", request.method(), request.uri());
    head.push_str(&format!("content-length: {}\r\n", request.body().len()));
    for (name, value) in request.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    stream.write_all(&[head.as_bytes(), b"\r\n", request.body()].concat()).unwrap();
    let mut read = Vec::new();
    // A reset, too, ends an answer.
    let _ = stream.read_to_end(&mut read);
    let read = String::from_utf8(read).unwrap();
    let (head, body) = read.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
    };
    Some(Answer { status, headers: lines.map(header).collect(), body: body.to_owned() })
}
