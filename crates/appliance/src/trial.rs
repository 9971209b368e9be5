//! Requests of the commands that try a setting: the library's port for outgoing requests, with this machine's network.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use http::{Request, Response};
use outbound_events::http_client::{HttpClient, NotSent, ResponseBody};
use outbound_events::platform::Platform;
use outbound_events::store::{Store, StoreError};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use rustls::pki_types::CertificateDer;

use crate::http::unanswered;
use crate::tls;

/// A client for one origin. Trusts `authorities` besides this machine's. Like the host, follows no redirects and uses
/// the proxies of the environment, except for loopback addresses.
pub fn client(origin: &Url, authorities: &[CertificateDer<'static>]) -> Result<Client> {
    let client = Client::builder()
        .redirect(Policy::none())
        .tls_backend_preconfigured(tls::client_config_with_extra(origin, authorities)?);
    let client = if is_loopback(origin) { client.no_proxy() } else { client };
    client.build().context("the HTTP client cannot be built")
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// This machine for the library, without a store: a trial stores nothing.
pub struct TrialPlatform {
    http_client: TrialHttpClient,
    started: Instant,
}

impl TrialPlatform {
    /// A platform for requests to `origin`, with a client as of [`client`].
    pub fn new(origin: Url, authorities: &[CertificateDer<'static>]) -> Result<Self> {
        let client = client(&origin, authorities)?;
        Ok(Self { http_client: TrialHttpClient { client, origin }, started: Instant::now() })
    }
}

impl Platform for TrialPlatform {
    type Store = NoStore;
    type HttpClient = TrialHttpClient;

    fn store(&self) -> &NoStore {
        &NoStore
    }

    fn http_client(&self) -> &TrialHttpClient {
        &self.http_client
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn random(&self) -> u64 {
        rand::random()
    }
}

/// A [`Client`] behind the library's port.
pub struct TrialHttpClient {
    client: Client,
    /// For messages.
    origin: Url,
}

impl HttpClient for TrialHttpClient {
    type Body = TrialBody;

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<TrialBody>, NotSent> {
        let request = reqwest::Request::try_from(request);
        let request = request.map_err(|error| NotSent(error.without_url().to_string()))?;
        let answer = self.client.execute(request).await;
        let mut answer = answer.map_err(|error| NotSent(unanswered(&error, &self.origin)))?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let mut response = Response::new(TrialBody(answer));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// The body of a response.
pub struct TrialBody(reqwest::Response);

impl ResponseBody for TrialBody {
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        Some(self.0.chunk().await.ok()??.to_vec())
    }
}

/// The store of a trial: every operation fails.
pub struct NoStore;

impl NoStore {
    fn denied<T>() -> Result<T, StoreError> {
        Err(StoreError::Denied("a trial has no store".to_owned()))
    }
}

impl Store for NoStore {
    async fn exists(&self, _key: &str) -> Result<bool, StoreError> {
        Self::denied()
    }

    async fn get(&self, _key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Self::denied()
    }

    async fn set(&self, _key: &str, _value: &[u8]) -> Result<(), StoreError> {
        Self::denied()
    }

    async fn delete(&self, _key: &str) -> Result<(), StoreError> {
        Self::denied()
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        Self::denied()
    }
}
