//! Where a request comes from: the peer of the connection, or what proxies that the operator trusts say of it.
//!
//! Nothing here knows actix: the headers come as bytes. A trusted proxy must write the header that is read here, or remove what
//! a client has sent under its name: that is how proxies come.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use ipnet::IpNet;

/// Most bytes of a request's forwarding headers that are read, counted from the end: proxies append.
const MAX_BYTES: usize = 4_096;
/// Most entries that are read. More proxies don't stand in front of a shop.
const MAX_ENTRIES: usize = 32;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The client's address, as far as it can be known.
    pub address: IpAddr,
    /// The address whose failed attempts to sign in are counted together. For a proxy that isn't named it is the client that
    /// the proxy speaks of: without a trusted name one stranger would keep all others behind that proxy out. A client that
    /// makes such names up gains little, since guesses at an account are counted over all networks as well.
    pub counted: IpAddr,
    /// What the address stands for.
    pub kind: ClientKind,
}

/// What the address stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// This machine itself.
    Loopback,
    /// A proxy that the operator trusts, which names no client, or a client inside of a trusted network.
    Trusted,
    /// A proxy in a private network that isn't in `server.trusted_proxies`: any number of clients share its address.
    UnnamedProxy,
    /// A client of its own.
    Single,
}

/// The forwarding headers of a request, each as the values of its lines from first to last.
#[derive(Debug, Default)]
pub struct Forwarding<'a> {
    /// `X-Forwarded-For`, which most proxies write.
    pub x_forwarded_for: Vec<&'a [u8]>,
    /// `Forwarded` (RFC 7239). Read only where there is no `X-Forwarded-For`: most proxies write that one, and pass on a
    /// `Forwarded` that the client has made up.
    pub forwarded: Vec<&'a [u8]>,
}

impl Client {
    /// The client that `peer` speaks for.
    ///
    /// Each proxy appends the address that it was called from. So the entries are read from the last to the first: as long
    /// as they are trusted proxies, the entry before is believed. The first one that isn't trusted is the client. At an
    /// entry that can't be read, the proxy that wrote it is the client.
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

    /// The addresses that proxies have appended, `None` for those that can't be read.
    ///
    /// Splitting at every comma, from the end, is right also where a client has sent an open quotation mark: what a trusted
    /// proxy has appended stands after the last comma.
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
            // Which of two would count?
            if found.is_some() {
                return None;
            }
            found = Some(value.trim());
        }
    }
    node(found?)
}

/// An address with or without a port, with or without quotation marks: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`. `None` for `unknown`, hidden names (`_x`) and everything else.
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

/// Addresses that only a local network knows: what calls from there with a forwarding header is a proxy.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || is_shared(v4),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// 100.64.0.0/10, which hosts use between their proxies and what they run (RFC 6598).
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0xc0 == 64
}

/// Stands for a peer that the connection doesn't name.
pub(super) const NO_PEER: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
