//! The connections of the emulated APIs: one request each, on a thread of their own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::options::ApiOptions;
use super::service::{ApiAnswer, ApplianceApi};
use super::sessions::SessionRegister;

/// The most bytes of a request's body.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// The API cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the API on {address}")]
pub struct ApiStartError {
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    source: io::Error,
}

/// A served API. Stops when it is dropped.
pub struct RunningApi {
    api: ApplianceApi,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ApplianceApi {
    /// Serves a new API without sessions on `address`. Port 0 is any free port.
    pub fn start(address: SocketAddr, options: ApiOptions) -> Result<RunningApi, ApiStartError> {
        Self::new(options, Arc::new(SessionRegister::default())).serve(address)
    }

    /// Serves this API on `address`, over plain HTTP.
    pub fn serve(self, address: SocketAddr) -> Result<RunningApi, ApiStartError> {
        let failed = |source| ApiStartError { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let api = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(failed)?
        };
        let accept = async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(serve_connection(api.clone(), stream));
            }
        };
        let thread = std::thread::Builder::new().name("appliance-api".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept => {}
                    // Also if the sender is gone.
                    _ = stopped => {}
                }
            });
        });
        Ok(RunningApi { api: self, address, stop: Some(stop), thread: Some(thread.map_err(failed)?) })
    }
}

impl RunningApi {
    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the appliance.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Deref for RunningApi {
    type Target = ApplianceApi;

    fn deref(&self) -> &ApplianceApi {
        &self.api
    }
}

impl Drop for RunningApi {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve_connection(api: ApplianceApi, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(api.clone(), request));
    // An error is the other end's, or one of the emulated faults.
    let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
}

/// The answer for hyper to write. An error closes the connection.
async fn answer(api: ApplianceApi, request: Request<Incoming>) -> io::Result<Response<BreakableBody>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MOST_BODY_BYTES).collect().await else {
        let mut refused = Response::new(BreakableBody::whole(Bytes::new()));
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(refused);
    };
    let delay = api.faults().delay;
    // A sleep of zero takes a millisecond.
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match api.answer(&Request::from_parts(head, body.to_bytes())) {
        ApiAnswer::Whole(response) => Ok(response.map(BreakableBody::whole)),
        ApiAnswer::Cut(response) => Ok(response.map(BreakableBody::half)),
        ApiAnswer::Nothing => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// A body of a known length that can break off.
struct BreakableBody {
    /// What is sent.
    sent: Option<Bytes>,
    announced: u64,
    breaks_off: bool,
    /// Whether hyper had the opportunity to send what comes before the break.
    is_flushed: bool,
}

impl BreakableBody {
    fn whole(body: Bytes) -> Self {
        Self { announced: body.len() as u64, sent: Some(body), breaks_off: false, is_flushed: false }
    }

    fn half(body: Bytes) -> Self {
        Self {
            announced: body.len() as u64,
            sent: Some(body.slice(..body.len() / 2)),
            breaks_off: true,
            is_flushed: false,
        }
    }
}

impl Body for BreakableBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.sent.take() {
            Some(sent) => Poll::Ready(Some(Ok(Frame::data(sent)))),
            None if self.breaks_off && !self.is_flushed => {
                self.is_flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None if self.breaks_off => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(if self.breaks_off {
            self.announced
        } else {
            self.sent.as_ref().map_or(0, |sent| sent.len() as u64)
        })
    }
}
