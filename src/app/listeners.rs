//! The listening sockets: bound here, or passed by systemd.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;

use crate::http::{self, InheritedSocket};
use crate::settings::Settings;

/// Linux's `EAFNOSUPPORT`.
const NO_SUCH_FAMILY: i32 = 97;

/// Sockets that are bound already.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For the desk.
    pub desk: Option<TcpListener>,
    /// For redirects to HTTPS.
    pub redirect: Option<TcpListener>,
}

impl Listeners {
    /// The sockets that the process was started with, told apart by their names: `https` is the desk over HTTPS; `http` is the
    /// desk without HTTPS, and otherwise the redirects, as is `redirect`. Sockets with other names are used in this order, too.
    pub fn inherited(settings: &Settings) -> anyhow::Result<Self> {
        let sockets = http::inherited_sockets()?;
        let names: Vec<&str> = sockets.iter().map(|socket| &*socket.name).collect();
        let roles = roles(&names, settings.tls.is_on()).map_err(anyhow::Error::msg)?;
        let mut listeners = Self::default();
        for (InheritedSocket { name, listener }, role) in sockets.into_iter().zip(roles) {
            let address = listener.local_addr()?;
            tracing::info!(name, %address, ?role, "using a socket that was passed by systemd");
            match role {
                Role::Desk => listeners.desk = Some(listener),
                Role::Redirect => listeners.redirect = Some(listener),
            }
        }
        Ok(listeners)
    }

    /// The socket of the desk; bound now, unless it was passed.
    pub(super) fn take_desk(&mut self, settings: &Settings) -> anyhow::Result<TcpListener> {
        if let Some(listener) = self.desk.take() {
            return Ok(listener);
        }
        let address = SocketAddr::new(settings.server.host, settings.server.port);
        listen(address).with_context(|| match settings.server.port {
            port @ 1..1024 => format!(
                "can't listen on {address} (ports below 1024, like {port}, need a permission: see docs/https.md)"
            ),
            _ => format!("can't listen on {address}"),
        })
    }

    /// The socket of the redirects to HTTPS. Without it the desk still works, so that it can't be bound is a warning.
    pub(super) fn take_redirect(&mut self, settings: &Settings) -> Option<TcpListener> {
        if let Some(listener) = self.redirect.take() {
            return Some(listener);
        }
        let address = SocketAddr::new(settings.server.host, settings.tls.redirect_port?);
        match listen(address) {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::warn!(
                    %address,
                    %error,
                    "there are no redirects to HTTPS: this address can't be used (tls.redirect_port)"
                );
                None
            }
        }
    }
}

/// Listens on `address`. `::` falls back to `0.0.0.0` on a machine without IPv6.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    http::listen(address).or_else(|error| {
        let has_no_ipv6 = error.raw_os_error() == Some(NO_SUCH_FAMILY)
            || error.kind() == ErrorKind::AddrNotAvailable;
        if has_no_ipv6 && address.is_ipv6() && address.ip().is_unspecified() {
            return http::listen(SocketAddr::new(
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                address.port(),
            ));
        }
        Err(error)
    })
}

/// What a passed socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Desk,
    Redirect,
}

fn roles(names: &[&str], is_https: bool) -> Result<Vec<Role>, String> {
    let by_name = |name: &str| match name {
        "https" => Some(Role::Desk),
        "redirect" => Some(Role::Redirect),
        "http" if is_https => Some(Role::Redirect),
        "http" => Some(Role::Desk),
        _ => None,
    };
    let mut roles: Vec<Option<Role>> = names.iter().map(|name| by_name(name)).collect();
    for role in [Role::Desk, Role::Redirect] {
        let is_taken = roles.contains(&Some(role));
        let is_needed = is_https || role == Role::Desk;
        if let Some(free) = roles.iter_mut().find(|given| given.is_none())
            && !is_taken
            && is_needed
        {
            *free = Some(role);
        }
    }
    let mut taken = Vec::new();
    for (name, role) in names.iter().zip(roles) {
        let is_needed = |role: &Role| is_https || *role == Role::Desk;
        match role.filter(is_needed) {
            Some(role) if !taken.contains(&role) => taken.push(role),
            _ => {
                return Err(format!(
                    "systemd has passed the socket {name:?}, which has no use here: names are \"https\", and \"http\" or \"redirect\""
                ));
            }
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_sockets_are_told_apart_by_name_and_then_by_order() {
        use Role::{Desk, Redirect};
        assert_eq!(roles(&[], true), Ok(vec![]));
        assert_eq!(roles(&["http", "https"], true), Ok(vec![Redirect, Desk]));
        assert_eq!(roles(&["redirect"], true), Ok(vec![Redirect]));
        assert_eq!(roles(&["http"], false), Ok(vec![Desk]));
        assert_eq!(roles(&["orderbell.socket"], false), Ok(vec![Desk]));
        let unit = "orderbell.socket";
        assert_eq!(roles(&[unit, unit], true), Ok(vec![Desk, Redirect]));
        assert_eq!(roles(&[unit, "https"], true), Ok(vec![Redirect, Desk]));
        for (names, is_https) in [
            (&["http", "redirect"][..], true),
            (&["https", "http"], false),
            (&["redirect"], false),
            (&[unit, unit], false),
            (&["https", unit, unit], true),
        ] {
            assert!(roles(names, is_https).is_err(), "{names:?}");
        }
    }
}
