//! When to request a certificate, when to renew it, and when to try again: decisions from the shared [`Record`] and the time,
//! without any input or output.
//!
//! All instances read the same record and make the same decisions. The one that takes the lease acts; the others look again
//! until the record has changed.

use std::time::Duration;

use super::problem::{Problem, ProblemKind};
use super::record::{
    AccountRecord, CertificateRecord, Failure, Issued, Lease, MAX_ACCOUNTS, MAX_FAILURES,
    MAX_ISSUED, MAX_ISSUED_TOTAL, Record, millis_of,
};

/// How long one attempt may take.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(300);
/// How long the lease holds: longer than an attempt, by more than clocks differ.
pub const LEASE: Duration = Duration::from_secs(600);
/// How often instances look at the record while another one works, or there is no certificate.
pub const LOOK_OFTEN: Duration = Duration::from_secs(30);
/// How often they look otherwise, in case that something was changed by hand.
pub const LOOK_SELDOM: Duration = Duration::from_secs(3_600);
/// Minimum time between two certificates for the same names, whatever the clock and the authority say.
pub const BETWEEN_CERTIFICATES: Duration = Duration::from_secs(36 * 3_600);
/// The time in which at most [`MAX_ISSUED`] certificates of one authority are requested, for whatever names: instances with different domains
/// on one store would otherwise replace each other's for ever.
pub const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Longest wait that an authority can impose with `Retry-After`.
pub const LONGEST_RETRY: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Limits of the time between two questions about renewal (RFC 9773, section 4.3.2).
pub const ASK_AGAIN: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(24 * 3_600);
/// Waits after failed validations, in minutes. Let's Encrypt allows five failures per name and hour.
const AFTER_FAILURES: [u64; 7] = [2, 5, 15, 30, 60, 120, 360];
/// Waits while the authority doesn't answer, in seconds: such attempts count nowhere.
const AFTER_SILENCE: [u64; 6] = [15, 30, 60, 300, 900, 1_800];
/// Wait when the authority names a limit but no time.
const AFTER_LIMIT: Duration = Duration::from_secs(3_600);

/// How far the clocks of instances may differ. What was recorded later than that from now was recorded by a clock that was
/// wrong, and is ignored.
const MAX_SKEW: Duration = Duration::from_secs(300);

/// The certificate to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its names, in lower case.
    pub domains: Vec<String>,
    /// Its authority.
    pub directory_url: String,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Request a certificate, once the lease is taken.
    Order,
    /// Ask the authority when to renew, once the lease is taken.
    AskRenewal,
    /// Look at the record again after this time.
    Wait(Duration),
}

/// How an attempt to answer the authority is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeKind {
    /// A file on port 80.
    Http,
    /// A handshake on port 443.
    TlsAlpn,
}

/// Decides what the instance `me` does at `now`.
pub fn next_step(record: &Record, wanted: &Wanted, me: &str, now: u64) -> Step {
    let due = due_at(record, wanted, now);
    let certificate = current(record, wanted);
    let ask = certificate.map(|certificate| {
        let asked = is_credible(certificate.asked_at, now);
        if asked { certificate.ask_at } else { now }
    });
    let act_at = ask.map_or(due, |ask| ask.min(due));
    if act_at > now {
        let seldom = if has_usable(record, wanted, now) {
            LOOK_SELDOM
        } else {
            LOOK_OFTEN
        };
        return Step::Wait(Duration::from_millis(act_at - now).min(seldom));
    }
    if let Some(lease) = &record.lease
        && holds(lease, now)
        && lease.owner != me
    {
        let left = Duration::from_millis(lease.until - now);
        return Step::Wait(left.min(LOOK_OFTEN));
    }
    if due <= now {
        Step::Order
    } else {
        Step::AskRenewal
    }
}

/// The kind of challenge for the next attempt: port 80 first, then in turn, if both are possible.
pub fn challenge_kind(record: &Record, wanted: &Wanted, has_port_80: bool) -> ChallengeKind {
    let failures = failure(record, wanted).map_or(0, |failure| failure.count);
    if has_port_80 && failures.is_multiple_of(2) {
        ChallengeKind::Http
    } else {
        ChallengeKind::TlsAlpn
    }
}

/// When the next certificate is to be requested: from now on, if that is in the past.
pub fn due_at(record: &Record, wanted: &Wanted, now: u64) -> u64 {
    renewal_due(record, wanted, now)
        .max(retry_due(record, wanted, now))
        .max(limit_ends(record, wanted, now))
}

