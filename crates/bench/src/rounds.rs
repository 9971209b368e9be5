//! Contenders that take turns, a slice each in every round, and what their slices come to.

use std::time::Duration;

use anyhow::Result;
use indicatif::ProgressBar;

use crate::contender::Contender;
use crate::floor::Floor;
use crate::load::{self, Slice, Work};

/// Who takes a turn.
#[derive(Debug)]
pub enum Subject<'a> {
    /// A recipient.
    Recipient(&'a Contender),
    /// A file that records are appended to.
    Floor(&'a Floor),
}

/// One subject's slices, one a round.
#[derive(Debug)]
pub struct Series {
    /// How the tables call it.
    pub name: String,
    slices: Vec<Slice>,
}

/// How often and how long each has its turn.
#[derive(Clone, Copy, Debug)]
pub struct Turns {
    /// How many rounds.
    pub rounds: usize,
    /// How long one turn is.
    pub time: Duration,
}

/// Gives each of them its turns. Who begins changes from round to round.
pub async fn take_turns(subjects: &[Subject<'_>], work: Work, turns: Turns, bar: &ProgressBar) -> Result<Vec<Series>> {
    let mut all: Vec<_> = subjects.iter().map(|subject| Series::new(subject.name())).collect();
    for round in 0..turns.rounds {
        let mut turn: Vec<_> = subjects.iter().zip(&mut all).collect();
        // And who comes after whom: what one leaves behind must not always hit the same other.
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

    async fn slice(&self, work: Work, time: Duration) -> Result<Slice> {
        match self {
            Self::Recipient(contender) => load::slice(contender, work, time).await,
            Self::Floor(floor) => floor.slice(time),
        }
    }
}

impl Series {
    /// One that had no turn yet.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), slices: Vec::new() }
    }

    /// Adds a round's slice.
    pub fn add(&mut self, slice: Slice) {
        self.slices.push(slice);
    }

    /// Events a second: the median of its slices.
    pub fn rate(&self) -> f64 {
        median(self.slices.iter().map(Slice::rate))
    }

    /// Milliseconds from request to answer that half of a slice's events took at most: the median of its slices.
    pub fn middle(&self) -> f64 {
        median(self.slices.iter().map(|slice| slice.took_at(0.5)))
    }

    /// The same for 99 of 100 events.
    pub fn late(&self) -> f64 {
        median(self.slices.iter().map(|slice| slice.took_at(0.99)))
    }

    /// The share of the time that the sender was busy, on its one thread: the median. Near 1, it is the sender that is measured.
    pub fn busy(&self) -> Option<f64> {
        Some(median(self.slices.iter().map(|slice| slice.busy).collect::<Option<Vec<_>>>()?))
    }

    /// Microseconds of processor time that the recipient took an event, of all its slices together: what is counted is too coarse
    /// for one.
    pub fn processor(&self) -> Option<f64> {
        let spent: Duration = self.slices.iter().map(|slice| slice.processor).sum::<Option<_>>()?;
        let events: usize = self.slices.iter().map(|slice| slice.took.len()).sum();
        Some(spent.as_secs_f64() * 1e6 / events as f64)
    }

    /// Its rate as a multiple of another's, round by round: the median.
    pub fn rate_against(&self, other: &Self) -> f64 {
        median(self.slices.iter().zip(&other.slices).map(|(own, other)| own.rate() / other.rate()))
    }

    /// The time that 99 of 100 of its events took as a multiple of another's, round by round: the median.
    pub fn late_against(&self, other: &Self) -> f64 {
        median(self.slices.iter().zip(&other.slices).map(|(own, other)| own.took_at(0.99) / other.took_at(0.99)))
    }

    /// The time that its events took as a multiple of another's, round by round: the median.
    pub fn time_against(&self, other: &Self) -> f64 {
        median(self.slices.iter().zip(&other.slices).map(|(own, other)| own.took_at(0.5) / other.took_at(0.5)))
    }
}

impl Slice {
    fn rate(&self) -> f64 {
        self.took.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds within which a share of the events was answered.
    fn took_at(&self, share: f64) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = (took.len() as f64 * share) as usize;
        took.get(at).or(took.last()).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }
}

/// The value in the middle, not a number where there is none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
