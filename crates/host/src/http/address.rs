//! Limits per client address, and what counts as one address.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;

/// A limit for each client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAddress {
    /// The limit.
    pub most: NonZeroU32,
    /// Whether it applies to loopback addresses: to local trials, and to a proxy that is not trusted and hides its
    /// clients.
    pub loopback: bool,
}

impl PerAddress {
    pub(crate) fn limits(&self, address: IpAddr) -> bool {
        self.loopback || !address.to_canonical().is_loopback()
    }
}

/// What counts as one address: an IPv4 address, or the /64 of an IPv6 address, which is what one subscriber has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;

    use super::{Network, PerAddress};

    fn network(text: &str) -> Network {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn ipv6_addresses_count_by_their_64_and_ipv4_addresses_one_by_one() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ] {
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }

    #[test]
    fn loopback_is_limited_only_if_asked_for() {
        let limit = |loopback| PerAddress { most: NonZeroU32::MIN, loopback };
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            let address = address.parse().unwrap();
            assert!(!limit(false).limits(address) && limit(true).limits(address), "{address}");
        }
        assert!(limit(false).limits("192.0.2.1".parse().unwrap()));
    }
}
