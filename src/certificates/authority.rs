//! The ACME authority: one order from its beginning to the certificate, and the question when to renew.

use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, CertificateIdentifier, ChallengeType,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

use super::client::AcmeClient;
use super::machine::{ChallengeKind, Wanted};
use super::problem::{CallError, Problem, ProblemKind};
use super::record::{AccountRecord, AlpnAnswer, CertificateRecord, OrderRecord};
use crate::http::CertifiedPair;

/// How the state of an order is polled; an attempt as a whole has a deadline of its own.
const POLLING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(300))
    .backoff(1.6)
    .timeout(Duration::from_secs(150));

/// An account at the authority.
pub(super) struct Authority {
    account: Account,
    client: AcmeClient,
}

impl Authority {
    /// The account of earlier attempts.
    pub(super) async fn sign_in(
        client: AcmeClient,
        record: &AccountRecord,
    ) -> Result<Self, CallError> {
        let credentials: AccountCredentials = serde_json::from_str(record.credentials.expose())
            .map_err(|error| Problem::new(ProblemKind::Store, format_args!("account: {error}")))?;
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let account = builder.from_credentials(credentials).await;
        let account = account.map_err(|error| client.explain(error))?;
        Ok(Self { account, client })
    }

    /// A new account. Agrees to the authority's terms.
    pub(super) async fn sign_up(
        client: AcmeClient,
        directory_url: &str,
        email: Option<&str>,
    ) -> Result<(Self, AccountRecord), CallError> {
        let contact = email.map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let builder = Account::builder_with_http(Box::new(client.clone()));
        let created = builder.create(&new, directory_url.to_owned(), None).await;
        let (account, credentials) = created.map_err(|error| client.explain(error))?;
        let credentials = serde_json::to_string(&credentials)
            .map_err(|error| Problem::new(ProblemKind::Other, error))?;
        let record = AccountRecord {
            directory_url: directory_url.to_owned(),
            credentials: credentials.into(),
            thumbprint: account.key_thumbprint().to_owned(),
            is_gone: false,
        };
        Ok((Self { account, client }, record))
    }

    /// The order of an interrupted attempt, if the authority still has it and it can be completed.
    pub(super) async fn resume(
        &self,
        record: &OrderRecord,
    ) -> Result<Option<PendingOrder<'_>>, CallError> {
        let Ok(key) = KeyPair::from_pem(record.key.expose()) else {
            return Ok(None);
        };
        let order = match self.account.order(record.url.clone()).await {
            Ok(order) => order,
            Err(error) => {
                let error = self.client.explain(error);
                let is_unknown =
                    matches!(self.client.last_status(), 400 | 404 | 410) && !error.account_is_gone;
                return if is_unknown { Ok(None) } else { Err(error) };
            }
        };
        let begun_at = record.begun_at;
        let mut order = self.pending(order, key, begun_at);
        if order.order.state().status == OrderStatus::Invalid {
            // It has failed while no instance looked: that counts, and waits, like any other failure.
            return Err(order.why_refused(None).await);
        }
        Ok(Some(order))
    }

    fn pending(&self, order: Order, key: KeyPair, begun_at: u64) -> PendingOrder<'_> {
        PendingOrder {
            authority: self,
            order,
            key,
            begun_at,
        }
    }

    /// A new order. `replaced` is the certificate to be renewed: authorities with ARI exempt such orders from limits.
    pub(super) async fn begin(
        &self,
        wanted: &Wanted,
        replaced: Option<&CertificateRecord>,
        now: u64,
    ) -> Result<PendingOrder<'_>, CallError> {
        let key = KeyPair::generate().map_err(|error| Problem::new(ProblemKind::Other, error))?;
        let names = wanted.domains.iter().cloned().map(Identifier::Dns);
        let names: Vec<Identifier> = names.collect();
        let replaced = replaced.and_then(|certificate| identifier(&certificate.chain));
        if let Some(replaced) = replaced {
            let order = NewOrder::new(&names).replaces(replaced);
            match self.account.new_order(&order).await {
                Ok(order) => return Ok(self.pending(order, key, now)),
                // The certificate may be forgotten, replaced already, or another account's: the authority decides what it
                // says then.
                Err(error) => {
                    let error = self.client.explain(error);
                    let kind = error.problem.kind;
                    let is_final =
                        matches!(kind, ProblemKind::Unreachable | ProblemKind::RateLimited);
                    if is_final || error.account_is_gone {
                        return Err(error);
                    }
                }
            }
        }
        let order = self.account.new_order(&NewOrder::new(&names)).await;
        let order = order.map_err(|error| self.client.explain_order(error))?;
        Ok(self.pending(order, key, now))
    }

    /// When the authority wants the certificate to be renewed, in milliseconds, and when to ask again. `None` if it doesn't say
    /// so.
    pub(super) async fn renewal_window(&self, chain: &str) -> Option<((u64, u64), Duration)> {
        let identifier = identifier(chain)?;
        let (info, ask_again) = self.account.renewal_info(&identifier).await.ok()?;
        let millis = |seconds: i64| u64::try_from(seconds).unwrap_or_default() * 1_000;
        let window = info.suggested_window;
        let start = millis(window.start.unix_timestamp());
        Some(((start, millis(window.end.unix_timestamp())), ask_again))
    }
}

