use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::oneshot;

use super::password::{self, Scratch};
use super::{AuthError, werkzeug};
use crate::store::{PasswordScheme, StoreError};

/// Maximum length of a password, in bytes.
const MAX_PASSWORD: usize = 512;
/// Number of threads. For argon2, each keeps 19 MiB; scrypt takes 32 MiB during a check.
const PARALLEL_CHECKS: usize = 2;
/// Maximum number of queued checks; more are refused.
const MAX_WAITING: usize = 32;
/// Time limit of a check, including its wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// `Retry-After` of a refused client.
const RETRY_AFTER: Duration = Duration::from_secs(3);

type Job = Box<dyn FnOnce(&mut Scratch) + Send>;

/// Checks and hashes passwords on a few threads of its own, away from the async ones.
///
/// Memory that scrypt frees stays in a thread's heap and is used again. On the runtime's blocking pool, each of many threads
/// would keep some.
pub(super) struct Hasher {
    jobs: SyncSender<Job>,
}

impl Default for Hasher {
    fn default() -> Self {
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 0..PARALLEL_CHECKS {
            let waiting = Arc::clone(&waiting);
            let thread = std::thread::Builder::new().name(format!("password-{number}"));
            if let Err(error) = thread.spawn(move || work(&waiting)) {
                tracing::error!(%error, "can't start a thread for password checks");
            }
        }
        Self { jobs }
    }
}

impl Hasher {
    /// Whether `password` is the one that `hash` was made from.
    pub(super) async fn verify(
        &self,
        hash: String,
        password: SecretString,
    ) -> Result<bool, AuthError> {
        // Answering at once reveals nothing about any account.
        if password.expose_secret().len() > MAX_PASSWORD {
            return Ok(false);
        }
        self.run(move |scratch| password::verify(&hash, &password, scratch))
            .await
    }

    /// Hashes `password` in this scheme.
    pub(super) async fn hash(
        &self,
        scheme: PasswordScheme,
        password: SecretString,
    ) -> Result<String, AuthError> {
        let hash = self
            .run(move |scratch| password::hash(scheme, &password, scratch))
            .await?;
        Ok(hash.map_err(StoreError::Internal)?)
    }

    /// Hashes `password` in Werkzeug's format with this salt.
    pub(super) async fn werkzeug(
        &self,
        password: SecretString,
        salt: String,
    ) -> Result<String, AuthError> {
        let hash = self
            .run(move |_| werkzeug::hash_with(password.expose_secret(), &salt))
            .await?;
        Ok(hash.map_err(StoreError::Internal)?)
    }

    /// Runs `work` on one of the threads. [`AuthError::Busy`] when the queue is full, or after [`PATIENCE`].
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Scratch) -> T + Send + 'static,
    ) -> Result<T, AuthError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |scratch| {
            // The client may have disconnected.
            if !answer.is_closed() {
                let _ = answer.send(work(scratch));
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => AuthError::Busy(RETRY_AFTER),
            TrySendError::Disconnected(_) => broken("no thread checks passwords"),
        })?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(broken("a password check panicked")),
            Err(_) => Err(AuthError::Busy(RETRY_AFTER)),
        }
    }
}

fn broken(what: &'static str) -> AuthError {
    AuthError::Store(StoreError::Internal(anyhow::anyhow!(what)))
}

/// Runs jobs until the hasher is dropped.
fn work(waiting: &Mutex<Receiver<Job>>) {
    let mut scratch = Scratch::default();
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = next else {
            return;
        };
        // One bad hash must not end the thread. No check relies on what the scratch memory holds.
        if catch_unwind(AssertUnwindSafe(|| job(&mut scratch))).is_err() {
            tracing::error!("a password check panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn right_and_wrong_passwords_are_told_apart() -> Result<(), AuthError> {
        let hasher = Hasher::default();
        for (scheme, prefix) in [
            (PasswordScheme::Argon2id, "$argon2id$"),
            (PasswordScheme::Werkzeug, "scrypt:32768:8:1$"),
        ] {
            let hash = hasher.hash(scheme, "correct horse".into()).await?;
            assert!(hash.starts_with(prefix), "{hash}");
            assert!(password::is_in(scheme, &hash));
            assert!(hasher.verify(hash.clone(), "correct horse".into()).await?);
            assert!(!hasher.verify(hash.clone(), "correct horsf".into()).await?);
            assert!(!hasher.verify(hash, "x".repeat(1_000).into()).await?);
        }
        Ok(())
    }

    /// Fills both threads until the sender is dropped.
    async fn occupy(hasher: &Arc<Hasher>) -> Vec<SyncSender<()>> {
        let mut held = Vec::new();
        for _ in 0..PARALLEL_CHECKS {
            let (release, wait) = mpsc::sync_channel::<()>(0);
            let (begin, begun) = oneshot::channel();
            let hasher = Arc::clone(hasher);
            tokio::spawn(async move {
                let wait = move |_: &mut Scratch| {
                    let _ = begin.send(());
                    let _ = wait.recv();
                };
                hasher.run(wait).await
            });
            begun.await.expect("it has begun");
            held.push(release);
        }
        held
    }

    #[tokio::test]
    async fn the_queue_has_an_end_and_so_has_the_wait() {
        let hasher = Arc::new(Hasher::default());
        let held = occupy(&hasher).await;
        tokio::time::pause();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..MAX_WAITING + 5 {
            let hasher = Arc::clone(&hasher);
            waiting.spawn(async move { hasher.run(|_| ()).await });
        }
        let mut refused = 0;
        while let Some(result) = waiting.join_next().await {
            let result = result.expect("no panic");
            assert!(matches!(result, Err(AuthError::Busy(_))), "{result:?}");
            refused += 1;
        }
        assert_eq!(refused, MAX_WAITING + 5, "time is up for those that wait");
        drop(held);
    }

    #[tokio::test]
    async fn a_panic_leaves_the_threads_alive() {
        let hasher = Hasher::default();
        for _ in 0..PARALLEL_CHECKS * 2 {
            let failed = hasher.run(|_| panic!("on purpose")).await;
            assert!(matches!(failed, Err(AuthError::Store(_))));
        }
        assert!(matches!(hasher.run(|_| 7).await, Ok(7)));
    }
}
