use proptest::prelude::*;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Proxies at 10.x and 2001:db8:f::/48 are trusted.
fn trusted() -> Vec<IpNet> {
    ["10.0.0.0/8", "2001:db8:f::/48"]
        .map(|network| network.parse().expect("a network"))
        .to_vec()
}

fn behind_proxy(x_forwarded_for: &[&str]) -> IpAddr {
    let forwarding = Forwarding {
        x_forwarded_for: x_forwarded_for.iter().map(|line| line.as_bytes()).collect(),
        ..Forwarding::default()
    };
    Client::of(address("10.0.0.1"), &trusted(), &forwarding).address
}

fn behind_rfc_proxy(forwarded: &[&str]) -> IpAddr {
    let forwarding = Forwarding {
        forwarded: forwarded.iter().map(|line| line.as_bytes()).collect(),
        ..Forwarding::default()
    };
    Client::of(address("10.0.0.1"), &trusted(), &forwarding).address
}

#[test]
fn every_form_of_an_address_is_read() {
    for (written, meant) in [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("\"192.0.2.7:4711\"", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("\"[2001:db8::7]:4711\"", "2001:db8::7"),
        ("[2001:db8::7]:_hidden", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7"),
    ] {
        assert_eq!(behind_proxy(&[written]), address(meant), "{written}");
        let element = format!("proto=https; For={written};by=_proxy");
        assert_eq!(behind_rfc_proxy(&[&element]), address(meant), "{element}");
    }
}

#[test]
fn an_entry_that_cannot_be_read_ends_the_walk() {
    for unreadable in [
        "unknown",
        "_hidden",
        "",
        "192.0.2",
        "192.0.2.7:",
        "192.0.2.7:99999",
        "192.0.2.7:80:80",
        "[2001:db8::7",
        "[192.0.2.7]:80",
        "[2001:db8::7]x",
        "[2001:db8::7]:",
        "[2001:db8::7]:_",
        "\"192.0.2.7",
        "192.0.2.7\"",
        "fe80::1%eth0",
    ] {
        let chain = format!("198.51.100.1, {unreadable}, 10.0.0.2");
        assert_eq!(behind_proxy(&[&chain]), address("10.0.0.2"), "{chain}");
        assert_eq!(
            behind_proxy(&[unreadable]),
            address("10.0.0.1"),
            "{unreadable}"
        );
        let chain = format!("for=198.51.100.1, for={unreadable}, for=10.0.0.2");
        assert_eq!(behind_rfc_proxy(&[&chain]), address("10.0.0.2"), "{chain}");
    }
    for unreadable in [
        "proto=https",
        "for",
        "for=192.0.2.7;for=192.0.2.8",
        "192.0.2.7",
    ] {
        assert_eq!(
            behind_rfc_proxy(&[unreadable]),
            address("10.0.0.1"),
            "{unreadable}"
        );
    }
}

#[test]
fn what_a_client_has_made_up_is_not_believed() {
    // The lines of a header form one list; the last entry is the proxy's.
    assert_eq!(
        behind_proxy(&["6.6.6.6", "7.7.7.7, 192.0.2.7"]),
        address("192.0.2.7")
    );
    assert_eq!(
        behind_rfc_proxy(&["for=\"open", "for=192.0.2.7"]),
        address("192.0.2.7")
    );
    let both = Forwarding {
        x_forwarded_for: vec![b"192.0.2.7"],
        forwarded: vec![b"for=6.6.6.6"],
    };
    let client = Client::of(address("10.0.0.1"), &trusted(), &both);
    assert_eq!(client.address, address("192.0.2.7"));
    // An untrusted peer is the client itself.
    let client = Client::of(address("198.51.100.9"), &trusted(), &both);
    assert_eq!(client.address, address("198.51.100.9"));
    assert_eq!(client.kind, ClientKind::Single);
}

#[test]
fn a_client_has_a_kind() {
    let kind = |peer: &str, header: Option<&str>| {
        let forwarding = Forwarding {
            x_forwarded_for: header.iter().map(|value| value.as_bytes()).collect(),
            ..Forwarding::default()
        };
        Client::of(address(peer), &trusted(), &forwarding).kind
    };
    for (peer, header, expected) in [
        ("127.0.0.1", None, ClientKind::Loopback),
        ("::1", None, ClientKind::Loopback),
        ("::ffff:127.0.0.1", None, ClientKind::Loopback),
        ("127.0.0.1", Some("192.0.2.7"), ClientKind::UnnamedProxy),
        ("192.168.1.5", Some("192.0.2.7"), ClientKind::UnnamedProxy),
        ("172.17.0.1", Some("192.0.2.7"), ClientKind::UnnamedProxy),
        ("100.64.0.2", Some("192.0.2.7"), ClientKind::UnnamedProxy),
        ("169.254.1.1", Some("192.0.2.7"), ClientKind::UnnamedProxy),
        ("fd00::1", Some("192.0.2.7"), ClientKind::UnnamedProxy),
        ("fe80::1", Some("192.0.2.7"), ClientKind::UnnamedProxy),
        ("172.32.0.1", Some("192.0.2.7"), ClientKind::Single),
        ("100.128.0.2", Some("192.0.2.7"), ClientKind::Single),
        ("192.168.1.5", None, ClientKind::Single),
        ("192.0.2.7", Some("127.0.0.1"), ClientKind::Single),
        ("10.0.0.1", None, ClientKind::Trusted),
        ("10.0.0.1", Some("unknown"), ClientKind::Trusted),
        ("10.0.0.1", Some("10.0.0.9"), ClientKind::Trusted),
        ("10.0.0.1", Some("192.0.2.7"), ClientKind::Single),
    ] {
        assert_eq!(kind(peer, header), expected, "{peer} {header:?}");
    }
}

#[test]
fn only_the_end_of_a_long_header_is_read() {
    let many = vec!["10.0.0.3"; 10_000].join(",");
    assert_eq!(
        behind_proxy(&[&format!("192.0.2.7,{many}")]),
        address("10.0.0.3")
    );
    let long = format!("192.0.2.7,{},10.0.0.3", " ".repeat(10_000));
    assert_eq!(behind_proxy(&[&long]), address("10.0.0.3"));
}

/// An entry of a chain, and how it is read.
#[derive(Debug, Clone)]
enum Entry {
    Trusted(u8),
    Other(u8),
    Unreadable(String),
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        3 => any::<u8>().prop_map(Entry::Trusted),
        1 => any::<u8>().prop_map(Entry::Other),
        1 => "unknown|_[a-z]{1,4}|[a-z\";=\\[\\]]{0,6}".prop_map(Entry::Unreadable),
    ]
}

impl Entry {
    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Trusted(n) => Some(IpAddr::from([10, 0, 1, *n])),
            Self::Other(n) => Some(IpAddr::from([192, 0, 2, *n])),
            Self::Unreadable(_) => None,
        }
    }

    fn text(&self, port: Option<u16>) -> String {
        match (self.address(), self, port) {
            (Some(address), _, Some(port)) => format!("{address}:{port}"),
            (Some(address), _, None) => address.to_string(),
            (None, Self::Unreadable(text), _) => text.clone(),
            (None, ..) => String::new(),
        }
    }
}

