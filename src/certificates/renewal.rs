//! Carries out the decisions of the [machine](super::machine): reads and writes the shared record, talks to the authority, and
//! hands certificates to the listeners.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use tokio::sync::{Notify, watch};

use super::authority::{Authority, CallError, alpn_certificate};
use super::client::AcmeClient;
use super::machine::{self, Step, Wanted};
use super::metrics::Metrics;
use super::problem::{Problem, ProblemKind};
use super::record::{AlpnAnswer, Record, millis_of};
use super::status::Status;
use crate::clock::Clock;
use crate::http::{Certificates, CertifiedPair};
use crate::store::{SecretStore, StoreError};

/// Name of the shared record among the store's secrets.
pub const RECORD: &str = "acme";
/// Shortest time between two looks at the record.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Pause after a failed look.
const AFTER_STORE_FAILURE: Duration = Duration::from_secs(15);
/// Time for all other instances to see the answers of TLS-ALPN-01: a little more than they look.
const SETTLE: Duration = Duration::from_secs(40);
/// How long an answer to the authority waits for the account to be known.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// Attempts to store a certificate. If all fail, the next attempt fetches it again from its order.
const STORE_ATTEMPTS: u32 = 5;

/// What the renewal of a certificate needs to know.
#[derive(Debug, Clone)]
pub struct RenewalSettings {
    /// The certificate to have.
    pub wanted: Wanted,
    /// Address for the authority's messages.
    pub email: Option<String>,
    /// Roots that the authority's own certificate may be signed by, as PEM, beside the usual ones.
    pub directory_ca: Option<Vec<u8>>,
    /// Whether other instances may use the same store.
    pub is_shared: bool,
}

/// Gets a certificate, and renews it. Cheap to clone.
#[derive(Clone)]
pub struct Renewal(Arc<Parts>);

struct Parts {
    settings: RenewalSettings,
    store: Arc<dyn SecretStore>,
    certificates: Certificates,
    clock: Clock,
    /// Name of this instance in leases.
    me: String,
    wake: Notify,
    has_port_80: AtomicBool,
    thumbprint: watch::Sender<Option<String>>,
    /// When a visitor has last made this instance look for an account, in milliseconds.
    looked_at: AtomicU64,
    seen: Mutex<Seen>,
    metrics: Metrics,
}

/// What this instance has made of the record.
#[derive(Default)]
struct Seen {
    record: Record,
    /// The chain that the listeners present.
    chain: Option<String>,
    /// TLS-ALPN-01 answers that the listeners give.
    alpn: Vec<AlpnAnswer>,
    /// Why the record couldn't be read, if that is so.
    trouble: Option<Problem>,
}

/// The record as this instance holds it, and the text that it was read from.
struct Held {
    text: Option<String>,
    record: Record,
}

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

impl Renewal {
    /// Does nothing before [`run`](Self::run).
    pub fn new(
        settings: RenewalSettings,
        store: Arc<dyn SecretStore>,
        certificates: Certificates,
        clock: Clock,
    ) -> Self {
        // A store of this process alone: after a restart its lease is still its own.
        let me = if settings.is_shared {
            crate::store::random_id()
        } else {
            "this machine".to_owned()
        };
        Self(Arc::new(Parts {
            metrics: Metrics::default(),
            settings,
            store,
            certificates,
            clock,
            me,
            wake: Notify::new(),
            has_port_80: AtomicBool::new(false),
            thumbprint: watch::Sender::new(None),
            looked_at: AtomicU64::new(0),
            seen: Mutex::default(),
        }))
    }

    /// Says whether this process answers on the port of HTTP-01.
    pub fn set_has_port_80(&self, has_port_80: bool) {
        self.0.has_port_80.store(has_port_80, Ordering::Relaxed);
    }

    /// Registers the metrics.
    pub fn register(&self, registry: &mut prometheus_client::registry::Registry) {
        self.0.metrics.register(registry);
    }

