//! `outbound-events-host health`: a health check for environments without other tools, such as containers without a
//! shell.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use http::uri::PathAndQuery;
use http::{StatusCode, Uri, header};
use http_body_util::BodyExt as _;
use outbound_events_host::guest::{Authorities, get};
use serde_json::Value;

/// How long the host can take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Of a longer answer no more is read: it is not one of `/health`.
const MOST_BYTES: usize = 64 * 1024;

/// The most characters to show of an answer that is not one of `/health`.
const MOST_SHOWN: usize = 200;

const PATH: &str = "/health";

#[derive(Args)]
pub struct HealthCommand {
    /// The URL of the host, http or https. Without a path, `/health` is added.
    #[arg(default_value = "http://127.0.0.1:3000")]
    url: Uri,
    /// A PEM file of certificate authorities to trust for https, in addition to this machine's. Can be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    ca_certificate: Vec<PathBuf>,
}

impl HealthCommand {
    /// Prints the answer. Succeeds if the host is ready.
    #[tokio::main(flavor = "current_thread")]
    pub async fn run(self) -> Result<ExitCode> {
        let url = with_path(self.url)?;
        let authorities = Authorities::load(&self.ca_certificate)?;
        let asked = tokio::time::timeout(TIMEOUT, ask(url.clone(), &authorities)).await;
        let (ready, answer) = asked.context("the host does not answer").flatten().with_context(|| url.to_string())?;
        println!("{answer}");
        Ok(if ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The URL of the health check.
fn with_path(url: Uri) -> Result<Uri> {
    ensure!(
        matches!(url.scheme_str(), Some("http" | "https")),
        "{url} does not begin with http:// or https://, such as http://127.0.0.1:3000"
    );
    if url.path() != "/" {
        return Ok(url);
    }
    let mut parts = url.into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(PATH));
    Ok(Uri::from_parts(parts)?)
}

/// Whether the host is ready, and its answer. An error if the answer is not one of `/health`.
async fn ask(url: Uri, authorities: &Authorities) -> Result<(bool, String)> {
    let (head, mut body) = get(url, authorities).await?.into_parts();
    let mut answer = Vec::new();
    while let Some(frame) = body.frame().await.filter(|_| answer.len() < MOST_BYTES) {
        answer.extend(frame?.into_data().unwrap_or_default());
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let ready = serde_json::from_str::<Value>(&answer).ok().and_then(|health| health.get("ready")?.as_bool());
    let Some(ready) = ready else {
        let format = head.headers.get(header::CONTENT_TYPE).and_then(|format| format.to_str().ok());
        bail!(
            "the answer is not one of /health, but {}, {}: {}; \
             give the URL of the host, such as http://127.0.0.1:3000",
            head.status,
            format.unwrap_or("without a content type"),
            beginning(&answer)
        );
    };
    Ok((ready && head.status == StatusCode::OK, answer))
}

/// The beginning of a text, on one line.
fn beginning(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().filter(|c| !c.is_control()).take(MOST_SHOWN).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    if shown.is_empty() { "an empty body".to_owned() } else { shown }
}
