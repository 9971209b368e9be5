//! The receiver's connections. hyper reads requests and writes answers. For an answer that hyper cannot write, the
//! socket is taken over from hyper, and [`RawAnswer`] writes to it.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::misbehaviour::Framing;
use super::raw_answer::{AfterAnswer, RawAnswer};
use super::receiver::EmulatedReceiver;

/// The requests of one connection.
struct Requests {
    receiver: EmulatedReceiver,
    count: AtomicU64,
    /// `None` while a request is handled.
    idle_since: Mutex<Option<Instant>>,
    raw: mpsc::UnboundedSender<RawAnswer>,
}

impl EmulatedReceiver {
    /// Serves until the future is dropped.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve_connection(self.clone(), stream));
        }
    }
}

async fn serve_connection(receiver: EmulatedReceiver, mut stream: TcpStream) {
    let close_idle_after = receiver.behaviour().close_idle_after;
    let (sender, mut raw) = mpsc::unbounded_channel();
    let requests = Arc::new(Requests {
        receiver,
        count: AtomicU64::new(0),
        idle_since: Mutex::new(Some(Instant::now())),
        raw: sender,
    });
    loop {
        let shared = Arc::clone(&requests);
        let service = service_fn(move |request| Arc::clone(&shared).answer(request));
        let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let answer = tokio::select! {
            _ = &mut connection => return,
            () = requests.idle_for(close_idle_after) => return,
            Some(answer) = raw.recv() => answer,
        };
        stream = connection.into_parts().io.into_inner();
        let after = answer.write(&mut stream).await;
        *requests.idle_since.lock() = Some(Instant::now());
        if !matches!(after, Ok(AfterAnswer::NextRequest)) {
            return;
        }
    }
}

impl Requests {
    /// The answer for hyper to write. An error closes the connection. For a raw answer it never completes: the socket
    /// is taken over.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        *self.idle_since.lock() = None;
        let is_first = self.count.fetch_add(1, Ordering::Relaxed) == 0;
        if !is_first && self.receiver.behaviour().close_when_asked {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let behaviour = self.receiver.handle(request).await;
        if behaviour.framing == Framing::Whole {
            *self.idle_since.lock() = Some(Instant::now());
            return Ok(behaviour.response());
        }
        // Cannot fail: the connection owns the receiving end.
        let _ = self.raw.send(RawAnswer(behaviour));
        pending().await
    }

    /// Completes when there has been no request for this time; never if it is `None`.
    async fn idle_for(&self, time: Option<Duration>) {
        let Some(time) = time else { return pending().await };
        loop {
            let idle = self.idle_since.lock().map_or(Duration::ZERO, |since| since.elapsed());
            match time.checked_sub(idle) {
                Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                _ => return,
            }
        }
    }
}
