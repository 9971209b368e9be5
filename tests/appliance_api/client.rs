//! Tokens, listings, statuses, faults and limits.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outbound_events::appliance_api::{ApiError, ApplianceClient};
use outbound_events::event::Timestamp;
use serde_json::{Value, json};

use super::harness::{
    DATE, DATE_SECONDS, END, NAMESPACES, NOTHING, SECRET, TOKEN, appliance, connect, error_answer, fetch, listed, lsid,
    on, refused, session, token_answer, with_everything, xml_answer,
};
use crate::support::{Rest, Says, ScriptedAnswer, Ways};

fn from() -> Timestamp {
    Timestamp::from_seconds(1_767_319_445).unwrap()
}

fn listing(lsids: &[&str]) -> String {
    let all: String = lsids
        .iter()
        .map(|lsid| format!("<session_summary lsid=\"{lsid}\"><has_recording>1</has_recording></session_summary>"))
        .collect();
    format!("<session_summary_list{}>{all}</session_summary_list>", NAMESPACES[0])
}

/// The requests: path, authorization and form.
fn requests(ways: &Ways) -> Vec<(String, String, String)> {
    let got = ways.got.borrow();
    let header = |request: &http::Request<Vec<u8>>, name: &str| request.headers()[name].to_str().unwrap().to_owned();
    got.iter()
        .map(|request| {
            assert_eq!(request.method(), "POST");
            assert_eq!(header(request, "content-type"), "application/x-www-form-urlencoded");
            assert_eq!(header(request, "content-length"), request.body().len().to_string());
            assert!(header(request, "user-agent").starts_with("outbound-events/"));
            let form = String::from_utf8(request.body().clone()).unwrap();
            (request.uri().to_string(), header(request, "authorization"), form)
        })
        .collect()
}

#[test]
fn a_token_is_fetched_once_and_shown_with_each_request() {
    let (ways, appliance) = (Ways::default(), with_everything());
    let answers =
        [token_answer(), xml_answer(listing(&["s-2", "s-1", "s-2"])), xml_answer(session(END))].map(Says::from);
    on(&ways, answers, async |platform| {
        let mut client = connect(platform, &appliance).await;
        assert_eq!(client.appliance_now().unwrap().seconds(), DATE_SECONDS);
        assert_eq!(client.list_ended(from(), 3_600).await.unwrap(), [lsid("s-1"), lsid("s-2")]);
        let fetched = client.reports(&[lsid("s"), lsid("a&b"), lsid("a,b")]).await.unwrap();
        assert_eq!(fetched.sessions[0].lsid, lsid("s"));
        assert_eq!(fetched.unreadable[0].lsid, Some(lsid("a,b")));
        assert!(client.reports(&[]).await.unwrap().sessions.is_empty());
        let shown = format!("{client:?}");
        assert!(!shown.contains(TOKEN) && !shown.contains(SECRET), "{shown}");
    });
    let basic = format!("Basic {}", STANDARD.encode(format!("the-account:{SECRET}")));
    let (bearer, api) = (format!("Bearer {TOKEN}"), "https://support.example.com/api/reporting");
    let expected = [
        ("https://support.example.com/oauth2/token", basic.as_str(), "grant_type=client_credentials"),
        (api, bearer.as_str(), "generate_report=SupportSessionListing&end_time=1767319445&duration=3600"),
        (api, bearer.as_str(), "generate_report=SupportSession&lsids=s%2Ca%26b"),
    ];
    let expected = expected.map(|(uri, header, form)| (uri.to_owned(), header.to_owned(), form.to_owned()));
    assert_eq!(requests(&ways), expected);
    assert!(ways.got.borrow().iter().all(|request| request.headers()["authorization"].is_sensitive()));
}