/// When the own limit of certificates ends, if that is what puts off the next attempt.
pub fn capped_until(record: &Record, wanted: &Wanted, now: u64) -> Option<u64> {
    let limit = limit_ends(record, wanted, now);
    let is_next = limit >= retry_due(record, wanted, now);
    (limit > now && is_next && renewal_due(record, wanted, now) <= now).then_some(limit)
}

fn renewal_due(record: &Record, wanted: &Wanted, now: u64) -> u64 {
    current(record, wanted).map_or(0, |certificate| renewal_at(certificate, now))
}

/// When the waits after failures end. A limit of the authority holds for all names.
fn retry_due(record: &Record, wanted: &Wanted, now: u64) -> u64 {
    let failures = record.failures.iter().filter(|failure| {
        let is_limit = failure.problem.kind == ProblemKind::RateLimited
            && failure.directory_url == wanted.directory_url;
        (is_limit || is_about(failure, wanted)) && is_credible(failure.at, now)
    });
    failures.map(|failure| failure.retry_at).max().unwrap_or(0)
}

fn limit_ends(record: &Record, wanted: &Wanted, now: u64) -> u64 {
    let issued = record.issued.iter().rev();
    let mut issued = issued.filter(|issued| {
        issued.directory_url == wanted.directory_url && is_credible(issued.at, now)
    });
    let fifth = issued.nth(MAX_ISSUED - 1);
    fifth.map_or(0, |fifth| fifth.at + millis_of(WEEK))
}

/// Whether a record may have been made at `at`.
fn is_credible(at: u64, now: u64) -> bool {
    at <= now.saturating_add(millis_of(MAX_SKEW))
}

/// The last failure of the wanted certificate.
pub fn failure<'a>(record: &'a Record, wanted: &Wanted) -> Option<&'a Failure> {
    let mut failures = record.failures.iter();
    failures.find(|failure| is_about(failure, wanted))
}

/// The account at an authority, unless the authority has forgotten it.
pub fn account<'a>(record: &'a Record, directory_url: &str) -> Option<&'a AccountRecord> {
    let mut accounts = record.accounts.iter();
    accounts.find(|account| account.directory_url == directory_url && !account.is_gone)
}

/// The account whose challenges are answered: that of the order, or of the wanted certificate.
pub fn answering<'a>(record: &'a Record, wanted: &Wanted) -> Option<&'a AccountRecord> {
    let order = record.order.as_ref();
    let of_order = order.and_then(|order| account(record, &order.directory_url));
    of_order.or_else(|| account(record, &wanted.directory_url))
}

/// When a certificate is to be renewed: when the authority says so, or at two thirds of its life.
pub fn renewal_at(certificate: &CertificateRecord, now: u64) -> u64 {
    let life = certificate.not_after.saturating_sub(certificate.not_before);
    let two_thirds = certificate.not_before + life / 3 * 2;
    // An authority can't put off the renewal to the last moment: attempts may fail.
    let latest = certificate.not_after - life / 6;
    let renewal = certificate.renew_at.map_or(two_thirds, |at| at.min(latest));
    if !is_credible(certificate.stored_at, now) {
        return renewal;
    }
    renewal.max(certificate.stored_at + millis_of(BETWEEN_CERTIFICATES).min(life / 3))
}

/// The certificate of the record, if it is the wanted one.
pub fn current<'a>(record: &'a Record, wanted: &Wanted) -> Option<&'a CertificateRecord> {
    let certificate = record.certificate.as_ref()?;
    let has_names = wanted
        .domains
        .iter()
        .all(|domain| certificate.domains.contains(domain));
    (has_names && certificate.directory_url == wanted.directory_url).then_some(certificate)
}

fn has_usable(record: &Record, wanted: &Wanted, now: u64) -> bool {
    current(record, wanted).is_some_and(|certificate| now < certificate.not_after)
}

fn is_about(failure: &Failure, wanted: &Wanted) -> bool {
    failure.domains == wanted.domains && failure.directory_url == wanted.directory_url
}

/// Whether a lease is in force. One that ends later than any lease can was made by a clock that was wrong.
pub(super) fn holds(lease: &Lease, now: u64) -> bool {
    lease.until > now && lease.until <= now + 2 * millis_of(LEASE)
}

