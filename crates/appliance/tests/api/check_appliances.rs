use std::io::Write as _;
use std::net::SocketAddr;

use appliance::api::{ApiFaults, ApiOptions, ApplianceApi, EmulatedSession, MissingPermission, RunningApi};
use chrono::Utc;
use serde_json::{Value, json};

use super::support::proxy::{FaultyProxy, RequestFault};
use super::support::{SendOutput, appliance};

const HTML: RequestFault = RequestFault::Answer(
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<html>Sign in</",
);

fn serve(faults: ApiFaults) -> RunningApi {
    let options = ApiOptions { faults, ..ApiOptions::default() };
    ApplianceApi::start(SocketAddr::from(([127, 0, 0, 1], 0)), options).unwrap()
}

fn entry(site: &str, url: &str) -> Value {
    json!({ "site": site, "url": url, "client_id": ApiOptions::CLIENT_ID, "client_secret": ApiOptions::CLIENT_SECRET })
}

fn check(setting: &Value) -> SendOutput {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(setting.to_string().as_bytes()).unwrap();
    SendOutput::new(appliance().arg("check-appliances").arg(file.path()).output().unwrap())
}

#[test]
fn each_appliance_has_a_line_and_its_fault_names_what_to_change() {
    let (right, refused, forbidden) = (
        serve(ApiFaults::default()),
        serve(ApiFaults { missing_permission: Some(MissingPermission::Error), ..ApiFaults::default() }),
        serve(ApiFaults { missing_permission: Some(MissingPermission::Forbidden), ..ApiFaults::default() }),
    );
    let now = Utc::now().timestamp().unsigned_abs();
    right.add(EmulatedSession::example("of-this-hour", now - 1_200, now - 600));
    right.add(EmulatedSession::example("of-the-last-day", now - 8_000, now - 7_000));
    let down = serve(ApiFaults { is_down: true, ..ApiFaults::default() });
    let late = serve(ApiFaults { clock_skew: -3_600, ..ApiFaults::default() });
    let elsewhere = serve(ApiFaults::default());
    let page = FaultyProxy::to_recipient(None);
    page.always(HTML);
    let mut wrong = entry("wrong", &elsewhere.url());
    wrong["client_secret"] = json!("XYZZY-is-wrong");
    let setting = json!([
        entry("right", &right.url()),
        wrong,
        entry("refused", &refused.url()),
        entry("forbidden", &forbidden.url()),
        entry("down", &down.url()),
        entry("nobody", "http://127.0.0.1:9"),
        entry("page", &format!("http://{}", page.address)),
        entry("late", &late.url()),
    ]);
    let checked = check(&setting);
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(1), ""), "{checked:?}");
    let lines: Vec<_> = checked.stdout.lines().collect();
    let expected = [
        ("right: ok, 1 session ended in the last hour (http://127.0.0.1:", ""),
        ("wrong: it does not accept the credentials: correct client_id and client_secret", "invalid_client"),
        ("refused: it does not allow the API account to read reports: in /login", ""),
        ("forbidden: it does not allow the API account to read reports: in /login", "permission denied"),
        ("down: it cannot be reached: no answer: ", ""),
        ("nobody: it cannot be reached: cannot connect: ", "refused"),
        ("page: it does not answer like the API of an appliance: correct url", "it answered with a page for people"),
        ("late: ok, 0 sessions ended in the last hour; its clock is ", " behind this machine's (http://127.0.0.1:"),
    ];
    assert_eq!(lines.len(), expected.len(), "{checked:?}");
    for (line, (begin, part)) in lines.iter().zip(expected) {
        assert!(line.starts_with(begin) && line.contains(part), "{begin} {part}\n{line}");
    }
    for secret in ["XYZZY", ApiOptions::CLIENT_SECRET] {
        assert!(!checked.stdout.contains(secret), "{checked:?}");
    }
    assert_eq!(check(&json!([entry("right", &right.url()), entry("late", &late.url())])).code, Some(0));
}

#[test]
fn every_fault_of_the_setting_is_listed_with_its_place_and_nothing_is_asked() {
    let api = serve(ApiFaults::default());
    let mut second = entry("h q", "http://example.com/login");
    second["client_secret"] = json!("XYZZY");
    let checked = check(&json!([entry("hq", &api.url()), second]));
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let places: Vec<_> = checked.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["appliances[1].site", "appliances[1].url", "appliances[1].client_secret"], "{checked:?}");
    assert!(!checked.stdout.contains("XYZZY"), "{checked:?}");
    assert_eq!(api.served(), []);
}

#[test]
fn a_file_that_cannot_be_read_is_another_exit_code_than_a_fault() {
    let none = check(&json!([]));
    assert_eq!(none.code, Some(0), "{none:?}");
    assert!(none.stdout.contains("has no appliances"), "{none:?}");
    let missing = SendOutput::new(appliance().args(["check-appliances", "none.json"]).output().unwrap());
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("none.json cannot be read"), "{missing:?}");
}
