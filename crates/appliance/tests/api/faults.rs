use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use appliance::api::{ApiAnswer, ApiFaults, ApiOptions, ApplianceApi, EmulatedSession};

use super::client::{NOON, StillApi, over_socket, request};

const LISTING: &str = "generate_report=SupportSessionListing&end_time=0&duration=0";

fn with_faults(faults: ApiFaults) -> StillApi {
    StillApi::new(ApiOptions { faults, ..ApiOptions::default() })
}

#[test]
fn a_session_that_has_just_ended_is_reported_as_running_until_the_lag_has_passed() {
    let api = with_faults(ApiFaults { lag: Duration::from_secs(10), ..ApiFaults::default() });
    api.add_ended("one", 0);
    let ended = || {
        let root = api.report("generate_report=SupportSession&lsid=one");
        let listed = api.report(LISTING).lsids() == ["one"];
        let started = api.report("generate_report=SupportSessionListing&start_time=0&duration=0");
        assert_eq!(started.lsids(), ["one"], "running sessions are found by their start");
        assert_eq!(listed, root.find("session/end_time").is_some());
        listed
    };
    assert!(!ended());
    api.wait(9);
    assert!(!ended());
    api.wait(1);
    assert!(ended());
    api.api.change_faults(|faults| faults.lag = Duration::from_secs(3_600));
    assert!(!ended());
}

#[test]
fn more_requests_than_the_rate_are_429_until_a_second_has_passed() {
    let api = with_faults(ApiFaults { requests_per_second: 20, ..ApiFaults::default() });
    let token = api.token();
    let statuses: Vec<_> = (0..25).map(|_| api.report_with(&token, LISTING)).collect();
    let refused: Vec<_> = statuses.iter().filter(|answer| answer.status == 429).collect();
    // The token was a request, too.
    assert_eq!(refused.len(), 6);
    assert!(refused.iter().all(|answer| answer.header("retry-after") == "1"));
    api.wait(1);
    assert_eq!(api.report_with(&token, LISTING).status, 200);
}

#[test]
fn a_wrong_clock_is_in_the_date_and_in_what_is_now() {
    for skew in [-86_400, 0, 3_600] {
        let api = with_faults(ApiFaults { clock_skew: skew, ..ApiFaults::default() });
        let now = NOON.checked_add_signed(skew).unwrap();
        // It ended a minute ago, by the wrong clock.
        api.api.add(EmulatedSession::example("one", now - 600, now - 60));
        let answer = api.report_with(
            &api.token(),
            &format!("generate_report=SupportSessionListing&end_time={}&duration=0", now - 60),
        );
        assert_eq!(answer.xml().lsids(), ["one"], "{skew}");
        let date = chrono::DateTime::parse_from_rfc2822(answer.header("date")).unwrap();
        assert_eq!(date.timestamp() as u64, now);
        // Setting the clock right hides nothing that is known.
        api.api.change_faults(|faults| faults.clock_skew = 0);
        assert_eq!(api.report("generate_report=SupportSession&lsid=one").lsids(), ["one"]);
    }
}

#[test]
fn a_listing_can_lie_and_reports_do_not() {
    let api = StillApi::new(ApiOptions::default());
    api.add_ended("one", 60);
    api.add_ended("two", 60);
    api.api.change_faults(|faults| {
        faults.unlisted = BTreeSet::from(["one".to_owned()]);
        faults.invented = BTreeSet::from(["nobody".to_owned()]);
    });
    assert_eq!(api.report(LISTING).lsids(), ["two", "nobody"]);
    assert_eq!(api.report("generate_report=SupportSession&lsids=one,two,nobody").lsids(), ["one", "two"]);
    assert!(api.api.sessions().remove("two") && !api.api.sessions().remove("two"));
    assert_eq!((api.report(LISTING).lsids(), api.api.sessions().len()), (vec!["nobody"], 1));
}

