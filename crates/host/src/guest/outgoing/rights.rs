//! Which requests are allowed, and which of them can go to addresses that are not public.

use std::collections::HashMap;

use http::Uri;
use outbound_events::appliance_api::{self, Appliance};
use outbound_events::forward::destination::{DeliveryMode, Destination};
use outbound_events::url::Url;

use crate::guest::outgoing::address::is_loopback;
use crate::rate_limited_log::RateLimitedLog;

/// The addresses that a request can go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    Public,
    Any,
}

/// The allowed origins.
#[derive(Debug)]
pub(super) struct Rights(HashMap<String, Origin>);

/// An origin, its destinations, the destinations that get tokens from it, and its appliance.
#[derive(Debug)]
pub(super) struct Origin {
    destinations: Vec<Destination>,
    for_tokens: Vec<Destination>,
    appliance: Option<Appliance>,
    /// The setting allows http only for loopback addresses.
    is_loopback: bool,
    /// Logs requests without an answer.
    pub(super) failures: RateLimitedLog,
}

impl Rights {
    pub(super) fn new(destinations: &[Destination], appliances: &[Appliance]) -> Self {
        let mut rights = Self(HashMap::new());
        for destination in destinations {
            if let Some(origin) = destination.origin().and_then(|origin| rights.add(origin)) {
                origin.destinations.push(destination.clone());
            }
            if let Some(origin) = destination.token_url().and_then(|url| rights.add(url.origin())) {
                origin.for_tokens.push(destination.clone());
            }
        }
        for appliance in appliances {
            if let Some(origin) = rights.add(appliance.url.origin()) {
                origin.appliance = Some(appliance.clone());
            }
        }
        rights
    }

    fn add(&mut self, url: &str) -> Option<&mut Origin> {
        let uri: Uri = url.parse().ok()?;
        let is_loopback = uri.scheme_str() == Some("http") && uri.host().is_some_and(is_loopback);
        let origin = self.0.entry(origin(&uri)?).or_insert_with(|| Origin {
            destinations: Vec::new(),
            for_tokens: Vec::new(),
            appliance: None,
            is_loopback,
            failures: RateLimitedLog::default(),
        });
        Some(origin)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The origin of a request. `None` if no destination and no appliance has it.
    pub(super) fn origin(&self, uri: &Uri) -> Option<&Origin> {
        self.0.get(&origin(uri)?)
    }
}

impl Origin {
    /// Whether the request is one to the token endpoint of a destination.
    pub(super) fn gives_tokens(&self, uri: &Uri) -> bool {
        self.of_token_endpoint(uri).next().is_some()
    }

    /// The destinations whose token endpoint the request is for.
    fn of_token_endpoint(&self, uri: &Uri) -> impl Iterator<Item = &Destination> {
        let path = path_of(uri).to_owned();
        let is_its = move |url: &Url| url.matched(&path).is_some();
        self.for_tokens.iter().filter(move |destination| destination.token_url().is_some_and(&is_its))
    }

    /// Whether the connection must end with the request: the vendor asks for it ("Reporting API").
    pub(super) fn closes(&self, uri: &Uri) -> bool {
        self.appliance_of(uri).is_some()
    }

    /// The appliance, if the request is one to its APIs.
    fn appliance_of(&self, uri: &Uri) -> Option<&Appliance> {
        self.appliance.as_ref().filter(|_| appliance_api::PATHS.contains(&uri.path()))
    }

