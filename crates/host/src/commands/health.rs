//! `outbound-events-host health`: asks a host that runs, for who has no other way to, such as a container without a shell.

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

/// How long it may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// More than any answer has.
const ANSWER: usize = 64 * 1024;

/// Whom to ask.
#[derive(Args)]
pub struct Health {
    /// Where the host tells how it is.
    #[arg(default_value = "http://127.0.0.1:3000/health")]
    url: Uri,
}

impl Health {
    /// Prints what it answers, and succeeds if it is ready.
    #[tokio::main(flavor = "current_thread")]
    pub async fn run(self) -> Result<ExitCode> {
        ensure!(self.url.scheme() == Some(&Scheme::HTTP), "{} does not begin with http://", self.url);
        let asking = tokio::time::timeout(TIMEOUT, ask(self.url.clone()));
        let (ready, answer) =
            asking.await.context("it does not answer").flatten().with_context(|| self.url.to_string())?;
        println!("{answer}");
        Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

async fn ask(url: Uri) -> Result<(bool, String)> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let response = client.get(url).await?;
    let ready = response.status().is_success();
    let body = Limited::new(response.into_body(), ANSWER).collect().await.map_err(anyhow::Error::from_boxed)?;
    Ok((ready, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}
