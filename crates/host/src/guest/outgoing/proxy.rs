//! The proxies of the environment: `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
//!
//! `HTTP_PROXY` applies to `http:` URLs. A destination with such a URL has a loopback address, which is never reached
//! through a proxy, so that variable has no effect here.

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::guest::outgoing::address::is_loopback;

/// The proxy for each destination. No proxy by default.
#[derive(Debug, Default)]
pub struct ProxyRules(Option<EnvironmentProxy>);

#[derive(Debug)]
struct EnvironmentProxy {
    /// The variable that names the proxy.
    variable: &'static str,
    matcher: Matcher,
    /// Why the proxy cannot be used. The matcher then has a placeholder, which is never contacted: `NO_PROXY` still
    /// applies.
    fault: Option<ProxyError>,
}

/// The proxy in the environment cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The value is not the URL of an HTTP proxy. It is not repeated, since it can contain a password.
    #[error(
        "{0} in the environment is not the URL of a proxy; set it to http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
    )]
    Url(&'static str),
    /// The proxy is a SOCKS proxy.
    #[error(
        "{0} in the environment names a SOCKS proxy, which this host does not support; set HTTPS_PROXY to an HTTP proxy"
    )]
    Socks(&'static str),
}

/// A proxy with its credentials.
#[derive(Debug)]
pub(super) struct Proxy(Intercept);

impl Proxy {
    /// Its URL, without credentials.
    pub(super) fn uri(&self) -> &Uri {
        self.0.uri()
    }

    /// The value of `Proxy-Authorization`.
    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.0.basic_auth()
    }
}

impl ProxyRules {
    /// The rules in the environment of this process. A fault is reported only if a destination needs the proxy.
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads the variables. Upper case names override lower case names; empty variables count as unset.
    pub(super) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &'static str| Some((name, variable(name).filter(|value| !value.trim().is_empty())?));
        let first = |names: &[&'static str]| names.iter().find_map(|name| set(name));
        let Some((variable, proxy)) = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) else {
            return Self::default();
        };
        let fault = fault(variable, proxy.trim());
        let proxy = if fault.is_none() { proxy.trim() } else { "http://unusable.invalid" };
        let exceptions = first(&["NO_PROXY", "no_proxy"]).map(|(_, value)| value).unwrap_or_default();
        let matcher = Matcher::builder().https(proxy).no(exceptions).build();
        Self(Some(EnvironmentProxy { variable, matcher, fault }))
    }

    /// The proxy for requests to a URL, if any.
    pub(super) fn proxy_of(&self, uri: &Uri) -> Result<Option<Proxy>, ProxyError> {
        let Some(rules) = self.0.as_ref().filter(|_| uri.host().is_some_and(|host| !is_loopback(host))) else {
            return Ok(None);
        };
        match (rules.matcher.intercept(uri), &rules.fault) {
            (Some(_), Some(fault)) => Err(fault.clone()),
            (proxy, _) => Ok(proxy.map(Proxy)),
        }
    }

    pub(super) fn variable(&self) -> Option<&'static str> {
        self.0.as_ref().map(|rules| rules.variable)
    }
}

