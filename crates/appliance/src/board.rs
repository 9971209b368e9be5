//! The settings page's table, as `appliance run` shows it: on a terminal redrawn in its place, and elsewhere a line with a time for
//! each change.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressDrawTarget};
use tokio::time::Instant;

use crate::progress::bar;

/// How long a recipient is quiet after a line: one that fails and recovers by turns would fill a log.
const QUIET: Duration = Duration::from_secs(5);

/// Shorter queues come and go with each event.
const WORTH_A_LINE: u64 = 10;

/// The status of a recipient that was not tried yet.
pub const UNTRIED: &str = "-";

/// A recipient, as the page has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientRow {
    /// What it is called.
    pub name: String,
    /// Its URL or its addresses.
    pub to: String,
    /// What the last attempt came to: OK, or the failure in words.
    pub status: String,
    /// How many events or emails wait for it.
    pub queued: u64,
}

/// Where the table is shown.
pub enum Board {
    /// On a terminal, which holds it in its place.
    Terminal(ProgressBar),
    /// Anywhere else: what was told, and when.
    Lines(BTreeMap<usize, (RecipientRow, Instant)>),
}

impl Board {
    /// A board on standard output.
    pub fn new() -> Self {
        let bar = bar(ProgressDrawTarget::stdout(), None, "{msg}");
        if bar.is_hidden() { Self::Lines(BTreeMap::new()) } else { Self::Terminal(bar) }
    }

    /// Shows how all recipients are.
    pub fn show(&mut self, rows: &[RecipientRow]) {
        match self {
            Self::Terminal(bar) => bar.set_message(table(rows, console::Term::stdout().size().1)),
            Self::Lines(told) => {
                let (time, now) = (Utc::now(), Instant::now());
                for (number, row) in rows.iter().enumerate() {
                    if told.get(&number).is_none_or(|(before, when)| is_news(before, row, now - *when)) {
                        // An appliance that nobody listens to goes on.
                        let _ = writeln!(std::io::stdout(), "{}", line(time, row));
                        told.insert(number, (row.clone(), now));
                    }
                }
            }
        }
    }

    /// Says something that is no recipient's state, on standard error.
    pub fn say(&self, words: &str) {
        match self {
            Self::Terminal(bar) => bar.suspend(|| eprintln!("{words}")),
            Self::Lines(_) => eprintln!("{words}"),
        }
    }

    /// The last table stays where it is, and what others print comes below it.
    pub fn close(&mut self) {
        // A second time it would be drawn over what came below it.
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

/// Another status is news; a queue's length is when it has doubled or halved, or when nothing waits any more.
fn is_news(told: &RecipientRow, row: &RecipientRow, since: Duration) -> bool {
    let (before, now) = (told.queued, row.queued);
    let length = match now {
        0 => before > 0,
        _ => now >= WORTH_A_LINE && (now >= before.saturating_mul(2) || now <= before / 2),
    };
    let quiet = since < QUIET && told.status != UNTRIED;
    !quiet && (told.status != row.status || length)
}

fn line(time: DateTime<Utc>, row: &RecipientRow) -> String {
    let RecipientRow { name, to: _, status, queued } = row;
    format!("{} {name}: {status}, {queued} queued", time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// As wide as the terminal is: a line that goes on in the next could not be found again to be drawn over.
fn table(rows: &[RecipientRow], width: u16) -> String {
    let mut table = Table::new();
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .load_style(UTF8_HORIZONTAL_ONLY)
        .set_header(["Name", "URL", "Status", "Queued events"]);
    for RecipientRow { name, to, status, queued } in rows {
        table.add_row([name, to, status, &queued.to_string()]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{RecipientRow, is_news, line};

    fn row(status: &str, queued: u64) -> RecipientRow {
        RecipientRow { name: "HQ".into(), to: "http://127.0.0.1:3000/events".into(), status: status.into(), queued }
    }

    #[test]
    fn a_line_is_worth_a_change_that_an_administrator_would_act_on() {
        for (told, now, news) in [
            (("OK", 0), ("OK", 0), false),
            (("OK", 0), ("HTTP 500", 1), true),
            (("HTTP 500", 1), ("no answer", 1), true),
            // Of one that works, a few come and go.
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
            let is = |since| is_news(&row(told.0, told.1), &row(now.0, now.1), Duration::from_secs(since));
            assert_eq!(is(5), news, "{told:?} {now:?}");
            assert!(!is(4), "{told:?} {now:?}: there was a line only just now");
        }
        let tried = |since| is_news(&row("-", 0), &row("OK", 0), Duration::from_secs(since));
        assert!(tried(0), "the first attempt is news at once");
    }

    #[test]
    fn a_line_has_the_time_and_no_url() {
        let time = chrono::DateTime::from_timestamp(1_700_000_000, 999_000_000).unwrap();
        assert_eq!(line(time, &row("HTTP 500", 12)), "2023-11-14T22:13:20Z HQ: HTTP 500, 12 queued");
    }
}
