//! Who sends: the address that a connection comes from or, where that is a proxy's which is trusted, the one that the proxy names.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// What a proxy adds the address to that it was asked from, behind whatever was there. The standard's `Forwarded` does not count: a
/// proxy that writes the one hands the other on as a stranger wrote it, and nearly all write this one.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is taken for where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Trusts those of some networks, and no others.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Where a request comes from, which a connection from `peer` has brought: the last address that a trusted proxy has added and
    /// that is not a trusted proxy's itself. What stands before that, anybody may have written.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut hops = hops(headers);
        while self.trusts(client) {
            let Some(hop) = hops.next().and_then(address) else { break };
            client = hop;
        }
        client
    }

    /// Whether an address is such a proxy's.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What proxies have added, the last first.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
}

/// An address as proxies write it, some with a port. None where it says `unknown`, or nonsense.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let address = hop.parse().ok().or_else(|| Some(hop.parse::<std::net::SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// Reads `127.0.0.1` or `10.0.0.0/8`.
pub fn network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(one).ok_or_else(|| "it is neither an address nor a network such as 10.0.0.0/8".to_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Proxies, network};

    const PROXIES: [&str; 3] = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"];

    fn client(peer: &str, lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        headers.append("forwarded", HeaderValue::from_static("for=203.0.113.66"));
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let proxies = Proxies::new(PROXIES.into_iter().map(|text| network(text).unwrap()).collect());
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_trusted_proxy_s_last_word_counts_and_nobody_else_s() {
        for (peer, lines, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.66, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.66", "198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.66,198.51.100.1 , 10.1.2.3"], "198.51.100.1"),
            ("127.0.0.1", &["10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &["198.51.100.66, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.66,"], "127.0.0.1"),
            ("10.1.2.3", &["198.51.100.1:51234"], "198.51.100.1"),
            ("10.1.2.3", &["[2001:db8::1]:51234"], "2001:db8::1"),
            ("fd00::7", &["2001:db8::1"], "2001:db8::1"),
            ("::ffff:127.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn where_none_is_trusted_none_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
        let client = Proxies::default().client("127.0.0.1".parse().unwrap(), &headers);
        assert_eq!(client.to_string(), "127.0.0.1");
    }

    #[test]
    fn a_name_or_half_a_network_is_no_proxy() {
        for text in ["proxy", "10.0.0.0/33", "10.0.0", "127.0.0.1:80", ""] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
