//! Every event, and every rule for its variables.

use outbound_events::event::{EventKind, Member, MemberRole, OutboundEvent};
use outbound_events::parse::parse;

use crate::support::{BEGIN, seven};

/// A valid member event. A case adds or replaces a variable.
const MEMBER: [(&str, &str); 6] = [
    ("event", "support_conference_member_added"),
    ("version", "1"),
    ("timestamp", "1700000000"),
    ("lsid", "abc"),
    ("type", "customer"),
    ("name", "A"),
];

fn member_with(name: &str, value: &str) -> String {
    let mut form: Vec<_> = MEMBER.into_iter().filter(|(n, _)| *n != name).collect();
    form.push((name, value));
    serde_urlencoded::to_string(form).unwrap()
}

fn member_without(name: &str) -> String {
    let form: Vec<_> = MEMBER.into_iter().filter(|(n, _)| *n != name).collect();
    serde_urlencoded::to_string(form).unwrap()
}

/// The names of the variables at fault, `""` for the body as a whole; empty if the form is an event.
fn at_fault(form: impl AsRef<[u8]>) -> Vec<String> {
    match parse(form.as_ref()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.list().iter().map(|p| p.variable.clone().unwrap_or_default()).collect(),
    }
}

fn event(form: &str) -> OutboundEvent {
    parse(form.as_bytes()).unwrap_or_else(|problems| panic!("{form:?}: {problems}"))
}

/// The further variables, each with its values.
fn variables(event: &OutboundEvent) -> Vec<(&str, Vec<&str>)> {
    let values = event.variables().iter().map(|(name, value)| (name, value.values().iter()));
    values.map(|(name, values)| (name.as_str(), values.map(String::as_str).collect())).collect()
}

fn member(form: &str) -> Member {
    match event(form).kind().clone() {
        EventKind::MemberAdded(member) | EventKind::MemberDeparted(member) => member,
        kind => panic!("{form:?}: {kind:?}"),
    }
}

#[test]
fn each_of_the_seven_events_is_understood() {
    for (name, form) in seven() {
        let event = event(&form);
        assert_eq!(event.kind().name().as_str(), name);
        assert_eq!(event.version().as_str(), "22.1.1");
        assert_eq!(event.timestamp().seconds(), 1_700_000_000);
        assert_eq!(event.timestamp().rfc3339(), "2023-11-14T22:13:20Z");
        assert_eq!(event.lsid().unwrap().as_str(), "c69a8e10bea9428f816cfababe9815fe");
        assert_eq!(event.external_key(), Some("INC-1"));
        assert!(event.variables().is_empty(), "{name}: {:?}", event.variables());
    }
}

#[test]
fn owners_and_members_are_typed() {
    let [_, _, (_, owner), (_, added), (_, departed), ..] = seven();
    let EventKind::OwnerChanged(owner) = event(&owner).kind().clone() else { panic!("not an owner") };
    assert_eq!((owner.kind.as_str(), owner.id.as_str(), owner.name.as_str()), ("team", "5", "Troubleshooting"));
    let added = member(&added);
    assert_eq!((added.role, added.name.as_str()), (MemberRole::Representative, "John Smith"));
    assert_eq!((added.user_id.as_deref(), added.username.as_deref()), (Some("12"), Some("jsmith")));
    let departed = member(&departed);
    assert_eq!((departed.role, departed.name.as_str(), departed.user_id), (MemberRole::Customer, "Jürgen", None));
}

#[test]
fn a_value_at_fault_is_named() {
    let long = |n: usize| "x".repeat(n);
    let cases: &[(&str, String)] = &[
        ("event", String::new()),
        ("event", "Support_Conference_Begin".into()),
        ("event", "support-conference-begin".into()),
        ("event", long(65)),
        ("version", String::new()),
        ("version", long(33)),
        ("version", "1 2".into()),
        ("version", "1\0".into()),
        ("timestamp", String::new()),
        ("timestamp", "-1".into()),
        ("timestamp", "+1".into()),
        ("timestamp", " 1".into()),
        ("timestamp", "1.5".into()),
        ("timestamp", "0x10".into()),
        ("timestamp", "1e9".into()),
        ("timestamp", "253402300800".into()),
        ("timestamp", "99999999999999999999999999".into()),
        ("timestamp", "2023-11-14T22:13:20Z".into()),
        ("timestamp", "١٢٣".into()),
        ("lsid", String::new()),
        ("lsid", long(65)),
        ("lsid", "a b".into()),
        ("lsid", "a\0b".into()),
        ("lsid", "é".into()),
        // 34 slashes are 102 bytes in a key.
        ("lsid", "/".repeat(34)),
        ("external_key", "k".repeat(1025)),
        ("type", String::new()),
        ("note", long(16 * 1024 + 1)),
    ];
    for (name, value) in cases {
        assert_eq!(at_fault(member_with(name, value)), [*name], "{name}={value:?}");
    }
}

