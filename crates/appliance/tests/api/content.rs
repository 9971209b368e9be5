use std::sync::Arc;

use appliance::agenda::AgendaTimes;
use appliance::api::{ApiOptions, EmulatedSession, ReportNamespace, ReportedDetail};
use appliance::content::{CUSTOMER_SURVEY, REPRESENTATIVE_SURVEY};
use appliance::session::SupportSession;
use outbound_events::event::{EventKind, EventName, MemberRole};
use outbound_events::parse::parse;

use super::client::{NOON, StillApi};
use super::xml::Element;

/// Fifty generated sessions that have ended, as events and as reports.
fn generated(namespace: ReportNamespace) -> Vec<(SupportSession, u64, Element)> {
    let api = StillApi::new(ApiOptions { namespace, ..ApiOptions::default() });
    let times = AgendaTimes::until(7, 50, NOON - 60);
    let occurrences: Vec<_> = (0..50).map(|number| times.occurrence(number, 0)).collect();
    occurrences.iter().for_each(|occurrence| api.api.sessions().add_generated(*occurrence));
    let listing = api.report("generate_report=SupportSessionListing&end_time=0&duration=0");
    let reports = api.report(&format!("generate_report=SupportSession&lsids={}", listing.lsids().join(",")));
    assert_eq!((listing.children.len(), reports.children.len()), (50, 50));
    let with_report = |(occurrence, report): (appliance::occurrence::SessionOccurrence, Element)| {
        (occurrence.session(), occurrence.started, report)
    };
    occurrences.into_iter().zip(reports.children).map(with_report).collect()
}

#[test]
fn a_report_agrees_with_the_events_of_its_session() {
    for (session, started, report) in generated(ReportNamespace::BeyondTrust) {
        let events: Vec<_> =
            session.steps.iter().map(|step| parse(step.form(started + step.after, true).as_bytes()).unwrap()).collect();
        let is = |path: &str, expected: &str| assert_eq!(report.text_of(path), expected, "{path} of {report:?}");
        let timestamp = |path: &str| report.find(path).and_then(|time| time.attribute("timestamp")?.parse().ok());
        assert_eq!(report.attribute("lsid"), Some(session.lsid.as_str()));
        let time_of = |kind: EventName| {
            events.iter().find(|event| event.kind().name() == kind).map(|event| event.timestamp().seconds())
        };
        assert_eq!(timestamp("start_time"), time_of(EventName::Begin));
        assert_eq!(timestamp("end_time"), time_of(EventName::End));
        is("external_key", events.last().unwrap().external_key().unwrap_or_default());
        is("lseq", &(session.number + 1).to_string());
        is("primary_customer", &session.customer);
        is("primary_rep", session.primary.as_ref().map_or("", |primary| &primary.private_name));
        is("customer_list/customer/hostname", &session.computer);
        // The people, and for how long.
        let mut members: Vec<(String, u64)> = Vec::new();
        for event in &events {
            let (member, sign) = match event.kind() {
                EventKind::MemberAdded(member) => (member, false),
                EventKind::MemberDeparted(member) => (member, true),
                _ => continue,
            };
            if member.role != MemberRole::Representative {
                continue;
            }
            let username = member.username.clone().unwrap();
            if members.iter().all(|(known, _)| *known != username) {
                members.push((username.clone(), 0));
            }
            let known = members.iter_mut().find(|(known, _)| *known == username).unwrap();
            let at = event.timestamp().seconds();
            known.1 = if sign { known.1.wrapping_add(at) } else { known.1.wrapping_sub(at) };
        }
        let reported = report.find("rep_list").unwrap().all("representative").into_iter();
        let reported = reported
            .map(|known| (known.text_of("username").to_owned(), known.text_of("seconds_involved").parse().unwrap()));
        assert_eq!(reported.collect::<Vec<(String, u64)>>(), members);
        // The owner.
        let owner = events.iter().rev().find_map(|event| match event.kind() {
            EventKind::OwnerChanged(owner) => Some(owner.name.clone()),
            _ => None,
        });
        let changes = report.find("session_details").unwrap().all("event").into_iter();
        let mut changes = changes.filter(|event| event.attribute("event_type") == Some("Conference Owner Changed"));
        assert_eq!(changes.next_back().map(|change| change.text_of("destination")), owner.as_deref());
        // Custom fields.
        let attributes = report.find("custom_attributes").unwrap().all("custom_attribute").into_iter();
        let attributes: Vec<_> =
            attributes.map(|one| (one.attribute("code_name").unwrap(), one.text.as_str())).collect();
        assert_eq!(attributes, session.steps[0].custom_fields().collect::<Vec<_>>());
        // The surveys.
        for (kind, path, answers) in [
            (EventName::CustomerExitSurveyCompleted, "cust_survey_list/cust_exit_survey", CUSTOMER_SURVEY),
            (EventName::RepExitSurveyCompleted, "rep_survey_list/rep_exit_survey", REPRESENTATIVE_SURVEY),
        ] {
            let values = report.find(path).map(|survey| survey.all("value")).unwrap_or_default().into_iter();
            let values: Vec<_> =
                values.map(|value| (value.attribute("name").unwrap(), value.attribute("value").unwrap())).collect();
            let was_completed = time_of(kind).is_some();
            assert_eq!(values, if was_completed { answers.to_vec() } else { vec![] }, "{path}");
        }
    }
}