fn identifier(chain: &str) -> Option<CertificateIdentifier<'static>> {
    let certificate = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    let identifier = CertificateIdentifier::try_from(&certificate).ok()?;
    Some(identifier.into_owned())
}

/// An order that isn't complete yet.
pub(super) struct PendingOrder<'a> {
    authority: &'a Authority,
    order: Order,
    key: KeyPair,
    begun_at: u64,
}

impl PendingOrder<'_> {
    /// What the next attempt needs to go on with this order.
    pub(super) fn record(&self, wanted: &Wanted) -> OrderRecord {
        OrderRecord {
            url: self.order.url().to_owned(),
            directory_url: wanted.directory_url.clone(),
            begun_at: self.begun_at,
            domains: wanted.domains.clone(),
            key: self.key.serialize_pem().into(),
            alpn: Vec::new(),
        }
    }

    /// Answers of TLS-ALPN-01 that have to be given. Empty if the authority has checked all names already, or checks them on
    /// port 80, where the answer follows from the account.
    pub(super) async fn alpn_answers(
        &mut self,
        kind: ChallengeKind,
    ) -> Result<Vec<AlpnAnswer>, CallError> {
        let mut answers = Vec::new();
        let client = &self.authority.client;
        let mut authorizations = self.order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| client.explain(error))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let domain = authorization.identifier().to_string();
            let kind =
                offered(&authorization.challenges, kind).ok_or_else(|| no_challenge(&domain))?;
            if kind == ChallengeType::TlsAlpn01
                && let Some(challenge) = authorization.challenge(kind)
            {
                answers.push(AlpnAnswer {
                    domain,
                    authorization: challenge.key_authorization().as_str().to_owned(),
                });
            }
        }
        Ok(answers)
    }

    /// Lets the authority check the names, and fetches the certificate.
    pub(super) async fn complete(
        mut self,
        kind: ChallengeKind,
        wanted: &Wanted,
        now: u64,
    ) -> Result<CertificateRecord, CallError> {
        let completed = self.complete_now(kind, wanted, now).await;
        completed.map_err(|mut error| {
            error.order_is_over |= self.order.state().status == OrderStatus::Invalid;
            error
        })
    }

    async fn complete_now(
        &mut self,
        kind: ChallengeKind,
        wanted: &Wanted,
        now: u64,
    ) -> Result<CertificateRecord, CallError> {
        let client = self.authority.client.clone();
        let explain = |error| client.explain(error);
        if self.order.state().status == OrderStatus::Pending {
            self.prove(kind).await?;
        }
        if self.order.state().status == OrderStatus::Ready {
            let csr = certificate_request(&self.key, &wanted.domains)?;
            self.order.finalize_csr(&csr).await.map_err(explain)?;
        }
        let chain = self
            .order
            .poll_certificate(&POLLING)
            .await
            .map_err(explain)?;
        let key = self.key.serialize_pem();
        let pair = CertifiedPair::from_pem(chain.as_bytes(), key.as_bytes())
            // Not an error of the authority's own: fetching the same certificate again doesn't help.
            .map_err(|error| Problem::new(ProblemKind::Other, error))?;
        let facts = pair.facts();
        Ok(CertificateRecord {
            directory_url: wanted.directory_url.clone(),
            chain,
            key: key.into(),
            domains: wanted.domains.clone(),
            not_before: super::record::millis(facts.not_before),
            not_after: super::record::millis(facts.not_after),
            stored_at: now,
            renew_at: None,
            asked_at: now,
            ask_at: now,
        })
    }

    async fn prove(&mut self, kind: ChallengeKind) -> Result<(), CallError> {
        let client = self.authority.client.clone();
        let mut authorizations = self.order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| client.explain(error))?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let domain = authorization.identifier().to_string();
            let kind =
                offered(&authorization.challenges, kind).ok_or_else(|| no_challenge(&domain))?;
            if let Some(mut challenge) = authorization.challenge(kind) {
                let ready = challenge.set_ready().await;
                ready.map_err(|error| about(client.explain_challenge(error), &domain))?;
            }
        }
        match self.order.poll_ready(&POLLING).await {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(_) => Err(self.why_refused(None).await),
            Err(error) => {
                let error = client.explain_challenge(error);
                Err(self.why_refused(Some(error)).await)
            }
        }
    }

    /// The problem that the authority has found with one of the names, or `error`.
    async fn why_refused(&mut self, error: Option<CallError>) -> CallError {
        let mut error = self.find_refusal(error).await;
        error.order_is_over |= self.order.state().status == OrderStatus::Invalid;
        error
    }

    async fn find_refusal(&mut self, error: Option<CallError>) -> CallError {
        let client = &self.authority.client;
        let mut authorizations = self.order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let Ok(state) = authorization.refresh().await else {
                break;
            };
            let domain = state.identifier().to_string();
            let found = state
                .challenges
                .iter()
                .find_map(|challenge| challenge.error.clone());
            if let Some(found) = found {
                return about(client.explain_challenge(found.into()), &domain);
            }
        }
        error.unwrap_or_else(|| {
            Problem::new(
                ProblemKind::Other,
                "the order has become invalid without a reason",
            )
            .into()
        })
    }
}

