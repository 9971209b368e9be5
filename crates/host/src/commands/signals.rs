//! Signals: the first one to stop ends the host gracefully, the second at once; a hangup has the certificate read again.

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
            tracing::warn!("stopped a second time: what was accepted is left unfinished");
            // This line is the last: `exit` drops nothing, so nothing else waits for it.
            log_queue::flush();
            std::process::exit(1);
        });
    })
}

/// From now on a hangup does not end the process.
#[cfg(unix)]
pub fn hangups() -> Result<Signal> {
    Ok(signal(SignalKind::hangup())?)
}

/// At each SIGHUP the certificate is read again, if there is one. The signal never ends the host.
#[cfg(unix)]
pub async fn renew_on_hangup(mut hangups: Signal, tls: Option<Tls>) {
    while hangups.recv().await.is_some() {
        match &tls {
            Some(tls) => tls.renew(),
            None => tracing::info!("SIGHUP ignored: there is no certificate to reload"),
        }
    }
}

/// What asks a process to stop.
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
