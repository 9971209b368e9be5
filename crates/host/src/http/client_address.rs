//! The address of the client: the peer of the connection or, if the peer is a trusted proxy, the address that the proxy
//! reports.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// A proxy appends the address of its peer to this header. The standard's `Forwarded` is ignored: nearly all proxies
/// write `X-Forwarded-For` and hand on a `Forwarded` header as the client wrote it.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Trusts the proxies of these networks and no others.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The client of a request that arrived on a connection from `peer`: the last address that a trusted proxy appended
    /// and that is not itself a trusted proxy. Anyone can have written the addresses before it.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut hops = hops(headers);
        while self.trusts(client) {
            let Some(hop) = hops.next().and_then(parse_hop) else { break };
            client = hop;
        }
        client
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The entries of the header, the last one first.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|value| value.to_str().unwrap_or_default().rsplit(','))
}

/// An address as proxies write it: in quotes, in brackets, with a zone, with a port. `None` for `unknown` and for
/// anything else that is not an address.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let hop = hop.strip_prefix('"').and_then(|hop| hop.strip_suffix('"')).unwrap_or(hop);
    let (address, port) = match hop.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        // More than one colon without brackets is IPv6 without a port.
        None if hop.matches(':').count() == 1 => hop.split_at(hop.find(':').unwrap_or_default()),
        None => (hop, ""),
    };
    if !is_port(port) {
        return None;
    }
    let address = address.split_once('%').map_or(address, |(address, _zone)| address);
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Nothing, or a colon and a port. Some proxies leave out the digits.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 5,
        None => text.is_empty(),
    }
}

/// Parses `127.0.0.1` or `10.0.0.0/8`.
pub fn parse_network(text: &str) -> Result<IpNet, String> {
    let one = || text.parse::<IpAddr>().map(IpNet::from).ok();
    text.parse().ok().or_else(one).ok_or_else(|| "it is neither an address nor a network such as 10.0.0.0/8".to_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Proxies, parse_hop, parse_network};

    const PROXIES: [&str; 3] = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"];

    fn client(peer: &str, lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        headers.append("forwarded", HeaderValue::from_static("for=203.0.113.66"));
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let proxies = Proxies::new(PROXIES.into_iter().map(|text| parse_network(text).unwrap()).collect());
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_last_address_that_a_trusted_proxy_reports_is_the_client() {
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
            ("10.1.2.3", &["198.51.100.66, [2001:db8::1]"], "2001:db8::1"),
            ("10.1.2.3", &["[2001:db8::1], [fd00::7]:51234"], "2001:db8::1"),
            ("fd00::7", &["2001:db8::1"], "2001:db8::1"),
            ("::ffff:127.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn an_address_is_read_in_every_form_that_proxies_write() {
        for (hop, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1 ", Some("192.0.2.1")),
            ("192.0.2.1:443", Some("192.0.2.1")),
            ("192.0.2.1:", Some("192.0.2.1")),
            ("[192.0.2.1]:443", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]:", Some("2001:db8::1")),
            ("[fe80::1%eth0]:443", Some("fe80::1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("\"[2001:db8::1]:443\"", Some("2001:db8::1")),
            ("\"192.0.2.1\"", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:443", Some("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("[", None),
            ("[]", None),
            ("[]:443", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]443", None),
            ("[2001:db8::1]:x", None),
            ("192.0.2.1:x", None),
            ("192.0.2.1:443443", None),
            ("192.0.2.1/24", None),
            ("client.example:443", None),
            ("\"", None),
        ] {
            assert_eq!(parse_hop(hop).map(|address| address.to_string()).as_deref(), expected, "{hop}");
        }
    }

    #[test]
    fn without_trusted_proxies_the_peer_is_the_client() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("198.51.100.1"));
        let client = Proxies::default().client("127.0.0.1".parse().unwrap(), &headers);
        assert_eq!(client.to_string(), "127.0.0.1");
    }

    #[test]
    fn a_name_or_an_incomplete_network_is_refused() {
        for text in ["proxy", "10.0.0.0/33", "10.0.0", "127.0.0.1:80", ""] {
            assert!(parse_network(text).is_err(), "{text}");
        }
    }
}
