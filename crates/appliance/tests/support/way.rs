//! The way to a recipient, and what can go wrong on it.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::recipient::Connection;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It gets to the recipient, and the answer back.
    None,
    /// It is answered with this, and the recipient hears nothing of it.
    Answer(&'static str),
    /// It is not answered, and the connection stays open.
    Hang,
    /// The connection ends before an answer.
    Close,
    /// It gets to the recipient, and the connection ends before the answer is back.
    Swallow,
}

/// A proxy in front of a recipient. It is there as long as the test is; the recipient may come and go.
#[derive(Clone)]
pub struct Way {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    recipient: Option<SocketAddr>,
    faults: VecDeque<Fault>,
    /// What becomes of requests when `faults` is used up.
    rest: Option<Fault>,
    bodies: Vec<String>,
    connections: usize,
}

impl Way {
    pub fn to(recipient: Option<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { recipient, ..State::default() };
        let way = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let accepting = way.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let way = accepting.clone();
                std::thread::spawn(move || way.serve(stream.unwrap()));
            }
        });
        way
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Where the recipient is now; `None` while it is down.
    pub fn lead_to(&self, recipient: Option<SocketAddr>) {
        self.state.lock().unwrap().recipient = recipient;
    }

    /// What becomes of the next requests, one each.
    pub fn go_wrong(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// What becomes of all requests after those.
    pub fn always(&self, fault: Fault) {
        self.state.lock().unwrap().rest = Some(fault);
    }

    /// The bodies of all requests, in the order in which they came.
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
                (Fault::Hang, _) => return std::thread::sleep(Duration::from_secs(600)),
                (Fault::Answer(answer), _) => Some(answer.to_owned()),
                (Fault::None | Fault::Swallow, Some(recipient)) => pass_on(&mut onward, recipient, &path, &body),
                _ => None,
            };
            let Some(answer) = answer.filter(|_| fault != Fault::Swallow) else { return };
            if stream.get_mut().write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn take(&self, body: &str) -> (Fault, Option<SocketAddr>) {
        let mut state = self.state.lock().unwrap();
        state.bodies.push(body.to_owned());
        let fault = state.faults.pop_front().or(state.rest).unwrap_or(Fault::None);
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

/// The recipient's answer as it would go back, or none if the recipient is gone.
fn pass_on(onward: &mut Option<Connection>, recipient: SocketAddr, path: &str, body: &str) -> Option<String> {
    if onward.is_none() {
        TcpStream::connect(recipient).ok()?;
        *onward = Some(Connection::open(recipient));
    }
    let answer = onward.as_mut()?.try_post(path, body).ok()?;
    let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
    Some(format!("HTTP/1.1 {} x\r\n{headers}\r\n{}", answer.status, answer.text()))
}