proptest! {
    #[test]
    fn no_address_left_of_an_unreadable_or_untrusted_entry_is_returned(
        chain in prop::collection::vec((entry(), prop::option::of(1_u16..)), 0..12),
        breaks in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut lines = vec![String::new()];
        for (index, (entry, port)) in chain.iter().enumerate() {
            if index > 0 && breaks[index] {
                lines.push(String::new());
            } else if index > 0 {
                lines.last_mut().expect("a line").push_str(", ");
            }
            lines.last_mut().expect("a line").push_str(&entry.text(*port));
        }
        let mut expected = address("10.0.0.1");
        for (entry, _) in chain.iter().rev() {
            let Some(found) = entry.address() else { break };
            expected = found;
            if matches!(entry, Entry::Other(_)) {
                break;
            }
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let lines = if chain.is_empty() { &[][..] } else { &lines[..] };
        prop_assert_eq!(behind_proxy(lines), expected);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(
        x_forwarded_for in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..3),
        forwarded in prop::collection::vec("(for|by|=|;|,|\"|\\[|\\]|:|[0-9.]{1,4}|_|.){0,30}", 0..3),
        peer in any::<[u8; 4]>(),
    ) {
        let forwarding = Forwarding {
            x_forwarded_for: x_forwarded_for.iter().map(Vec::as_slice).collect(),
            forwarded: forwarded.iter().map(String::as_bytes).collect(),
        };
        for peer in [IpAddr::from(peer), address("10.0.0.1")] {
            Client::of(peer, &trusted(), &forwarding);
        }
    }
}