impl Record {
    /// The record with the lease taken by `me`.
    #[must_use]
    pub fn leased(&self, me: &str, now: u64) -> Self {
        Self {
            lease: Some(Lease {
                owner: me.to_owned(),
                until: now + millis_of(LEASE),
            }),
            ..self.clone()
        }
    }

    /// Whether `me` still has the lease.
    pub fn is_leased_by(&self, me: &str) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.owner == me)
    }

    /// Stores a new certificate, and ends the attempt.
    pub fn succeed(&mut self, certificate: CertificateRecord) {
        let (now, url) = (certificate.stored_at, certificate.directory_url.clone());
        self.issued.retain(|issued| is_credible(issued.at, now));
        let of_authority = |issued: &Issued| issued.directory_url == url;
        if self.issued.iter().filter(|i| of_authority(i)).count() >= MAX_ISSUED
            && let Some(oldest) = self.issued.iter().position(of_authority)
        {
            self.issued.remove(oldest);
        }
        self.issued.push(Issued {
            at: now,
            directory_url: url,
        });
        let surplus = self.issued.len().saturating_sub(MAX_ISSUED_TOTAL);
        self.issued.drain(..surplus);
        self.failures.retain(|failure| {
            failure.domains != certificate.domains
                || failure.directory_url != certificate.directory_url
        });
        self.certificate = Some(certificate);
        self.order = None;
        self.lease = None;
    }

    /// Keeps a new account, in place of one at the same authority.
    pub fn add_account(&mut self, account: AccountRecord) {
        let url = &account.directory_url;
        self.accounts.retain(|other| other.directory_url != *url);
        self.accounts.push(account);
        let surplus = self.accounts.len().saturating_sub(MAX_ACCOUNTS);
        self.accounts.drain(..surplus);
    }

    /// Records that an attempt has failed, and ends it. `retry_after` is the authority's; `spread` from 0 to 1 spreads
    /// instances that fail together.
    pub fn fail(
        &mut self,
        wanted: &Wanted,
        problem: Problem,
        retry_after: Option<Duration>,
        now: u64,
        spread: f64,
    ) {
        let before = failure(self, wanted).map_or(0, |failure| failure.count);
        let count = before.saturating_add(1);
        self.failures.retain(|failure| !is_about(failure, wanted));
        let wait = retry_wait(problem.kind, count, retry_after);
        let wait = wait + wait.mul_f64(spread.clamp(0.0, 1.0) / 10.0);
        self.failures.push(Failure {
            count,
            at: now,
            problem,
            retry_at: now + millis_of(wait.min(LONGEST_RETRY)),
            domains: wanted.domains.clone(),
            directory_url: wanted.directory_url.clone(),
        });
        let surplus = self.failures.len().saturating_sub(MAX_FAILURES);
        self.failures.drain(..surplus);
        self.lease = None;
    }

    /// Records the authority's answer about renewal: the window, of which `spread` from 0 to 1 chooses a point, and when to ask
    /// again.
    pub fn plan_renewal(
        &mut self,
        window: Option<(u64, u64)>,
        ask_again: Duration,
        now: u64,
        spread: f64,
    ) {
        if let Some(certificate) = &mut self.certificate {
            if let Some((start, end)) = window {
                let length = end.saturating_sub(start);
                let is_same = certificate
                    .renew_at
                    .is_some_and(|at| (start..=end).contains(&at));
                if !is_same {
                    let part = Duration::from_millis(length).mul_f64(spread.clamp(0.0, 1.0));
                    certificate.renew_at = Some(start + millis_of(part));
                }
            }
            let wait = ask_again.clamp(*ASK_AGAIN.start(), *ASK_AGAIN.end());
            certificate.asked_at = now;
            certificate.ask_at = now + millis_of(wait);
        }
        self.lease = None;
    }
}

/// How long to wait after the failure number `count` in a row.
fn retry_wait(kind: ProblemKind, count: u32, retry_after: Option<Duration>) -> Duration {
    let index = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
    let own = match kind {
        ProblemKind::Unreachable | ProblemKind::Store => {
            Duration::from_secs(AFTER_SILENCE[index.min(AFTER_SILENCE.len() - 1)])
        }
        _ => Duration::from_secs(60 * AFTER_FAILURES[index.min(AFTER_FAILURES.len() - 1)]),
    };
    let asked = match (kind, retry_after) {
        (_, Some(asked)) => asked.min(LONGEST_RETRY),
        (ProblemKind::RateLimited, None) => AFTER_LIMIT,
        (_, None) => Duration::ZERO,
    };
    own.max(asked)
}
