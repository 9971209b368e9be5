use appliance::api::{ApiOptions, ApplianceApi, MOST_TOKENS};

use super::client::{StillApi, basic, over_socket, request};

const GRANT: Option<&str> = Some("grant_type=client_credentials");
const LISTING: &str = "generate_report=SupportSessionListing&end_time=0&duration=0";

#[test]
fn a_token_reads_reports_until_it_expires() {
    let api = StillApi::new(ApiOptions::default());
    api.add_ended("one", 60);
    let token = api.token();
    for (wait, status) in [(0, 200), (3_599, 200), (1, 401)] {
        api.wait(wait);
        assert_eq!(api.report_with(&token, LISTING).status, status, "{wait}");
    }
    assert_eq!(api.report(LISTING).lsids(), ["one"]);
}

#[test]
fn the_lifetime_of_a_token_can_be_set() {
    let lifetime = std::time::Duration::from_secs(2);
    let api = StillApi::new(ApiOptions { token_lifetime: lifetime, ..ApiOptions::default() });
    let credentials = basic(ApiOptions::CLIENT_ID, ApiOptions::CLIENT_SECRET);
    let answer = api.answer(&request("/oauth2/token", &[&credentials], GRANT));
    assert_eq!((answer.json("token_type"), answer.json("expires_in")), ("Bearer".into(), 2.into()));
    let token = answer.json("access_token").as_str().unwrap().to_owned();
    assert_eq!(api.report_with(&token, LISTING).status, 200);
    api.wait(2);
    assert_eq!(api.report_with(&token, LISTING).status, 401);
}

#[test]
fn thirty_tokens_are_valid_and_one_more_invalidates_the_oldest() {
    let api = StillApi::new(ApiOptions::default());
    let tokens: Vec<_> = (0..MOST_TOKENS + 2).map(|_| api.token()).collect();
    let valid: Vec<_> = tokens.iter().map(|token| api.report_with(token, LISTING).status == 200).collect();
    assert_eq!(valid, [&[false; 2][..], &[true; MOST_TOKENS]].concat());
    api.api.revoke_tokens();
    assert_eq!(api.report_with(&tokens[10], LISTING).status, 401);
}

#[test]
fn wrong_credentials_and_grants_get_no_token() {
    let api = StillApi::new(ApiOptions::default());
    let good = basic(ApiOptions::CLIENT_ID, ApiOptions::CLIENT_SECRET);
    for (headers, form, status, error) in [
        (vec![], GRANT, 401, "invalid_client"),
        (vec![basic(ApiOptions::CLIENT_ID, "wrong")], GRANT, 401, "invalid_client"),
        (vec![basic("wrong", ApiOptions::CLIENT_SECRET)], GRANT, 401, "invalid_client"),
        (vec!["authorization: Basic !".to_owned()], GRANT, 401, "invalid_client"),
        (vec![good.clone()], Some(""), 400, "invalid_request"),
        (vec![good.clone()], Some("grant_type=password"), 400, "unsupported_grant_type"),
        (vec![good.clone(), "content-type: application/json".to_owned()], GRANT, 400, "invalid_request"),
    ] {
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        let answer = api.answer(&request("/oauth2/token", &headers, form));
        assert_eq!((answer.status.as_u16(), answer.json("error")), (status, error.into()), "{headers:?} {form:?}");
        assert_eq!(answer.header("www-authenticate").starts_with("Basic"), status == 401);
    }
    let answer = api.answer(&request("/oauth2/token", &[&good], None));
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
}

#[test]
fn a_missing_or_wrong_token_is_401_with_a_challenge() {
    let api = StillApi::new(ApiOptions::default());
    for headers in [vec![], vec!["authorization: Bearer wrong"], vec!["authorization: Basic cmVjOg=="]] {
        let answer = api.answer(&request("/api/reporting", &headers, Some(LISTING)));
        assert_eq!((answer.status.as_u16(), answer.json("error")), (401, "invalid_token".into()));
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
    }
}

#[test]
fn every_answer_closes_its_connection_and_has_a_date() {
    let running = ApplianceApi::start("127.0.0.1:0".parse().unwrap(), ApiOptions::default()).unwrap();
    let credentials = basic(ApiOptions::CLIENT_ID, ApiOptions::CLIENT_SECRET);
    let granted = over_socket(running.address(), &request("/oauth2/token", &[&credentials], GRANT)).unwrap();
    let bearer = format!("authorization: Bearer {}", granted.json("access_token").as_str().unwrap());
    let ask = |headers: &[&str], target: &str| over_socket(running.address(), &request(target, headers, None)).unwrap();
    // The client reads to the end, which is there only if the server closes.
    for (answer, status) in [
        (granted, 200),
        (ask(&[&bearer], &format!("/api/reporting?{LISTING}")), 200),
        (ask(&[], "/api/reporting"), 401),
        (ask(&[], "/api/reporting.xsd"), 200),
        (ask(&[], "/elsewhere"), 404),
    ] {
        assert_eq!((answer.status.as_u16(), answer.header("connection")), (status, "close"), "{answer:?}");
        let date = chrono::DateTime::parse_from_rfc2822(answer.header("date")).unwrap();
        assert!((chrono::Utc::now() - date.to_utc()).num_seconds().abs() < 60, "{answer:?}");
    }
    let served: Vec<_> = running.served().into_iter().map(|served| served.request).collect();
    assert_eq!(served[..2], ["POST /oauth2/token", "GET /api/reporting"]);
}
