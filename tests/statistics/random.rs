//! Random stores against brute force.

use fastrand::Rng;
use outbound_events::event::{Lsid, Timestamp};
use outbound_events::identity::Site;
use outbound_events::report::{FetchedReport, ReportRepresentative, SessionReport};
use outbound_events::store::Store as _;
use pollster::block_on;
use serde_json::Value;

use super::brute_force::{Offset, PlainSession, groups};
use super::{DAY, MARCH, form, get, pack, send, time};
use crate::support::{Memory, TOKEN, call};

const SITES: [&str; 2] = ["hq", "west"];
/// The number of stores, or `MODEL_SCHEDULES`.
fn seeds() -> u64 {
    std::env::var("MODEL_SCHEDULES").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(24)
}

/// Each zone with its offset in 2024, as its law has it.
const ZONES: [(&str, Offset); 4] = [
    ("UTC", |_| 0),
    ("%2B05:30", |_| 19_800),
    // Daylight saving begins on 10 March at 07:00 UTC.
    ("EST5EDT,M3.2.0,M11.1.0", |time| if (1_710_054_000..1_730_613_600).contains(&time) { -14_400 } else { -18_000 }),
    // Half an hour: ends on 7 April (6 April, 15:00 UTC).
    ("LHST-10:30LHDT-11,M10.1.0,M4.1.0", |time| if time < 1_712_415_600 { 39_600 } else { 37_800 }),
];

/// An event that has not been delivered yet.
struct Planned {
    site: &'static str,
    form: String,
}

/// The events of a session, some of them missing, some with wrong times.
fn session(random: &mut Rng, site: &'static str, lsid: &str, planned: &mut Vec<Planned>) {
    let begun = MARCH + random.i64(0..45 * DAY);
    let mut add = |random: &mut Rng, event: &str, at: i64, more: &str| {
        if random.u8(0..10) > 0 {
            planned.push(Planned { site, form: form(event, lsid, at, more) });
        }
    };
    let name = |random: &mut Rng| ["Ann", "Bo", "=Cy", "D\u{e9}"][random.usize(0..4)];
    add(random, "support_conference_begin", begun, "");
    let team = ["Help", "Night"][random.usize(0..2)];
    add(random, "support_conference_owner_changed", begun, &format!("&conference_id=team:1&conference_name={team}"));
    add(random, "support_conference_member_added", begun, "&type=customer&name=Kim");
    let mut at = begun + random.i64(-20..1_000);
    for _ in 0..random.usize(0..4) {
        let name = name(random);
        add(random, "support_conference_member_added", at, &format!("&type=representative&name={name}"));
        add(random, "support_conference_owner_changed", at, &format!("&conference_id=rep:7&conference_name={name}"));
        at += random.i64(0..5_000);
        add(random, "support_conference_member_departed", at, &format!("&type=representative&name={name}"));
    }
    if random.bool() {
        add(random, "support_conference_customer_exit_survey_completed", at + 90_000, "");
        add(random, "support_conference_rep_exit_survey_completed", at + 5, "");
    }
    let ended = at + random.i64(-2_000..DAY);
    add(random, "support_conference_end", ended, "");
}

/// Puts the appliance's report of a session into the store, as a check does.
fn report(random: &mut Rng, store: &Memory, site: &str, lsid: &str) {
    let at = |seconds: i64| Timestamp::from_seconds(seconds.unsigned_abs()).unwrap();
    let start = MARCH + random.i64(0..45 * DAY);
    let name = random.bool().then(|| "Ann".to_owned());
    let representatives = vec![ReportRepresentative { name: name.clone(), ..Default::default() }];
    let report = SessionReport {
        start: random.bool().then(|| at(start)),
        team: random.bool().then(|| "Reported".to_owned()),
        primary_representative: name,
        representatives,
        ..SessionReport::ended(at(start + random.i64(0..9_000)))
    };
    let (site, lsid) = (Site::parse(site).unwrap(), Lsid::parse(lsid).unwrap());
    let fetched = FetchedReport { fetched: report.end, report };
    let (key, value) = fetched.record(&site, &lsid, None, time(MARCH + 50 * DAY)).unwrap();
    block_on(store.set(&key.to_string(), &value)).unwrap();
}

fn remove(store: &Memory, uri: &str, now: i64) {
    let call = call("DELETE", uri).header("authorization", format!("Bearer {TOKEN}"));
    let reply = call.at(time(now)).answer_alone(store, super::SETTINGS);
    assert!([200, 404].contains(&reply.status), "{reply:?}");
}