/// Why the value of a variable cannot be used as a proxy.
fn fault(variable: &'static str, proxy: &str) -> Option<ProxyError> {
    if proxy.split_once("://").is_some_and(|(scheme, _)| scheme.to_ascii_lowercase().starts_with("socks")) {
        return Some(ProxyError::Socks(variable));
    }
    // The matcher ignores an invalid URL without an error.
    let any = Uri::from_static("https://destination.invalid/");
    Matcher::builder().https(proxy).build().intercept(&any).is_none().then_some(ProxyError::Url(variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESK: &str = "https://desk.example/in";

    fn rules(variables: &[(&str, &str)]) -> ProxyRules {
        let value =
            |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_string());
        ProxyRules::from_variables(value)
    }

    #[test]
    fn each_destination_has_the_proxy_that_the_environment_selects() {
        type EnvVariables<'v> = &'v [(&'v str, &'v str)];
        let cases: &[(EnvVariables<'_>, &str, Option<&str>)] = &[
            (&[], DESK, None),
            (&[("HTTPS_PROXY", "")], DESK, None),
            (&[("HTTPS_PROXY", "http://proxy:3128")], DESK, Some("http://proxy:3128/")),
            (&[("https_proxy", "http://proxy:3128")], DESK, Some("http://proxy:3128/")),
            (&[("HTTPS_PROXY", "proxy:3128")], DESK, Some("http://proxy:3128/")),
            (&[("HTTPS_PROXY", "http://user:p%40ss@proxy:3128")], DESK, Some("http://proxy:3128/")),
            (&[("HTTPS_PROXY", "https://proxy")], DESK, Some("https://proxy/")),
            (&[("ALL_PROXY", "http://all:1")], DESK, Some("http://all:1/")),
            (&[("all_proxy", "http://all:1")], DESK, Some("http://all:1/")),
            (&[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:1")], DESK, Some("http://a:1/")),
            (&[("HTTPS_PROXY", " "), ("https_proxy", "http://b:1")], DESK, Some("http://b:1/")),
            (&[("HTTPS_PROXY", "http://a:1"), ("ALL_PROXY", "socks5://b:1")], DESK, Some("http://a:1/")),
            (&[("HTTP_PROXY", "http://proxy:3128")], DESK, None),
            (&[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "example")], DESK, None),
            (&[("HTTPS_PROXY", "http://a:1"), ("no_proxy", "other, .desk.example")], DESK, None),
            (&[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "*")], DESK, None),
            (&[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "sk.example")], DESK, Some("http://a:1/")),
            (&[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "10.0.0.0/8")], "https://10.1.2.3/", None),
            (&[("HTTPS_PROXY", "http://a:1")], "https://10.1.2.3/", Some("http://a:1/")),
            // Loopback addresses never have one.
            (&[("ALL_PROXY", "http://a:1")], "http://127.0.0.1:9/", None),
            (&[("ALL_PROXY", "http://a:1")], "https://localhost/", None),
            (&[("ALL_PROXY", "http://a:1")], "https://[::1]:8443/", None),
        ];
        for (variables, url, expected) in cases {
            let proxy = rules(variables).proxy_of(&url.parse().unwrap()).unwrap();
            assert_eq!(proxy.map(|proxy| proxy.uri().to_string()).as_deref(), *expected, "{variables:?} {url}");
        }
        let with_password = rules(&[("HTTPS_PROXY", "http://user:p%40ss@proxy:3128")]);
        let proxy = with_password.proxy_of(&DESK.parse().unwrap()).unwrap().unwrap();
        assert_eq!(proxy.authorization().unwrap(), "Basic dXNlcjpwQHNz");
        let shown = format!("{with_password:?} {proxy:?}");
        assert!(!shown.contains("p%40ss") && !shown.contains("p@ss") && !shown.contains("dXNlcjpwQHNz"), "{shown}");
    }

    #[test]
    fn an_unusable_proxy_is_an_error_that_names_the_variable_without_its_value() {
        for (name, value, expected) in [
            ("HTTPS_PROXY", "socks5://user:secret@proxy:1080", ProxyError::Socks("HTTPS_PROXY")),
            ("ALL_PROXY", "SOCKS5H://proxy:1080", ProxyError::Socks("ALL_PROXY")),
            ("https_proxy", "ftp://user:secret@proxy", ProxyError::Url("https_proxy")),
            ("HTTPS_PROXY", "http://user:sec ret@proxy", ProxyError::Url("HTTPS_PROXY")),
            ("HTTPS_PROXY", "/secret", ProxyError::Url("HTTPS_PROXY")),
        ] {
            let rules = rules(&[(name, value), ("NO_PROXY", "direct.example")]);
            let error = rules.proxy_of(&DESK.parse().unwrap()).unwrap_err();
            assert_eq!(error, expected, "{value}");
            assert!(error.to_string().starts_with(name) && !error.to_string().contains("sec"), "{error}");
            for direct in ["https://direct.example/", "http://127.0.0.1:9/"] {
                assert!(rules.proxy_of(&direct.parse().unwrap()).unwrap().is_none(), "{value}");
            }
        }
    }
}
