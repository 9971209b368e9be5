//! An appliance without a socket: it lists its sessions and reports them, and can be in trouble.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use http::{Request, Response};
use outbound_events::appliance_api::Appliance;
use outbound_events::http_client::NotSent;
use serde_json::json;

use super::destination::Given;

/// A session as the appliance knows it. Times are Unix seconds by its clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedSession {
    pub lsid: String,
    pub begun: i64,
    pub ended: i64,
    /// From when it is listed.
    pub listed: i64,
    /// From when its report is ready.
    pub ready: i64,
    /// Changes the content of its report.
    pub note: String,
}

/// What is wrong with the appliance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    #[default]
    None,
    Down,
    WrongSecret,
    NoPermission,
    Html,
    /// Asks for a wait of these seconds.
    Busy(u32),
    /// Answers break off.
    BreaksOff,
    /// Every second session is missing in a listing.
    ForgetsSessions,
    /// Reports of sessions that nobody asked for, and none that were asked for.
    OtherSessions,
    /// The `Date` of its answers is years ahead.
    DateAhead,
}

#[derive(Default)]
pub struct SimulatedAppliance {
    pub sessions: RefCell<Vec<SimulatedSession>>,
    /// By how many seconds its clock is ahead.
    pub ahead: Cell<i64>,
    pub trouble: Cell<Trouble>,
    /// How often each kind of request was made: `token`, `listing`, `report`.
    pub requests: RefCell<BTreeMap<&'static str, usize>>,
    /// The lsids whose reports were asked for.
    pub asked: RefCell<Vec<String>>,
}

/// The entry of the setting for site `hq`.
pub fn appliance_setting(since: Option<&str>) -> String {
    let mut entry = json!({
        "site": "hq",
        "url": "https://support.example.com",
        "client_id": "the-account",
        "client_secret": "the-secret-of-the-account",
        "include": ["notes"],
    });
    if let Some(since) = since {
        entry["since"] = json!(since);
    }
    json!([entry]).to_string()
}

pub fn appliances(since: Option<&str>) -> Vec<Appliance> {
    Appliance::read_all(&appliance_setting(since)).unwrap()
}

impl SimulatedAppliance {
    /// Its clock at a time.
    pub fn now(&self, time: DateTime<Utc>) -> i64 {
        time.timestamp() + self.ahead.get()
    }

    /// Adds a session that ends at a time by its clock, whose report is ready after `lag` seconds.
    pub fn adds(&self, lsid: &str, ended: i64, lag: i64) {
        self.sessions.borrow_mut().push(SimulatedSession {
            lsid: lsid.to_owned(),
            begun: ended - 300,
            ended,
            listed: ended,
            ready: ended + lag,
            note: String::new(),
        });
    }

    pub fn count(&self, kind: &'static str) -> usize {
        self.requests.borrow().get(kind).copied().unwrap_or(0)
    }

