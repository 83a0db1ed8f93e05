use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinError;

/// A thread with its own runtime for the channel to the database.
///
/// A channel's tasks run on the runtime that it was made on. On one of the server's workers, calls of any thread would wait while
/// that worker writes to all of its readers.
pub(super) struct ChannelRuntime(Option<Runtime>);

impl ChannelRuntime {
    /// Starts the thread. If that fails, channels run on their caller's runtime.
    pub(super) fn start() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("firestore")
            .enable_all()
            .build();
        if let Err(error) = &runtime {
            tracing::warn!(%error, "no thread can be started for the channel to Firestore: calls wait while a worker is busy");
        }
        Self(runtime.ok())
    }

    /// Runs `making` on the thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        making: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, JoinError> {
        let handle = self
            .0
            .as_ref()
            .map_or_else(Handle::current, |own| own.handle().clone());
        handle.spawn(making).await
    }
}

impl Drop for ChannelRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // May be dropped by a task, which must not block.
            runtime.shutdown_background();
        }
    }
}
