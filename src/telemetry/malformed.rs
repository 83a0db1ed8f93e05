//! Malformed requests are logged by actix, an error for each. Anyone can send them, so only some of them are let through.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where actix-http 3.20 logs them from.
const TARGET: &str = "actix_http::h1::dispatcher";
/// Malformed requests that are logged one by one in each minute.
const PER_MINUTE: u64 = 10;
const MINUTE: Duration = Duration::from_secs(60);

/// The limit of this process: the log is one for all.
static LIMIT: Limit = Limit(Mutex::new(Counts {
    since: None,
    logged: 0,
    suppressed: 0,
}));

struct Limit(Mutex<Counts>);

struct Counts {
    /// When the minute began in which `logged` were logged.
    since: Option<Instant>,
    logged: u64,
    suppressed: u64,
}

impl Limit {
    /// Whether one more may be logged at `now`.
    fn allows(&self, now: Instant) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts
            .since
            .is_none_or(|since| now.duration_since(since) >= MINUTE)
        {
            counts.since = Some(now);
            counts.logged = 0;
        }
        if counts.logged < PER_MINUTE {
            counts.logged += 1;
            return true;
        }
        counts.suppressed += 1;
        false
    }

    /// How many were not logged since the last call.
    fn take_suppressed(&self) -> u64 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut counts.suppressed)
    }
}

/// Drops what is beyond the limit before anything is written.
pub(super) struct MalformedRequests;

impl<S: Subscriber> Layer<S> for MalformedRequests {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        event.metadata().target() != TARGET || LIMIT.allows(Instant::now())
    }
}

/// Logs how many malformed requests were not logged one by one since the last call, if any.
pub fn report_malformed_requests() {
    let requests = LIMIT.take_suppressed();
    if requests > 0 {
        tracing::warn!(
            requests,
            "further malformed requests were refused, and not logged one by one"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_minute_has_a_number_and_the_next_one_begins_anew() {
        let limit = Limit(Mutex::new(Counts {
            since: None,
            logged: 0,
            suppressed: 0,
        }));
        let begin = Instant::now();
        let logged = |at: u64| {
            (0..25)
                .filter(|_| limit.allows(begin + Duration::from_secs(at)))
                .count()
        };
        assert_eq!([logged(0), logged(59), logged(60)], [10, 0, 10]);
        assert_eq!(limit.take_suppressed(), 15 + 25 + 15);
        assert_eq!(limit.take_suppressed(), 0);
    }

    #[test]
    fn only_what_actix_says_of_malformed_requests_is_limited() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::registry()
            .with(MalformedRequests)
            .with(tracing_subscriber::fmt::layer().with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..50 {
                tracing::error!(target: TARGET, "stream error: request parse error");
                tracing::error!("something else");
            }
            report_malformed_requests();
        });
        let text = String::from_utf8(log.0.lock().expect("not poisoned").clone()).expect("text");
        let lines = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        assert_eq!(lines("stream error"), 10);
        assert_eq!(lines("something else"), 50);
        assert_eq!(lines("further malformed requests"), 1, "{text}");
    }
}
