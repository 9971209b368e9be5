//! A file of `NAME=VALUE` lines: the argument of `--env-file`. systemd (`EnvironmentFile=`), docker and podman read it
//! too.
//!
//! They read some lines differently: systemd removes quotes and interprets backslashes, docker and podman do not.
//! This parser takes a value verbatim and refuses every line that one of them would read differently. A file that the
//! host accepts therefore means the same to all of them. `docs/operate/settings.md` has the rule, and
//! `tests/env_file.rs` compares the readers.

use std::collections::BTreeSet;

/// Why a line is refused. It does not repeat the line, which can hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {reason}")]
pub struct EnvFileError {
    /// The line number, from 1.
    pub line: usize,
    /// The fault and its remedy.
    pub reason: &'static str,
}

/// The longest line that docker and podman read.
const MOST_BYTES: usize = 65_535;

/// The names and values of a file, in file order.
pub fn parse(file: &[u8]) -> Result<Vec<(&str, &str)>, EnvFileError> {
    // Some editors write a byte order mark at the start of every file.
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let (mut variables, mut names) = (Vec::new(), BTreeSet::new());
    for (line, number) in file.split(|&byte| byte == b'\n').zip(1..) {
        let refuse = |reason| EnvFileError { line: number, reason };
        let variable = variable(line.strip_suffix(b"\r").unwrap_or(line)).map_err(refuse)?;
        let Some((name, value)) = variable else { continue };
        if !names.insert(name) {
            return Err(refuse("sets a variable that an earlier line sets: remove one of the two"));
        }
        variables.push((name, value));
    }
    Ok(variables)
}

/// The variable that a line sets. `None` for a comment or a blank line.
fn variable(line: &[u8]) -> Result<Option<(&str, &str)>, &'static str> {
    if line.len() > MOST_BYTES {
        return Err("has more than 65535 bytes, the limit of docker and podman: \
                    move long destinations to a file for --destinations FILE");
    }
    let Ok(line) = str::from_utf8(line) else { return Err("is not UTF-8") };
    // systemd ends a line at a carriage return, even in a comment.
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err("has a control character: remove it");
    }
    let line = line.trim_start_matches([' ', '\t']);
    if line.starts_with('#') {
        // Before version 254, systemd continues such a comment on the next line.
        let joined = line.ends_with('\\');
        return if joined { Err("is a comment that ends with a backslash: remove the backslash") } else { Ok(None) };
    }
    if line.is_empty() {
        return Ok(None);
    }
    let (name, value) = line.split_once('=').filter(|(name, _)| is_name(name)).ok_or("is not NAME=VALUE")?;
    match wrong_with(value) {
        Some(reason) => Err(reason),
        None => Ok(Some((name, value))),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Why the readers would see different values.
fn wrong_with(value: &str) -> Option<&'static str> {
    if value.starts_with(['"', '\'']) {
        Some("has a quoted value, and docker and podman keep the quotes: remove the quotes")
    } else if value.contains('\\') {
        Some("has a backslash, which systemd interprets: move such destinations to a file for --destinations FILE")
    } else if value.starts_with(char::is_whitespace) || value.ends_with(char::is_whitespace) {
        Some("has white space before or after its value: remove it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn values_are_taken_verbatim() {
        let file = "\u{feff}# a comment\r\n\nA=1\r\n \tB=[{\"a\": \"#$x%n 'y'\"}]\nC=\nD==";
        let expected = [("A", "1"), ("B", "[{\"a\": \"#$x%n 'y'\"}]"), ("C", ""), ("D", "=")];
        assert_eq!(parse(file.as_bytes()), Ok(expected.to_vec()));
    }

    #[test]
    fn an_ambiguous_line_is_refused_by_number_without_repeating_it() {
        let long = format!("A={}", "a".repeat(65_534));
        let cases = [
            ("A=\"secret\"", "quotes"),
            ("A='secret'", "quotes"),
            ("A=\"secret", "quotes"),
            ("A=a\\nsecret", "backslash"),
            ("A=secret\\", "backslash"),
            ("A= secret", "white space"),
            ("A=secret ", "white space"),
            ("A=secret\t", "white space"),
            ("A=\u{a0}secret", "white space"),
            ("A=sec\rret", "control"),
            ("A=sec\0ret", "control"),
            ("# sec\rret", "control"),
            ("#secret\\", "comment"),
            ("#secret\\\r", "comment"),
            ("secret", "NAME=VALUE"),
            ("=secret", "NAME=VALUE"),
            ("A =secret", "NAME=VALUE"),
            ("export A=secret", "NAME=VALUE"),
            (";A=secret", "NAME=VALUE"),
            ("B=secret", "earlier line"),
            (long.as_str(), "65535"),
        ];
        for (line, expected) in cases {
            let error = parse(format!("B=\n{line}\nC=\n").as_bytes()).unwrap_err();
            assert!(error.line == 2 && error.reason.contains(expected), "{line:?}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert_eq!(parse(b"A=\xff").unwrap_err().to_string(), "line 1 is not UTF-8");
    }
}