#[test]
fn requests_keep_a_pace_of_ten_a_second() {
    let (ways, appliance) = (Ways::default(), appliance(&json!({})));
    *ways.always.borrow_mut() = xml_answer(listing(&[])).into();
    let took = on(&ways, [token_answer()], async |platform| {
        let mut client = connect(platform, &appliance).await;
        for _ in 0..50 {
            client.list_ended(from(), 60).await.unwrap();
        }
        ways.passed.get()
    });
    assert!((Duration::from_secs(5)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

#[test]
fn listings_of_every_shape() {
    let ids =
        |answer: ScriptedAnswer| listed(answer).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
    for namespace in NAMESPACES {
        let xml = listing(&["a", "b"]).replace(NAMESPACES[0], namespace);
        assert_eq!(ids(xml_answer(xml)).unwrap(), ["a", "b"], "{namespace}");
    }
    assert_eq!(
        ids(xml_answer("<session_list><session lsid='a'><x lsid='c'/></session></session_list>")).unwrap(),
        ["a"]
    );
    assert_eq!(ids(xml_answer("<session_summary_list/>")).unwrap(), [""; 0]);
    assert_eq!(
        ids(xml_answer("<session_summary_list><s/><s lsid=''/><s lsid='a b'/></session_summary_list>")).unwrap(),
        [""; 0]
    );
    assert_eq!(ids(error_answer(NOTHING)).unwrap(), [""; 0]);
    let many: Vec<_> = (0..20_001).map(|number| format!("s{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(ids(xml_answer(listing(&many[..20_000]))).unwrap().len(), 20_000);
    assert_eq!(ids(xml_answer(listing(&many))), Err(ApiError::TooLarge));
}

#[test]
fn errors_come_with_the_status_200() {
    for (text, state, words) in [
        ("Permission denied for this API account.", "no-permission", "it said: Permission denied"),
        ("You are not authorized to run this report.", "no-permission", "/login > Management > API Configuration"),
        ("The report could not be found.", "failing", "(it said: The report could not be found.)"),
        ("No API account of this name.", "failing", "No API account"),
        ("", "failing", "it answered with an error"),
    ] {
        let error = listed(error_answer(text)).unwrap_err();
        assert!(error.state() == state && error.to_string().contains(words), "{text}: {error}");
        assert_eq!(fetch(&with_everything(), error_answer(text)).unwrap_err(), error);
    }
    let fetched = fetch(&with_everything(), error_answer(NOTHING)).unwrap();
    assert_eq!((fetched.sessions.len(), fetched.not_ready.len(), fetched.unreadable.len()), (0, 0, 0));
    let long = listed(error_answer(&"x\u{7}\n\u{202e}y ".repeat(1_000))).unwrap_err().to_string();
    assert!(
        long.chars().count() < 300 && !long.contains(|char: char| char.is_control() || char == '\u{202e}'),
        "{long}"
    );
}

#[test]
fn an_expired_token_is_replaced_once() {
    let another = json!({ "access_token": "another-token" }).to_string();
    let run = |answers: Vec<ScriptedAnswer>| {
        let (ways, appliance) = (Ways::default(), appliance(&json!({})));
        let result = on(&ways, answers, async |platform| {
            let mut client = connect(platform, &appliance).await;
            client.list_ended(from(), 60).await?;
            client.list_ended(from(), 60).await
        });
        (result, requests(&ways).into_iter().map(|(_, authorization, _)| authorization).collect::<Vec<_>>())
    };
    let token = || ScriptedAnswer::new(200).body(&another);
    let (result, shown) = run(vec![
        token_answer(),
        xml_answer(listing(&[])),
        ScriptedAnswer::new(401),
        token(),
        xml_answer(listing(&["a"])),
    ]);
    assert_eq!(result.unwrap(), [lsid("a")]);
    assert_eq!((shown[2].as_str(), shown[4].as_str()), (&*format!("Bearer {TOKEN}"), "Bearer another-token"));
    assert!(shown[3].starts_with("Basic "));
    let (result, shown) = run(vec![token_answer(), ScriptedAnswer::new(401), token(), ScriptedAnswer::new(401)]);
    assert_eq!((result.unwrap_err().state(), shown.len()), ("no-permission", 4));
    let (result, _) = run(vec![token_answer(), ScriptedAnswer::new(401), ScriptedAnswer::new(401)]);
    assert_eq!(result.unwrap_err().state(), "wrong-secret");
}

#[test]
fn a_refused_request_for_a_token_says_what_to_change() {
    let invalid = json!({ "error": "invalid_client", "error_description": "unknown client" }).to_string();
    let answer = |status: u16, body: &str| ScriptedAnswer::new(status).header("date", DATE).body(body);
    let html =
        || ScriptedAnswer::new(200).header("content-type", "text/html; charset=utf-8").body("<html>Sign in</html>");
    let cases = [
        (answer(401, &invalid), "wrong-secret", "correct client_id and client_secret"),
        (answer(400, &invalid), "wrong-secret", "unknown client"),
        (answer(401, ""), "wrong-secret", "appliances"),
        (answer(400, "{\"error\": \"unsupported_grant_type\"}"), "failing", "400 Bad Request (it said: {\"error\""),
        (answer(403, "not from this address"), "no-permission", "not from this address"),
        (answer(404, "<html>"), "not-an-appliance", "404 Not Found"),
        (answer(405, ""), "not-an-appliance", "correct url"),
        (html(), "not-an-appliance", "a page for people"),
        (answer(200, ""), "not-an-appliance", "something else"),
        (answer(200, "<html>"), "not-an-appliance", "something else"),
        (answer(200, "{}"), "not-an-appliance", "something else"),
        (answer(200, "{\"access_token\": \"\"}"), "not-an-appliance", "something else"),
        (answer(200, "{\"access_token\": \"a b\"}"), "not-an-appliance", "something else"),
        (answer(200, "{\"access_token\": \"a\\u000d\\u000aX: y\"}"), "not-an-appliance", "something else"),
        (
            answer(200, &format!("{{\"access_token\": \"{}\"}}", "x".repeat(70_000))),
            "not-an-appliance",
            "something else",
        ),
        (answer(204, ""), "failing", "204 No Content"),
        (
            answer(302, "").header("location", "https://login.example.com/?t=x"),
            "not-an-appliance",
            "redirects are not followed",
        ),
        (answer(407, ""), "unreachable", "HTTPS_PROXY"),
        (answer(500, "out of order"), "failing", "500 Internal Server Error (it said: out of order)"),
        (answer(503, ""), "failing", "503 Service Unavailable"),
        (answer(429, ""), "rate-limited", "asks for fewer requests"),
    ];
    for (answer, state, words) in cases {
        let error = refused(answer.clone());
        assert!(error.state() == state && error.to_string().contains(words), "{answer:?}: {}: {error}", error.state());
    }
    assert_eq!(refused(Says::NoConnection).to_string(), "it cannot be reached: nobody is there");
    assert_eq!(refused(Says::Hangs).to_string(), "it cannot be reached: it did not answer within 10 s");
    let silent = refused(ScriptedAnswer::new(200).body("{\"access").then(Rest::Hangs));
    assert_eq!(silent.to_string(), "it fails: its answer stopped for 10 s");
    assert_eq!(refused(ScriptedAnswer::new(200).then(Rest::NeverEnds)).state(), "not-an-appliance");
}

#[test]
fn an_untrusted_certificate_has_a_state_of_its_own() {
    for reason in [
        "no answer: its certificate is not trusted (TLS-certificate-error)",
        "invalid peer certificate: UnknownIssuer",
        "the Certificate has expired",
    ] {
        let error = refused(Says::NotSent(reason));
        assert!(error.state() == "untrusted-certificate" && error.to_string().contains(reason), "{error}");
    }
    for reason in [
        "the server asks for a client certificate, which this host cannot show",
        "received fatal alert: CertificateRequired",
    ] {
        assert_eq!(refused(Says::NotSent(reason)).to_string(), format!("it cannot be reached: {reason}"));
    }
}

#[test]
fn statuses_of_the_reporting_api() {
    let later = |status: u16, when: &str| ScriptedAnswer::new(status).header("date", DATE).header("retry-after", when);
    let cases = [
        (later(429, "7"), "rate-limited", Some(7)),
        (later(503, "7"), "rate-limited", Some(7)),
        (later(429, "0"), "rate-limited", Some(1)),
        (later(429, "9999999"), "rate-limited", Some(86_400)),
        // A date is compared to the appliance's own clock.
        (later(429, "Fri, 02 Jan 2026 03:05:30 GMT"), "rate-limited", Some(30)),
        (later(429, "soon"), "rate-limited", None),
        (later(503, "soon"), "failing", None),
        (ScriptedAnswer::new(403).body("no"), "no-permission", None),
        (ScriptedAnswer::new(404), "not-an-appliance", None),
        (ScriptedAnswer::new(302), "not-an-appliance", None),
        (ScriptedAnswer::new(500), "failing", None),
        (ScriptedAnswer::new(201).body("<session_summary_list/>"), "failing", None),
        (ScriptedAnswer::new(200).header("content-type", "text/html").body("<html/>"), "not-an-appliance", None),
        (xml_answer("<!doctype HTML><title>Sign in</title>"), "not-an-appliance", None),
        (xml_answer("\n<html><p></html>"), "not-an-appliance", None),
        (xml_answer("<html><p/></html>"), "not-an-appliance", None),
        (xml_answer("<rss/>"), "not-an-appliance", None),
        (xml_answer("{}"), "unreadable-answer", None),
        (xml_answer(""), "unreadable-answer", None),
    ];
    for (answer, state, wait) in cases {
        let error = listed(answer.clone()).unwrap_err();
        assert_eq!((error.state(), error.wait().map(|wait| wait.as_secs())), (state, wait), "{answer:?}: {error}");
    }
}

#[test]
fn an_answer_that_is_too_large_or_too_slow_is_given_up() {
    let large = xml_answer(format!("<session_list><!--{}--></session_list>", "x".repeat(16 << 20)));
    assert_eq!(listed(large).unwrap_err(), ApiError::TooLarge);
    let fits = xml_answer(format!("<session_list><!--{}--></session_list>", "x".repeat((16 << 20) - 50)));
    assert_eq!(listed(fits).unwrap(), []);
    let slow = ScriptedAnswer::new(200).body("<session_list>").then(Rest::Slow(Duration::from_secs(9)));
    assert_eq!(listed(slow).unwrap_err(), ApiError::TooLarge);
}

#[test]
fn a_missing_date_is_an_error_that_says_so() {
    let dated = |date: Option<&str>| {
        let answer = ScriptedAnswer::new(200).body(json!({ "access_token": TOKEN }).to_string());
        date.map_or(answer.clone(), |date| answer.header("date", date))
    };
    let now = |token: ScriptedAnswer, listing: ScriptedAnswer| {
        let (ways, appliance) = (Ways::default(), appliance(&json!({})));
        on(&ways, [token, listing], async |platform| {
            let mut client = connect(platform, &appliance).await;
            client.list_ended(from(), 60).await.unwrap();
            client.appliance_now().map(|now| now.seconds())
        })
    };
    let listed = |date: &str| ScriptedAnswer::new(200).header("date", date).body(listing(&[]));
    let undated = || ScriptedAnswer::new(200).body(listing(&[]));
    for date in [None, Some(""), Some("now"), Some("2026-01-02T03:05:00Z"), Some("Thu, 01 Jan 1969 00:00:00 GMT")] {
        let error = now(dated(date), undated()).unwrap_err();
        assert_eq!((error.state(), error.clone()), ("no-date", ApiError::NoDate), "{date:?}");
        assert!(error.to_string().contains("Date header"), "{error}");
    }
    assert_eq!(now(dated(Some(DATE)), undated()), Ok(DATE_SECONDS));
    assert_eq!(now(dated(None), listed(DATE)), Ok(DATE_SECONDS));
    // The last one counts, whatever it says.
    assert_eq!(now(dated(Some(DATE)), listed("Friday, 02-Jan-26 03:04:00 GMT")), Ok(DATE_SECONDS - 60));
    assert_eq!(now(dated(Some(DATE)), listed("Fri Jan  2 03:06:00 2026")), Ok(DATE_SECONDS + 60));
}

#[test]
fn no_error_repeats_a_secret() {
    let basic = STANDARD.encode(format!("the-account:{SECRET}"));
    let secrets = [SECRET, TOKEN, basic.as_str()];
    let said = secrets.join(" ");
    // Before it has a token, a client knows none to hide.
    let own = [SECRET, basic.as_str()].join(" ");
    let mut errors: Vec<(ApiError, Value)> = Vec::new();
    for status in [400, 401, 403, 404, 429, 500, 503] {
        errors.push((refused(ScriptedAnswer::new(status).body(&own)), json!(status)));
        errors.push((listed(ScriptedAnswer::new(status).body(&said)).unwrap_err(), json!(status)));
    }
    let reason: &'static str = Box::leak(format!("certificate of {own}").into_boxed_str());
    errors.push((refused(Says::NotSent(reason)), json!("certificate")));
    errors.push((listed(error_answer(&said)).unwrap_err(), json!("error")));
    errors.push((listed(error_answer(&format!("permission {said}"))).unwrap_err(), json!("permission")));
    errors.push((listed(xml_answer(format!("<{SECRET}/>"))).unwrap_err(), json!("root")));
    errors.push((refused(ScriptedAnswer::new(200).body(&own)), json!("token")));
    for (error, of) in errors {
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{of}: {shown}");
        }
    }
}

#[test]
fn a_client_that_cannot_send_says_so() {
    let appliance = appliance(&json!({}));
    let store = crate::support::Memory::default();
    let platform = crate::support::at(&store, crate::support::now());
    let error = pollster::block_on(ApplianceClient::connect(&platform, &appliance)).unwrap_err();
    assert_eq!(error.to_string(), "it cannot be reached: this platform sends no requests");
}
