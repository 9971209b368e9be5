//! The guide's email macros: its table, cell by cell, and rendering.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use appliance::macros::{
    EmailEvent, EmailField, EmailTemplate, Macro, MacroValues, Position, TemplateFault, check, render,
};
use outbound_events::event::EventName;
use proptest::collection::vec;
use proptest::prelude::*;

use EmailEvent::{CustomerExitSurvey as C, RepSurvey as R, SessionEnd as E};
use EmailField::{Body as B, Subject as S};

/// The guide, "Email Recipients": each macro, its events, its fields.
const GUIDE: [(&str, &[EmailEvent], &[EmailField]); 18] = [
    ("%SESSION.CUSTOM.EXTERNAL_KEY%", &[E, C, R], &[S, B]),
    ("%LSID%", &[E, C, R], &[S, B]),
    ("%LSEQ%", &[E, C, R], &[S, B]),
    ("%CUSTOMER_NAME%", &[E], &[S, B]),
    ("%CUSTOMER_COMPUTER-NAME%", &[E], &[S, B]),
    ("%PRIMARY_REP_PRIVATE_DISPLAY_NAME%", &[E], &[S, B]),
    ("%PRIMARY_REP_PUBLIC_DISPLAY_NAME%", &[E], &[S, B]),
    ("%PRIMARY_REP_USER_NAME%", &[E], &[S, B]),
    ("%START_TIME%", &[E], &[S, B]),
    ("%END_TIME%", &[E], &[S, B]),
    ("%SESSION_SUMMARY%", &[E], &[B]),
    ("%SESSION_NOTES%", &[E], &[B]),
    ("%SESSION_CHAT%", &[E], &[B]),
    ("%SYSTEM_INFORMATION%", &[E], &[B]),
    ("%SCREEN_SHARING_RECORDING%", &[E], &[B]),
    ("%COMMAND_SHELL_RECORDING%", &[E], &[B]),
    ("%CUSTOMER_EXIT_SURVEY%", &[C], &[B]),
    ("%REPRESENTATIVE_EXIT_SURVEY%", &[R], &[B]),
];

fn known(written: &str) -> Macro {
    Macro::ALL.into_iter().find(|known| known.to_string() == written).unwrap()
}

/// Each macro's name as its value, and no external key.
struct MacroNames;

impl MacroValues for MacroNames {
    fn value(&self, of_macro: Macro) -> Option<Cow<'_, str>> {
        (of_macro != Macro::ExternalKey).then(|| format!("<{}>", of_macro.entry().name.to_lowercase()).into())
    }
}

fn rendered(template: &str) -> String {
    render(&EmailTemplate::parse(template), &MacroNames)
}

fn faults(template: &str, event: EmailEvent, field: EmailField) -> Vec<(usize, usize, TemplateFault)> {
    let findings = check(&EmailTemplate::parse(template), event, field);
    findings.into_iter().map(|finding| (finding.at.line, finding.at.column, finding.fault)).collect()
}

#[test]
fn the_catalogue_equals_the_guides_table() {
    assert_eq!(Macro::ALL.map(|known| known.to_string()), GUIDE.map(|(name, ..)| name));
    for (name, events, fields) in GUIDE {
        for event in EmailEvent::ALL {
            for field in [S, B] {
                let found = known(name);
                let mut expected = Vec::new();
                if !events.contains(&event) {
                    expected.push((1, 1, TemplateFault::NotForEvent { found, event }));
                }
                if !fields.contains(&field) {
                    expected.push((1, 1, TemplateFault::BodyOnly(found)));
                }
                assert_eq!(faults(name, event, field), expected, "{name} for {event} in the {field:?}");
            }
        }
        assert!(!known(name).entry().purpose.is_empty());
    }
}

#[test]
fn three_events_send_emails_and_four_do_not() {
    let sending: Vec<_> =
        EventName::GUIDE.into_iter().filter(|event| EmailEvent::from_event_name(event).is_some()).collect();
    assert_eq!(
        sending.iter().map(EventName::as_str).collect::<Vec<_>>(),
        [
            "support_conference_end",
            "support_conference_customer_exit_survey_completed",
            "support_conference_rep_exit_survey_completed"
        ]
    );
    assert_eq!(
        EmailEvent::ALL.map(|event| event.to_string()),
        ["Support Session End", "Customer Exit Survey is Completed", "Representative Survey is Completed"]
    );
}

