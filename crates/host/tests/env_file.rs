//! A file of settings for all its readers: the host (`--env-file`), systemd (`EnvironmentFile=`), docker and podman
//! (`--env-file`). Each reads the example of `docs/operate/settings.md` and files that the host accepts. If a reader is
//! not installed, its rule, copied from its source, replaces it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/readers.rs"]
mod readers;
mod support;
#[path = "support/trials.rs"]
mod trials;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::Arguments;
use outbound_events::settings::Settings;
use outbound_events_host::env_file::parse;
use readers::{EnvironmentVariables, docker, docker_rule, podman, systemd_finds, systemd_rule};
use support::{Recipient, TOKEN, numbered};
use trials::{Promise, promises, skippable};

/// Tests with the programs that they need.
type Held = (Option<&'static str>, &'static [Promise<fn()>]);

const PROMISES: [Held; 4] = [
    (
        None,
        promises![
            the_example_is_a_file_of_settings,
            the_rules_of_all_readers_agree_on_accepted_files,
            the_host_refuses_files_on_which_the_rules_differ,
            destinations_can_come_from_a_separate_file,
        ],
    ),
    (Some("systemd-analyze"), promises![systemd_reads_the_same_values]),
    (Some("docker"), promises![docker_reads_the_same_values]),
    (Some("podman"), promises![podman_reads_the_same_values]),
];

