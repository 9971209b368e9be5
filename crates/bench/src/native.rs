//! The native library behind hyper, on the host's store: the same service without the cost of wasm.

use std::convert::Infallible;
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use outbound_events::service::{BrokenOff, FollowUp, Service};
use outbound_events::settings::SettingVariables;
use outbound_events_host::port::{NativePlatform, NativeStore};
use outbound_events_host::store::KeyValueStore;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

/// Serves on a free loopback port, which it prints, with ingest open, until it is killed.
///
/// A service's future cannot move to another thread. So each processor has a thread, and connections are distributed
/// round-robin.
pub async fn serve(path: &Path) -> anyhow::Result<()> {
    let store = NativeStore(KeyValueStore::sqlite(path)?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = (0..threads).map(|_| thread(store.clone())).collect::<std::io::Result<Vec<_>>>()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("Listening on http://{}", listener.local_addr()?);
    for thread in threads.iter().cycle() {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        thread.send(stream.into_std()?)?;
    }
    Ok(())
}

/// Starts a thread that serves the connections that are sent to it.
fn thread(store: NativeStore) -> std::io::Result<UnboundedSender<std::net::TcpStream>> {
    let (sender, mut connections) = unbounded_channel();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().spawn(move || {
        let serving = async {
            while let Some(stream) = connections.recv().await {
                if let Ok(stream) = TcpStream::from_std(stream) {
                    tokio::task::spawn_local(connection(stream, store.clone()));
                }
            }
        };
        LocalSet::new().block_on(&runtime, serving);
    })?;
    Ok(sender)
}

async fn connection(stream: TcpStream, store: NativeStore) {
    let service = service_fn(async |request| Ok::<_, Infallible>(answer(&store, request).await));
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = connection {
        tracing::debug!("a connection ended early: {error}");
    }
}

/// Answers one request, and logs the same line as the host.
async fn answer(store: &NativeStore, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let started = Instant::now();
    let (head, incoming) = request.into_parts();
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let body = incoming.collect().await.map(|body| Some(body.to_bytes().to_vec())).map_err(|_| BrokenOff);
    let (response, after) = handle(store, head, body).await;
    let response = response.map(|body| Full::new(Bytes::from(body)));
    go_on(store, after);
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    tracing::info!(
        %method,
        path = %path.chars().take(128).collect::<String>().escape_debug(),
        status = response.status().as_u16(),
        event = header("event-id"),
        result = header("event-result"),
        microseconds = started.elapsed().as_micros(),
        "request"
    );
    response
}

/// Answers one request, like the component in the host, and returns the work to do after the answer.
pub async fn handle(
    store: &NativeStore,
    head: Parts,
    mut body: Result<Option<Vec<u8>>, BrokenOff>,
) -> (Response<Vec<u8>>, FollowUp) {
    let variables = SettingVariables::new(&variable);
    let platform = NativePlatform::new(store.clone());
    let service = Service { platform: &platform, variables: &variables };
    let answer = service.handle(Ok(head), async || std::mem::replace(&mut body, Ok(None))).await;
    (answer.response, answer.follow_up)
}

/// Does the remaining work concurrently with later requests.
fn go_on(store: &NativeStore, after: FollowUp) {
    let store = store.clone();
    if !after.is_nothing() {
        tokio::task::spawn_local(async move {
            let variables = SettingVariables::new(&variable);
            let platform = NativePlatform::new(store);
            let service = Service { platform: &platform, variables: &variables };
            for line in service.follow_up(after).await {
                tracing::warn!("{line}");
            }
        });
    }
}

fn variable(name: &str) -> Result<Option<String>, String> {
    Ok((name == "ingest_open").then(|| "true".to_owned()))
}
