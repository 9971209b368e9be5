//! The log: lines wait in a queue, and a thread of its own writes them to standard error, so that a request never waits for it.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Dispatch;
use tracing::dispatcher::with_default;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How many lines wait at most. A line that finds the queue full is lost.
const MAX_QUEUED: usize = 1_000;

/// How many lines follow a report of lost lines before the next report: a slow reader must not get reports only.
const LINES_BETWEEN_REPORTS: u32 = 100;

/// How long to wait for a stream that may never take anything.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How long lines gather in the queue before they are written. A thread that was woken by each of them would take a tenth of an event's
/// time where there are two processors.
const GATHER: Duration = Duration::from_millis(10);

/// Lines that were given to the queue.
static GIVEN: AtomicU64 = AtomicU64::new(0);
/// Lines that have left the queue, written or not.
static HANDLED: AtomicU64 = AtomicU64::new(0);
/// Lines that left the queue and were not written, or not whole.
static UNWRITTEN: AtomicU64 = AtomicU64::new(0);
/// Lines that found the queue full.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How many log lines this process has lost: the queue was full, or standard error did not take them.
pub fn lost() -> u64 {
    UNWRITTEN.load(Ordering::Relaxed) + dropped()
}

fn dropped() -> u64 {
    DROPPED.get().map_or(0, |counter| u64::try_from(counter.dropped_lines()).unwrap_or(u64::MAX))
}

/// Waits until all lines that were logged are written, at most a second.
pub fn flush() {
    let until = Instant::now() + MAX_WAIT;
    // Looks again and again: a thread that wakes others with each line would cost more than this does in a process's life.
    while HANDLED.load(Ordering::Relaxed) + dropped() < GIVEN.load(Ordering::Relaxed) && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a text that is no log line, or gives up after a second. Errors are ignored: there is nowhere to report them.
///
/// `println!` and `eprintln!` panic where the stream is gone, and block where nobody reads it.
pub fn write_or_give_up(mut stream: impl Write + Send + 'static, text: String) {
    let (ending, ended) = mpsc::channel::<()>();
    let writer = thread::Builder::new().name("output".into()).spawn(move || {
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
        drop(ending);
    });
    if writer.is_ok() {
        let _ = ended.recv_timeout(MAX_WAIT);
    }
}

/// Hold it until the process ends: dropping it waits for the last lines as [`flush`] does.
#[derive(Debug)]
#[must_use]
pub struct LogGuard(());

impl Drop for LogGuard {
    fn drop(&mut self) {
        flush();
    }
}

/// Starts the log of this process, as text or JSON, and logs panics from now on. A program that has a log of its own keeps it.
///
/// The level is at most `debug`, whatever `RUST_LOG` says: below that, libraries tell what a request holds, and a URL holds a
/// token.
pub fn start(json: bool) -> LogGuard {
    let asked_for = std::env::var("RUST_LOG").ok().and_then(|targets| targets.parse().ok());
    let filter = asked_for.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let format = Format { json, ansi: io::stderr().is_terminal(), filter };
    let (queue, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_QUEUED)
        .lossy(true)
        .thread_name("log")
        .finish(Lines::new(io::stderr(), &format));
    // Dropping the crate's guard prints to standard output where the queue stays full, and that may be the same stuck pipe.
    std::mem::forget(worker);
    if DROPPED.set(queue.error_counter()).is_ok() {
        let entrance = Entrance(queue);
        let _ = format.dispatch(move || entrance.clone()).try_init();
        std::panic::set_hook(Box::new(log_panic));
    }
    LogGuard(())
}

/// The hook of the standard library writes to standard error itself, and so may block for ever.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("the message is not a text");
    tracing::error!(place, thread = thread::current().name(), "a thread panicked: {message}");
}

/// What log lines look like, and which there are.
struct Format {
    json: bool,
    ansi: bool,
    filter: Targets,
}