fn main() -> ExitCode {
    let runs = |program| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let trials = PROMISES.into_iter().flat_map(|(program, promises)| {
        let missing = program.filter(|program| !runs(*program)).map(|program| format!("{program} is not here"));
        promises.iter().map(move |&(name, promise)| skippable(name, missing.as_deref(), promise))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The first example of the page.
fn example() -> String {
    let page = fs::read_to_string(support::root().join("docs/operate/settings.md")).unwrap();
    let lines = page.lines().skip_while(|line| *line != "    # /etc/outbound-events/recipient.env");
    let lines: Vec<_> = lines.map_while(|line| line.strip_prefix("    ")).collect();
    lines.join("\n") + "\n"
}

/// More than the example: everything that a reader could interpret.
const ODD: &str = "\n# a comment: it's \"one\"; $HOME\n\t # another\n\
SPIN_VARIABLE_INGEST_TOKENS=a-token-of-24-characters,another-of-24-characters\n\
SPIN_VARIABLE_RETENTION_DAYS=365\n\
SPIN_VARIABLE_INVALID_EVENTS=reject\n\
  SPIN_VARIABLE_BUCKET=default\n\
SPIN_VARIABLE_READ_TOKENS=\n\
SPIN_VARIABLE_DESTINATIONS=[{\"name\": \"desk\", \"url\": \"https://desk.invalid/in?a=%41&b=$HOME\", \
\"headers\": {\"X-Note\": \"it's 100 % Zoë; #${x} no comment, 'quoted' `x` !\"}}]";

fn host(file: &str) -> EnvironmentVariables {
    let variables = parse(file.as_bytes()).unwrap();
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn settings(variables: &EnvironmentVariables) -> Settings {
    let name = |name: &str| format!("SPIN_VARIABLE_{}", name.to_ascii_uppercase());
    Settings::from_variables(|asked| Ok(variables.get(&name(asked)).cloned())).unwrap()
}

fn the_example_is_a_file_of_settings() {
    for (file, retention) in [(example(), Some(365)), (ODD.to_owned(), Some(365))] {
        let settings = settings(&host(&file));
        assert_eq!((settings.destinations.len(), settings.packing.retention_days), (1, retention), "{file}");
        assert_eq!(settings.ingest.as_str(), "guarded");
    }
}

fn the_rules_of_all_readers_agree_on_accepted_files() {
    for file in [example(), ODD.to_owned(), ODD.replace('\n', "\r\n")] {
        let expected = host(&file);
        assert_eq!(systemd_rule(&file), expected, "{file}");
        assert_eq!(docker_rule(&file), expected, "{file}");
    }
    // Combines everything that matters to a reader in every order; the files are the same in each run.
    let pieces = ["A=", "B=", "C", "=", "\"", "'", "\\", "#", ";", "$", " ", "\t", "\r", "\n", "\n", "x", "ë", "[{"];
    let mut state = 1_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut taken = 0;
    for _ in 0..200_000 {
        let file: String = (0..next(12)).map(|_| pieces[next(pieces.len())]).collect();
        let Ok(variables) = parse(file.as_bytes()) else { continue };
        let variables: EnvironmentVariables =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        assert_eq!(systemd_rule(&file), variables, "systemd: {file:?}");
        assert_eq!(docker_rule(&file), variables, "docker: {file:?}");
        taken += usize::from(!variables.is_empty());
    }
    assert!(taken > 2_000, "{taken} files had variables");
}

fn the_host_refuses_files_on_which_the_rules_differ() {
    for line in ["A=\"x\"", "A='x'", "A=[\"\\n\"]", "A=x\\", "A= x", "A=x ", "# x\\"] {
        let file = format!("{line}\nB=y\n");
        assert_ne!(systemd_rule(&file), docker_rule(&file), "{line}");
        assert_eq!(parse(file.as_bytes()).unwrap_err().line, 1, "{line}");
    }
}

/// systemd only reports whether a value is the expected one.
fn systemd_reads_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    for (number, text) in [example(), ODD.to_owned()].into_iter().enumerate() {
        let file = written(folder.path(), number, &text);
        // The condition does not distinguish an empty value from a missing one.
        for (name, value) in host(&text).into_iter().filter(|(_, value)| !value.is_empty()) {
            assert!(systemd_finds(&file, &name, &value), "{name}={value}");
            assert!(!systemd_finds(&file, &name, &format!("{value}x")), "{name}={value}");
        }
    }
    let quoted = written(folder.path(), 2, "A=\"x\"\nB=a\\b\n");
    assert!(systemd_finds(&quoted, "A", "x") && systemd_finds(&quoted, "B", "ab"), "what its rule says");
}

fn docker_reads_the_same_values() {
    assert_same_values(docker);
}

fn podman_reads_the_same_values() {
    assert_same_values(podman);
}

fn assert_same_values(read: fn(&Path) -> EnvironmentVariables) {
    let folder = tempfile::tempdir().unwrap();
    for (number, text) in [example(), ODD.to_owned()].into_iter().enumerate() {
        let read = read(&written(folder.path(), number, &text));
        for (name, value) in host(&text) {
            assert_eq!(read.get(&name), Some(&value), "{name} in {read:?}");
        }
    }
    let quoted = read(&written(folder.path(), 2, "A=\"x\"\nB=a\\b\n"));
    assert_eq!((quoted["A"].as_str(), quoted["B"].as_str()), ("\"x\"", "a\\b"), "what its rule says");
}

fn written(folder: &Path, number: usize, text: &str) -> std::path::PathBuf {
    let path = folder.join(format!("{number}.env"));
    fs::write(&path, text).unwrap();
    path
}

/// A file for `--destinations` can have backslashes and several lines. It overrides the environment, and `--variable`
/// overrides it.
fn destinations_can_come_from_a_separate_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("destinations.json");
    let template = r#"{ "method": "POST", "content_type": "application/json", "body": "{\"text\": {{ title }}}" }"#;
    let destination = r#""url": "http://127.0.0.1:9/in", "format": "template", "template""#;
    fs::write(&file, format!("[\n  {{ \"name\": \"of-the-file\", {destination}: {template} }}\n]\n")).unwrap();
    let other = |name: &str| format!("[{{\"name\": \"{name}\", \"url\": \"http://127.0.0.1:9/\"}}]");
    let read = format!("read_tokens={TOKEN}");
    for in_command in [false, true] {
        let recipient = Recipient::start_host(&["ingest_open=true", &read], |mut command| {
            command.arg("--destinations").arg(&file).env("SPIN_VARIABLE_DESTINATIONS", other("of-the-environment"));
            if in_command {
                command.arg("--variable").arg(format!("destinations={}", other("of-the-command")));
            }
            command
        });
        assert_eq!(recipient.post("/", numbered(1)).status, 200);
        let mut connection = recipient.connect();
        connection.send(format!("GET /api/destinations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"));
        let answer = connection.receive().text();
        let expected = if in_command { "of-the-command" } else { "of-the-file" };
        assert!(answer.contains(expected) && answer.matches("\"name\"").count() == 1, "{answer}");
    }
    let quoted_twice = template.replace("{{ title }}", "\\\"{{ title }}\\\"");
    let faults = [
        ("[{\"name\": \"a\"}]".to_owned(), "the setting destinations [0].url"),
        ("[".to_owned(), "is not valid JSON"),
        // Found with made-up events before anything is sent.
        (
            format!("[{{ \"name\": \"a\", {destination}: {quoted_twice} }}]"),
            "the setting destinations [0].template.body does not make valid JSON of support_conference_begin: ",
        ),
    ];
    for (text, expected) in faults {
        fs::write(&file, text).unwrap();
        let mut host = support::host();
        host.arg("serve").arg("--destinations").arg(&file);
        let says = String::from_utf8(support::to_its_end(host).stderr).unwrap();
        assert!(says.contains(expected), "{says}");
    }
}
