//! Other readers of a settings file: systemd, docker and podman themselves, and their rules.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Names and values.
pub type EnvironmentVariables = BTreeMap<String, String>;

/// Whether systemd reads a value from a file. No command prints the values of `EnvironmentFile=`. But systemd reads
/// `/etc/os-release` with the same parser, another file can replace it, and a condition compares one of its values.
pub fn systemd_finds(file: &Path, name: &str, value: &str) -> bool {
    // One word for a parser that knows quotes and expands `%`.
    let word = format!("{name}={value}").replace('\'', "'\"'\"'").replace('%', "%%");
    let condition = format!("ConditionOSRelease='{word}'");
    let mut command = Command::new("systemd-analyze");
    command.args(["condition", &condition]).env("SYSTEMD_OS_RELEASE", file).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

/// The request of docker's client to a daemon. A server that answers two requests replaces the daemon.
pub fn docker(file: &Path) -> EnvironmentVariables {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let daemon = format!("tcp://{}", listener.local_addr().unwrap());
    let mut create = Command::new("docker");
    create.args(["create", "--env-file"]).arg(file).arg("image").stdout(Stdio::null()).stderr(Stdio::null());
    for name in ["DOCKER_TLS_VERIFY", "DOCKER_CONTEXT", "DOCKER_API_VERSION"] {
        create.env_remove(name);
    }
    let mut client = create.env("DOCKER_HOST", daemon).env("DOCKER_CONFIG", file.parent().unwrap()).spawn().unwrap();
    let asked = listener.incoming().find_map(|stream| container(stream.unwrap())).unwrap();
    client.kill().unwrap();
    client.wait().unwrap();
    environment(&asked["Env"])
}

/// The container that a connection requests, if any.
fn container(stream: TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    loop {
        let head: Vec<_> =
            reader.by_ref().lines().map_while(|line| line.ok().filter(|line| !line.is_empty())).collect();
        let request = head.first()?;
        let length =
            head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        if request.contains("/containers/create") {
            return Some(serde_json::from_slice(&body).unwrap());
        }
        let ready = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n";
        reader.get_mut().write_all(ready.as_bytes()).unwrap();
    }
}

/// The environment of a container that podman makes and does not start, with a temporary store.
pub fn podman(file: &Path) -> EnvironmentVariables {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = format!("[storage]\ndriver = \"vfs\"\nrunroot = {:?}\ngraphroot = {:?}\n", path("run"), path("store"));
    std::fs::write(path("storage.conf"), store).unwrap();
    std::fs::create_dir_all(path(".config/containers")).unwrap();
    let policy = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;
    std::fs::write(path(".config/containers/policy.json"), policy).unwrap();
    let podman = |arguments: &[&str]| {
        let mut command = Command::new("podman");
        command.args(["--cgroup-manager", "cgroupfs"]).args(arguments).current_dir(folder.path());
        command.env("CONTAINERS_STORAGE_CONF", path("storage.conf")).env("HOME", folder.path());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    // One file is enough for an image.
    assert!(
        Command::new("tar").args(["-cf", "image.tar", "storage.conf"]).current_dir(&folder).status().unwrap().success()
    );
    podman(&["import", "image.tar", "image"]);
    podman(&["create", "--network", "none", "--name", "one", "--env-file", file.to_str().unwrap(), "image", "/x"]);
    let output = podman(&["inspect", "one", "--format", "{{json .Config.Env}}"]);
    environment(&serde_json::from_slice(&output).unwrap())
}

/// `NAME=VALUE` of a container; podman leaves out the `=` if the value is empty.
fn environment(variables: &Value) -> EnvironmentVariables {
    let variables = variables.as_array().unwrap().iter().map(|variable| variable.as_str().unwrap());
    variables.map(|variable| variable.split_once('=').unwrap_or((variable, ""))).map(owned).collect()
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The rule of docker (`opts/file.go` of its client) and podman (`pkg/env/env.go`): leading blanks are removed, `#`
/// begins a comment, and the value is everything after the first `=`.
pub fn docker_rule(file: &str) -> EnvironmentVariables {
    // Not `str::lines`, which keeps a carriage return at the end of the last line.
    let lines = file.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).trim_start_matches([' ', '\t']));
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(owned).collect()
}

/// The rule of systemd before version 254: `parse_env_file_internal` in `src/basic/env-file.c`. There, a backslash
/// continues a comment on the next line, which is the only difference to later versions.
pub fn systemd_rule(file: &str) -> EnvironmentVariables {
    let mut variables = EnvironmentVariables::new();
    let mut rest = file.chars().peekable();
    while let Some(first) = rest.find(|c| !c.is_ascii_whitespace()) {
        if matches!(first, '#' | ';') {
            while let Some(c) = rest.next().filter(|c| !is_end(*c)) {
                if c == '\\' {
                    rest.next();
                }
            }
            continue;
        }
        let mut name = String::from(first);
        let mut has_value = first == '=';
        while !has_value && let Some(c) = rest.next().filter(|c| !is_end(*c)) {
            has_value = c == '=';
            name.push(c);
        }
        if has_value {
            let value = value(&mut rest);
            variables.insert(name.trim_end_matches('=').trim_end().to_owned(), value);
        }
    }
    variables
}

/// A value up to the end of its line, which quotes and backslashes can continue.
fn value(rest: &mut impl Iterator<Item = char>) -> String {
    let (mut value, mut quote, mut begun) = (String::new(), None, false);
    // The length without trailing blanks.
    let mut kept = 0;
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None, c) if is_end(c) => break,
            (None, '"' | '\'') if !begun => quote = Some(c),
            (None, '\\') => {
                begun = true;
                value.extend(rest.next().filter(|c| !is_end(*c)));
                kept = value.len();
            }
            (None, c) => {
                if begun || !c.is_ascii_whitespace() {
                    begun = true;
                    value.push(c);
                }
                kept = if c.is_ascii_whitespace() { kept } else { value.len() };
            }
            (Some(open), c) if c == open => {
                quote = None;
                kept = value.len();
            }
            (Some('"'), '\\') => match rest.next() {
                Some(c @ ('"' | '\\' | '`' | '$')) => value.push(c),
                Some('\n') | None => {}
                Some(c) => value.extend(['\\', c]),
            },
            (Some(_), c) => value.push(c),
        }
    }
    value.truncate(kept);
    value
}

fn is_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}
