//! The log: lines wait in a queue, and a dedicated thread writes them to standard error. A request never waits for it.

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

/// The most lines in the queue. A line that finds the queue full is lost.
const MAX_QUEUED: usize = 1_000;

/// The number of lines between two reports of lost lines. Otherwise a slow reader would get nothing but reports.
const LINES_BETWEEN_REPORTS: u32 = 100;

/// How long to wait for a stream that accepts nothing.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// How long lines collect in the queue before they are written. On two processors, waking the thread for each line
/// would cost a tenth of the time of an event.
const GATHER: Duration = Duration::from_millis(10);

/// Lines sent to the queue.
static GIVEN: AtomicU64 = AtomicU64::new(0);
/// Lines that left the queue, written or not.
static HANDLED: AtomicU64 = AtomicU64::new(0);
/// Lines that left the queue and were not written, or only in part.
static UNWRITTEN: AtomicU64 = AtomicU64::new(0);
/// Lines that found the queue full.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// The number of log lines that this process has lost: the queue was full, or standard error did not accept them.
pub fn lost() -> u64 {
    UNWRITTEN.load(Ordering::Relaxed) + dropped()
}

fn dropped() -> u64 {
    DROPPED.get().map_or(0, |counter| u64::try_from(counter.dropped_lines()).unwrap_or(u64::MAX))
}

/// Waits until all logged lines are written, for at most a second.
pub fn flush() {
    let until = Instant::now() + MAX_WAIT;
    // Polling is cheaper: a notification for each line would cost more over the life of a process.
    while HANDLED.load(Ordering::Relaxed) + dropped() < GIVEN.load(Ordering::Relaxed) && Instant::now() < until {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a text outside the log, or gives up after a second. Errors are ignored: there is nowhere to report them.
///
/// `println!` and `eprintln!` panic if the stream is closed, and block if nobody reads it.
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

/// Keep this until the process ends: its drop waits for the last lines, as [`flush`] does.
#[derive(Debug)]
#[must_use]
pub struct LogGuard(());

impl Drop for LogGuard {
    fn drop(&mut self) {
        flush();
    }
}

/// Starts the log of this process, as text or JSON, and logs panics. If the program already has a log, that log stays.
///
/// The level is at most `debug`, whatever `RUST_LOG` says: at `trace`, libraries log requests, and their URLs contain
/// tokens.
pub fn start(json: bool) -> LogGuard {
    let asked_for = std::env::var("RUST_LOG").ok().and_then(|targets| targets.parse().ok());
    let filter = asked_for.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let format = LogFormat { json, ansi: io::stderr().is_terminal(), filter };
    let (queue, worker) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_QUEUED)
        .lossy(true)
        .thread_name("log")
        .finish(LogWriter::new(io::stderr(), &format));
    // If the queue stays full, the drop of this guard prints to standard output, which can be the same stuck pipe.
    std::mem::forget(worker);
    if DROPPED.set(queue.error_counter()).is_ok() {
        let entrance = QueueWriter(queue);
        let _ = format.dispatch(move || entrance.clone()).try_init();
        std::panic::set_hook(Box::new(log_panic));
    }
    LogGuard(())
}

/// Replaces the hook of the standard library, which writes to standard error directly and can block forever.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("the panic message is not text");
    tracing::error!(place, thread = thread::current().name(), "a thread panicked: {message}");
}

struct LogFormat {
    json: bool,
    ansi: bool,
    filter: Targets,
}

impl LogFormat {
    fn dispatch<W>(&self, writer: W) -> Dispatch
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let log = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::DEBUG)
            .with_target(false)
            .with_writer(writer)
            .with_ansi(self.ansi)
            // The crate reports them with `eprintln!`.
            .log_internal_errors(false);
        if self.json {
            log.json().finish().with(self.filter.clone()).into()
        } else {
            log.finish().with(self.filter.clone()).into()
        }
    }
}

/// Sends lines to the queue, one per call.
#[derive(Clone)]
struct QueueWriter(NonBlocking);

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        GIVEN.fetch_add(1, Ordering::Relaxed);
        self.0.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The receiving end of the queue: writes lines, counts the lines that it cannot write, and reports lost lines.
struct LogWriter<W> {
    stream: W,
    /// Formats a report like a log line, into `report`.
    reporter: Dispatch,
    report: ReportBuffer,
    /// The number of lost lines reported so far.
    reported: u64,
    /// The number of lines to write before the next report.
    until_report: u32,
    /// Whether the last write ended within a line.
    torn: bool,
    /// Lines not yet added to [`HANDLED`].
    handled: u64,
}

impl<W: Write> LogWriter<W> {
    fn new(stream: W, format: &LogFormat) -> Self {
        let report = ReportBuffer::default();
        let into = report.clone();
        let reporter = format.dispatch(move || into.clone());
        Self { stream, reporter, report, reported: 0, until_report: 0, torn: false, handled: 0 }
    }

    /// Reports lines lost since the last report. False if the stream does not accept the report either.
    fn report_lost(&mut self) -> bool {
        let lost = lost();
        let unreported = lost.saturating_sub(self.reported);
        if unreported == 0 {
            return true;
        }
        with_default(&self.reporter, || {
            tracing::warn!(
                lost = unreported,
                "log lines were lost: standard error was full, closed or not read; check what reads it"
            );
        });
        let report = self.report.take();
        let written = self.put(&report);
        if written {
            self.reported = lost;
            self.until_report = LINES_BETWEEN_REPORTS;
        }
        written
    }

    /// Writes a line of its own, even after a torn line. False if the stream does not accept all of it.
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

impl<W: Write> Write for LogWriter<W> {
    /// Always reports success for the whole line: nobody would see an error.
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

    /// Called when the queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        self.report_lost();
        HANDLED.fetch_add(std::mem::take(&mut self.handled), Ordering::Relaxed);
        // A sleeping thread is not woken for each line.
        thread::sleep(GATHER);
        Ok(())
    }
}

/// The formatted report.
#[derive(Clone, Default)]
struct ReportBuffer(Arc<Mutex<Vec<u8>>>);

impl ReportBuffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl Write for ReportBuffer {
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

    /// Accepts bytes while it has room.
    #[derive(Default)]
    struct FullDisk {
        room: usize,
        text: Vec<u8>,
    }

    impl Write for FullDisk {
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
    fn lost_lines_are_reported_first_on_a_separate_line() {
        let format = LogFormat { json: false, ansi: false, filter: Targets::new().with_default(LevelFilter::INFO) };
        let mut lines = LogWriter::new(FullDisk { room: 8, ..FullDisk::default() }, &format);
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
