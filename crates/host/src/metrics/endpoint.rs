//! `GET /metrics` on a separate listener: clients that send events must not see it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::metrics::figures::Metrics;

/// How long a connection can stay without a request.
const IDLE: Duration = Duration::from_secs(120);

/// Serves `/metrics`. Never returns.
pub async fn serve(listener: TcpListener, metrics: Metrics) {
    // One page at a time: if the disk hangs, repeated requests block one thread and no more.
    let turn = Arc::new(Mutex::new(()));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!("a connection for metrics was not accepted: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (metrics, turn) = (metrics.clone(), Arc::clone(&turn));
        let service = service_fn(move |request| {
            let (metrics, turn) = (metrics.clone(), Arc::clone(&turn));
            async move { Ok::<_, Infallible>(answer(metrics, turn, &request).await) }
        });
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            let connection = http.timer(TokioTimer::new()).header_read_timeout(IDLE);
            if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!("a connection for metrics ended early: {error}");
            }
        });
    }
}

async fn answer(metrics: Metrics, turn: Arc<Mutex<()>>, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this path takes GET\n".to_owned());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let turn = turn.lock_owned().await;
    // Reads files and the store.
    let page = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        metrics.page()
    });
    match page.await {
        Ok(Ok(page)) => plain(StatusCode::OK, page),
        _ => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be collected\n".to_owned()),
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(prometheus_text::CONTENT_TYPE));
    response
}
