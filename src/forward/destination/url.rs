//! The URL that requests go to.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

use crate::forward::template;

/// Where requests go. Its path and query are never shown: they may be all that one needs to write there.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    origin: String,
    /// For a template, one of its own.
    pub(in crate::forward) path: String,
}

impl Url {
    /// Reads `https://host[:port]/path?query`, or `http://` and a loopback address. `templated`: the path and the query may have
    /// placeholders.
    pub fn parse(text: &str, templated: bool) -> Result<Self, &'static str> {
        const RULE: &str = "is neither an https URL nor an http one of a loopback address";
        let (scheme, rest) = text.split_once("://").ok_or(RULE)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(RULE)?;
        let uri: Uri = format!("{scheme}://{authority}/").parse().map_err(|_| RULE)?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(RULE)?;
        if authority.contains('@') {
            return Err("has a user or a password in it; use headers instead");
        }
        if !(uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_loopback(host))) {
            return Err(RULE);
        }
        if path.contains('#') {
            return Err("has a fragment, which is never sent");
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if templated && path.contains("{{") {
            template::check_path(&path).map_err(|_| "has a placeholder that is none")?;
        } else {
            path.parse::<http::uri::PathAndQuery>().map_err(|_| "has a path or a query that is none")?;
        }
        Ok(Self { origin: format!("{}://{}", scheme.to_ascii_lowercase(), authority.to_ascii_lowercase()), path })
    }

    /// Scheme, host and port, as it is written.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.origin)
    }
}

/// Whether a host is this machine's own, by its address alone or by the name that always means it.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