#[test]
fn an_appliance_that_is_down_answers_nothing_and_comes_back() {
    let running = ApplianceApi::start("127.0.0.1:0".parse().unwrap(), ApiOptions::default()).unwrap();
    let ask = || over_socket(running.address(), &request("/api/reporting.xsd", &[], None));
    assert!(ask().is_some());
    running.change_faults(|faults| faults.is_down = true);
    assert!(ask().is_none());
    running.change_faults(|faults| faults.is_down = false);
    assert!(ask().is_some());
    let statuses: Vec<_> =
        running.served().into_iter().map(|served| served.status.map(|status| status.as_u16())).collect();
    assert_eq!(statuses, [Some(200), None, Some(200)]);

    let api = with_faults(ApiFaults {
        downtime: Some(Duration::from_secs(30)..Duration::from_secs(60)),
        ..ApiFaults::default()
    });
    let is_down = || matches!(api.api.answer(&request("/api/reporting.xsd", &[], None)), ApiAnswer::Nothing);
    let down: Vec<_> = [0, 29, 1, 29, 1]
        .map(|wait| {
            api.wait(wait);
            is_down()
        })
        .into();
    assert_eq!(down, [false, false, true, true, false]);
}

#[test]
fn a_share_of_the_requests_fails_in_four_ways_the_same_for_a_seed() {
    let kinds = |seed: u64| {
        let api = StillApi::new(ApiOptions { seed, ..ApiOptions::default() });
        api.add_ended("one", 60);
        let token = api.token();
        api.api.change_faults(|faults| faults.fail_share = 0.3);
        let target = "/api/reporting?generate_report=SupportSession&lsid=one";
        let request = request(target, &[&format!("authorization: Bearer {token}")], None);
        let kind = |_| match api.api.answer(&request) {
            ApiAnswer::Whole(response) if response.status() == 503 => "503",
            ApiAnswer::Whole(response) if response.body().ends_with(b"</session_list>\n") => "whole",
            ApiAnswer::Whole(_) => "half of the XML",
            ApiAnswer::Cut(_) => "half of the body",
            ApiAnswer::Nothing => "nothing",
        };
        (0..1_000).map(kind).collect::<Vec<_>>()
    };
    let all = kinds(7);
    assert_eq!(all, kinds(7));
    assert_ne!(all, kinds(8));
    for (kind, expected) in
        [("whole", 700), ("503", 75), ("half of the XML", 75), ("half of the body", 75), ("nothing", 75)]
    {
        let count = all.iter().filter(|known| **known == kind).count();
        assert!(count.abs_diff(expected) < 50, "{kind}: {count}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_shorter_than_announced() {
    let options = ApiOptions { faults: ApiFaults { fail_share: 1.0, ..ApiFaults::default() }, ..ApiOptions::default() };
    let running = ApplianceApi::start("127.0.0.1:0".parse().unwrap(), options).unwrap();
    let answers: Vec<_> =
        (0..40).map(|_| over_socket(running.address(), &request("/api/reporting.xsd", &[], None))).collect();
    let length = |answer: &super::client::Answer| answer.header("content-length").parse::<usize>().unwrap();
    let is_short = |answer: &&super::client::Answer| answer.body.len() < length(answer);
    assert!(answers.iter().any(Option::is_none));
    let short: Vec<_> = answers.iter().flatten().filter(is_short).collect();
    assert!(!short.is_empty() && short.iter().all(|answer| answer.status == 200), "{short:?}");
    assert!(answers.iter().flatten().any(|answer| answer.status == 503));
}

#[test]
fn answers_can_be_slow() {
    let options = ApiOptions {
        faults: ApiFaults { delay: Duration::from_millis(300), ..ApiFaults::default() },
        ..ApiOptions::default()
    };
    let running = ApplianceApi::start("127.0.0.1:0".parse().unwrap(), options).unwrap();
    let started = Instant::now();
    assert!(over_socket(running.address(), &request("/api/reporting.xsd", &[], None)).is_some());
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[test]
fn two_apis_cannot_have_one_address() {
    let running = ApplianceApi::start("127.0.0.1:0".parse().unwrap(), ApiOptions::default()).unwrap();
    let Err(error) = ApplianceApi::start(running.address(), ApiOptions::default()) else { panic!("it started") };
    assert_eq!(error.to_string(), format!("cannot serve the API on {}", running.address()));
    let address = running.address();
    drop(running);
    assert!(ApplianceApi::start(address, ApiOptions::default()).is_ok(), "the address is free again");
}
