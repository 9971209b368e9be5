//! The rule of the appliance's queues (guide, "HTTP Recipients"): the first in the queue is tried until it succeeds, and
//! nothing behind it moves before that; what keeps failing for too long is dropped.

use std::time::Duration;

use tokio::time::Instant;

/// How a queue is served, as the settings page has it.
#[derive(Clone, Copy, Debug)]
pub struct RetryRules {
    /// How long to wait after an attempt that failed.
    pub interval: Duration,
    /// How long after its first failure an event is tried again. With an attempt that fails after that, it is dropped.
    pub duration: Duration,
}

/// Why an attempt did not succeed, in words for an administrator. They hold no token: no URL has its query in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AttemptFailure(String);

impl AttemptFailure {
    /// The most characters that a failure has: some of these words come from the other side.
    const MAX_CHARACTERS: usize = 200;

    /// A failure in one line, whatever `words` hold.
    pub fn new(words: impl Into<String>) -> Self {
        let words: String = words.into();
        let line = words.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self(line.take(Self::MAX_CHARACTERS).collect::<String>().trim().to_owned())
    }

    /// The deepest cause of an error: "Connection refused", rather than that a request could not be sent.
    pub fn cause(error: &(dyn std::error::Error + 'static)) -> String {
        std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
    }
}

/// What became of the first in a queue.
#[derive(Debug, PartialEq, Eq)]
pub enum DeliveryOutcome<T> {
    /// An attempt succeeded.
    Accepted(T),
    /// It failed for too long. The failure is the last one's.
    Dropped(AttemptFailure),
}

/// Tries until it succeeds or is to be dropped.
///
/// `failing_for` is how long the event has been failing already, before this program was started. `failed` is told of each
/// failure as it happens; its own error is the only one, and ends it.
pub async fn deliver<T, A: Future<Output = Result<T, AttemptFailure>>, E>(
    rules: RetryRules,
    failing_for: Option<Duration>,
    mut attempt: impl FnMut() -> A,
    mut failed: impl FnMut(&AttemptFailure) -> Result<(), E>,
) -> Result<DeliveryOutcome<T>, E> {
    let mut waited = failing_for.map(|before| (before, Instant::now()));
    loop {
        let failure = match attempt().await {
            Ok(accepted) => return Ok(DeliveryOutcome::Accepted(accepted)),
            Err(failure) => failure,
        };
        failed(&failure)?;
        let (before, since) = *waited.get_or_insert((Duration::ZERO, Instant::now()));
        if before.saturating_add(since.elapsed()) >= rules.duration {
            return Ok(DeliveryOutcome::Dropped(failure));
        }
        tokio::time::sleep(rules.interval).await;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{AttemptFailure, DeliveryOutcome, RetryRules, deliver};

    const RULES: RetryRules = RetryRules { interval: Duration::from_secs(10), duration: Duration::from_secs(60) };

    /// What became of an event whose first attempts fail, and when, in seconds, each was made. Time stands still but for
    /// waiting.
    async fn attempts(rules: RetryRules, failing_for: Option<u64>, failures: usize) -> (DeliveryOutcome<()>, Vec<u64>) {
        let started = Instant::now();
        let mut at = Vec::new();
        let mut told = 0;
        let outcome = deliver(
            rules,
            failing_for.map(Duration::from_secs),
            || {
                at.push(started.elapsed().as_secs());
                std::future::ready(if at.len() > failures { Ok(()) } else { Err(AttemptFailure::new("HTTP 500")) })
            },
            |_| {
                told += 1;
                Ok::<_, Infallible>(())
            },
        )
        .await;
        let Ok(outcome) = outcome;
        assert_eq!(told, failures.min(at.len()));
        (outcome, at)
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_the_interval_and_drops_after_the_duration() {
        let dropped = || DeliveryOutcome::Dropped(AttemptFailure::new("HTTP 500"));
        let no_patience = RetryRules { duration: Duration::ZERO, ..RULES };
        for (rules, failing_for, failures, outcome, at) in [
            (RULES, None, 0, DeliveryOutcome::Accepted(()), vec![0]),
            (RULES, None, 2, DeliveryOutcome::Accepted(()), vec![0, 10, 20]),
            (RULES, None, 6, DeliveryOutcome::Accepted(()), vec![0, 10, 20, 30, 40, 50, 60]),
            (RULES, None, 7, dropped(), vec![0, 10, 20, 30, 40, 50, 60]),
            (RULES, Some(45), 99, dropped(), vec![0, 10, 20]),
            (RULES, Some(99), 99, dropped(), vec![0]),
            (RULES, Some(99), 0, DeliveryOutcome::Accepted(()), vec![0]),
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
