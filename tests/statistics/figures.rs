//! What counts as what.

use outbound_events::archive::statistics::{MOST_EXACT, Zone};
use outbound_events::event::Timestamp;
use serde_json::{Value, json};

use super::{DAY, MARCH, form, get, get_with, pack, send};
use crate::support::{Memory, TOKEN, call};

const ALL: &str = "/api/statistics?from=2024-01-01&to=2025-01-01&by=site";

/// An event of a session: the name, seconds after the begin of March, and more variables.
type Sent = (&'static str, i64, &'static str);

fn with(events: &[Sent]) -> Memory {
    let store = Memory::default();
    for (event, at, more) in events {
        send(&store, "hq", &form(event, "s1", MARCH + at, more), MARCH + DAY);
    }
    store
}

const BEGIN: Sent = ("support_conference_begin", 0, "");
const END: Sent = ("support_conference_end", 600, "");
const JOINED: &str = "support_conference_member_added";
const OWNER: &str = "support_conference_owner_changed";
const REP: &str = "&type=representative&name=Ann";

#[test]
fn each_session_counts_as_what_it_is() {
    let cases: [(&str, &[Sent], Value); 10] = [
        ("waiting", &[BEGIN], json!({"sessions": 1, "ended": 0, "never_answered": 0})),
        (
            "never answered",
            &[BEGIN, END],
            json!({"ended": 1, "never_answered": 1, "length_seconds": {"median": 600, "p90": 600, "max": 600}}),
        ),
        (
            "answered",
            &[BEGIN, (JOINED, 90, REP), END],
            json!({"never_answered": 0, "waiting_seconds": {"median": 90, "p90": 90, "max": 90}}),
        ),
        (
            "a customer answers nothing",
            &[BEGIN, (JOINED, 9, "&type=customer&name=Kim"), END],
            json!({"never_answered": 1, "waiting_seconds": null}),
        ),
        (
            "joined before it began",
            &[BEGIN, (JOINED, -5, REP), END],
            json!({"never_answered": 0, "waiting_seconds": null, "unknown": {"begin": 0, "waiting": 1, "length": 0, "transfers": 0}}),
        ),
        (
            "left without having joined",
            &[BEGIN, ("support_conference_member_departed", 50, REP), END],
            json!({"never_answered": 0, "waiting_seconds": null, "unknown": {"begin": 0, "waiting": 1, "length": 0, "transfers": 0}}),
        ),
        (
            "ended before it began",
            &[BEGIN, ("support_conference_end", -9, "")],
            json!({"ended": 1, "length_seconds": null, "unknown": {"begin": 0, "waiting": 0, "length": 1, "transfers": 0}}),
        ),
        (
            "without a begin",
            &[END],
            json!({"sessions": 0, "ended": 0, "unknown": {"begin": 1, "waiting": 0, "length": 0, "transfers": 0}}),
        ),
        (
            "from the team to a representative is no transfer",
            &[
                BEGIN,
                (OWNER, 1, "&conference_id=team:1&conference_name=T"),
                (OWNER, 2, "&conference_id=rep:1&conference_name=Ann"),
            ],
            json!({"transfers": 0, "representatives": 1}),
        ),
        (
            "passed on twice",
            &[
                BEGIN,
                (OWNER, 1, "&conference_id=rep:1&conference_name=Ann"),
                (OWNER, 2, "&conference_id=rep:2&conference_name=Bo"),
                (OWNER, 3, "&conference_id=rep:1&conference_name=Ann"),
            ],
            json!({"transfers": 2, "representatives": 1}),
        ),
    ];
    for (what, events, expected) in cases {
        let store = with(events);
        for packed in [false, true] {
            if packed {
                pack(&store, MARCH + DAY + 60);
            }
            let groups = get(&store, ALL, MARCH + DAY + 60)["groups"].clone();
            for (field, value) in expected.as_object().unwrap() {
                assert_eq!(groups[0][field], *value, "{what}, packed: {packed}: {field}");
            }
        }
    }
}

#[test]
fn without_sessions_there_is_no_group() {
    assert_eq!(get(&Memory::default(), ALL, MARCH)["groups"], json!([]));
    let ends_first = get(&with(&[BEGIN]), "/api/statistics?from=2024-03-02&to=2024-02-01", MARCH);
    assert_eq!(ends_first["groups"], json!([]));
}

#[test]
fn a_faulty_query_is_refused_with_its_parameter() {
    let cases = [
        ("by=week", "by"),
        ("zone=Europe/Berlin", "zone"),
        ("zone=%2B25:00", "zone"),
        ("zone=CET-1CEST", "zone"),
        ("from=yesterday", "from"),
        ("limit=3", "limit"),
    ];
    for (query, at_fault) in cases {
        let uri = format!("/api/statistics?{query}");
        let reply = call("GET", &uri).header("authorization", format!("Bearer {TOKEN}"));
        let reply = reply.answer_alone(&Memory::default(), super::SETTINGS);
        assert_eq!((reply.status, reply.at_fault()), (400, vec![at_fault.to_owned()]), "{query}: {reply:?}");
    }
}

