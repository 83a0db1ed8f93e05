//! HTTP for `instant-acme`: with deadlines, bounds and the authority's `Retry-After`, which that crate drops from errors.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http_body::Body as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use super::machine::LONGEST_RETRY;
use super::problem::{CallError, Problem, ProblemKind};
use crate::clock::Clock;

/// Time limit of connecting to the authority.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum length of an answer; certificate chains have a few KiB.
const MAX_ANSWER: usize = 256 << 10;

/// Talks to an ACME authority.
#[derive(Clone)]
pub(super) struct AcmeClient {
    http: reqwest::Client,
    clock: Clock,
    last: Arc<Mutex<Last>>,
}

/// What is known of the last answer.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    status: u16,
    retry_after: Option<Duration>,
}

impl AcmeClient {
    /// `ca` are further roots that the authority's own certificate may be signed by, as PEM.
    pub(super) fn new(ca: Option<&[u8]>, clock: Clock) -> Result<Self, Problem> {
        let problem = |error: reqwest::Error| Problem::new(ProblemKind::Unreachable, words(&error));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("orderbell/", env!("CARGO_PKG_VERSION")))
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT);
        if let Some(ca) = ca {
            let roots = reqwest::Certificate::from_pem_bundle(ca).map_err(problem)?;
            builder = builder.tls_certs_merge(roots);
        }
        Ok(Self {
            http: builder.build().map_err(problem)?,
            clock,
            last: Arc::default(),
        })
    }

    /// An error of `instant-acme` in words, with what the last answer said about trying again.
    pub(super) fn explain(&self, error: Error) -> CallError {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut account_is_gone = false;
        let problem = match error {
            Error::Api(problem) => {
                let kind = problem.r#type.as_deref().unwrap_or_default();
                account_is_gone = kind.ends_with(":accountDoesNotExist");
                let kind = match (ProblemKind::of_acme(kind), last.status) {
                    (ProblemKind::Other, 429) => ProblemKind::RateLimited,
                    (ProblemKind::Other, 500..) => ProblemKind::Authority,
                    (kind, _) => kind,
                };
                let first = problem.subproblems.first();
                let detail = problem.detail.as_ref();
                let detail = first.and_then(|first| first.detail.as_ref()).or(detail);
                let said = Problem::new(kind, detail.map_or("", String::as_str));
                match first.and_then(|first| first.identifier.as_ref()) {
                    Some(name) => said.about(&name.authorized(false).to_string()),
                    None => said,
                }
            }
            Error::Timeout(_) => {
                Problem::new(ProblemKind::Authority, "the order wasn't completed in time")
            }
            Error::Other(error) => match error.downcast::<reqwest::Error>() {
                Ok(error) => Problem::new(ProblemKind::Unreachable, words(&error)),
                Err(error) => Problem::new(ProblemKind::Other, error),
            },
            error if last.status == 429 => Problem::new(ProblemKind::RateLimited, error),
            error @ Error::Unsupported(_) => Problem::new(ProblemKind::Other, error),
            error => Problem::new(ProblemKind::Authority, error),
        };
        CallError {
            problem,
            retry_after: last.retry_after,
            account_is_gone,
            order_is_over: false,
        }
    }

    /// The same for the error of a challenge, of which `unauthorized` says that the answer was wrong.
    pub(super) fn explain_challenge(&self, error: Error) -> CallError {
        let is_unauthorized = is_unauthorized(&error);
        let mut error = self.explain(error);
        if is_unauthorized {
            error.problem.kind = ProblemKind::WrongServer;
        }
        error
    }

    /// The same for the error of a new order. Let's Encrypt says `unauthorized` of an account that was deactivated or revoked. Of
    /// a name it says so in a subproblem.
    pub(super) fn explain_order(&self, error: Error) -> CallError {
        let is_gone = is_unauthorized(&error)
            && matches!(&error, Error::Api(problem) if problem.subproblems.is_empty());
        let mut error = self.explain(error);
        error.account_is_gone |= is_gone;
        error
    }

    /// The status of the last answer; 0 if there was none.
    pub(super) fn last_status(&self) -> u16 {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .status
    }

    async fn send(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Result<BytesResponse, Error> {
        let other = |error: reqwest::Error| Error::Other(Box::new(error));
        self.note(Last::default());
        let (parts, mut body) = request.into_parts();
        // `instant-acme` sends bodies of one piece.
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let body = frame.and_then(|frame| frame.ok()?.into_data().ok());
        let body = body.unwrap_or_default();
        let request = http::Request::from_parts(parts, body);
        let request = reqwest::Request::try_from(request).map_err(other)?;
        let mut response = self.http.execute(request).await.map_err(other)?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| wait(value.to_str().ok()?, &self.clock));
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(other)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Error::Other("the authority's answer is too long".into()));
            }
            body.extend_from_slice(&chunk);
        }
        self.note(Last {
            status: status.as_u16(),
            // On a success it says how often to poll.
            retry_after: retry_after.filter(|_| !status.is_success()),
        });
        let mut answer = http::Response::builder().status(status);
        if let Some(headers) = answer.headers_mut() {
            headers.clone_from(response.headers());
            // `instant-acme` 0.8.5 adds any number of seconds to the time, which may panic.
            match retry_after {
                Some(wait) => headers.insert(RETRY_AFTER, wait.as_secs().into()),
                None => headers.remove(RETRY_AFTER),
            };
        }
        let (parts, ()) = answer.body(())?.into_parts();
        Ok(BytesResponse {
            parts,
            body: Box::new(body.freeze()),
        })
    }

    fn note(&self, last: Last) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

impl HttpClient for AcmeClient {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move { client.send(request).await })
    }
}

/// An error with its causes, without the address: it may have an account's number.
fn words(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    let host = error.url().and_then(|url| url.host_str());
    let mut words = host.unwrap_or("the authority").to_owned();
    let mut cause = error.source();
    if cause.is_none() {
        words.push_str(if error.is_timeout() {
            ": no answer in time"
        } else {
            ": the request failed"
        });
    }
    while let Some(error) = cause {
        words.push_str(": ");
        words.push_str(&error.to_string());
        cause = error.source();
    }
    words
}

/// The wait that a `Retry-After` asks for, as seconds or as a date, at most [`LONGEST_RETRY`].
fn wait(text: &str, clock: &Clock) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            let at = u64::try_from(at.as_millisecond()).ok()?;
            Duration::from_millis(at.saturating_sub(clock.millis()))
        }
    };
    Some(wait.min(LONGEST_RETRY))
}

fn is_unauthorized(error: &Error) -> bool {
    matches!(error, Error::Api(problem)
        if problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":unauthorized")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_a_number_of_seconds_or_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let clock = Clock::from_fn(|| 784_111_777_000_000);
        let read = |text: &str| wait(text, &clock).map(|wait| wait.as_secs());
        assert_eq!(read(" 120 "), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(read("Sun, 06 Nov 1994 08:00:00 GMT"), Some(0));
        for long in ["18446744073709551615", "Sat, 06 Nov 2094 08:49:37 GMT"] {
            assert_eq!(read(long), Some(7 * 24 * 3_600), "{long}");
        }
        for odd in ["", "-1", "soon"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