    /// Looks at the record again now.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Where things stand, by the record as this instance has seen it last.
    pub fn status(&self) -> Status {
        let seen = self.0.lock();
        let now = self.0.clock.millis();
        Status::of(
            &seen.record,
            &self.0.settings.wanted,
            seen.trouble.clone(),
            now,
        )
    }

    /// The answer to HTTP-01 for `token`: it follows from the account, so all instances give the same one, and need not know of
    /// the order. `None` if there is no account.
    pub async fn answer(&self, token: &str) -> Option<String> {
        let mut thumbprint = self.0.thumbprint.subscribe();
        if thumbprint.borrow().is_none() && self.0.may_look_for_account() {
            // Another instance may have made it a moment ago.
            self.wake();
        }
        let known = thumbprint.wait_for(Option::is_some);
        let known = tokio::time::timeout(ANSWER_PATIENCE, known).await;
        let thumbprint = known.ok()?.ok()?.clone()?;
        Some(format!("{token}.{thumbprint}"))
    }

    /// Works until it is dropped.
    pub async fn run(self) -> std::convert::Infallible {
        loop {
            let pause = match self.0.turn().await {
                Ok(pause) => pause,
                Err(problem) => {
                    tracing::warn!(%problem, "the state of the certificate can't be read or written");
                    self.0.lock().trouble = Some(problem);
                    AFTER_STORE_FAILURE
                }
            };
            let pause = tokio::time::sleep(pause.max(SHORTEST_PAUSE));
            tokio::select! {
                () = pause => {}
                () = self.0.wake.notified() => {
                    // Wakes come from outside: they don't make looks more frequent than this.
                    tokio::time::sleep(SHORTEST_PAUSE).await;
                }
            }
        }
    }
}

impl Parts {
    /// Whether a visitor may make this instance look at the record: anyone can ask, and looks cost something.
    fn may_look_for_account(&self) -> bool {
        let now = self.clock.millis();
        let last = self.looked_at.load(Ordering::Relaxed);
        let is_due = now.abs_diff(last) >= millis_of(ANSWER_PATIENCE);
        if !is_due {
            return false;
        }
        let swap = self
            .looked_at
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        swap.is_ok()
    }

    /// Looks at the record, and does what is due. Returns when to look again.
    async fn turn(&self) -> Result<Duration, Problem> {
        let mut held = self.read().await?;
        self.adopt(&held.record);
        let now = self.clock.millis();
        let step = machine::next_step(&held.record, &self.settings.wanted, &self.me, now);
        if let Step::Wait(wait) = step {
            return Ok(wait);
        }
        let leased = held.record.leased(&self.me, now);
        if !self.save(&mut held, leased).await? {
            return Ok(Duration::ZERO);
        }
        match step {
            Step::Wait(_) => {}
            Step::Order => self.order(held).await?,
            Step::AskRenewal => self.ask_renewal(held).await?,
        }
        Ok(Duration::ZERO)
    }

