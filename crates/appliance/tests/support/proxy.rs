//! A proxy in front of a recipient that injects faults.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::recipient::Connection;

/// The fate of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// Passes the request to the recipient, and the answer back.
    None,
    /// Answers with this text, without the recipient.
    Answer(&'static str),
    /// Keeps the connection open without an answer.
    Hang,
    /// Closes the connection without an answer.
    Close,
    /// Passes the request to the recipient, and closes the connection without the answer.
    Swallow,
}

/// A proxy that lives as long as the test. Its recipient can be stopped and started.
#[derive(Clone)]
pub struct FaultyProxy {
    pub address: SocketAddr,
    state: Arc<Mutex<ProxyState>>,
}

#[derive(Default)]
struct ProxyState {
    recipient: Option<SocketAddr>,
    faults: VecDeque<RequestFault>,
    /// The fate of requests after `faults`.
    rest: Option<RequestFault>,
    bodies: Vec<String>,
    connections: usize,
}

impl FaultyProxy {
    pub fn to_recipient(recipient: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = ProxyState { recipient, ..ProxyState::default() };
        let proxy = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let accepting = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let proxy = accepting.clone();
                std::thread::spawn(move || proxy.serve(stream.unwrap()));
            }
        });
        proxy
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Changes the recipient's address; `None` while it is down.
    pub fn lead_to(&self, recipient: Option<SocketAddr>) {
        self.state.lock().unwrap().recipient = recipient;
    }

    /// Sets the fate of the next requests, one each.
    pub fn inject(&self, faults: impl IntoIterator<Item = RequestFault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// Sets the fate of all requests after those.
    pub fn always(&self, fault: RequestFault) {
        self.state.lock().unwrap().rest = Some(fault);
    }

    /// The bodies of all requests, in the order of arrival.
    pub fn bodies(&self) -> Vec<String> {
        self.state.lock().unwrap().bodies.clone()
    }

    pub fn count(&self) -> usize {
        self.state.lock().unwrap().bodies.len()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    fn serve(&self, stream: TcpStream) {
        self.state.lock().unwrap().connections += 1;
        stream.set_nodelay(true).unwrap();
        let mut stream = BufReader::new(stream);
        let mut onward = None;
        while let Some((path, body)) = read_request(&mut stream) {
            let (fault, recipient) = self.take(&body);
            let answer = match (fault, recipient) {
                (RequestFault::Hang, _) => return std::thread::sleep(Duration::from_secs(600)),
                (RequestFault::Answer(answer), _) => Some(answer.to_owned()),
                (RequestFault::None | RequestFault::Swallow, Some(recipient)) => {
                    forward(&mut onward, recipient, &path, &body)
                }
                _ => None,
            };
            let Some(answer) = answer.filter(|_| fault != RequestFault::Swallow) else { return };
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn take(&self, body: &str) -> (RequestFault, Option<SocketAddr>) {
        let mut state = self.state.lock().unwrap();
        state.bodies.push(body.to_owned());
        let fault = state.faults.pop_front().or(state.rest).unwrap_or(RequestFault::None);
        (fault, state.recipient)
    }
}

fn read_request(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).unwrap()))
}

/// The recipient's answer to a request, or `None` if the recipient is down.
fn forward(onward: &mut Option<Connection>, recipient: SocketAddr, path: &str, body: &str) -> Option<String> {
    if onward.is_none() {
        TcpStream::connect(recipient).ok()?;
        *onward = Some(Connection::open(recipient));
    }
    let answer = onward.as_mut()?.try_post(path, body).ok()?;
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
    Some(format!("HTTP/1.1 {} x\r\n{headers}\r\n{}", answer.status, answer.text()))
}
