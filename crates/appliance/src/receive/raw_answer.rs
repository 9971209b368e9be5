//! Answers that hyper cannot write.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, copy, sink};
use tokio::net::TcpStream;

use super::misbehaviour::{Framing, Misbehaviour};

/// An answer with a framing other than [`Framing::Whole`].
pub(super) struct RawAnswer(pub(super) Misbehaviour);

/// Whether a connection is kept after an answer.
pub(super) enum AfterAnswer {
    NextRequest,
    Close,
}

/// The interim answers of [`Framing::EarlyHints`].
const EARLY_HINTS: &str =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";

/// The size of a chunk. Four chunks are more than a careful sender reads.
const CHUNK: usize = 1_024;

/// The time between two chunks of [`Framing::EndlessChunks`].
const CHUNK_PAUSE: Duration = Duration::from_millis(50);

/// The time between two events of an event stream.
const EVENT_PAUSE: Duration = Duration::from_millis(500);

impl RawAnswer {
    pub(super) async fn write(&self, stream: &mut TcpStream) -> io::Result<AfterAnswer> {
        let body = &self.0.body;
        let length = format!("Content-Length: {}", body.len());
        match self.0.framing {
            Framing::Whole | Framing::EarlyHints => {
                let hints = if self.0.framing == Framing::EarlyHints { EARLY_HINTS } else { "" };
                stream.write_all(hints.as_bytes()).await?;
                stream.write_all(&[self.head("HTTP/1.1", &length).as_bytes(), body].concat()).await?;
                return Ok(AfterAnswer::NextRequest);
            }
            Framing::Http10 => {
                stream.write_all(&[self.head("HTTP/1.0", "Connection: close").as_bytes(), body].concat()).await?;
                stream.shutdown().await?;
            }
            Framing::HangingBody => {
                stream.write_all(self.head("HTTP/1.1", "Content-Length: 10").as_bytes()).await?;
                stream.write_all(b"ok").await?;
                until_closed(stream).await?;
            }
            Framing::EndlessChunks => {
                stream.write_all(self.head("HTTP/1.1", "Transfer-Encoding: chunked").as_bytes()).await?;
                loop {
                    stream.write_all(chunk(&"x".repeat(CHUNK)).as_bytes()).await?;
                    tokio::time::sleep(CHUNK_PAUSE).await;
                }
            }
            Framing::EventStream => {
                let headers = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked";
                stream.write_all(self.head("HTTP/1.1", headers).as_bytes()).await?;
                loop {
                    stream.write_all(chunk("data: accepted\n\n").as_bytes()).await?;
                    tokio::time::sleep(EVENT_PAUSE).await;
                }
            }
            Framing::ResetAfterHead => {
                stream.write_all(self.head("HTTP/1.1", "Content-Length: 10").as_bytes()).await?;
                // So that closing sends RST instead of FIN.
                stream.set_zero_linger()?;
            }
        }
        Ok(AfterAnswer::Close)
    }

    /// The status line, the answer's own headers, and `headers`.
    fn head(&self, version: &str, headers: &str) -> String {
        let response = self.0.response();
        let own = response.headers().iter();
        let own = own.map(|(name, value)| format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        format!("{version} {}\r\n{}{headers}\r\n\r\n", response.status(), own.collect::<String>())
    }
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Keeps a connection open until the other end closes it.
async fn until_closed(stream: &mut TcpStream) -> io::Result<()> {
    copy(stream, &mut sink()).await.map(|_| ())
}