#[test]
fn macros_become_their_values_and_other_text_is_unchanged() {
    for known in Macro::ALL.into_iter().filter(|known| *known != Macro::ExternalKey) {
        assert_eq!(rendered(&format!("a {known}b")), format!("a <{}>b", known.entry().name.to_lowercase()));
    }
    for (template, expected) in [
        ("", ""),
        ("[%SESSION.CUSTOM.EXTERNAL_KEY%]", "[]"),
        ("%LSID%%LSEQ%", "<lsid><lseq>"),
        ("100%LSID%", "100<lsid>"),
        ("100% of %LSID%, 5 %", "100% of <lsid>, 5 %"),
        ("%%LSID%%", "%<lsid>%"),
        ("%lsid% %LSDI% %LSID", "%lsid% %LSDI% %LSID"),
        ("%LSDI%LSID%", "%LSDI<lsid>"),
        ("%LSID-%", "%LSID-%"),
        ("  \r\n\tzoë %\u{1F600}%\n%", "  \r\n\tzoë %\u{1F600}%\n%"),
    ] {
        assert_eq!(rendered(template), expected, "{template:?}");
    }
}

#[test]
fn a_value_is_never_parsed_as_a_template() {
    struct Hostile;
    impl MacroValues for Hostile {
        fn value(&self, _: Macro) -> Option<Cow<'_, str>> {
            Some("%LSEQ%".into())
        }
    }
    assert_eq!(render(&EmailTemplate::parse("%LSID%LSEQ%"), &Hostile), "%LSEQ%LSEQ%");
}

#[test]
fn unknown_macros_are_reported_with_the_nearest_known_one() {
    for (written, nearest) in [
        ("%LSDI%", "%LSID%"),
        ("%lsid%", "%LSID%"),
        ("%Isid%", "%LSID%"),
        ("%LSEC%", "%LSEQ%"),
        ("%EXTERNAL_KEY%", "%SESSION.CUSTOM.EXTERNAL_KEY%"),
        ("%SESSION.EXTERNAL_KEY%", "%SESSION.CUSTOM.EXTERNAL_KEY%"),
        ("%CUSTOMER_COMPUTER_NAME%", "%CUSTOMER_COMPUTER-NAME%"),
        ("%SURVEY%", "%CUSTOMER_EXIT_SURVEY%"),
        ("%PRIMARY_REP_USERNAME%", "%PRIMARY_REP_USER_NAME%"),
    ] {
        let fault = TemplateFault::Unknown { written: written.to_owned(), nearest: known(nearest) };
        assert_eq!(faults(written, E, B), [(1, 1, fault)], "{written}");
    }
}

#[test]
fn findings_have_line_and_column() {
    let body_only = TemplateFault::BodyOnly(Macro::SessionChat);
    let unknown = |written: &str| TemplateFault::Unknown { written: written.to_owned(), nearest: Macro::Lsid };
    assert_eq!(faults("%SESSION_CHAT% %LSDI%", E, S), [(1, 1, body_only), (1, 16, unknown("%LSDI%"))]);
    // Columns count characters. A line ends with its line feed.
    let template = "zoë %LSDI%\r\n\n\u{1F600}%LSID: %LSDI%LSID% %CUSTOMER_NAME%";
    assert_eq!(
        faults(template, C, B),
        [
            (1, 5, unknown("%LSDI%")),
            (3, 2, TemplateFault::Unclosed(Macro::Lsid)),
            (3, 9, unknown("%LSDI")),
            (3, 21, TemplateFault::NotForEvent { found: Macro::CustomerName, event: C }),
        ]
    );
    assert_eq!(faults("%LSID% onë\r\ntwo", E, S), [(1, 11, TemplateFault::LineBreak)]);
    assert_eq!(faults("one\ntwo", E, B), []);
}

#[test]
fn findings_say_what_to_change() {
    let messages = |template: &str, event, field| {
        let findings = check(&EmailTemplate::parse(template), event, field);
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        messages("%SESSION_CHAT% %LSDI%", R, S),
        [
            "line 1, column 1: %SESSION_CHAT% is not available for \"Representative Survey is Completed\", only for \"Support Session End\"",
            "line 1, column 1: %SESSION_CHAT% works in the body only, not in the subject",
            "line 1, column 16: %LSDI% is not a macro; the nearest is %LSID%",
        ]
    );
    assert_eq!(messages("%LSID ", E, B), ["line 1, column 1: %LSID lacks the % at its end; write %LSID%"]);
    assert_eq!(Position { line: 2, column: 3 }.to_string(), "line 2, column 3");
}

/// Each macro as its own value.
struct Themselves;

impl MacroValues for Themselves {
    fn value(&self, of_macro: Macro) -> Option<Cow<'_, str>> {
        Some(of_macro.to_string().into())
    }
}

proptest! {
    // The same templates in every run, so that a failure can be reproduced.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: "20231114".parse().unwrap(),
        ..ProptestConfig::with_cases(2_000)
    })]

    #[test]
    fn macros_that_stand_for_themselves_leave_a_template_unchanged(
        parts in vec(prop_oneof![
            "[%A-Z_.a-z\r\n -]{0,8}",
            (0..18_usize).prop_map(|i| Macro::ALL[i].to_string()),
            (0..18_usize).prop_map(|i| Macro::ALL[i].entry().name.to_owned()),
        ], 0..12),
    ) {
        let template = parts.concat();
        prop_assert_eq!(render(&EmailTemplate::parse(&template), &Themselves), template);
    }
}
