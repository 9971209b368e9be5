//! A client that speaks HTTP/1.1 byte by byte.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A persistent connection.
pub struct Connection<S = TcpStream>(BufReader<S>);

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self::over(stream)
    }
}

impl<S: Read + Write> Connection<S> {
    pub fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub fn stream(&self) -> &S {
        self.0.get_ref()
    }

    pub fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.try_post(path, body).expect("no response")
    }

    pub fn try_post(&mut self, path: &str, body: impl AsRef<[u8]>) -> std::io::Result<Response> {
        let body = body.as_ref();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: recipient\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.try_send([head.as_bytes(), body].concat())?;
        self.try_receive()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    pub fn receive(&mut self) -> Response {
        self.try_receive().expect("no response")
    }

    /// The next complete response. An error if the connection ends before it does.
    pub fn try_receive(&mut self) -> std::io::Result<Response> {
        let mut response = self.try_receive_head()?;
        if let Ok(length) = response.header("content-length").parse() {
            response.body.resize(length, 0);
            self.0.read_exact(&mut response.body)?;
        }
        Ok(response)
    }

    /// The next response to a HEAD.
    pub fn receive_head(&mut self) -> Response {
        self.try_receive_head().expect("no response")
    }

    fn try_receive_head(&mut self) -> std::io::Result<Response> {
        let status = self.line()?.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("no status");
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        Ok(Response { status, headers, body: Vec::new() })
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Whether the other side has closed the connection, after all data that it sent.
    pub fn is_at_its_end(&mut self) -> bool {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
        match self.0.read(&mut [0]) {
            Ok(bytes) => bytes == 0,
            // A timeout is not the end.
            Err(error) => matches!(error.kind(), BrokenPipe | ConnectionReset),
        }
    }
}

impl Response {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    pub fn result(&self) -> &str {
        self.header("event-result")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
