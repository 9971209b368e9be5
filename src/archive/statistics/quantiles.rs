//! Median, 90th percentile and maximum of times.

use std::collections::BTreeMap;

use serde::Serialize;

/// Bits of a value that a sketch keeps: a quantile is off by at most one in 256, 0.4 %.
const KEPT_BITS: u32 = 8;

/// Times in seconds, of which quantiles are wanted.
#[derive(Clone, Debug)]
pub struct Quantiles(Times);

#[derive(Clone, Debug)]
enum Times {
    /// All of them.
    Exact(Vec<u64>),
    /// The number of times in each class. A class has the times that agree in their first [`KEPT_BITS`] bits.
    Sketch { classes: BTreeMap<u64, u64>, count: u64, most: u64 },
}

/// Quantiles of times, in seconds. A quantile is the smallest of the times that is not exceeded by that share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TimeQuantiles {
    /// Half of the times are not longer.
    pub median: u64,
    /// Nine of ten are not longer.
    pub p90: u64,
    /// The longest.
    pub max: u64,
}

impl Quantiles {
    /// No times. If it is exact, it keeps all of them.
    pub fn new(is_exact: bool) -> Self {
        let sketch = Times::Sketch { classes: BTreeMap::new(), count: 0, most: 0 };
        Self(if is_exact { Times::Exact(Vec::new()) } else { sketch })
    }

    /// Keeps no more than a sketch of the times.
    pub fn sketch(&mut self) {
        if let Times::Exact(times) = &mut self.0 {
            let times = std::mem::take(times);
            *self = Self::new(false);
            times.into_iter().for_each(|time| self.add(time));
        }
    }

    /// Adds a time in seconds.
    pub fn add(&mut self, seconds: u64) {
        match &mut self.0 {
            Times::Exact(times) => times.push(seconds),
            Times::Sketch { classes, count, most } => {
                *classes.entry(class(seconds)).or_default() += 1;
                *count += 1;
                *most = seconds.max(*most);
            }
        }
    }

    /// Their quantiles. `None` of no times.
    pub fn quantiles(&mut self) -> Option<TimeQuantiles> {
        match &mut self.0 {
            Times::Exact(times) => {
                times.sort();
                let at = |percent| times.get(rank(times.len() as u64, percent) as usize).copied();
                Some(TimeQuantiles { median: at(50)?, p90: at(90)?, max: *times.last()? })
            }
            Times::Sketch { classes, count, most } => {
                let at = |percent| {
                    let (wanted, mut before) = (rank(*count, percent), 0);
                    let of_class = |(class, times): (&u64, &u64)| {
                        before += times;
                        (before > wanted).then_some((*class).min(*most))
                    };
                    classes.iter().find_map(of_class)
                };
                Some(TimeQuantiles { median: at(50)?, p90: at(90)?, max: *most })
            }
        }
    }
}

/// The position of a percentile among sorted times, by the nearest rank.
fn rank(count: u64, percent: u64) -> u64 {
    (count * percent).div_ceil(100).saturating_sub(1)
}

/// The middle of the times of a class.
fn class(seconds: u64) -> u64 {
    let dropped = (u64::BITS - seconds.leading_zeros()).saturating_sub(KEPT_BITS);
    let first = seconds >> dropped << dropped;
    first + (1 << dropped >> 1)
}
