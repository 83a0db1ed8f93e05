use std::net::IpAddr;

use ipnet::IpNet;

use super::{Client, ClientKind, Forwarding};

/// `X-Forwarded-For`, and on the next line `Forwarded`.
pub(crate) fn forwarding(bytes: &[u8]) {
    let (proxy, stranger) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([203, 0, 113, 9]));
    let trusted = [IpNet::from(IpAddr::from([10, 0, 0, 1]))];
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let lines = |part: Option<&'_ [u8]>| part.filter(|part| !part.is_empty()).map(<[u8]>::to_vec);
    let (x_forwarded_for, forwarded) = (lines(parts.next()), lines(parts.next()));
    let of = |peer, x_forwarded_for: Option<&Vec<u8>>, forwarded: Option<&Vec<u8>>| {
        let forwarding = Forwarding {
            x_forwarded_for: x_forwarded_for.into_iter().map(Vec::as_slice).collect(),
            forwarded: forwarded.into_iter().map(Vec::as_slice).collect(),
        };
        Client::of(peer, &trusted, &forwarding)
    };
    let client = of(proxy, x_forwarded_for.as_ref(), forwarded.as_ref());
    assert_eq!(client.address, client.address.to_canonical());
    assert_ne!(client.kind, ClientKind::UnnamedProxy);
    // An untrusted peer is the client itself, whatever it sends.
    let peer = of(stranger, x_forwarded_for.as_ref(), forwarded.as_ref());
    assert_eq!((peer.address, peer.kind), (stranger, ClientKind::Single));
    // The entry of a trusted proxy counts, whatever the client has sent before it.
    let appended = |sent: &Option<Vec<u8>>, entry: &str| {
        let sent = sent.as_ref().map(|sent| [sent, &b", "[..]].concat());
        Some([sent.unwrap_or_default(), entry.as_bytes().to_vec()].concat())
    };
    let first = appended(&x_forwarded_for, "203.0.113.9");
    let client = of(proxy, first.as_ref(), forwarded.as_ref());
    assert_eq!(client.address, stranger);
    let second = appended(&forwarded, "for=203.0.113.9");
    assert_eq!(of(proxy, None, second.as_ref()).address, stranger);
}
