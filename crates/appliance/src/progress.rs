//! The progress of a command: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::send::Tally;

/// The time between two lines where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A progress bar with this template, hidden if `target` is not a terminal. `total` is its length, if known.
pub fn bar(target: ProgressDrawTarget, total: Option<u64>, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, target);
    // An invalid template falls back to the default style: the look of a bar must not stop a command.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Shows the progress until it is dropped.
pub struct SendProgress(tokio::task::AbortHandle);

impl SendProgress {
    /// Watches `tally`. `total` is the number of events to send, if known.
    pub fn watch(tally: Arc<Tally>, total: Option<u64>) -> Self {
        let watching = async move {
            if std::io::stderr().is_terminal() {
                show_bar(&tally, total).await
            } else {
                print_lines(&tally, total).await
            }
        };
        Self(tokio::spawn(watching).abort_handle())
    }
}

impl Drop for SendProgress {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn show_bar(tally: &Tally, total: Option<u64>) {
    let template = if total.is_some() {
        "{wide_bar} {pos} of {len} events, {per_sec}, {eta} left\n{msg}"
    } else {
        "{spinner} {pos} events, {per_sec}\n{msg}"
    };
    let bar = bar(ProgressDrawTarget::stderr(), total, template);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        tick.tick().await;
        bar.set_position(tally.done());
        bar.set_message(tally.trouble());
    }
}

/// Prints a line every few seconds, and at once when a recipient begins to fail or recovers.
async fn print_lines(tally: &Tally, total: Option<u64>) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let (mut printed, mut was_in_trouble) = (Instant::now(), false);
    loop {
        tick.tick().await;
        let trouble = tally.trouble();
        if printed.elapsed() >= LINE_EVERY || trouble.is_empty() == was_in_trouble {
            (printed, was_in_trouble) = (Instant::now(), !trouble.is_empty());
            let of_total = total.map(|total| format!(" of {total}")).unwrap_or_default();
            let separator = if was_in_trouble { ", " } else { "" };
            eprintln!("{}{of_total} events{separator}{trouble}", tally.done());
        }
    }
}