#[test]
fn a_report_has_chat_notes_files_and_system_information() {
    for (session, started, report) in generated(ReportNamespace::BeyondTrust) {
        let details = report.find("session_details").unwrap().all("event");
        let bodies = |event_type: &str| {
            let events = details.iter().filter(|event| event.attribute("event_type") == Some(event_type));
            events.map(|event| event.text_of("body")).collect::<Vec<_>>()
        };
        let timestamps: Vec<u64> =
            details.iter().map(|event| event.attribute("timestamp").unwrap().parse().unwrap()).collect();
        assert!(timestamps.is_sorted() && timestamps[0] == started, "{timestamps:?}");
        assert_eq!(bodies("Chat Message"), session.chat().into_iter().map(|(_, text)| text).collect::<Vec<_>>());
        let has_primary = session.primary.is_some();
        assert_eq!(bodies("Session Note Added"), if has_primary { vec![session.notes()] } else { vec![] });
        let system = details.iter().find_map(|event| event.find("system_information/category/data/row"));
        let system = system.map(|row| row.all("field")).unwrap_or_default();
        let system: Vec<_> =
            system.iter().map(|field| (field.attribute("name").unwrap(), field.text.as_str())).collect();
        assert_eq!(system, if has_primary { session.system_information().to_vec() } else { vec![] });
        let files = ["file_transfer_count", "file_move_count", "file_delete_count"].map(|name| report.text_of(name));
        assert_eq!(files, session.files.map(|count| count.to_string()));
        for (event_type, count) in ["File Upload", "File Moved", "File Deleted"].into_iter().zip(session.files) {
            assert_eq!(bodies(event_type).len() as u64, if has_primary { count } else { 0 });
        }
        assert_eq!(report.find("session_recording_view_url").is_some(), has_primary);
        assert!(report.text_of("session_chat_view_url").ends_with("&dl_action=chat&view=1"));
    }
}

#[test]
fn the_old_namespace_has_the_old_place_of_what_a_customer_stated() {
    for namespace in ReportNamespace::ALL {
        let (_, _, report) = generated(namespace).remove(0);
        let path = if namespace == ReportNamespace::Bomgar { "info/company" } else { "company" };
        assert_eq!(report.text_of(&format!("customer_list/customer/{path}")), "Example GmbH & Co. KG");
    }
}

#[test]
fn a_report_grows_while_its_session_runs() {
    let api = StillApi::new(ApiOptions::default());
    let times = AgendaTimes::until(7, 1, NOON + 3_600);
    let occurrence = times.occurrence(0, 0);
    let session = occurrence.session();
    api.api.sessions().add_generated(occurrence);
    let ask = || api.report(&format!("generate_report=SupportSession&lsid={}", session.lsid));
    assert_eq!(ask().name, "error", "it has not begun");
    let until_start = (occurrence.started - NOON) as i64;
    let mut passed = 0;
    let mut events = 0;
    for step in &session.steps {
        let at = until_start + step.after as i64;
        api.wait(at - passed);
        passed = at;
        let root = ask();
        let report = root.find("session").unwrap();
        let ended = step.after >= session.ended_after();
        assert_eq!(report.find("end_time").is_some(), ended, "{step:?}");
        assert_eq!(report.find("session_chat_view_url").is_some(), ended);
        let known = report.find("session_details").unwrap().children.len();
        assert!(known >= events, "{step:?}");
        events = known;
    }
    assert!(events > session.steps.len());
}

#[test]
fn any_text_makes_well_formed_xml() {
    let hostile = "]]> <a b='c'>&amp; \"\t\n\r\0\u{1b}\u{FFFE}\u{1F600} ÿ";
    let readable = hostile.replace(['\0', '\u{1b}', '\u{FFFE}'], "\u{FFFD}");
    for namespace in ReportNamespace::ALL {
        let api = StillApi::new(ApiOptions { namespace, ..ApiOptions::default() });
        let mut session = EmulatedSession::example("one", NOON - 900, NOON - 60);
        session.external_key = Some(hostile.to_owned());
        session.custom_attributes = vec![(hostile.to_owned(), hostile.to_owned())];
        session.customers[0].name = hostile.to_owned();
        session.customer_survey = vec![(hostile.to_owned(), hostile.to_owned())];
        let detail = |body: &str| ReportedDetail {
            timestamp: NOON - 100,
            event_type: "Chat Message".to_owned(),
            body: Some(body.to_owned()),
            ..ReportedDetail::default()
        };
        session.details = vec![detail(hostile), detail("a\tb\r\nc")];
        api.api.add(session);
        let root = api.report("generate_report=SupportSession&lsid=one");
        let report = root.find("session").unwrap();
        assert_eq!(report.text_of("external_key"), readable);
        assert_eq!(report.text_of("primary_customer"), readable);
        let attribute = report.find("custom_attributes/custom_attribute").unwrap();
        assert_eq!((attribute.attribute("code_name"), attribute.text.as_str()), (Some(&*readable), &*readable));
        let answer = report.find("cust_survey_list/cust_exit_survey/value").unwrap();
        assert_eq!(answer.attribute("value"), Some(&*readable.replace('\n', "\\n")));
        // The vendor's way for a text that XML cannot hold.
        let bodies = report.find("session_details").unwrap().all("event");
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.decode(bodies[0].text_of("encoded_body")).unwrap();
        assert_eq!(encoded, hostile.as_bytes());
        assert_eq!(bodies[1].text_of("body"), "a\tb\r\nc");
        let listing = api.report("generate_report=SupportSessionListing&end_time=0&duration=0");
        assert_eq!(listing.lsids(), ["one"]);
    }
    // The register is one, whoever adds to it.
    let shared = Arc::new(appliance::api::SessionRegister::default());
    assert!(shared.is_empty() && !shared.remove("one"));
}
