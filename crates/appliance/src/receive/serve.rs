//! The receiver's connections. hyper reads requests and writes answers, but for those answers that hyper cannot write: then the
//! socket is taken out of hyper's hands, and [`RawAnswer`] writes on it.

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

/// What a connection knows of its requests.
struct Requests {
    receiver: EmulatedReceiver,
    count: AtomicU64,
    /// Since when there is none under way; nothing while there is one.
    idle_since: Mutex<Option<Instant>>,
    raw: mpsc::UnboundedSender<RawAnswer>,
}

impl EmulatedReceiver {
    /// Serves until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve_connection(self.clone(), stream));
        }
    }
}

/// Serves a connection until it ends.
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
        let of_this = Arc::clone(&requests);
        let service = service_fn(move |request| Arc::clone(&of_this).answer(request));
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
    /// The answer for hyper to write. An error closes the connection, and it waits for ever where the socket is taken from hyper.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        *self.idle_since.lock() = None;
        let is_first = self.count.fetch_add(1, Ordering::Relaxed) == 0;
        if !is_first && self.receiver.behaviour().close_when_asked {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let behaviour = self.receiver.take(request).await;
        if behaviour.framing == Framing::Whole {
            *self.idle_since.lock() = Some(Instant::now());
            return Ok(behaviour.response());
        }
        // The receiving end lives as long as the connection does, and so as long as this.
        let _ = self.raw.send(RawAnswer(behaviour));
        pending().await
    }

    /// Until there was no request for so long.
    async fn idle_for(&self, time: Option<Duration>) {
        let Some(time) = time else { return pending().await };
        loop {
            let idle = self.idle_since.lock().map_or(Duration::ZERO, |since| since.elapsed());
            match time.checked_sub(idle) {
                Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
                _ => return,
            }
        }
    }
}
