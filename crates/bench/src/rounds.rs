//! Rounds in which contenders take turns, and statistics over the rounds.

use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;

use crate::contender::Contender;
use crate::floor::Floor;
use crate::load::{self, Slice, Workload};

/// A participant of the rounds.
#[derive(Debug)]
pub enum Subject<'a> {
    /// A recipient.
    Recipient(&'a Contender),
    /// A file for appended records.
    Floor(&'a Floor),
}

/// The slices of one participant, one per round.
#[derive(Debug)]
pub struct Series {
    /// The name in the tables.
    pub name: String,
    slices: Vec<Slice>,
}

/// The number and the length of turns.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// The number of rounds.
    pub rounds: usize,
    /// The length of one turn.
    pub time: Duration,
}

/// Gives each participant its turns. Another one begins in each round.
pub async fn take_turns(
    subjects: &[Subject<'_>],
    work: Workload,
    turns: Turns,
    bar: &ProgressBar,
) -> Result<Vec<Series>> {
    let mut all: Vec<_> = subjects.iter().map(|subject| Series::new(subject.name())).collect();
    for round in 0..turns.rounds {
        let mut turn: Vec<_> = subjects.iter().zip(&mut all).collect();
        // Vary the order as well: the after-effects of one must not always affect the same other.
        if round % 2 == 1 {
            turn.reverse();
        }
        let first = round % turn.len().max(1);
        turn.rotate_left(first);
        for (subject, series) in turn {
            bar.set_message(format!("round {} of {}: {}", round + 1, turns.rounds, series.name));
            series.add(subject.slice(work, turns.time).await?);
            bar.inc(turns.time.as_millis() as u64);
        }
    }
    Ok(all)
}

impl Subject<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Recipient(contender) => contender.name(),
            Self::Floor(_) => "append and fdatasync",
        }
    }

    async fn slice(&self, work: Workload, time: Duration) -> Result<Slice> {
        match self {
            Self::Recipient(contender) => load::slice(contender, work, time).await,
            Self::Floor(floor) => floor.slice(time),
        }
    }
}

impl Series {
    /// A series without slices.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), slices: Vec::new() }
    }

    /// Adds the slice of a round.
    pub fn add(&mut self, slice: Slice) {
        self.slices.push(slice);
    }

    /// Events per second: the median of the slices.
    pub fn rate(&self) -> f64 {
        median(self.slices.iter().map(Slice::rate))
    }

    /// The median milliseconds from request to answer: the median of the slices.
    pub fn median_time(&self) -> f64 {
        median(self.slices.iter().map(|slice| slice.quantile(0.5)))
    }

    /// The 99th percentile of milliseconds from request to answer: the median of the slices.
    pub fn p99_time(&self) -> f64 {
        median(self.slices.iter().map(|slice| slice.quantile(0.99)))
    }

    /// The share of time in which the sender's thread was busy: the median. Near 1, the sender is the bottleneck.
    pub fn busy(&self) -> Option<f64> {
        Some(median(self.slices.iter().map(|slice| slice.busy).collect::<Option<Vec<_>>>()?))
    }

    /// The recipient's processor time per event in microseconds, over all slices: ticks are too coarse for one slice.
    pub fn processor(&self) -> Option<f64> {
        let used: Duration = self.slices.iter().map(|slice| slice.processor).sum::<Option<_>>()?;
        let events: usize = self.slices.iter().map(|slice| slice.took.len()).sum();
        Some(used.as_secs_f64() * 1e6 / events as f64)
    }

    /// The ratio of its rate to another's: the median of the rounds.
    pub fn rate_against(&self, other: &Self) -> f64 {
        median(self.slices.iter().zip(&other.slices).map(|(own, other)| own.rate() / other.rate()))
    }

    /// The ratio of its 99th percentile to another's: the median of the rounds.
    pub fn p99_against(&self, other: &Self) -> f64 {
        median(self.slices.iter().zip(&other.slices).map(|(own, other)| own.quantile(0.99) / other.quantile(0.99)))
    }

    /// The ratio of its median time to another's: the median of the rounds.
    pub fn time_against(&self, other: &Self) -> f64 {
        median(self.slices.iter().zip(&other.slices).map(|(own, other)| own.quantile(0.5) / other.quantile(0.5)))
    }
}

impl Slice {
    fn rate(&self) -> f64 {
        self.took.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The milliseconds within which this share of the events was answered.
    fn quantile(&self, share: f64) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let index = (took.len() as f64 * share) as usize;
        took.get(index).or(took.last()).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }
}

/// The median; NaN without values.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
