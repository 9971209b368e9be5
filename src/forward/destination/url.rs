//! The URL of a destination.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::uri::PathAndQuery;

use crate::forward::template;

/// The URL of requests. Its path and query are never shown: for some receivers they are all that a sender needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    origin: String,
    /// Path and query. With the format `template` they can have placeholders.
    pub(in crate::forward) path: String,
}

/// The longest URL. RFC 9110, 4.1 requires no more of a server.
const LONGEST: usize = 8_000;

impl Url {
    /// Parses `https://host[:port]/path?query`, or `http://` with a loopback address. `templated`: path and query can
    /// have placeholders.
    pub fn parse(text: &str, templated: bool) -> Result<Self, &'static str> {
        const RULE: &str = "is not an https URL or an http URL of a loopback address";
        if text.len() > LONGEST {
            return Err("is longer than 8,000 bytes");
        }
        let (scheme, rest) = text.split_once("://").ok_or(RULE)?;
        let (authority, path) = split_authority(rest);
        if authority.contains('@') {
            return Err("has a user or a password; use headers instead");
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
        if templated && path.contains("{{") {
            template::check_path(&path).map_err(|_| "has a placeholder that is not valid")?;
        } else {
            path.parse::<PathAndQuery>().map_err(|_| "has a path or a query that is not valid")?;
        }
        Ok(Self { origin: format!("{scheme}://{}", authority.to_ascii_lowercase()), path })
    }

    /// Scheme, host and port, in lower case.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The origin of the target of a reference such as a `Location` (RFC 3986, 4.2), if it is an HTTP URL.
    pub(in crate::forward) fn origin_of_reference(&self, reference: &str) -> Option<String> {
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
        let default_port = match scheme.as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => return None,
        };
        let is_host = checked_host(&authority).is_ok_and(|host| !host.is_empty());
        let named = format!("{scheme}://{authority}");
        let same = |origin: &str| origin.strip_suffix(default_port).unwrap_or(origin).to_owned();
        is_host.then(|| if same(&named) == same(&self.origin) { self.origin.clone() } else { named })
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
