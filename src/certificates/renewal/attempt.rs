//! What the instance with the lease does: one attempt to get a certificate, or the question when to renew.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::RngExt as _;

use super::Parts;
use crate::certificates::authority::Authority;
use crate::certificates::client::AcmeClient;
use crate::certificates::held::Held;
use crate::certificates::machine;
use crate::certificates::problem::{CallError, Problem, ProblemKind};
use crate::certificates::record::{AccountRecord, CertificateRecord, Record, millis_of};

/// Time for all other instances to see the answers of TLS-ALPN-01: a little more than they look.
const SETTLE: Duration = Duration::from_secs(40);
/// Age at which an order isn't resumed any more. Authorities keep orders for about a week, but one that isn't finished after a day
/// never will be.
const ORDER_LIFE: Duration = Duration::from_secs(24 * 3_600);
/// Attempts to store a certificate. If all fail, the next attempt fetches it again from its order.
const STORE_ATTEMPTS: u32 = 5;

/// Why an attempt ends without a certificate.
enum Interrupted {
    /// It has failed.
    Failed(CallError),
    /// Another instance has taken over, or the store isn't there.
    Lost,
}

impl From<CallError> for Interrupted {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

impl Parts {
    /// One attempt, from the lease to its end.
    pub(super) async fn order(&self, mut held: Held) -> Result<(), Problem> {
        let wanted = &self.settings.wanted;
        self.metrics.attempts.inc();
        tracing::info!(domains = %wanted.domains.join(", "), authority = wanted.directory_url, "requesting a certificate");
        let attempt = self.attempt(&mut held);
        let attempt = tokio::time::timeout(machine::ATTEMPT_TIMEOUT, attempt).await;
        let result = attempt.unwrap_or_else(|_| {
            let late = Problem::new(ProblemKind::Authority, "the attempt took too long");
            Err(Interrupted::Failed(late.into()))
        });
        let mut record = held.record.clone();
        match result {
            Ok(certificate) => record.succeed(certificate),
            Err(Interrupted::Lost) => return Ok(()),
            Err(Interrupted::Failed(error)) => {
                self.metrics.count_failure(error.problem.kind);
                self.record_failure(&mut record, error);
            }
        }
        self.finish(&mut held, record).await
    }

    async fn attempt(&self, held: &mut Held) -> Result<CertificateRecord, Interrupted> {
        let wanted = &self.settings.wanted;
        let authority = self.authority(held).await?;
        let has_port_80 = self.has_port_80.load(Ordering::Relaxed);
        let kind = machine::challenge_kind(&held.record, wanted, has_port_80);
        let begun = held.record.order.as_ref();
        let now = self.clock.millis();
        let begun = begun.filter(|order| {
            order.domains == wanted.domains
                && order.directory_url == wanted.directory_url
                && now.abs_diff(order.begun_at) < millis_of(ORDER_LIFE)
        });
        let resumed = match begun {
            Some(order) => authority.resume(order).await?,
            None => None,
        };
        let mut order = match resumed {
            Some(order) => order,
            None => {
                let replaced = machine::current(&held.record, wanted);
                let replaced = replaced.filter(|certificate| certificate.renew_at.is_some());
                authority.begin(wanted, replaced, now).await?
            }
        };
        let mut record = held.record.clone();
        let mut order_record = order.record(wanted);
        order_record.alpn = order.alpn_answers(kind).await?;
        let needs_settling = self.settings.is_shared && !order_record.alpn.is_empty();
        record.order = Some(order_record);
        self.save_or_stop(held, record).await?;
        if needs_settling {
            tokio::time::sleep(SETTLE).await;
        }
        Ok(order.complete(kind, wanted, self.clock.millis()).await?)
    }

    /// Signs in with the account of the record, or makes one and records it.
    async fn authority(&self, held: &mut Held) -> Result<Authority, Interrupted> {
        let settings = &self.settings;
        let url = &settings.wanted.directory_url;
        let client = AcmeClient::new(settings.directory_ca.as_deref(), self.clock.clone());
        let client = client.map_err(CallError::from)?;
        if let Some(account) = machine::account(&held.record, url) {
            return Ok(Authority::sign_in(client, account).await?);
        }
        let (authority, account) =
            Authority::sign_up(client, url, settings.email.as_deref()).await?;
        let mut record = held.record.clone();
        let had_other = |other: &AccountRecord| other.directory_url == *url;
        let replaces = record.accounts.iter().any(had_other);
        record.add_account(account);
        record.order = None;
        self.save_or_stop(held, record).await?;
        if replaces && settings.is_shared {
            // Other instances may still answer with the account before.
            tokio::time::sleep(SETTLE).await;
        }
        Ok(authority)
    }

    fn record_failure(&self, record: &mut Record, error: CallError) {
        let now = self.clock.millis();
        if error.account_is_gone {
            let url = &self.settings.wanted.directory_url;
            let mut accounts = record.accounts.iter_mut();
            if let Some(account) = accounts.find(|account| account.directory_url == *url) {
                account.is_gone = true;
            }
        }
        // The authority may have issued the certificate already, unless it has said that it doesn't.
        let may_complete = matches!(
            error.problem.kind,
            ProblemKind::Unreachable
                | ProblemKind::Authority
                | ProblemKind::RateLimited
                | ProblemKind::Store
        );
        if error.order_is_over || error.account_is_gone || !may_complete {
            record.order = None;
        }
        let spread = rand::rng().random_range(0.0..1.0);
        let problem = error.problem;
        record.fail(
            &self.settings.wanted,
            problem.clone(),
            error.retry_after,
            now,
            spread,
        );
        let failure = machine::failure(record, &self.settings.wanted);
        let wait = failure.map_or(0, |failure| failure.retry_at.saturating_sub(now) / 1_000);
        tracing::warn!(
            %problem,
            advice = problem.advice(),
            failures = failure.map_or(0, |failure| failure.count),
            next_attempt_in_seconds = wait,
            "there is no new certificate"
        );
    }

    pub(super) async fn ask_renewal(&self, mut held: Held) -> Result<(), Problem> {
        let answer = async {
            let chain = held.record.certificate.as_ref().map(|c| c.chain.clone());
            let authority = self.authority(&mut held).await.ok()?;
            authority.renewal_window(&chain?).await
        };
        let answer = tokio::time::timeout(machine::ATTEMPT_TIMEOUT, answer).await;
        let (window, ask_again) = match answer {
            Ok(Some((window, ask_again))) => (Some(window), ask_again),
            _ => (None, *machine::ASK_AGAIN.end()),
        };
        let mut record = held.record.clone();
        let spread = rand::rng().random_range(0.0..1.0);
        record.plan_renewal(window, ask_again, self.clock.millis(), spread);
        self.finish(&mut held, record).await
    }

    /// Stores the end of an attempt. Tries again where the store fails: a certificate is rare.
    async fn finish(&self, held: &mut Held, record: Record) -> Result<(), Problem> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.save(held, record.clone()).await {
                Ok(_) => return Ok(()),
                Err(problem) if attempt == STORE_ATTEMPTS => return Err(problem),
                Err(_) => tokio::time::sleep(Duration::from_secs(2) * attempt).await,
            }
        }
    }

    async fn save_or_stop(&self, held: &mut Held, record: Record) -> Result<(), Interrupted> {
        match self.save(held, record).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Interrupted::Lost),
            Err(problem) => Err(Interrupted::Failed(problem.into())),
        }
    }
}
