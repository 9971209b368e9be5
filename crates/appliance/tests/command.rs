//! Messages of the commands about bad input, before anything is sent.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use appliance::config::Config;
use support::appliance;

/// A valid recipient, in six lines.
const HTTP: &str = "[[http_recipient]]
name = \"HQ\"
url = \"http://127.0.0.1:3000/events\"
retry_interval = \"10s\"
retry_duration = \"1day\"
events = [\"Support Session Start\"]
";

/// A valid email recipient, in six lines, and its SMTP server.
const EMAIL: &str = "[[email_recipient]]
name = \"Desk\"
addresses = [\"desk@example.com\"]
events = [\"Support Session End\"]
subject = \"%LSID%\"
body = \"%SESSION_CHAT%\"
[smtp]
host = \"127.0.0.1\"
encryption = \"none\"
from = \"appliance@example.com\"
";

/// The error message of `appliance run` for a configuration, without the folder.
fn error_of(config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appliance.toml");
    std::fs::write(&path, config).unwrap();
    let output = appliance().args(["run", "--config"]).arg(&path).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{config}");
    assert!(!folder.path().join("appliance.queue.db").exists(), "{config}");
    let said = String::from_utf8(output.stderr).unwrap();
    said.replace(&format!("{}/", folder.path().display()), "").trim_end().to_owned()
}

#[test]
fn a_bad_configuration_is_refused_with_its_line_and_what_was_expected() {
    let http = |from: &str, to: &str| HTTP.replace(from, to);
    let email = |from: &str, to: &str| EMAIL.replace(from, to);
    let eleven = format!("[{}]", ["\"desk@example.com\""; 11].join(", "));
    for (config, expected) in [
        ("queue =".to_owned(), ":1: "),
        (String::new(), ": has no [[http_recipient]] and no [[email_recipient]]"),
        (
            http("retry_interval", "retry_intervall"),
            ":4: unknown field `retry_intervall`, expected one of `enabled`, `name`, `url`",
        ),
        (format!("{HTTP}[session]\n"), ":7: unknown field `session`, expected one of `queue`, `sessions`"),
        (http("name = \"HQ\"\n", ""), ":1: missing field `name`"),
        (http("\"HQ\"", "\"\""), ":2: the name is empty"),
        (format!("{HTTP}{HTTP}"), ":8: \"HQ\" is the name of two recipients of one kind; rename one"),
        (
            http("http://127", "127"),
            ":3: the url is not a valid URL: relative URL without a base; use https://host/path",
        ),
        (http("http:", "ftp:"), ":3: the url begins with ftp:; use https: or http:"),
        (http("\"10s\"", "\"0s\""), ":4: \"0s\" is not a time from 10ms to 366days, such as 30s, 10m or 1day"),
        (http("\"10s\"", "10"), ":4: invalid type: integer `10`, expected a string"),
        (
            http("Start", "Begin"),
            ":6: \"Support Session Begin\" is not an event; use one of \"Support Session Start\", \"Support",
        ),
        (format!("{HTTP}ca_certificate = \"ca.pem\"\n"), ":7: the CA certificate ca.pem cannot be read: No such file"),
        (
            http("[\"Support Session Start\"]", "[]"),
            ":6: events is empty; leave it out for all, or set enabled = false",
        ),
        (format!("{EMAIL}username = \"u\"\npassword = 90210\n"), ":12: expected text in quotes"),
        (
            email("\"%SESSION_CHAT%\"", "\"\"\"\nfine\n\n %FOO% %LSDI%\n\"\"\"")
                .replace("Session End\"", "Session End\", \"Representative Survey is Completed\""),
            ":9: line 3, column 2: %FOO% is not a macro; the nearest is %LSID%; line 3, column 8: %LSDI% is not a macro; the nearest is %LSID%",
        ),
        (email("%SESSION_CHAT%", "a\\nb %FOO%"), ":6: line 2, column 3: %FOO% is not a macro"),
        (format!("{HTTP}ca_certificate = \"appliance.toml\"\n"), ":7: appliance.toml has no CA certificate in PEM"),
        (format!("{HTTP}email_contact = \"desk@example.com\"\n"), ":7: emails need a table [smtp]"),
        (format!("{HTTP}send_email_alert_after = \"1h\"\n"), ":7: send_email_alert_after needs an email_contact"),
        (email("desk@example.com", "desk"), ":3: \"desk\" is not an email address, such as desk@example.com"),
        (email("[\"desk@example.com\"]", "[]"), ":3: there are 0 addresses; give 1 to 10"),
        (email("[\"desk@example.com\"]", &eleven), ":3: there are 11 addresses; give 1 to 10"),
        (email("\"Support Session End\"", ""), ":4: events is empty; use one of \"Support Session End\", "),
        (email("Session End", "Session Start"), ":4: \"Support Session Start\" does not send emails; use one of "),
        (email("%LSID%", "%LSDI%"), ":5: line 1, column 1: %LSDI% is not a macro; the nearest is %LSID%"),
        (
            email("%LSID%", "%SESSION_CHAT%"),
            ":5: line 1, column 1: %SESSION_CHAT% works in the body only, not in the subject",
        ),
        (
            email("%SESSION_CHAT%", "a %CUSTOMER_EXIT_SURVEY%"),
            ":6: line 1, column 3: %CUSTOMER_EXIT_SURVEY% is not available for \"Support Session End\"",
        ),
        (email("\"none\"", "\"tls\""), ":9: unknown variant `tls`, expected one of `none`, `starttls`, `implicit`"),
        (format!("{EMAIL}username = \"u\"\n"), ":11: username lacks a password; set both or neither"),
        (format!("{EMAIL}password = \"secret\"\n"), ":11: password lacks a username; set both or neither"),
        (format!("{EMAIL}ca_certificate = \"ca.pem\"\n"), ":11: the CA certificate ca.pem cannot be read"),
        (
            format!("{EMAIL}ca_certificate = \"ca.pem\"\n").replace("[smtp]", "[smtp]\nport = 70000"),
            ":8: invalid value: integer `70000`, expected u16",
        ),
        (format!("{HTTP}[sessions]\nseed = 1\nper_minute = 0.0\n"), ":9: per_minute is not a number from 0.01 to 6000"),
        (
            format!("{HTTP}[sessions]\nseed = 1\nper_minute = 6\nspeed = 0.5\n"),
            ":10: speed is not a number from 1 to 10000",
        ),
        (format!("{HTTP}[sessions]\nseed = -1\nper_minute = 6\n"), ":8: invalid value: integer `-1`, expected u64"),
    ] {
        let said = error_of(&config);
        assert!(said.starts_with(&format!("error: appliance.toml{expected}")), "{said}\n{config}");
        assert!(!said.contains("secret"), "{said}");
    }
    let output = appliance().args(["run", "--config", "nowhere.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: nowhere.toml: cannot be read: "));
}

#[test]
fn the_example_is_valid_and_names_every_setting() {
    let example = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("appliance.toml");
    let config = Config::load(&example).unwrap();
    assert_eq!((config.http.len(), config.email.len(), config.smtp.is_some()), (1, 1, true));
    // The error for an unknown setting lists the known ones of its table.
    let text = std::fs::read_to_string(&example).unwrap();
    for table in ["\n", "[sessions]\n", "[[http_recipient]]\n", "[[email_recipient]]\n", "[smtp]\n"] {
        let said = error_of(&text.replacen(table, &format!("{table}unknown = 1\n"), 1));
        for setting in said.split('`').skip(3).step_by(2) {
            let names_it = |line: &str| {
                let line = line.trim_start_matches("# ").trim_start_matches('[');
                line.strip_prefix(setting).is_some_and(|rest| rest.starts_with([' ', ']']))
            };
            assert!(text.lines().any(names_it), "{setting} is not in the example");
        }
        assert!(said.contains("unknown field `unknown`, expected one of `"), "{said}");
    }
}

#[test]
fn a_template_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body.txt");
    std::fs::write(&body, "Session %LSID% of %CUSTOMER_NAME%\n\n%SESSION_CHAT%\n100% done").unwrap();
    let check = |event: &str, subject: &str| {
        let output = appliance()
            .args(["check-template", "--event", event, "--subject", subject, "--body"])
            .arg(&body)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    assert_eq!(
        check("Support Session End", "Ended: %LSID%"),
        (Some(0), "no fault found for \"Support Session End\"\n".to_owned())
    );
    assert_eq!(
        check("Support Session End", "%SESSION_CHAT% %LSDI%"),
        (
            Some(1),
            "subject, line 1, column 1: %SESSION_CHAT% works in the body only, not in the subject\n\
             subject, line 1, column 16: %LSDI% is not a macro; the nearest is %LSID%\n"
                .to_owned()
        )
    );
    let (code, said) = check("support_conference_rep_exit_survey_completed", "x");
    let at = |position: &str| format!("{}, {position}: ", body.display());
    assert!(
        code == Some(1) && said.contains(&at("line 1, column 19")) && said.contains(&at("line 3, column 1")),
        "{said}"
    );
    let (code, said) = check("Support Session Start", "x");
    assert!(code == Some(2) && said.contains("\"Support Session Start\" does not send emails; use one of"), "{said}");
    std::fs::remove_file(&body).unwrap();
    let (code, said) = check("Support Session End", "x");
    assert!(code == Some(2) && said.contains("body.txt cannot be read: No such file"), "{said}");
}

#[test]
fn bad_recipients_are_rejected_and_no_token_is_shown() {
    for (arguments, expected) in [
        (vec!["send", "localhost:3000/events"], "begins with localhost:; use https: or http:"),
        (vec!["send", "localhost:1/?outbound_event_token=very-secret-token"], "the URL begins with localhost:"),
        (vec!["send", "http://127.0.0.1:1/", "--rate", "0"], "is not a number from 0.001 to 1000000"),
        (vec!["send", "http://127.0.0.1:1/", "--appliances", "0"], "--appliances"),
        (
            vec!["send", "http://127.0.0.1:1/", "--retry-interval", "soon"],
            "\"soon\" is not a time from 10ms to 366days",
        ),
        (vec!["replay", "nowhere.jsonl", "http://127.0.0.1:1/"], "nowhere.jsonl: nothing was sent: No such file"),
    ] {
        let output = appliance().args(&arguments).args(["--token", "very-secret-token"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?} {said}");
        assert!(said.contains(expected) && !said.contains("very-secret-token"), "{arguments:?} {said}");
    }
}
