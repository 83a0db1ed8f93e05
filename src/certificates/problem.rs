//! Why there is no new certificate, in words for the operator.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Maximum length of the authority's own words, in characters.
const MAX_DETAIL: usize = 400;

/// Why an attempt has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind of problem, which decides when to try again.
    pub kind: ProblemKind,
    /// The domain it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The authority's own words, or the error's: for the log and `doctor`, not for visitors.
    pub detail: String,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProblemKind {
    /// The domain has no address, or its DNS server doesn't answer.
    Dns,
    /// The authority can't connect to the domain.
    Connection,
    /// Another server answers for the domain.
    WrongServer,
    /// A CAA record forbids this authority.
    Caa,
    /// The authority issues no certificate for this name.
    Refused,
    /// Too many attempts or certificates.
    RateLimited,
    /// The account is unknown, or the authority needs something of it.
    Account,
    /// The authority has an error of its own.
    Authority,
    /// The authority can't be reached from here.
    Unreachable,
    /// The store can't be read or written.
    Store,
    /// Anything else, also what a later version has written.
    #[serde(other)]
    Other,
}

impl ProblemKind {
    /// Value of the label `reason` in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connection => "connection",
            Self::WrongServer => "wrong_server",
            Self::Caa => "caa",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::Account => "account",
            Self::Authority => "authority",
            Self::Unreachable => "unreachable",
            Self::Store => "store",
            Self::Other => "other",
        }
    }

    /// From the type of an ACME error (RFC 8555, section 6.7).
    pub(super) fn of_acme(kind: &str) -> Self {
        match kind
            .strip_prefix("urn:ietf:params:acme:error:")
            .unwrap_or(kind)
        {
            "dns" => Self::Dns,
            "connection" | "tls" => Self::Connection,
            "incorrectResponse" => Self::WrongServer,
            "caa" => Self::Caa,
            "rejectedIdentifier" | "unsupportedIdentifier" | "badCSR" => Self::Refused,
            "rateLimited" => Self::RateLimited,
            // Of a challenge it means another server: see `AcmeClient::explain_challenge`.
            "unauthorized"
            | "accountDoesNotExist"
            | "externalAccountRequired"
            | "userActionRequired"
            | "invalidContact"
            | "unsupportedContact" => Self::Account,
            "serverInternal" => Self::Authority,
            _ => Self::Other,
        }
    }
}

impl Problem {
    /// A problem about no domain. Control characters of `detail` are replaced, and it is shortened.
    pub fn new(kind: ProblemKind, detail: impl fmt::Display) -> Self {
        let detail = detail.to_string();
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        let mut short: String = detail.chars().map(clean).take(MAX_DETAIL).collect();
        if detail.chars().nth(MAX_DETAIL).is_some() {
            short.push('…');
        }
        Self {
            kind,
            domain: None,
            detail: short,
        }
    }

    /// The same problem, about `domain`.
    pub fn about(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// What is wrong, in one sentence. Has no detail of the authority's, so visitors may see it.
    pub fn sentence(&self) -> String {
        let domain = self.domain.as_deref().unwrap_or("the domain");
        match self.kind {
            ProblemKind::Dns => format!("the authority finds no address for {domain}"),
            ProblemKind::Connection => {
                format!("the authority can't connect to {domain}")
            }
            ProblemKind::WrongServer => {
                format!("another server answers the authority for {domain}")
            }
            ProblemKind::Caa => {
                format!("a CAA record of {domain} forbids certificates from this authority")
            }
            ProblemKind::Refused => format!("the authority issues no certificate for {domain}"),
            ProblemKind::RateLimited => {
                "the authority has had too many requests for this domain or address".to_owned()
            }
            ProblemKind::Account => "the authority doesn't accept the account".to_owned(),
            ProblemKind::Authority => "the authority has an error of its own".to_owned(),
            ProblemKind::Unreachable => {
                "the authority can't be reached from this server".to_owned()
            }
            ProblemKind::Store => "the store can't be read or written".to_owned(),
            ProblemKind::Other => "the authority issues no certificate".to_owned(),
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self.kind {
            ProblemKind::Dns => {
                "add an A record (and AAAA for IPv6) for the domain that points to this server"
            }
            ProblemKind::Connection => {
                "let port 80 (or 443) of this server be reached from the internet: firewall, router, cloud rules, and the domain's A and AAAA records"
            }
            ProblemKind::WrongServer => {
                "point the domain's A and AAAA records to this server, or let the proxy in front pass on /.well-known/acme-challenge/"
            }
            ProblemKind::Caa => {
                "correct the CAA record, or name another authority in tls.directory_url"
            }
            ProblemKind::Refused => {
                "check tls.domains, or name another authority in tls.directory_url"
            }
            ProblemKind::RateLimited => "wait; orderbell tries again by itself",
            ProblemKind::Account => "check tls.email, and what the authority asks of its accounts",
            ProblemKind::Authority => "wait; orderbell tries again by itself",
            ProblemKind::Unreachable => {
                "check this server's network, DNS and clock, and tls.directory_url"
            }
            ProblemKind::Store => "see the log",
            ProblemKind::Other => "see the authority's words",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// Why a call to the authority has failed.
#[derive(Debug)]
pub(super) struct CallError {
    pub(super) problem: Problem,
    /// The authority's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// The authority doesn't know the account any more: the next attempt has to make a new one.
    pub(super) account_is_gone: bool,
    /// The order can't be completed any more.
    pub(super) order_is_over: bool,
}

impl From<Problem> for CallError {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            retry_after: None,
            account_is_gone: false,
            order_is_over: false,
        }
    }
}