    /// One attempt, from the lease to its end.
    async fn order(&self, mut held: Held) -> Result<(), Problem> {
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

    async fn attempt(
        &self,
        held: &mut Held,
    ) -> Result<super::record::CertificateRecord, Interrupted> {
        let wanted = &self.settings.wanted;
        let authority = self.authority(held).await?;
        let has_port_80 = self.has_port_80.load(Ordering::Relaxed);
        let kind = machine::challenge_kind(&held.record, has_port_80);
        let begun = held.record.order.as_ref();
        let begun = begun.filter(|order| order.domains == wanted.domains);
        let resumed = match begun {
            Some(order) => authority.resume(order).await,
            None => None,
        };
        let mut order = match resumed {
            Some(order) => order,
            None => {
                let replaced = machine::current(&held.record, wanted);
                let replaced = replaced.filter(|certificate| certificate.renew_at.is_some());
                authority.begin(wanted, replaced).await?
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
        let account = held.record.account.as_ref();
        if let Some(account) = account.filter(|account| account.directory_url == *url) {
            return Ok(Authority::sign_in(client, account).await?);
        }
        let (authority, account) =
            Authority::sign_up(client, url, settings.email.as_deref()).await?;
        let mut record = held.record.clone();
        record.account = Some(account);
        record.order = None;
        self.save_or_stop(held, record).await?;
        Ok(authority)
    }

    fn record_failure(&self, record: &mut Record, error: CallError) {
        let now = self.clock.millis();
        if error.account_is_gone {
            record.account = None;
        }
        // Whatever the authority makes of the order, the next attempt begins a new one unless it never heard the last answer.
        if error.problem.kind != ProblemKind::Unreachable {
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
        let failure = record.failure.as_ref();
        let wait = failure.map_or(0, |failure| failure.retry_at.saturating_sub(now) / 1_000);
        tracing::warn!(
            %problem,
            advice = problem.advice(),
            failures = failure.map_or(0, |failure| failure.count),
            next_attempt_in_seconds = wait,
            "there is no new certificate"
        );
    }

    async fn ask_renewal(&self, mut held: Held) -> Result<(), Problem> {
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

    /// Replaces the record. `false` if another instance has changed it.
    async fn save(&self, held: &mut Held, record: Record) -> Result<bool, Problem> {
        let text = serde_json::to_string(&record)
            .map_err(|error| Problem::new(ProblemKind::Store, error))?;
        let saved = self
            .store
            .replace_secret(RECORD, held.text.as_deref(), &text);
        let saved = saved.await.map_err(from_store)?;
        if saved {
            self.adopt(&record);
            *held = Held {
                text: Some(text),
                record,
            };
        }
        Ok(saved)
    }

    async fn read(&self) -> Result<Held, Problem> {
        let text = self.store.read_secret(RECORD).await.map_err(from_store)?;
        let record = match &text {
            Some(text) => read_record(text)?,
            None => Record::default(),
        };
        Ok(Held { text, record })
    }

    /// Makes the listeners do what the record says.
    fn adopt(&self, record: &Record) {
        let mut seen = self.lock();
        let thumbprint = record.account.as_ref().map(|account| &account.thumbprint);
        self.thumbprint.send_if_modified(|known| {
            let is_new = known.as_ref() != thumbprint;
            *known = thumbprint.cloned();
            is_new
        });
        let chain = record
            .certificate
            .as_ref()
            .map(|certificate| &certificate.chain);
        if chain != seen.chain.as_ref()
            && let Some(certificate) = &record.certificate
        {
            let key = certificate.key.expose();
            match CertifiedPair::from_pem(certificate.chain.as_bytes(), key.as_bytes()) {
                Ok(pair) => {
                    tracing::info!(
                        names = %pair.facts().names.join(", "),
                        days_left = certificate.not_after.saturating_sub(self.clock.millis()) / 86_400_000,
                        "serving a certificate"
                    );
                    self.certificates.set(pair);
                }
                Err(error) => tracing::error!(%error, "the stored certificate can't be used"),
            }
            seen.chain = chain.cloned();
        }
        self.answer_alpn(&mut seen, record);
        seen.record = record.clone();
        seen.trouble = None;
    }

    fn answer_alpn(&self, seen: &mut Seen, record: &Record) {
        let wanted = record
            .order
            .as_ref()
            .map(|order| &*order.alpn)
            .unwrap_or_default();
        if seen.alpn == wanted {
            return;
        }
        for answer in &seen.alpn {
            self.certificates.clear_challenge(&answer.domain);
        }
        for answer in wanted {
            match alpn_certificate(answer) {
                Ok(pair) => self.certificates.set_challenge(&answer.domain, pair),
                Err(problem) => tracing::error!(%problem, "TLS-ALPN-01 can't be answered"),
            }
        }
        seen.alpn = wanted.to_vec();
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parses the shared record.
pub(super) fn read_record(text: &str) -> Result<Record, Problem> {
    serde_json::from_str(text).map_err(|error| {
        Problem::new(
            ProblemKind::Store,
            format_args!("the secret {RECORD:?} can't be read: {error}"),
        )
    })
}

pub(super) fn from_store(error: StoreError) -> Problem {
    Problem::new(ProblemKind::Store, error)
}