    pub fn answers(&self, request: &Request<Vec<u8>>, time: DateTime<Utc>) -> Result<Response<Given>, NotSent> {
        let form: BTreeMap<String, String> = serde_urlencoded::from_bytes(request.body()).unwrap();
        let is_token = request.uri().path() == "/oauth2/token";
        let kind = match form.get("generate_report").map(String::as_str) {
            _ if is_token => "token",
            Some("SupportSessionListing") => "listing",
            _ => "report",
        };
        *self.requests.borrow_mut().entry(kind).or_default() += 1;
        let now = self.now(time);
        let plain = |status: u16, kind: &str, body: &str| {
            let ahead = if self.trouble.get() == Trouble::DateAhead { 1_000 * 86_400 } else { 0 };
            let date = httpdate::fmt_http_date(
                std::time::UNIX_EPOCH + std::time::Duration::from_secs((now + ahead).unsigned_abs()),
            );
            let response = Response::builder().status(status).header("date", date).header("content-type", kind);
            Ok(response.body(Given::from(body.as_bytes())).unwrap())
        };
        match self.trouble.get() {
            Trouble::Down => return Err(NotSent("no answer: the connection was refused".to_owned())),
            Trouble::WrongSecret if is_token => {
                return plain(401, "application/json", r#"{"error":"invalid_client"}"#);
            }
            Trouble::NoPermission if !is_token => return plain(403, "text/plain", "not allowed"),
            Trouble::Html => return plain(200, "text/html", "<!DOCTYPE html><html><p>Welcome</p></html>"),
            Trouble::Busy(seconds) => {
                let mut response = plain(429, "text/plain", "slow down")?;
                response.headers_mut().insert("retry-after", seconds.into());
                return Ok(response);
            }
            _ => {}
        }
        if is_token {
            let token = json!({ "access_token": "a-token", "token_type": "Bearer", "expires_in": 3600 });
            return plain(200, "application/json", &token.to_string());
        }
        let mut xml = if kind == "listing" { self.listing(&form, now) } else { self.report(&form, now) };
        if self.trouble.get() == Trouble::BreaksOff {
            xml.truncate(xml.len() * 2 / 3);
        }
        plain(200, "text/xml", &xml)
    }

    fn listing(&self, form: &BTreeMap<String, String>, now: i64) -> String {
        let (from, seconds): (i64, i64) = (form["end_time"].parse().unwrap(), form["duration"].parse().unwrap());
        let sessions = self.sessions.borrow();
        let in_window = |session: &&SimulatedSession| (from..from + seconds).contains(&session.ended);
        let listed = sessions.iter().filter(in_window).filter(|session| session.listed <= now);
        let mut xml = String::new();
        for (number, session) in listed.enumerate() {
            if self.trouble.get() == Trouble::ForgetsSessions && number % 2 == 0 {
                continue;
            }
            write!(
                xml,
                "<session_summary lsid=\"{}\"><has_recording>0</has_recording></session_summary>",
                session.lsid
            )
            .unwrap();
        }
        whole("session_summary_list", &xml)
    }

    fn report(&self, form: &BTreeMap<String, String>, now: i64) -> String {
        let asked: Vec<_> = form["lsids"].split(',').collect();
        self.asked.borrow_mut().extend(asked.iter().map(|lsid| (*lsid).to_owned()));
        let is_wanted = |lsid: &str| (self.trouble.get() == Trouble::OtherSessions) != asked.contains(&lsid);
        let mut xml = String::new();
        for session in self.sessions.borrow().iter().filter(|session| is_wanted(&session.lsid)) {
            write!(xml, "<session lsid=\"{}\"><start_time timestamp=\"{}\"/>", session.lsid, session.begun).unwrap();
            if session.ready <= now {
                write!(xml, "<end_time timestamp=\"{}\"/>", session.ended).unwrap();
            }
            write!(
                xml,
                "<session_chat_view_url>https://support.example.com/c?{now}</session_chat_view_url>\
                 <customer_list><customer gsnumber=\"1\"><username>Customer of {}</username>\
                 <hostname>PC-{}</hostname></customer></customer_list>\
                 <session_details><event timestamp=\"{}\" event_type=\"Session Note Added\"><body>note {}</body></event>\
                 </session_details></session>",
                session.lsid, session.lsid, session.begun, session.note
            )
            .unwrap();
        }
        whole("session_list", &xml)
    }
}

/// A document with this root; an error if it would be empty, as the appliance answers.
fn whole(root: &str, inside: &str) -> String {
    const NAMESPACE: &str = "https://www.beyondtrust.com/namespaces/API/reporting";
    if inside.is_empty() {
        return format!(
            "<error xmlns=\"{NAMESPACE}\">No Support report information matching your chosen criteria is available.</error>"
        );
    }
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{root} xmlns=\"{NAMESPACE}\">{inside}</{root}>")
}
