//! Time zones, as far as a component can know them: it has no zone data.

use jiff::Timestamp as JiffTimestamp;
use jiff::tz::TimeZone;

use crate::event::Timestamp;

const DAY: i64 = 86_400;

/// A time zone: `UTC`, an offset such as `+05:30`, or a POSIX rule such as `CET-1CEST,M3.5.0,M10.5.0/3`.
#[derive(Clone, Debug)]
pub struct Zone {
    text: String,
    rule: ZoneRule,
}

#[derive(Clone, Debug)]
enum ZoneRule {
    /// Seconds east of UTC.
    Offset(i64),
    Posix(TimeZone),
}

/// A time by the clocks of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Days since 1970-01-01.
    pub day: i64,
    /// Hour of the day, 0 to 23.
    pub hour: u8,
}

impl LocalTime {
    /// Day of the week: 0 is Monday, 6 is Sunday.
    pub fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday.
        u8::try_from((self.day + 3).rem_euclid(7)).unwrap_or_default()
    }
}

impl Zone {
    /// UTC.
    pub fn utc() -> Self {
        Self { text: "UTC".to_owned(), rule: ZoneRule::Offset(0) }
    }

    /// Parses a zone.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "is not UTC, an offset such as +05:30, or a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3";
        let rule = match offset(text) {
            _ if text.len() > 64 => return Err(RULE),
            Some(seconds) => ZoneRule::Offset(seconds),
            None => ZoneRule::Posix(TimeZone::posix(text).map_err(|_| RULE)?),
        };
        Ok(Self { text: text.to_owned(), rule })
    }

    /// The text that it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A time by the clocks of this zone.
    pub fn local(&self, time: Timestamp) -> LocalTime {
        let local = self.local_seconds(seconds(time));
        let hour = local.rem_euclid(DAY) / 3_600;
        LocalTime { day: local.div_euclid(DAY), hour: u8::try_from(hour).unwrap_or_default() }
    }

    /// The last time not after this one at which a day began in this zone.
    pub fn midnight(&self, time: Timestamp) -> Timestamp {
        let now = seconds(time);
        let day_began = self.local_seconds(now).div_euclid(DAY) * DAY;
        // Clocks can have been changed since: then the day began with another offset.
        let by_offset_of_now = now - self.local_seconds(now).rem_euclid(DAY);
        let began = day_began - self.offset_seconds(by_offset_of_now);
        let began = if self.local_seconds(began) < day_began { by_offset_of_now } else { began };
        u64::try_from(began.min(now)).ok().and_then(Timestamp::from_seconds).unwrap_or_default()
    }

    fn local_seconds(&self, seconds: i64) -> i64 {
        seconds + self.offset_seconds(seconds)
    }

    fn offset_seconds(&self, seconds: i64) -> i64 {
        match &self.rule {
            ZoneRule::Offset(offset) => *offset,
            ZoneRule::Posix(zone) => {
                JiffTimestamp::from_second(seconds).map_or(0, |time| i64::from(zone.to_offset(time).seconds()))
            }
        }
    }
}

fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.seconds()).unwrap_or(i64::MAX)
}

/// The seconds of `UTC` or `±hh:mm`. In a query `+` means a blank, which can mean nothing else here.
fn offset(text: &str) -> Option<i64> {
    if text == "UTC" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+" | " ", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let number = |text: &str, most: i64| {
        let number = Some(text).filter(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit()))?;
        number.parse::<i64>().ok().filter(|number| *number <= most)
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (number(hours, 23)? * 3_600 + number(minutes, 59)? * 60))
}