/// Days of 23, 25, 23.5 and 24.5 hours, and a year without daylight saving.
#[test]
fn a_zone_has_the_day_and_the_hour_of_its_clocks() {
    let cases = [
        ("UTC", "2024-03-31T23:59:59Z", (19_813, 23, "2024-03-31T00:00:00Z")),
        ("+05:30", "2024-03-31T18:30:00Z", (19_814, 0, "2024-03-31T18:30:00Z")),
        ("-03:30", "2024-04-01T03:29:59Z", (19_813, 23, "2024-03-31T03:30:00Z")),
        // Berlin: 31 March has no hour 2, and 27 October has it twice.
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2024-03-31T00:59:59Z", (19_813, 1, "2024-03-30T23:00:00Z")),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2024-03-31T01:00:00Z", (19_813, 3, "2024-03-30T23:00:00Z")),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2024-03-31T21:59:59Z", (19_813, 23, "2024-03-30T23:00:00Z")),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2024-10-27T00:59:59Z", (20_023, 2, "2024-10-26T22:00:00Z")),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2024-10-27T01:59:59Z", (20_023, 2, "2024-10-26T22:00:00Z")),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2024-10-27T22:59:59Z", (20_023, 23, "2024-10-26T22:00:00Z")),
        // Lord Howe changes by half an hour.
        ("LHST-10:30LHDT-11,M10.1.0,M4.1.0", "2024-10-05T15:29:59Z", (20_002, 1, "2024-10-05T13:30:00Z")),
        ("LHST-10:30LHDT-11,M10.1.0,M4.1.0", "2024-10-05T15:30:00Z", (20_002, 2, "2024-10-05T13:30:00Z")),
        ("LHST-10:30LHDT-11,M10.1.0,M4.1.0", "2024-04-06T15:15:00Z", (19_820, 1, "2024-04-06T13:00:00Z")),
        // In Beirut, clocks are set forward at midnight: that day begins at one.
        ("EET-2EEST,M3.5.0/0,M10.5.0/0", "2024-03-31T10:00:00Z", (19_813, 13, "2024-03-30T22:00:00Z")),
        ("EST5EDT,M3.2.0,M11.1.0", "1970-01-01T00:00:00Z", (-1, 19, "1970-01-01T00:00:00Z")),
    ];
    for (zone, utc, (day, hour, midnight)) in cases {
        let time = chrono::DateTime::parse_from_rfc3339(utc).unwrap().timestamp();
        let time = Timestamp::from_seconds(time.unsigned_abs()).unwrap();
        let zone = Zone::parse(zone).unwrap();
        let local = zone.local(time);
        assert_eq!((local.day, local.hour), (day, hour), "{utc} in {}", zone.text());
        assert_eq!(zone.midnight(time).rfc3339(), midnight, "{utc} in {}", zone.text());
    }
}

/// A cell that begins like a formula would be one in a spreadsheet.
#[test]
fn csv_has_a_line_for_each_group_and_no_formula() {
    let store = Memory::default();
    for (number, name) in (0_i64..).zip(["=1%2B1", "%2Bx", "-x", "@x", "a, \"b\"", "two%0D%0Alines", "plain"]) {
        let lsid = format!("s{number}");
        let owner = format!("&conference_id=rep:{number}&conference_name={name}");
        send(&store, "hq", &form("support_conference_begin", &lsid, MARCH + number, ""), MARCH + DAY);
        send(&store, "hq", &form(OWNER, &lsid, MARCH + number, &owner), MARCH + DAY);
    }
    send(&store, "hq", &form("support_conference_begin", "alone", MARCH, ""), MARCH + DAY);
    let uri = "/api/statistics?from=2024-01-01&to=2025-01-01&by=representative";
    let reply = get_with(&store, uri, "text/csv", MARCH + DAY);
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
    let head = "group,sessions,ended,never_answered,waiting_median,waiting_p90,waiting_max,length_median,length_p90,\
                length_max,transfers,representatives,customer_surveys,representative_surveys,unknown_begin,\
                unknown_waiting,unknown_length,unknown_transfers";
    let line = |name: &str, representatives: u8| format!("{name},1,0,0,,,,,,,0,{representatives},0,0,0,0,0,0\r\n");
    let lines =
        ["'+x", "'-x", "'=1+1", "'@x", "\"a, \"\"b\"\"\"", "plain", "\"two\r\nlines\""].map(|name| line(name, 1));
    assert_eq!(reply.body, format!("{head}\r\n{}{}", lines.concat(), line("", 0)));
    assert!(get_with(&store, uri, "text/csv;q=0", MARCH).body.starts_with('{'));
}

/// With more sessions, a quantile is that of a sketch, off by at most 0.4 %.
#[test]
fn quantiles_of_more_sessions_are_off_by_at_most_what_is_stated() {
    use outbound_events::archive::statistics::Quantiles;
    let times: Vec<u64> = (0..60_000).map(|number: u64| number * number % 999_983).collect();
    let of = |is_exact| {
        let mut quantiles = Quantiles::new(is_exact);
        times.iter().for_each(|time| quantiles.add(*time));
        quantiles.quantiles().unwrap()
    };
    let (exact, sketch) = (of(true), of(false));
    let mut later = Quantiles::new(true);
    times.iter().for_each(|time| later.add(*time));
    later.sketch();
    assert_eq!(later.quantiles().unwrap(), sketch);
    assert_eq!(exact.max, sketch.max);
    for (exact, sketch) in [(exact.median, sketch.median), (exact.p90, sketch.p90)] {
        assert!(exact.abs_diff(sketch) * 256 <= exact, "{exact} {sketch}");
    }
    assert_eq!(MOST_EXACT, 100_000);
}