fn about(mut error: CallError, domain: &str) -> CallError {
    error.problem = error.problem.about(domain);
    error
}

fn no_challenge(domain: &str) -> CallError {
    let detail = "it offers neither HTTP-01 nor TLS-ALPN-01";
    Problem::new(ProblemKind::Refused, detail)
        .about(domain)
        .into()
}

/// The kind of challenge to answer: the preferred one, if it is offered.
fn offered(
    challenges: &[instant_acme::Challenge],
    preferred: ChallengeKind,
) -> Option<ChallengeType> {
    let (first, second) = match preferred {
        ChallengeKind::Http => (ChallengeType::Http01, ChallengeType::TlsAlpn01),
        ChallengeKind::TlsAlpn => (ChallengeType::TlsAlpn01, ChallengeType::Http01),
    };
    [first, second]
        .into_iter()
        .find(|kind| challenges.iter().any(|challenge| challenge.r#type == *kind))
}

fn certificate_request(key: &KeyPair, domains: &[String]) -> Result<Vec<u8>, Problem> {
    let other = |error: rcgen::Error| Problem::new(ProblemKind::Other, error);
    let mut params = CertificateParams::new(domains.to_vec()).map_err(other)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(key).map_err(other)?;
    Ok(request.der().to_vec())
}

/// The certificate that answers TLS-ALPN-01 (RFC 8737, section 3).
pub(super) fn alpn_certificate(answer: &AlpnAnswer) -> Result<CertifiedPair, Problem> {
    let other = |error: rcgen::Error| Problem::new(ProblemKind::Other, error);
    let mut params = CertificateParams::new(vec![answer.domain.clone()]).map_err(other)?;
    let digest = Sha256::digest(answer.authorization.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let key = KeyPair::generate().map_err(other)?;
    let certificate = params.self_signed(&key).map_err(other)?;
    let (chain, key) = (certificate.pem(), key.serialize_pem());
    CertifiedPair::for_challenge(chain.as_bytes(), key.as_bytes())
        .map_err(|error| Problem::new(ProblemKind::Other, error))
}