impl Format {
    fn dispatch<W>(&self, writer: W) -> Dispatch
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let log = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::DEBUG)
            .with_target(false)
            .with_writer(writer)
            .with_ansi(self.ansi)
            // It would report them by `eprintln!`.
            .log_internal_errors(false);
        if self.json {
            log.json().finish().with(self.filter.clone()).into()
        } else {
            log.finish().with(self.filter.clone()).into()
        }
    }
}

/// Where lines enter the queue, each by one call.
#[derive(Clone)]
struct Entrance(NonBlocking);

impl Write for Entrance {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        GIVEN.fetch_add(1, Ordering::Relaxed);
        self.0.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The queue's other end: writes lines, counts those that it cannot write, and reports how many were lost.
struct Lines<W> {
    stream: W,
    /// Formats a report as any log line is formatted, into `report`.
    reporter: Dispatch,
    report: Buffer,
    /// How many lost lines have been reported.
    reported: u64,
    /// How many lines are written before lost ones are reported again.
    until_report: u32,
    /// The stream took a part of a line last.
    torn: bool,
    /// Lines that are not among [`HANDLED`] yet.
    handled: u64,
}

impl<W: Write> Lines<W> {
    fn new(stream: W, format: &Format) -> Self {
        let report = Buffer::default();
        let into = report.clone();
        let reporter = format.dispatch(move || into.clone());
        Self { stream, reporter, report, reported: 0, until_report: 0, torn: false, handled: 0 }
    }

    /// Reports lines that were lost since the last report. False if the stream does not take the report either.
    fn report_lost(&mut self) -> bool {
        let lost = lost();
        let unreported = lost.saturating_sub(self.reported);
        if unreported == 0 {
            return true;
        }
        with_default(&self.reporter, || {
            tracing::warn!(lost = unreported, "log lines were lost: standard error was full, closed or not read");
        });
        let report = self.report.take();
        let written = self.put(&report);
        if written {
            self.reported = lost;
            self.until_report = LINES_BETWEEN_REPORTS;
        }
        written
    }

    /// Writes a line that stands alone, also behind one that was torn. False if the stream does not take all of it.
    fn put(&mut self, line: &[u8]) -> bool {
        let line = if self.torn { Cow::from([b"\n", line].concat()) } else { Cow::from(line) };
        let mut rest = &*line;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(taken) if taken > 0 => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        self.torn = !rest.is_empty() && (self.torn || rest.len() < line.len());
        rest.is_empty()
    }
}

impl<W: Write> Write for Lines<W> {
    /// Takes a whole line, whatever becomes of it. An error would go unseen.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let may_follow = self.until_report > 0 || self.report_lost();
        if may_follow && self.put(line) {
            self.until_report = self.until_report.saturating_sub(1);
        } else {
            UNWRITTEN.fetch_add(1, Ordering::Relaxed);
            self.until_report = 0;
        }
        self.handled += 1;
        Ok(line.len())
    }

    /// The queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        self.report_lost();
        HANDLED.fetch_add(std::mem::take(&mut self.handled), Ordering::Relaxed);
        // While it sleeps, nobody wakes it.
        thread::sleep(GATHER);
        Ok(())
    }
}

/// A line that is being formatted.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes bytes while it has room.
    #[derive(Default)]
    struct Disk {
        room: usize,
        text: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.text.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_was_lost_is_reported_first_and_on_a_line_of_its_own() {
        let format = Format { json: false, ansi: false, filter: Targets::new().with_default(LevelFilter::INFO) };
        let mut lines = Lines::new(Disk { room: 8, ..Disk::default() }, &format);
        for line in ["first\n", "second\n", "third\n"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        lines.flush().unwrap();
        assert_eq!((lines.stream.text.as_slice(), lost()), (b"first\nse".as_slice(), 2));
        lines.stream.room = 1_000;
        lines.write_all(b"fourth\n").unwrap();
        lines.write_all(b"fifth\n").unwrap();
        lines.flush().unwrap();
        let text = String::from_utf8(lines.stream.text).unwrap();
        let [first, torn, report, fourth, fifth] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert_eq!([first, torn, fourth, fifth], ["first", "se", "fourth", "fifth"]);
        assert!(report.contains("WARN log lines were lost") && report.ends_with("lost=2"), "{report}");
    }
}
