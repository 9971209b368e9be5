//! The retry rule of the appliance's queues (guide, "HTTP Recipients"): the first item is tried until it succeeds, and
//! holds back all later ones. After the retry duration it is dropped.

use std::time::Duration;

use tokio::time::Instant;

/// Retry interval and retry duration, as on the settings page.
#[derive(Clone, Copy, Debug)]
pub struct RetryRules {
    /// The wait after a failed attempt.
    pub interval: Duration,
    /// An attempt that fails this long after the first failure is the last: the item is dropped.
    pub duration: Duration,
}

/// Why an attempt failed, for an administrator: one line without tokens, since URLs are shown without their queries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AttemptFailure(String);

impl AttemptFailure {
    /// The most characters of a failure, which can quote the other side.
    const MAX_CHARACTERS: usize = 200;

    /// Replaces control characters by blanks, and truncates.
    pub fn new(words: impl Into<String>) -> Self {
        let words: String = words.into();
        let line = words.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self(line.take(Self::MAX_CHARACTERS).collect::<String>().trim().to_owned())
    }

    /// The text of an error's root cause: "Connection refused" rather than "error sending request".
    pub fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
        std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
    }
}

/// The end of an item's attempts.
#[derive(Debug, PartialEq, Eq)]
pub enum AttemptOutcome<T> {
    /// An attempt succeeded.
    Accepted(T),
    /// All attempts failed. The failure is the last one.
    Dropped(AttemptFailure),
}

/// Makes attempts until one succeeds or the item is to be dropped.
///
/// `failing_for` is how long the item had been failing before this program started. `failed` is called for each
/// failure; its error ends the attempts.
pub async fn deliver<T, A: Future<Output = Result<T, AttemptFailure>>, E>(
    rules: RetryRules,
    failing_for: Option<Duration>,
    mut attempt: impl FnMut() -> A,
    mut failed: impl FnMut(&AttemptFailure) -> Result<(), E>,
) -> Result<AttemptOutcome<T>, E> {
    let mut waited = failing_for.map(|before| (before, Instant::now()));
    loop {
        let failure = match attempt().await {
            Ok(accepted) => return Ok(AttemptOutcome::Accepted(accepted)),
            Err(failure) => failure,
        };
        failed(&failure)?;
        let (before, since) = *waited.get_or_insert((Duration::ZERO, Instant::now()));
        if before.saturating_add(since.elapsed()) >= rules.duration {
            return Ok(AttemptOutcome::Dropped(failure));
        }
        tokio::time::sleep(rules.interval).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{AttemptFailure, AttemptOutcome, RetryRules, deliver};

    const RULES: RetryRules = RetryRules { interval: Duration::from_secs(10), duration: Duration::from_secs(60) };

    /// The outcome for an item whose first attempts fail, and the seconds at which attempts were made. The clock moves
    /// only by waiting.
    async fn attempts(rules: RetryRules, failing_for: Option<u64>, failures: usize) -> (AttemptOutcome<()>, Vec<u64>) {
        let started = Instant::now();
        let mut at = Vec::new();
        let mut reported = 0;
        let outcome = deliver(
            rules,
            failing_for.map(Duration::from_secs),
            || {
                at.push(started.elapsed().as_secs());
                std::future::ready(if at.len() > failures { Ok(()) } else { Err(AttemptFailure::new("HTTP 500")) })
            },
            |_| {
                reported += 1;
                Ok::<_, Infallible>(())
            },
        )
        .await;
        let Ok(outcome) = outcome;
        assert_eq!(reported, failures.min(at.len()));
        (outcome, at)
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_wait_the_interval_and_end_after_the_duration() {
        let dropped = || AttemptOutcome::Dropped(AttemptFailure::new("HTTP 500"));
        let no_patience = RetryRules { duration: Duration::ZERO, ..RULES };
        for (rules, failing_for, failures, outcome, at) in [
            (RULES, None, 0, AttemptOutcome::Accepted(()), vec![0]),
            (RULES, None, 2, AttemptOutcome::Accepted(()), vec![0, 10, 20]),
            (RULES, None, 6, AttemptOutcome::Accepted(()), vec![0, 10, 20, 30, 40, 50, 60]),
            (RULES, None, 7, dropped(), vec![0, 10, 20, 30, 40, 50, 60]),
            (RULES, Some(45), 99, dropped(), vec![0, 10, 20]),
            (RULES, Some(99), 99, dropped(), vec![0]),
            (RULES, Some(99), 0, AttemptOutcome::Accepted(()), vec![0]),
            (no_patience, None, 1, dropped(), vec![0]),
        ] {
            assert_eq!(
                attempts(rules, failing_for, failures).await,
                (outcome, at),
                "{rules:?} {failing_for:?} {failures}"
            );
        }
    }

    #[test]
    fn a_failure_is_one_line_of_bounded_length() {
        assert_eq!(AttemptFailure::new("\u{1b}[2Jtwo\r\nlines ").to_string(), "[2Jtwo  lines");
        assert_eq!(AttemptFailure::new("ü".repeat(1000)).to_string().chars().count(), 200);
    }
}
