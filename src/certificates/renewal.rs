//! Carries out the decisions of the [machine]: reads and writes the shared record, talks to the authority, and
//! hands certificates to the listeners.

mod attempt;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::authority::alpn_certificate;
use super::held::Held;
use super::machine::{self, Step, Wanted};
use super::metrics::Metrics;
use super::problem::Problem;
use super::record::{AlpnAnswer, Record, millis_of};
use super::status::Status;
use crate::clock::Clock;
use crate::http::{Certificates, CertifiedPair};
use crate::store::SecretStore;

/// Shortest time between two looks at the record.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
/// Pause after a failed look.
const AFTER_STORE_FAILURE: Duration = Duration::from_secs(15);
/// How long an answer to the authority waits for the account to be known.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

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
        let mut held = Held::read(&*self.store).await?;
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

    /// Replaces the record. `false` if another instance has changed it.
    async fn save(&self, held: &mut Held, record: Record) -> Result<bool, Problem> {
        let saved = held.replace(&*self.store, record).await?;
        if saved {
            self.adopt(&held.record);
        }
        Ok(saved)
    }

    /// Makes the listeners do what the record says.
    fn adopt(&self, record: &Record) {
        let mut seen = self.lock();
        let thumbprint = machine::answering(record, &self.settings.wanted);
        let thumbprint = thumbprint.map(|account| &account.thumbprint);
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
