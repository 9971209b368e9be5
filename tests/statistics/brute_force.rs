//! Statistics from all visible records of all sessions, computed in the plainest way.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Seconds east of UTC at a time.
pub type Offset = fn(i64) -> i64;

/// The records of a session, as `/api/sessions/{site}/{lsid}` has them.
pub struct PlainSession {
    pub site: String,
    pub records: Vec<Value>,
}

/// What is known of a session.
struct Known {
    first: i64,
    begun: Option<i64>,
    joined: Option<i64>,
    ended: Option<i64>,
    representative: Option<String>,
    team: Option<String>,
    owners: u64,
    answered: bool,
    surveys: [u64; 2],
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn seconds(value: &Value) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|time| time.timestamp())
}

impl Known {
    fn new(records: &[Value]) -> Self {
        let named = |name: &'static str| {
            records.iter().map(|record| &record["data"]).filter(move |data| data["event"] == name).collect::<Vec<_>>()
        };
        let times = |all: Vec<&Value>| all.iter().map(|data| data["timestamp"].as_i64().unwrap()).collect::<Vec<_>>();
        let representatives = |name| {
            let all: Vec<_> = named(name);
            all.into_iter().filter(|data| data["member"]["type"] == "representative").collect::<Vec<_>>()
        };
        let reports = named("session.report");
        let of_reports =
            |field: &str| reports.iter().filter_map(|data| seconds(&data["report"][field])).collect::<Vec<_>>();
        let named_by_report = |field: &str| reports.iter().filter_map(|data| text(&data["report"][field])).max();
        let last_owner = |kind: &str| {
            let owners = records.iter().filter(|record| {
                record["data"]["event"] == "support_conference_owner_changed"
                    && record["data"]["conference"]["kind"] == kind
            });
            let order = |record: &&Value| {
                let data = &record["data"];
                (data["timestamp"].as_i64(), text(&record["recordedtime"]), text(&data["conference"]["name"]))
            };
            owners.max_by_key(order).and_then(|record| text(&record["data"]["conference"]["name"]))
        };
        let owners = named("support_conference_owner_changed");
        let joined = representatives("support_conference_member_added");
        let in_report = |data: &&Value| {
            let people = data["report"]["representatives"].as_array();
            people.is_some_and(|people| people.iter().any(|person| person["name"].is_string()))
        };
        let survey = |name| u64::from(!named(name).is_empty());
        Self {
            first: records.iter().map(|record| record["data"]["timestamp"].as_i64().unwrap()).min().unwrap(),
            begun: of_reports("start").into_iter().min().or(times(named("support_conference_begin")).into_iter().min()),
            joined: times(joined.clone()).into_iter().min(),
            ended: of_reports("end").into_iter().max().or(times(named("support_conference_end")).into_iter().max()),
            representative: named_by_report("primary_representative").or_else(|| last_owner("rep")),
            team: named_by_report("team").or_else(|| last_owner("team")),
            owners: owners.iter().filter(|data| data["conference"]["kind"] == "rep").count() as u64,
            answered: !joined.is_empty()
                || !representatives("support_conference_member_departed").is_empty()
                || reports.iter().any(in_report),
            surveys: [
                survey("support_conference_customer_exit_survey_completed"),
                survey("support_conference_rep_exit_survey_completed"),
            ],
        }
    }
}

/// What `/api/statistics` should have as `groups`.
pub fn groups(sessions: &[PlainSession], from: i64, to: i64, by: &str, site: Option<&str>, offset: Offset) -> Value {
    let mut groups = BTreeMap::<(bool, i64, String), Vec<Known>>::new();
    for session in sessions.iter().filter(|session| !session.records.is_empty()) {
        let known = Known::new(&session.records);
        let time = known.begun.unwrap_or(known.first);
        if !(from..to).contains(&time) || site.is_some_and(|site| site != session.site) {
            continue;
        }
        let local = time + offset(time);
        let (day, hour) = (local.div_euclid(86_400), local.rem_euclid(86_400) / 3_600);
        let date = (chrono::NaiveDate::default() + chrono::TimeDelta::days(day)).to_string();
        let name = |name: &Option<String>| (name.is_none(), 0, name.clone().unwrap_or_default());
        let key = match by {
            "day" => (false, day, date),
            "hour" => (false, day * 24 + hour, format!("{date}T{hour:02}")),
            "weekday-hour" => {
                let weekday = (day + 3).rem_euclid(7);
                let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
                (false, weekday * 24 + hour, format!("{}-{hour:02}", names[weekday as usize]))
            }
            "representative" => name(&known.representative),
            "team" => name(&known.team),
            _ => (false, 0, session.site.clone()),
        };
        groups.entry(key).or_default().push(known);
    }
    groups.into_iter().map(|((nameless, _, name), sessions)| group((!nameless).then_some(name), &sessions)).collect()
}

fn group(name: Option<String>, all: &[Known]) -> Value {
    let sessions: Vec<_> = all.iter().filter(|session| session.begun.is_some()).collect();
    let since = |session: &Known, time: Option<i64>| time.map(|time| time - session.begun.unwrap());
    let waits: Vec<_> =
        sessions.iter().filter(|session| session.answered).map(|session| since(session, session.joined)).collect();
    let lengths: Vec<_> = sessions
        .iter()
        .filter(|session| session.ended.is_some())
        .map(|session| since(session, session.ended))
        .collect();
    let valid = |times: &[Option<i64>]| times.iter().flatten().copied().filter(|time| *time >= 0).collect::<Vec<_>>();
    let representatives: BTreeSet<_> = sessions.iter().filter_map(|session| session.representative.clone()).collect();
    let ended = sessions.iter().filter(|session| session.ended.is_some());
    json!({
        "group": name,
        "sessions": sessions.len(),
        "ended": ended.clone().count(),
        "never_answered": ended.filter(|session| !session.answered).count(),
        "waiting_seconds": quantiles(valid(&waits)),
        "length_seconds": quantiles(valid(&lengths)),
        "transfers": sessions.iter().map(|session| session.owners.saturating_sub(1)).sum::<u64>(),
        "representatives": representatives.len(),
        "surveys": {
            "customer": sessions.iter().map(|session| session.surveys[0]).sum::<u64>(),
            "representative": sessions.iter().map(|session| session.surveys[1]).sum::<u64>(),
        },
        "unknown": {
            "begin": all.len() - sessions.len(),
            "waiting": waits.len() - valid(&waits).len(),
            "length": lengths.len() - valid(&lengths).len(),
            "transfers": 0,
        },
    })
}

fn quantiles(mut times: Vec<i64>) -> Value {
    times.sort_unstable();
    // The smallest time that so many percent of all do not exceed.
    let at = |percent: usize| {
        times.iter().find(|time| times.iter().filter(|other| other <= time).count() * 100 >= percent * times.len())
    };
    json!(times.last().map(|max| json!({"median": at(50), "p90": at(90), "max": max})))
}
