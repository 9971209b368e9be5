//! The URL of a system that requests are sent to: a destination or an appliance.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::uri::PathAndQuery;

/// The URL of requests. Its path and query are never shown: for some receivers they are all that a sender needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    origin: String,
    /// Path and query. Those of a destination with the format `template` can have placeholders.
    pub(crate) path: String,
}

/// The longest URL. RFC 9110, 4.1 requires no more of a server.
const LONGEST: usize = 8_000;

impl Url {
    /// Parses `https://host[:port]/path?query`, or `http://` with a loopback address. `check_path` decides whether path
    /// and query are valid: [`check_path`], or a rule that allows placeholders.
    pub fn parse(text: &str, check_path: impl FnOnce(&str) -> Result<(), &'static str>) -> Result<Self, &'static str> {
        const RULE: &str = "is not an https URL or an http URL of a loopback address";
        if text.len() > LONGEST {
            return Err("is longer than 8,000 bytes");
        }
        let (scheme, rest) = text.split_once("://").ok_or(RULE)?;
        let (authority, path) = split_authority(rest);
        if authority.contains('@') {
            return Err("has a user or a password; give credentials in their own fields");
        }
        let scheme = scheme.to_ascii_lowercase();
        let host = checked_host(authority)?;
        if !(scheme == "https" || (scheme == "http" && is_loopback(host))) || host.is_empty() {
            return Err(RULE);
        }
        if path.contains('#') {
            return Err("has a fragment, which is never sent");
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        check_path(&path)?;
        Ok(Self { origin: format!("{scheme}://{}", authority.to_ascii_lowercase()), path })
    }

    /// Scheme, host and port, in lower case.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Another URL of the same origin. `path` begins with a slash.
    pub(crate) fn with_path(&self, path: &str) -> Self {
        Self { origin: self.origin.clone(), path: path.to_owned() }
    }

    /// Whether both have one origin, with or without the scheme's default port.
    pub fn has_origin_of(&self, other: &Self) -> bool {
        without_default_port(&self.origin) == without_default_port(&other.origin)
    }

    /// The origin of the target of a reference such as a `Location` (RFC 3986, 4.2), if it is an HTTP URL.
    pub(crate) fn origin_of_reference(&self, reference: &str) -> Option<String> {
        let own_scheme = self.origin.split_once("://")?.0;
        let (scheme, authority) = match (reference.strip_prefix("//"), reference.split_once("://")) {
            (Some(rest), _) => (own_scheme.to_owned(), rest),
            (None, Some((scheme, rest))) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => {
                // A colon before the first slash would end a scheme.
                let first = reference.split(['/', '?', '#']).next().unwrap_or_default();
                return (!first.contains(':')).then(|| self.origin.clone());
            }
        };
        let (authority, _) = split_authority(authority);
        let authority = authority.rsplit('@').next()?.to_ascii_lowercase();
        if !["https", "http"].contains(&scheme.as_str()) {
            return None;
        }
        let is_host = checked_host(&authority).is_ok_and(|host| !host.is_empty());
        let named = format!("{scheme}://{authority}");
        let is_own = without_default_port(&named) == without_default_port(&self.origin);
        is_host.then(|| if is_own { self.origin.clone() } else { named })
    }

    /// How many bytes of a request's path and query match this URL: `usize::MAX` for all, or the text before a
    /// template's first placeholder. `None` if they do not match.
    pub fn matched(&self, path: &str) -> Option<usize> {
        match self.path.split_once("{{") {
            Some((prefix, _)) => path.starts_with(prefix).then_some(prefix.len()),
            None => (path == self.path).then_some(usize::MAX),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.origin)
    }
}

/// The rule for a path and a query without placeholders.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    path.parse::<PathAndQuery>().map(drop).map_err(|_| "has a path or a query that is not valid")
}

fn without_default_port(origin: &str) -> &str {
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(port).unwrap_or(origin)
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
}

/// The authority, and the rest.
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or((rest, ""))
}

/// The host of `host[:port]`, with its brackets, if both are valid. A client may ignore an invalid port and connect
/// to the default one.
fn checked_host(authority: &str) -> Result<&str, &'static str> {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket.saturating_add(1),
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at_checked(end).unwrap_or((authority, ""));
    let is_port = |port: &str| {
        port.len() <= 5
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse().is_ok_and(|port: u16| port > 0)
    };
    if !rest.is_empty() && !rest.strip_prefix(':').is_some_and(is_port) {
        return Err("has a port that is not 1 to 65535");
    }
    if host.is_empty() || is_address(host) || is_name(host) { Ok(host) } else { Err("has a host that is not valid") }
}

fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Whether it is a DNS name, possibly with a final dot, which some resolvers require. A name that ends in a number is
/// an address to some resolvers (`2130706433` and `0x7f.1` are 127.0.0.1), so it is refused.
fn is_name(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && name.split('.').all(is_label) && !is_number
}

/// Whether a host is a loopback address, or the name that always means one.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
