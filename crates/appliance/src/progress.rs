//! How far a command is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::send::Tally;

/// How often a line is printed where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A bar of this template, hidden where `target` is no terminal. `total` is its length, where that is known.
pub fn bar(target: ProgressDrawTarget, total: Option<u64>, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, target);
    // A template that is not valid leaves the usual style: how a bar looks is no reason to stop.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// Shows how far it is, until it is dropped: a bar on a terminal, a line now and then elsewhere.
pub struct SendProgress(tokio::task::AbortHandle);

impl SendProgress {
    /// Watches `tally`. `total` is what there is to send, where that is known.
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

/// A line every few seconds, and one as soon as a recipient begins to fail or has recovered.
async fn print_lines(tally: &Tally, total: Option<u64>) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let (mut printed, mut was_in_trouble) = (Instant::now(), false);
    loop {
        tick.tick().await;
        let trouble = tally.trouble();
        if printed.elapsed() >= LINE_EVERY || trouble.is_empty() == was_in_trouble {
            (printed, was_in_trouble) = (Instant::now(), !trouble.is_empty());
            let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
            let separator = if was_in_trouble { ", " } else { "" };
            eprintln!("{}{of} events{separator}{trouble}", tally.done());
        }
    }
}
