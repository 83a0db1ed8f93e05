//! The client of a request: the peer of the connection, or the client named by trusted proxies.
//!
//! Independent of actix: headers come as bytes. A trusted proxy must write the header that is read here, or remove one sent by
//! the client, as proxies do by default.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use ipnet::IpNet;

/// Maximum bytes of a request's forwarding headers that are read, counted from the end because proxies append.
const MAX_BYTES: usize = 4_096;
/// Maximum number of entries that are read: more proxies than a shop has.
const MAX_ENTRIES: usize = 32;

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The best known address of the client.
    pub address: IpAddr,
    /// Rate-limit address of failed sign-ins. For a proxy that isn't trusted, this is the client that the proxy names: with the
    /// proxy's own address, one stranger could block all others behind it. Inventing such names gains little, since guesses at
    /// an account are also counted over all networks.
    pub counted: IpAddr,
    /// What the address represents.
    pub kind: ClientKind,
}

/// What the address represents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// This machine.
    Loopback,
    /// A trusted proxy that names no client, or a client inside a trusted network.
    Trusted,
    /// A proxy in a private network that isn't in `server.trusted_proxies`: any number of clients share its address.
    UnnamedProxy,
    /// A single client.
    Single,
}

/// The forwarding headers of a request, each as the values of its lines in order.
#[derive(Debug, Default)]
pub struct Forwarding<'a> {
    /// `X-Forwarded-For`, which most proxies write.
    pub x_forwarded_for: Vec<&'a [u8]>,
    /// `Forwarded` (RFC 7239). Read only without `X-Forwarded-For`: most proxies write that one, and pass on a `Forwarded` that
    /// the client has invented.
    pub forwarded: Vec<&'a [u8]>,
}

impl Client {
    /// The client of a request from `peer`.
    ///
    /// Each proxy appends the address that called it, so entries are read from last to first. While an entry is a trusted
    /// proxy, the one before it is read; the first that isn't trusted is the client. If an entry can't be parsed, the proxy
    /// that wrote it is the client.
    pub fn of(peer: IpAddr, trusted: &[IpNet], forwarding: &Forwarding<'_>) -> Self {
        let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
        let mut address = peer.to_canonical();
        if !is_trusted(&address) {
            let is_forwarded = !forwarding.is_empty();
            let kind = match address {
                _ if is_forwarded && (address.is_loopback() || is_private(address)) => {
                    ClientKind::UnnamedProxy
                }
                _ if address.is_loopback() => ClientKind::Loopback,
                _ => ClientKind::Single,
            };
            let counted = match kind {
                ClientKind::UnnamedProxy => forwarding.last_to_first().next().flatten(),
                _ => None,
            };
            return Self {
                address,
                counted: counted.unwrap_or(address),
                kind,
            };
        }
        for entry in forwarding.last_to_first() {
            let Some(before) = entry else { break };
            address = before;
            if !is_trusted(&address) {
                break;
            }
        }
        let kind = if address.is_loopback() {
            ClientKind::Loopback
        } else if is_trusted(&address) {
            ClientKind::Trusted
        } else {
            ClientKind::Single
        };
        Self {
            address,
            counted: address,
            kind,
        }
    }
}

impl Forwarding<'_> {
    fn is_empty(&self) -> bool {
        self.x_forwarded_for.is_empty() && self.forwarded.is_empty()
    }

    /// The addresses that proxies have appended, `None` for those that can't be parsed.
    ///
    /// Splits at every comma from the end, which is right even if a client has sent an open quotation mark: the entries of
    /// trusted proxies come after the last comma.
    fn last_to_first(&self) -> impl Iterator<Item = Option<IpAddr>> {
        let is_forwarded = self.x_forwarded_for.is_empty();
        let (lines, read): (_, fn(&str) -> Option<IpAddr>) = if is_forwarded {
            (&self.forwarded, forwarded_for)
        } else {
            (&self.x_forwarded_for, node)
        };
        let mut room = MAX_BYTES;
        lines
            .iter()
            .rev()
            .flat_map(|line| line.rsplit(|byte| *byte == b','))
            .take(MAX_ENTRIES)
            .map_while(move |entry| {
                room = room.checked_sub(entry.len() + 1)?;
                Some(entry)
            })
            .map(move |entry| read(str::from_utf8(entry).ok()?.trim()))
    }
}

/// The parameter `for` of an element of `Forwarded`, such as `proto=https;for="[2001:db8::1]:4711"`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            // Ambiguous with two.
            if found.is_some() {
                return None;
            }
            found = Some(value.trim());
        }
    }
    node(found?)
}

/// Parses an address with optional port and quotation marks: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`. `None` for `unknown`, hidden names (`_x`) and anything else.
fn node(text: &str) -> Option<IpAddr> {
    let text = match text.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"')?,
        None => text,
    };
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
            return None;
        }
        return Some(IpAddr::V6(address.parse().ok()?).to_canonical());
    }
    let with_port = |text: &str| Some(IpAddr::V4(*text.parse::<SocketAddrV4>().ok()?.ip()));
    let address = text.parse().ok().or_else(|| with_port(text))?;
    Some(IpAddr::to_canonical(&address))
}

/// A number, or a name that hides it (`_x`).
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(hidden) => {
            !hidden.is_empty()
                && hidden
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok(),
    }
}

/// Whether the address is of a private network, where a peer with a forwarding header is a proxy.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether the address is in 100.64.0.0/10, which hosting providers use between their proxies and services (RFC 6598).
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xc0 == 64
}

/// Placeholder for a connection without a peer address.
pub(super) const NO_PEER: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