    /// The addresses that a request to this origin can reach. Its destination is the one with the most similar URL,
    /// since the host sees only the URL of a request. Destinations with the same URL share their rights. A request for
    /// any other path has the least rights.
    pub(super) fn reach(&self, uri: &Uri) -> Reach {
        if let Some(appliance) = self.appliance_of(uri) {
            return if appliance.private || self.is_loopback { Reach::Any } else { Reach::Public };
        }
        let path = path_of(uri);
        let alike = |destination: &Destination| match &destination.mode {
            DeliveryMode::Push(push) => push.url.matched(path),
            DeliveryMode::Pull => None,
        };
        let right = |destination: &Destination| Some((alike(destination)?, destination.private));
        // Of several that are as much alike, `private` is the greater.
        let private = self.destinations.iter().filter_map(right).max().is_some_and(|(_, private)| private);
        let private = private || self.of_token_endpoint(uri).any(|destination| destination.private);
        if private || self.is_loopback { Reach::Any } else { Reach::Public }
    }
}

fn path_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

/// Scheme, host and port, in one spelling.
pub(super) fn origin(uri: &Uri) -> Option<String> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    Some(format!("{scheme}://{}:{port}", uri.host()?.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_destination_of_one_origin_has_its_own_right() {
        let destinations = Destination::read_all(
            r#"[{"name": "inner", "url": "https://desk.example/inner", "private": true},
                {"name": "outer", "url": "https://desk.example/outer"},
                {"name": "key-a", "url": "https://desk.example/hook?key=a", "private": true},
                {"name": "key-b", "url": "https://desk.example/hook?key=b"},
                {"name": "below", "url": "https://desk.example/inner/public"},
                {"name": "twice", "url": "https://DESK.example:443/twice"},
                {"name": "twice-too", "url": "https://desk.example/twice", "private": true},
                {"name": "tickets", "url": "https://desk.example/t/{{ event.id }}/x", "format": "template",
                 "template": {"body": "{}"}, "private": true},
                {"name": "ticket", "url": "https://desk.example/t/open/{{ event.id }}", "format": "template",
                 "template": {"body": "{}"}},
                {"name": "one-ticket", "url": "https://desk.example/t/open/1", "private": true},
                {"name": "other", "url": "https://other.example/inner"},
                {"name": "bare", "url": "https://bare.example", "private": true},
                {"name": "local", "url": "http://127.0.0.1:9/in"},
                {"name": "with-token", "url": "https://api.example/in", "private": true, "auth": {"oauth2":
                 {"token_url": "https://login.example/tenant/token?v=2", "client_id": "a", "client_secret": "b"}}}]"#,
        )
        .unwrap();
        let appliances = Appliance::read_all(
            r#"[{"site": "hq", "url": "https://support.example", "client_id": "a", "client_secret": "a-secret",
                 "private": true},
                {"site": "desk", "url": "https://desk.example", "client_id": "a", "client_secret": "a-secret"}]"#,
        )
        .unwrap();
        let rights = Rights::new(&destinations, &appliances);
        for (url, expected) in [
            ("https://desk.example/inner", Some(Reach::Any)),
            ("https://desk.example:443/inner", Some(Reach::Any)),
            ("https://desk.example/outer", Some(Reach::Public)),
            ("https://desk.example/hook?key=a", Some(Reach::Any)),
            ("https://desk.example/hook?key=b", Some(Reach::Public)),
            ("https://desk.example/hook", Some(Reach::Public)),
            ("https://desk.example/inner/public", Some(Reach::Public)),
            ("https://desk.example/inner/", Some(Reach::Public)),
            ("https://desk.example/inner?x", Some(Reach::Public)),
            ("https://desk.example/twice", Some(Reach::Any)),
            ("https://desk.example/t/42/x", Some(Reach::Any)),
            ("https://desk.example/t/open/42", Some(Reach::Public)),
            ("https://desk.example/t/open/1", Some(Reach::Any)),
            ("https://desk.example/", Some(Reach::Public)),
            ("https://other.example/inner", Some(Reach::Public)),
            ("https://bare.example/", Some(Reach::Any)),
            ("https://bare.example", Some(Reach::Any)),
            ("http://127.0.0.1:9/any", Some(Reach::Any)),
            ("https://support.example/oauth2/token", Some(Reach::Any)),
            ("https://support.example/api/reporting", Some(Reach::Any)),
            ("https://support.example/api/command", Some(Reach::Public)),
            ("https://desk.example/api/reporting", Some(Reach::Public)),
            ("https://login.example/tenant/token?v=2", Some(Reach::Any)),
            ("https://login.example/tenant/token", Some(Reach::Public)),
            ("https://login.example/", Some(Reach::Public)),
            ("http://desk.example/inner", None),
            ("https://desk.example:444/inner", None),
            ("https://sub.desk.example/inner", None),
        ] {
            let uri: Uri = url.parse().unwrap();
            assert_eq!(rights.origin(&uri).map(|origin| origin.reach(&uri)), expected, "{url}");
        }
    }
}
