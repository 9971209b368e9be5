//! The progress of a command: a bar on a terminal, a line every few seconds elsewhere.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The interval between two lines if standard error is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows progress until this is dropped.
pub struct CommandProgress {
    bar: ProgressBar,
    unit: &'static str,
    printed: Cell<Instant>,
}

impl CommandProgress {
    /// Announces the work. `unit` names the things counted.
    pub fn new(what: &str, unit: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len} {prefix}, {eta} left") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar.set_prefix(unit);
        bar.enable_steady_tick(Duration::from_millis(200));
        if bar.is_hidden() {
            eprintln!("{what} …");
        }
        Self { bar, unit, printed: Cell::new(Instant::now()) }
    }

    pub fn show(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        if self.bar.is_hidden() && self.printed.get().elapsed() >= LINE_EVERY {
            self.printed.set(Instant::now());
            eprintln!("{done} of {total} {}", self.unit);
        }
    }
}

impl Drop for CommandProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
