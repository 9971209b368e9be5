//! Signals: the first SIGTERM or Ctrl-C stops the host gracefully, the second at once; SIGHUP reloads the certificate.

use anyhow::Result;
use outbound_events_host::log_queue;
#[cfg(unix)]
use outbound_events_host::tls::Tls;
#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ready at the first SIGTERM or Ctrl-C. The second ends the process at once.
pub fn stop() -> Result<impl Future<Output = ()>> {
    let mut signals = Signals::new()?;
    Ok(async move {
        signals.next().await;
        tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("second signal to stop: accepted requests are not finished");
            // `exit` drops nothing, so nothing else would wait for this line.
            log_queue::flush();
            std::process::exit(1);
        });
    })
}

/// Receives SIGHUP. From now on, the signal does not end the process.
#[cfg(unix)]
pub fn hangups() -> Result<Signal> {
    Ok(signal(SignalKind::hangup())?)
}

/// Reloads the certificate on SIGHUP. Without TLS, the signal is ignored.
#[cfg(unix)]
pub async fn renew_on_hangup(mut hangups: Signal, tls: Option<Tls>) {
    while hangups.recv().await.is_some() {
        match &tls {
            Some(tls) => tls.renew(),
            None => tracing::info!("SIGHUP ignored: the host serves http and has no certificate to reload"),
        }
    }
}

/// The signals that stop the process.
struct Signals {
    #[cfg(unix)]
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