#[test]
fn a_value_at_the_edge_of_its_rule_is_taken() {
    let cases: &[(&str, String)] = &[
        ("version", "v".repeat(32)),
        ("version", "ü".repeat(32)),
        ("timestamp", "0".into()),
        ("timestamp", "253402300799".into()),
        ("lsid", "x".repeat(64)),
        // 18 dots are 54 bytes in a key; 46 letters are the rest of 100.
        ("lsid", format!("{}{}", ".".repeat(18), "x".repeat(46))),
        ("lsid", "../../..".into()),
        ("external_key", "ü".repeat(1024)),
        ("external_key", "{\"a\": [1, 2],\n\t\"b\": \"\\\"\"}".into()),
        ("name", String::new()),
        ("name", "\0\u{202e}🦀".into()),
        ("note", "x".repeat(16 * 1024)),
        ("type", "Customer".into()),
        ("type", "external_representative".into()),
        ("type", " ".into()),
        ("outbound_event_token", "in the body it is a variable like any other".into()),
    ];
    for (name, value) in cases {
        assert_eq!(at_fault(member_with(name, value)), [""; 0], "{name}={value:?}");
    }
}

#[test]
fn every_required_variable_that_is_missing_is_named_at_once() {
    for name in ["event", "version", "timestamp", "lsid", "type", "name"] {
        assert_eq!(at_fault(member_without(name)), [name]);
    }
    assert_eq!(at_fault("event=support_conference_begin&lsid=x"), ["version", "timestamp"]);
    assert_eq!(at_fault("event=support_conference_begin"), ["version", "timestamp", "lsid"]);
    let owner = "event=support_conference_owner_changed&version=1&timestamp=1&lsid=x";
    assert_eq!(at_fault(owner), ["conference_id", "conference_name"]);
    assert_eq!(at_fault("&&&&"), ["event", "version", "timestamp"]);
    assert_eq!(at_fault("{\"event\": \"support_conference_begin\"}"), ["event", "version", "timestamp"]);
}

#[test]
fn a_conference_id_is_a_kind_and_an_id() {
    let owner = |id: &str| {
        let form = [("event", "support_conference_owner_changed"), ("version", "1"), ("timestamp", "1"), ("lsid", "x")];
        let more = [("conference_id", id), ("conference_name", "")];
        serde_urlencoded::to_string(form.into_iter().chain(more).collect::<Vec<_>>()).unwrap()
    };
    for id in ["", "12", "rep", ":12", "rep:", ":"] {
        assert_eq!(at_fault(owner(id)), ["conference_id"], "{id:?}");
    }
    for (id, kind, rest) in [("rep:12", "rep", "12"), ("queue:a:b", "queue", "a:b"), ("Équipe:é", "Équipe", "é")] {
        let EventKind::OwnerChanged(conference) = event(&owner(id)).kind().clone() else { panic!("not an owner") };
        assert_eq!((conference.kind.as_str(), conference.id.as_str()), (kind, rest));
    }
}

#[test]
fn an_event_outside_the_guide_is_kept_with_all_its_variables() {
    let event = event("event=new_2027_event&version=9&timestamp=5&type=robot&conference_id=x&name=&lsid=s");
    assert!(matches!(event.kind(), EventKind::Unrecognised(name) if name.as_str() == "new_2027_event"));
    assert_eq!(event.lsid().unwrap().as_str(), "s");
    let expected = [("conference_id", vec!["x"]), ("name", vec![""]), ("type", vec!["robot"])];
    assert_eq!(variables(&event), expected);
    assert_eq!(at_fault("event=new_event&version=1&timestamp=5&lsid=a+b"), ["lsid"]);
}

#[test]
fn an_event_outside_the_guide_needs_no_lsid() {
    let without = event("event=vault_account_checked_out&version=1&timestamp=5&name=svc");
    assert_eq!(without.lsid(), None);
    for empty in ["lsid=", "lsid", "Isid=", "lsid=&isid="] {
        let form = format!("event=vault_account_checked_out&version=1&timestamp=5&{empty}&name=svc");
        assert_eq!(event(&form), without, "{form}");
    }
    assert_eq!(at_fault("event=vault_account_checked_out&version=1&timestamp=5&lsid=&Isid=x"), ["lsid"]);
    assert_eq!(at_fault("event=support_conference_begin&version=1&timestamp=5&lsid="), ["lsid"]);
}

