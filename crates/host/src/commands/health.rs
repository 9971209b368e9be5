//! `outbound-events-host health`: a health check for environments without other tools, such as containers without a
//! shell.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Args;
use http::Uri;
use http::uri::Scheme;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long the host can take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes to read of the answer. Every answer is shorter.
const MOST_BYTES: usize = 64 * 1024;

#[derive(Args)]
pub struct HealthCommand {
    /// The URL of the host's health check.
    #[arg(default_value = "http://127.0.0.1:3000/health")]
    url: Uri,
}

impl HealthCommand {
    /// Prints the answer. Succeeds if the host is ready.
    #[tokio::main(flavor = "current_thread")]
    pub async fn run(self) -> Result<ExitCode> {
        ensure!(self.url.scheme() == Some(&Scheme::HTTP), "{} does not begin with http://", self.url);
        let request = tokio::time::timeout(TIMEOUT, ask(self.url.clone()));
        let (ready, answer) =
            request.await.context("the host does not answer").flatten().with_context(|| self.url.to_string())?;
        println!("{answer}");
        Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn ask(url: Uri) -> Result<(bool, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(url).await?;
    let ready = response.status().is_success();
    let body = Limited::new(response.into_body(), MOST_BYTES).collect().await.map_err(anyhow::Error::from_boxed)?;
    Ok((ready, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}
