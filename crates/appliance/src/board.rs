//! The table of recipients that `appliance run` shows, as on the settings page. On a terminal it is redrawn in place;
//! elsewhere each change is a line with a time.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget};
use tokio::time::Instant;

use crate::progress::bar;

/// The least time between two lines of one recipient: a recipient that fails and recovers in turn must not fill a log.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Changes of shorter queues are not logged: they happen with each event.
const LOGGED_LENGTH: u64 = 10;

/// The status of a recipient before the first attempt.
pub const UNTRIED: &str = "-";

/// One recipient in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientRow {
    /// Its name.
    pub name: String,
    /// Its URL, without secrets, or its email addresses.
    pub address: String,
    /// The result of the last attempt: `OK`, or the failure in words.
    pub status: String,
    /// How many events or emails are queued for it.
    pub queued: u64,
}

/// Where the table is printed.
pub enum Board {
    /// On a terminal, redrawn in place.
    Terminal(ProgressBar),
    /// As lines: for each row, what the last line said and when it was printed.
    Lines(BTreeMap<usize, (RecipientRow, Instant)>),
}

impl Board {
    /// A board on standard output.
    pub fn new() -> Self {
        let bar = bar(ProgressDrawTarget::stdout(), None, "{msg}");
        if bar.is_hidden() { Self::Lines(BTreeMap::new()) } else { Self::Terminal(bar) }
    }

    /// Shows the current state of all recipients.
    pub fn show(&mut self, rows: &[RecipientRow]) {
        match self {
            Self::Terminal(bar) => bar.set_message(table(rows, console::Term::stdout().size().1)),
            Self::Lines(printed) => {
                let (time, now) = (Utc::now(), Instant::now());
                for (number, row) in rows.iter().enumerate() {
                    if printed.get(&number).is_none_or(|(before, when)| is_news(before, row, now - *when)) {
                        // A closed standard output must not stop the appliance.
                        let _ = writeln!(std::io::stdout(), "{}", line(time, row));
                        printed.insert(number, (row.clone(), now));
                    }
                }
            }
        }
    }

    /// Prints a line on standard error, above the table.
    pub fn log(&self, line: &str) {
        match self {
            Self::Terminal(bar) => bar.suspend(|| eprintln!("{line}")),
            Self::Lines(_) => eprintln!("{line}"),
        }
    }

    /// Leaves the last table on the screen. Later output appears below it.
    pub fn close(&mut self) {
        // Closing twice would redraw the table over the output below it.
        if let Self::Terminal(bar) = self
            && !bar.is_finished()
        {
            bar.abandon();
        }
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether a row is worth a line: a changed status, or a queue that has doubled, halved or become empty.
fn is_news(printed: &RecipientRow, row: &RecipientRow, since: Duration) -> bool {
    let (before, now) = (printed.queued, row.queued);
    let length = match now {
        0 => before > 0,
        _ => now >= LOGGED_LENGTH && (now >= before.saturating_mul(2) || now <= before / 2),
    };
    let too_soon = since < LINE_INTERVAL && printed.status != UNTRIED;
    !too_soon && (printed.status != row.status || length)
}

fn line(time: DateTime<Utc>, row: &RecipientRow) -> String {
    let RecipientRow { name, address: _, status, queued } = row;
    format!("{} {name}: {status}, {queued} queued", time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// The table, no wider than the terminal: a wrapped line could not be redrawn in place.
fn table(rows: &[RecipientRow], width: u16) -> String {
    let mut table = Table::new();
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_header(["Name", "URL", "Status", "Queued events"]);
    for RecipientRow { name, address, status, queued } in rows {
        table.add_row([name, address, status, &queued.to_string()]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{RecipientRow, is_news, line};

    fn row(status: &str, queued: u64) -> RecipientRow {
        RecipientRow {
            name: "HQ".into(),
            address: "http://127.0.0.1:3000/events".into(),
            status: status.into(),
            queued,
        }
    }

    #[test]
    fn only_changes_that_an_administrator_would_act_on_are_lines() {
        for (printed, now, news) in [
            (("OK", 0), ("OK", 0), false),
            (("OK", 0), ("HTTP 500", 1), true),
            (("HTTP 500", 1), ("no answer", 1), true),
            // A working recipient always has a few in its queue.
            (("OK", 0), ("OK", 9), false),
            (("OK", 0), ("OK", 10), true),
            (("HTTP 500", 10), ("HTTP 500", 19), false),
            (("HTTP 500", 10), ("HTTP 500", 20), true),
            (("OK", 1000), ("OK", 501), false),
            (("OK", 1000), ("OK", 500), true),
            (("OK", 10), ("OK", 5), false),
            (("OK", 10), ("OK", 0), true),
            (("OK", 3), ("OK", 0), true),
        ] {
            let after = |since| is_news(&row(printed.0, printed.1), &row(now.0, now.1), Duration::from_secs(since));
            assert_eq!(after(5), news, "{printed:?} {now:?}");
            assert!(!after(4), "{printed:?} {now:?}: too soon after the last line");
        }
        let tried = |since| is_news(&row("-", 0), &row("OK", 0), Duration::from_secs(since));
        assert!(tried(0), "the result of the first attempt is printed at once");
    }

    #[test]
    fn a_line_has_the_time_and_no_url() {
        let time = chrono::DateTime::from_timestamp(1_700_000_000, 999_000_000).unwrap();
        assert_eq!(line(time, &row("HTTP 500", 12)), "2023-11-14T22:13:20Z HQ: HTTP 500, 12 queued");
    }
}
