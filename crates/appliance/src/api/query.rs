//! The parameters of `/api/reporting`.

use chrono::NaiveDate;

use super::sessions::{ReportWindow, WindowSide};

/// A checked request for a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportQuery {
    /// `SupportSession` with `lsid` or `lsids`.
    Sessions(Vec<String>),
    /// `SupportSession` with a time.
    Window(ReportWindow),
    /// `SupportSessionListing`.
    Listing(ReportWindow),
}

/// Why there is no report. The answer's status is 200 all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportFault {
    /// No `generate_report`, or one that is not emulated.
    #[error("The report type is missing or is not supported.")]
    Type,
    /// No session, no time, or several of them.
    #[error("Exactly one of lsid, lsids, start_date, start_time, end_date and end_time is required.")]
    Selection,
    /// A parameter whose value is not valid.
    #[error("The parameter {0} is missing or is not valid.")]
    Value(&'static str),
    /// A filter, which the emulator does not have.
    #[error("The parameter limit is not supported.")]
    Limit,
    /// Nothing matches.
    #[error("No Support report information matching your chosen criteria is available.")]
    Nothing,
    /// The account may not read reports.
    #[error("The API account does not have permission to access support session reports.")]
    Permission,
}

/// The seconds of a day.
const DAY: i64 = 86_400;

impl ReportQuery {
    /// Checks the parameters. `now` is the appliance's time in Unix seconds.
    pub fn parse(parameters: &[(String, String)], now: i64) -> Result<Self, ReportFault> {
        let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let is_listing = match value("generate_report") {
            Some("SupportSession") => false,
            Some("SupportSessionListing") => true,
            _ => return Err(ReportFault::Type),
        };
        if value("limit").is_some() {
            return Err(ReportFault::Limit);
        }
        let sessions = if is_listing { [].as_slice() } else { ["lsid", "lsids"].as_slice() };
        let names = sessions.iter().chain(&["start_date", "start_time", "end_date", "end_time"]);
        let mut given = names.filter_map(|name| Some((*name, value(name)?)));
        let (Some((name, text)), None) = (given.next(), given.next()) else { return Err(ReportFault::Selection) };
        if !name.contains('_') {
            let lsids = text.split(',').map(str::trim).filter(|lsid| !lsid.is_empty()).map(str::to_owned);
            return Ok(Self::Sessions(lsids.collect()));
        }
        let side = if name.starts_with("start") { WindowSide::Start } else { WindowSide::End };
        let (from, unit) = if name.ends_with("date") { (midnight(text), DAY) } else { (text.parse().ok(), 1) };
        let from = from.ok_or(ReportFault::Value(name))?;
        let duration = value("duration").and_then(|text| text.parse::<u32>().ok());
        let until = match duration.ok_or(ReportFault::Value("duration"))? {
            0 => now.saturating_add(1),
            units => from.saturating_add(i64::from(units) * unit),
        };
        let window = ReportWindow { side, from, until };
        Ok(if is_listing { Self::Listing(window) } else { Self::Window(window) })
    }
}

/// The beginning of a day in UTC.
fn midnight(date: &str) -> Option<i64> {
    let date = NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
}

#[cfg(test)]
mod tests {
    use super::{ReportFault, ReportQuery, ReportWindow, WindowSide};

    fn parse(form: &str) -> Result<ReportQuery, ReportFault> {
        ReportQuery::parse(&serde_urlencoded::from_str::<Vec<(String, String)>>(form).unwrap(), 1_000)
    }

    #[test]
    fn a_report_has_sessions_or_a_time() {
        let window = |side, from, until| ReportWindow { side, from, until };
        let (start, end) = (WindowSide::Start, WindowSide::End);
        for (form, query) in [
            ("generate_report=SupportSession&lsid=a", ReportQuery::Sessions(vec!["a".into()])),
            ("generate_report=SupportSession&lsids=a,b%20,", ReportQuery::Sessions(vec!["a".into(), "b".into()])),
            ("generate_report=SupportSession&start_time=5&duration=10", ReportQuery::Window(window(start, 5, 15))),
            ("generate_report=SupportSession&end_time=5&duration=0", ReportQuery::Window(window(end, 5, 1_001))),
            (
                "generate_report=SupportSessionListing&end_date=1970-01-02&duration=2",
                ReportQuery::Listing(window(end, 86_400, 3 * 86_400)),
            ),
            (
                "generate_report=SupportSessionListing&start_date=1970-01-01&duration=0",
                ReportQuery::Listing(window(start, 0, 1_001)),
            ),
        ] {
            assert_eq!(parse(form), Ok(query), "{form}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (form, fault) in [
            ("", ReportFault::Type),
            ("generate_report=SupportTeam&lsid=a", ReportFault::Type),
            ("generate_report=SupportSession", ReportFault::Selection),
            ("generate_report=SupportSession&lsid=a&end_time=5&duration=1", ReportFault::Selection),
            ("generate_report=SupportSessionListing&lsid=a", ReportFault::Selection),
            ("generate_report=SupportSession&lsid=a&limit=team", ReportFault::Limit),
            ("generate_report=SupportSession&end_time=5", ReportFault::Value("duration")),
            ("generate_report=SupportSession&end_time=5&duration=-1", ReportFault::Value("duration")),
            ("generate_report=SupportSession&end_time=noon&duration=1", ReportFault::Value("end_time")),
            ("generate_report=SupportSession&start_date=1.2.2026&duration=1", ReportFault::Value("start_date")),
        ] {
            assert_eq!(parse(form), Err(fault), "{form}");
        }
    }
}
