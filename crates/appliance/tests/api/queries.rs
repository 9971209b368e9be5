use appliance::api::{ApiOptions, EmulatedSession, MissingPermission, ReportNamespace};

use super::client::{NOON, StillApi, request};

/// Sessions that ended 100, 200 and 300 seconds ago, each after ten minutes, and one that began 50 seconds ago.
fn api() -> StillApi {
    let api = StillApi::new(ApiOptions::default());
    for (lsid, ago) in [("c", 300), ("b", 200), ("a", 100)] {
        api.add_ended(lsid, ago);
    }
    api.api.add(EmulatedSession { ended: None, ..EmulatedSession::example("running", NOON - 50, NOON) });
    api
}

/// The lsids of a report and of a listing with the same times.
fn found(times: &str) -> Vec<String> {
    let api = api();
    let lsids = |report: &str| {
        let root = api.report(&format!("generate_report={report}&{times}"));
        assert!(root.name != "error" || root.text.starts_with("No Support report information"), "{root:?}");
        root.lsids().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (full, listed) = (lsids("SupportSession"), lsids("SupportSessionListing"));
    assert_eq!(full, listed, "{times}");
    full
}

#[test]
fn a_time_finds_sessions_by_start_or_end_and_running_ones_by_start_only() {
    let at = |side: &str, before: u64, duration: u64| format!("{side}_time={}&duration={duration}", NOON - before);
    for (times, lsids) in [
        (at("end", 300, 0), vec!["c", "b", "a"]),
        (at("end", 299, 0), vec!["b", "a"]),
        (at("end", 300, 100), vec!["c"]),
        (at("end", 300, 101), vec!["c", "b"]),
        (at("end", 99, 0), vec![]),
        (at("start", 900, 0), vec!["c", "b", "a", "running"]),
        (at("start", 800, 0), vec!["b", "a", "running"]),
        (at("start", 800, 700), vec!["b", "a"]),
        (at("start", 50, 0), vec!["running"]),
        ("end_date=2026-11-01&duration=30".to_owned(), vec!["c", "b", "a"]),
        ("end_date=2026-11-01&duration=28".to_owned(), vec![]),
        ("start_date=2026-11-29&duration=0".to_owned(), vec!["c", "b", "a", "running"]),
    ] {
        assert_eq!(found(&times), lsids, "{times}");
    }
}

#[test]
fn sessions_are_found_by_their_ids() {
    let api = api();
    let lsids = |form: &str| {
        let root = api.report(&format!("generate_report=SupportSession&{form}"));
        root.lsids().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lsids("lsid=b"), ["b"]);
    assert_eq!(lsids("lsids=a,nobody,c"), ["a", "c"]);
    assert_eq!(lsids("lsid=nobody"), [""; 0]);
    let running = api.report("generate_report=SupportSession&lsid=running");
    assert!(running.find("session/start_time").is_some() && running.find("session/end_time").is_none());
    assert_eq!(running.text_of("session/duration"), "00:00:50");
}

#[test]
fn a_query_can_be_a_get_or_a_form_but_not_multipart() {
    let api = api();
    let bearer = format!("authorization: Bearer {}", api.token());
    let query = "/api/reporting?generate_report=SupportSession&lsid=a";
    for (target, form) in [
        (query, None),
        (query, Some("")),
        ("/api/reporting", Some("generate_report=SupportSession&lsid=a")),
        ("/api/reporting?generate_report=SupportSession", Some("lsid=a")),
    ] {
        assert_eq!(api.answer(&request(target, &[&bearer], form)).xml().lsids(), ["a"], "{target} {form:?}");
    }
    let multipart = "content-type: multipart/form-data; boundary=x";
    assert_eq!(api.answer(&request(query, &[&bearer, multipart], Some("--x--"))).status, 415);
    let json = "content-type: application/json";
    let unread =
        api.answer(&request("/api/reporting", &[&bearer, json], Some("generate_report=SupportSession&lsid=a")));
    assert_eq!(unread.xml().name, "error");
}

#[test]
fn errors_come_with_status_200_in_the_namespace_of_the_product() {
    for namespace in ReportNamespace::ALL {
        let api = StillApi::new(ApiOptions { namespace, ..ApiOptions::default() });
        for (form, text) in [
            ("", "The report type is missing or is not supported."),
            ("generate_report=SupportTeam&lsid=a", "The report type is missing or is not supported."),
            (
                "generate_report=SupportSession&lsid=a",
                "No Support report information matching your chosen criteria is available.",
            ),
            (
                "generate_report=SupportSessionListing&end_time=0&duration=0",
                "No Support report information matching your chosen criteria is available.",
            ),
            ("generate_report=SupportSession&end_time=0", "The parameter duration is missing or is not valid."),
        ] {
            let root = api.report(form);
            assert_eq!((root.name.as_str(), root.text.as_str()), ("error", text), "{form}");
            assert_eq!(root.namespace, namespace.uri());
        }
    }
}

#[test]
fn every_element_is_in_the_namespace_and_the_schema_is_of_it() {
    for namespace in ReportNamespace::ALL {
        let api = StillApi::new(ApiOptions { namespace, ..ApiOptions::default() });
        api.add_ended("one", 60);
        for form in
            ["generate_report=SupportSession&lsid=one", "generate_report=SupportSessionListing&end_time=0&duration=0"]
        {
            let mut elements = vec![api.report(form)];
            while let Some(element) = elements.pop() {
                assert_eq!(element.namespace, namespace.uri(), "{element:?}");
                elements.extend(element.children);
            }
        }
        let schema = api.answer(&request("/api/reporting.xsd", &[], None)).xml();
        assert_eq!(schema.attribute("targetNamespace"), Some(namespace.uri()));
        assert_eq!(schema.namespace, "http://www.w3.org/2001/XMLSchema");
    }
}

#[test]
fn a_listing_has_ids_keys_and_recordings_but_no_times() {
    for namespace in ReportNamespace::ALL {
        let api = StillApi::new(ApiOptions { namespace, ..ApiOptions::default() });
        let example = EmulatedSession::example("one", NOON - 900, NOON - 60);
        let recording = Some("https://appliance.example/1".to_owned());
        api.api.add(EmulatedSession { external_key: Some("a\n\"b\" & <c>".to_owned()), recording, ..example });
        let listing = api.report("generate_report=SupportSessionListing&end_time=0&duration=0");
        let one = listing.find("session_summary").unwrap();
        let value = |name: &str| one.attribute(name).unwrap_or(one.text_of(name)).to_owned();
        assert_eq!([value("lsid"), value("external_key"), value("has_recording")], ["one", "a\n\"b\" & <c>", "1"]);
        assert_eq!(one.children.is_empty(), namespace == ReportNamespace::Pra);
    }
}

#[test]
fn an_account_without_the_permission_reads_nothing() {
    let api = api();
    let token = api.token();
    let ask = || api.report_with(&token, "generate_report=SupportSession&lsid=a");
    api.api.change_faults(|faults| faults.missing_permission = Some(MissingPermission::Error));
    let root = ask().xml();
    assert!(root.name == "error" && root.text.contains("permission"), "{root:?}");
    api.api.change_faults(|faults| faults.missing_permission = Some(MissingPermission::Forbidden));
    assert_eq!(ask().status, 403);
    api.api.change_faults(|faults| faults.missing_permission = None);
    assert_eq!(ask().xml().lsids(), ["a"]);
}
