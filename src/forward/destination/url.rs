//! The URL that requests go to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::uri::PathAndQuery;

use crate::forward::template;

/// Where requests go. Its path and query are never shown: they may be all that one needs to write there.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    origin: String,
    /// For a template, one of its own.
    pub(in crate::forward) path: String,
}

/// The longest URL: RFC 9110, 4.1 asks for no more of a server.
const LONGEST: usize = 8_000;

impl Url {
    /// Reads `https://host[:port]/path?query`, or `http://` and a loopback address. `templated`: the path and the query may have
    /// placeholders.
    pub fn parse(text: &str, templated: bool) -> Result<Self, &'static str> {
        const RULE: &str = "is neither an https URL nor an http one of a loopback address";
        if text.len() > LONGEST {
            return Err("is longer than 8,000 bytes");
        }
        let (scheme, rest) = text.split_once("://").ok_or(RULE)?;
        let (authority, path) = split_authority(rest);
        if authority.contains('@') {
            return Err("has a user or a password in it; use headers instead");
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
            template::check_path(&path).map_err(|_| "has a placeholder that is none")?;
        } else {
            path.parse::<PathAndQuery>().map_err(|_| "has a path or a query that is none")?;
        }
        Ok(Self { origin: format!("{scheme}://{}", authority.to_ascii_lowercase()), path })
    }

    /// Scheme, host and port, as it is written.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The origin that a reference such as a `Location` leads to (RFC 3986, 4.2), if that is one of HTTP.
    pub(in crate::forward) fn origin_of_reference(&self, reference: &str) -> Option<String> {
        let own_scheme = self.origin.split_once("://")?.0;
        let (scheme, authority) = match (reference.strip_prefix("//"), reference.split_once("://")) {
            (Some(rest), _) => (own_scheme.to_owned(), rest),
            (None, Some((scheme, rest))) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => {
                // A colon before the first slash ends a scheme.
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

    /// How much of a request's path and query is this URL's, in bytes: `usize::MAX` for all of it, or what a template has before its
    /// first placeholder. `None` if they differ before that.
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

/// The authority, and what follows it.
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or((rest, ""))
}

/// The host of `host[:port]`, brackets and all, once both are known to be valid. A client may read a port that is none as none at all, and
/// send to the default one.
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

/// Whether it is a name of DNS, also with the dot at its end that some resolvers want. What ends in a number is an address to those who
/// resolve it (`2130706433` and `0x7f.1` are 127.0.0.1), so it is no name.
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

/// Whether a host is this machine's own, by its address alone or by the name that always means it.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