#[test]
fn any_word_is_a_members_role_and_is_kept_unchanged() {
    for word in ["external_representative", "Representative", "CUSTOMER", "guest user", "Gast ü"] {
        let member = member(&member_with("type", word));
        assert!(matches!(member.role, MemberRole::Other(_)), "{word}");
        assert_eq!(member.role.as_str(), word);
    }
}

#[test]
fn display_name_is_read_where_name_is_absent() {
    let unnamed = member_without("name");
    let displayed = event(&format!("{unnamed}&display_name=Jane+Doe&appliance_id=hq"));
    assert_eq!(displayed, event(&format!("{unnamed}&name=Jane+Doe&appliance_id=hq")));
    assert_eq!(variables(&displayed), [("appliance_id", vec!["hq"])]);
    assert_eq!(member(&format!("{unnamed}&display_name=")).name, "");
    // Beside a name it is a variable like any other, and an empty name is one.
    for name in ["", "Jane"] {
        let both = event(&format!("{unnamed}&display_name=Doe&display_name=Roe&name={name}"));
        let EventKind::MemberAdded(member) = both.kind() else { panic!("{both:?}") };
        assert_eq!((member.name.as_str(), variables(&both)), (name, vec![("display_name", vec!["Doe", "Roe"])]));
    }
    assert_eq!(at_fault(format!("{unnamed}&display_name=Doe&display_name=Roe")), ["display_name"]);
    assert_eq!(at_fault(format!("{unnamed}&display_name=%")), ["display_name"]);
    assert_eq!(at_fault(format!("{unnamed}&name=%&display_name=Doe")), ["name"]);
    // Other events have no member.
    assert_eq!(variables(&event(&format!("{BEGIN}&display_name=Doe"))), [("display_name", vec!["Doe"])]);
}

#[test]
fn all_spellings_of_lsid_are_one_variable() {
    for form in ["lsid=x", "Isid=x", "isid=x", "Isid=x&lsid=x", "isid=x&Isid=x&lsid=x"] {
        let event = event(&format!("event=support_conference_end&version=1&timestamp=1&{form}"));
        assert_eq!(event.lsid().unwrap().as_str(), "x", "{form}");
        assert!(event.variables().is_empty(), "{form}");
    }
    for form in ["lsid=x&lsid=y", "Isid=x&lsid=y", "isid=y&Isid=x"] {
        assert_eq!(at_fault(format!("event=support_conference_end&version=1&timestamp=1&{form}")), ["lsid"], "{form}");
    }
}

#[test]
fn a_custom_variable_can_have_several_values() {
    let tags = event(&format!("a=2&{BEGIN}&session.custom.tags[]=vip&a=1&session.custom.tags%5B%5D=eu&a=&a=2&b=1"));
    let expected = [("a", vec!["2", "1", ""]), ("b", vec!["1"]), ("session.custom.tags[]", vec!["vip", "eu"])];
    assert_eq!(variables(&tags), expected, "in the order in which they were sent, repeats once");
    assert_eq!(event(&format!("{BEGIN}&a=1&version=1&a=1")), event(&format!("{BEGIN}&a=1")));
    assert_eq!(at_fault(format!("{BEGIN}&a=1&a=%")), ["a"]);
}

#[test]
fn a_variable_of_the_guide_has_one_value() {
    for (name, value) in [("event", "support_conference_end"), ("version", "2"), ("timestamp", "2"), ("lsid", "x")] {
        assert_eq!(at_fault(format!("{BEGIN}&{name}={value}")), [name]);
        assert_eq!(at_fault(format!("{name}={value}&{BEGIN}")), [name]);
    }
    assert_eq!(at_fault(format!("{BEGIN}&external_key=a&external_key=")), ["external_key"]);
    let member = member_with("user_id", "1");
    for name in ["type", "name", "user_id"] {
        assert_eq!(at_fault(format!("{member}&{name}=x&{name}=y")), [name]);
    }
    assert_eq!(at_fault(format!("{member}&username=x&username=y")), ["username"]);
    let owner = "event=support_conference_owner_changed&version=1&timestamp=1&lsid=x";
    let [a, b] = ["a", "b"].map(|one| format!("&conference_id=team:{one}&conference_name={one}"));
    assert_eq!(at_fault(format!("{owner}{a}{b}")), ["conference_id", "conference_name"]);
    // An event that does not have the variable has it as one of its own.
    let expected = [("name", vec!["a", "b"]), ("type", vec!["c", "d"])];
    assert_eq!(variables(&event(&format!("{BEGIN}&name=a&type=c&name=b&type=d"))), expected);
}