/// All that a reader sees of each session.
fn sessions(store: &Memory, names: &[(&'static str, String)], now: i64) -> Vec<PlainSession> {
    let read = |(site, lsid): &(&'static str, String)| {
        let call = call("GET", &format!("/api/sessions/{site}/{lsid}"));
        let call = call.header("authorization", format!("Bearer {TOKEN}")).at(time(now));
        let reply = call.answer_alone(store, super::SETTINGS);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        PlainSession {
            site: (*site).to_owned(),
            records: body["events"].as_array().filter(|_| reply.status == 200).cloned().unwrap_or_default(),
        }
    };
    names.iter().map(read).collect()
}

fn assert_same(random: &mut Rng, store: &Memory, names: &[(&'static str, String)], now: i64, seed: u64) {
    let plain = sessions(store, names, now);
    for by in ["day", "hour", "weekday-hour", "representative", "team", "site"] {
        let (zone, offset) = ZONES[random.usize(0..ZONES.len())];
        let (from, to) = match random.u8(0..3) {
            0 => (MARCH - 2 * DAY, MARCH + 60 * DAY),
            1 => (MARCH + random.i64(0..30 * DAY), MARCH + 35 * DAY),
            _ => (MARCH, MARCH + random.i64(1..20 * DAY)),
        };
        let site = random.bool().then(|| SITES[random.usize(0..2)]);
        let of_site = site.map_or(String::new(), |site| format!("&site={site}"));
        let [from_text, to_text] = [from, to].map(|at| time(at).format("%Y-%m-%dT%H:%M:%SZ").to_string());
        let uri = format!("/api/statistics?from={from_text}&to={to_text}&by={by}&zone={zone}{of_site}");
        let answer = get(store, &uri, now);
        assert_eq!(answer["left_out"], 0);
        assert_eq!(answer["groups"], groups(&plain, from, to, by, site, offset), "seed {seed}: {uri}");
    }
}

/// Whatever was stored, packed, repeated, lost, removed and put in by another host: the answer is that of all visible
/// records.
#[test]
fn statistics_are_those_of_all_visible_records() {
    for seed in 0..seeds() {
        let mut random = Rng::with_seed(seed);
        let (store, mut planned) = (Memory::default(), Vec::new());
        let names: Vec<_> = (0..30).map(|number| (SITES[number % 2], format!("s{number}"))).collect();
        for (site, lsid) in &names {
            session(&mut random, site, lsid, &mut planned);
        }
        let mut now = MARCH + 60 * DAY;
        while !planned.is_empty() {
            for _ in 0..random.usize(1..60).min(planned.len()) {
                let next = planned.swap_remove(random.usize(0..planned.len()));
                send(&store, next.site, &next.form, now);
                if random.u8(0..8) == 0 {
                    // It is repeated, perhaps after it was packed.
                    planned.push(next);
                }
                now += random.i64(0..3);
            }
            let (site, lsid) = &names[random.usize(0..names.len())];
            // A third of the stores has no removal, a third no second host: both make many packs read as a whole.
            match random.u8(0..8) {
                0 if seed % 3 > 0 => remove(&store, &format!("/api/sessions/{site}/{lsid}"), now),
                1 if seed % 3 > 0 => {
                    remove(&store, &format!("/api/events?before={}", time(MARCH + 5 * DAY).format("%Y-%m-%d")), now)
                }
                2 | 3 => report(&mut random, &store, site, lsid),
                4 if seed % 3 > 1 => {
                    // Another host packs the same events meanwhile.
                    let other = Memory::default();
                    other.values.borrow_mut().clone_from(&store.values.borrow());
                    pack(&store, now);
                    other.values.borrow_mut().retain(|key, _| !key.ends_with('7'));
                    pack(&other, now);
                    let packs = other.values.borrow().clone();
                    store.values.borrow_mut().extend(packs.into_iter().filter(|(key, _)| key.starts_with("pack.")));
                }
                _ => pack(&store, now),
            }
            if random.u8(0..4) == 0 {
                let lost = ["index.figures.", "index.sessions.", "index."][random.usize(0..3)];
                store.values.borrow_mut().retain(|key, _| !key.starts_with(lost));
            }
            assert_same(&mut random, &store, &names, now, seed);
        }
        pack(&store, now + 10);
        assert!(store.keys().iter().any(|key| key.starts_with("index.figures.")));
        assert_same(&mut random, &store, &names, now, seed);
    }
}
