//! How far a command is: a bar on a terminal, a line now and then elsewhere.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a line is printed where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Shows how far it is, until it is dropped.
pub struct Progress {
    bar: ProgressBar,
    unit: &'static str,
    said: Cell<Instant>,
}

impl Progress {
    /// Says what begins. `unit` is what is counted.
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
        Self { bar, unit, said: Cell::new(Instant::now()) }
    }

    /// So much of so much is done.
    pub fn at(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        if self.bar.is_hidden() && self.said.get().elapsed() >= LINE_EVERY {
            self.said.set(Instant::now());
            eprintln!("{done} of {total} {}", self.unit);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
