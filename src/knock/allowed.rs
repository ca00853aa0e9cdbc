//! Where may be knocked: the tables hold what agents said of themselves, and nobody shall send the sidecar to a service of its own machine
//! by that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// This machine, the wire, groups, and what is no address of one machine. Nobody means them by naming a network around them.
const SPECIAL: [(IpAddr, u8); 8] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(224, 0, 0, 0)), 4),
    (IpAddr::V4(Ipv4Addr::new(240, 0, 0, 0)), 4),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), 96),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)), 8),
];

/// Whether `address` may be asked, if `networks` may; none = all but the special ones. A special one only where a network within
/// its range is named.
pub(super) fn is_allowed(address: IpAddr, networks: &[IpNet]) -> bool {
    let special = SPECIAL
        .iter()
        .filter_map(|(first, bits)| IpNet::new(*first, *bits).ok())
        .find(|range| range.contains(&address));
    match special {
        Some(range) => networks
            .iter()
            .any(|network| network.contains(&address) && contains(range, *network)),
        None => networks.is_empty() || networks.iter().any(|network| network.contains(&address)),
    }
}

fn contains(range: IpNet, network: IpNet) -> bool {
    match (range, network) {
        (IpNet::V4(range), IpNet::V4(network)) => Ipv4Net::contains(&range, &network),
        (IpNet::V6(range), IpNet::V6(network)) => Ipv6Net::contains(&range, &network),
        (IpNet::V4(_), IpNet::V6(_)) | (IpNet::V6(_), IpNet::V4(_)) => false,
    }
}

/// The name of a host as it may be looked up: letters, digits, `-`, `_` and dots. An address is none: those stand elsewhere.
pub(super) fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    // What the system's resolver takes for an address, such as 127.1, 0x7f000001 or 2130706433, ends in a number.
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 253
        && name.split('.').all(label)
        && last.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && !name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::private("192.168.1.7", &[], true)]
    #[case::public("198.51.100.7", &[], true)]
    #[case::v6("2001:db8::7", &[], true)]
    #[case::unique_local("fd00::7", &[], true)]
    #[case::loopback("127.0.0.1", &[], false)]
    #[case::loopback_elsewhere("127.9.9.9", &[], false)]
    #[case::link_local("169.254.169.254", &[], false)]
    #[case::multicast("224.0.0.1", &[], false)]
    #[case::broadcast("255.255.255.255", &[], false)]
    #[case::unspecified("0.0.0.0", &[], false)]
    #[case::this_network("0.1.2.3", &[], false)]
    #[case::loopback6("::1", &[], false)]
    #[case::unspecified6("::", &[], false)]
    #[case::compatible6("::127.0.0.1", &[], false)]
    #[case::link_local6("fe80::1", &[], false)]
    #[case::multicast6("ff02::1", &[], false)]
    #[case::named("10.1.2.3", &["10.1.0.0/16"], true)]
    #[case::not_named("10.2.2.3", &["10.1.0.0/16", "2001:db8::/32"], false)]
    #[case::all("10.2.2.3", &["0.0.0.0/0"], true)]
    #[case::all_but_special("127.0.0.1", &["0.0.0.0/0"], false)]
    #[case::all_but_special6("::1", &["::/0"], false)]
    #[case::special_by_name("127.0.0.1", &["127.0.0.0/8"], true)]
    #[case::special_in_part("127.0.0.1", &["127.0.0.1/32"], true)]
    #[case::special_other_part("127.0.0.2", &["127.0.0.1/32"], false)]
    fn addresses(#[case] address: &str, #[case] networks: &[&str], #[case] expected: bool) {
        let networks: Vec<IpNet> = networks.iter().map(|net| net.parse().unwrap()).collect();
        assert_eq!(is_allowed(address.parse().unwrap(), &networks), expected);
    }

    #[rstest]
    #[case("wks-1", true)]
    #[case("WKS_1.office.example.com", true)]
    #[case("wks1.3com", false)]
    #[case("127.0.0.1", false)]
    #[case("127.1", false)]
    #[case("2130706433", false)]
    #[case("0x7f000001", false)]
    #[case("0x7f.1", false)]
    #[case("::1", false)]
    #[case("localhost", false)]
    #[case("LOCALHOST", false)]
    #[case("", false)]
    #[case("wks.", false)]
    #[case(".wks", false)]
    #[case("-wks", false)]
    #[case("wks 1", false)]
    #[case("wks/1", false)]
    #[case("wks:80", false)]
    #[case("wks@host", false)]
    #[case("wks\r\nx", false)]
    #[case("bücher", false)]
    fn names(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_host_name(name), expected, "{name:?}");
    }
}