#[test]
fn a_line_end_behind_the_body_is_not_part_of_it() {
    let form = format!("{BEGIN}&x=a%0D%0A");
    for end in ["\n", "\r\n", "\r", "\r\n\r\n", "\n\n"] {
        let event = event(&format!("{form}{end}"));
        assert_eq!(variables(&event), [("x", vec!["a\r\n"])], "{end:?}");
    }
    // Elsewhere it is.
    let event = event(&format!("{BEGIN}&x=a\r\n&y=\nb "));
    assert_eq!(variables(&event), [("x", vec!["a\r\n"]), ("y", vec!["\nb "])]);
    assert_eq!(at_fault("\r\n"), ["event", "version", "timestamp"]);
}

#[test]
fn an_empty_external_key_is_none() {
    assert_eq!(event(&format!("{BEGIN}&external_key=")), event(BEGIN));
    assert_eq!(event(BEGIN).external_key(), None);
}

#[test]
fn text_is_kept_byte_for_byte() {
    let cases = [
        ("a+b", "a b"),
        ("a%20b", "a b"),
        ("a%2Bb", "a+b"),
        ("%2520", "%20"),
        ("a=b=c", "a=b=c"),
        ("", ""),
        ("++x++", "  x  "),
        ("%00%0D%0A", "\0\r\n"),
        ("%E2%82%ac", "€"),
        ("€", "€"),
        ("%EF%BF%BD", "\u{fffd}"),
        ("A;b", "A;b"),
    ];
    for (encoded, decoded) in cases {
        let event = event(&format!("{BEGIN}&x={encoded}"));
        assert_eq!(variables(&event), [("x", vec![decoded])], "{encoded}");
    }
    assert_eq!(event(&format!("{BEGIN}&bare&=nameless")).variables().len(), 2);
}

#[test]
fn a_pair_that_cannot_be_decoded_without_loss_is_a_problem() {
    for broken in ["%", "%4", "%zz", "a%", "%%41", "%4 1", "%F", "%C3", "%C3%28", "%ff", "%ED%A0%80"] {
        assert_eq!(at_fault(format!("{BEGIN}&x={broken}")), ["x"], "{broken}");
        assert_eq!(at_fault(format!("{BEGIN}&{broken}=x")), [""], "{broken}");
    }
    assert_eq!(at_fault([BEGIN.as_bytes(), b"&x=\xff\xfe"].concat()), ["x"]);
    // One that cannot be decoded is not missing as well.
    assert_eq!(at_fault("event=support_conference_begin&version=%&timestamp=1&lsid=x"), ["version"]);
}

#[test]
fn too_many_variables_are_one_problem() {
    let many = |n: usize| (0..n).map(|i| format!("&v{i}=%")).collect::<String>();
    assert_eq!(at_fault(format!("{BEGIN}{}", many(10_000))), [""]);
    assert_eq!(at_fault(format!("{BEGIN}{}", many(252))).len(), 252);
    let good = |n: usize| (0..n).map(|i| format!("&v{i}=")).collect::<String>();
    assert_eq!(at_fault(format!("{BEGIN}{}", good(252))), [""; 0]);
    assert_eq!(at_fault(format!("{BEGIN}{}", good(253))), [""]);
    let several = |n: usize| (0..n).map(|i| format!("&a={i}")).collect::<String>();
    assert_eq!(at_fault(format!("{BEGIN}{}", several(252))), [""; 0]);
    assert_eq!(at_fault(format!("{BEGIN}{}", several(253))), [""], "each value counts");
    assert_eq!(at_fault(format!("{BEGIN}{}", "&a=1".repeat(1_000))), [""; 0], "a repeat does not count");
    assert_eq!(at_fault("%=&".repeat(1_000)), [""]);
    assert_eq!(at_fault(format!("{BEGIN}{}", "&a=%".repeat(1_000))), ["a"]);
    assert_eq!(at_fault(format!("{BEGIN}{}", "&".repeat(1_000_000))), [""; 0]);
}

#[test]
fn a_problem_repeats_no_value_and_no_long_name() {
    let secret = "hunter2".repeat(40);
    let form = format!("event={secret}&version={secret}&timestamp={secret}&lsid={secret}&{secret}=1&{secret}=%");
    let problems = parse(form.as_bytes()).unwrap_err();
    assert_eq!(problems.list().len(), 5);
    for problem in problems.list() {
        assert!(!problem.reason.contains("hunter2"), "{problem}");
        assert!(problem.variable.iter().all(|name| name.chars().count() <= 64), "{problem}");
    }
}
