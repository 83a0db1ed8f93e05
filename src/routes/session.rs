//! Browsers' sessions: actix-session's middleware over the store's accounts.
//!
//! The middleware takes the key of its cookies when it is built, and that key may have to be read from a store that is away. So
//! [`DeskSession`] builds it for the first request that finds the key.

mod choice;
mod store;

use std::cell::{OnceCell, RefCell};
use std::future::{Future, Ready, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_session::{Session, SessionExt as _, SessionMiddleware};
use actix_web::body::MessageBody;
use actix_web::cookie::{Key, SameSite, time};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use serde::{Deserialize, Serialize};

use super::bearer::bearer_secret;
use super::cookies::{session_cookie_name, values};
use super::error::ApiError;
use super::state::AppState;
use crate::auth::{AuthError, Authenticated, Principal, SESSION_LIMIT};
use crate::store::StoreError;
use choice::SessionCookie;
use store::AccountSessions;

/// Entry of a session's state that says what the cookie is worth; set when the session is loaded.
const WORTH: &str = "worth";
/// Entry of a session's state that has a session begin; set by the sign-in.
const BEGINS: &str = "begins";

/// When to try again where the store doesn't say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the session of a request's cookie is worth. One that has ended has no state.
#[derive(Serialize, Deserialize)]
enum Worth {
    Good(Principal),
    /// The admin is disabled.
    Disabled,
    /// The store couldn't be asked.
    Unknown(Away),
}

/// The session of an admin who has given the right password.
#[derive(Serialize, Deserialize)]
struct Beginning {
    admin: Authenticated,
    /// What people recognise the session by.
    client: String,
    /// For the log.
    address: IpAddr,
}

/// Why the store couldn't be asked. Extensions of a request hold it while the key of the cookies is out of reach.
#[derive(Clone, Serialize, Deserialize)]
struct Away {
    reason: String,
    retry_after: Duration,
}

impl TryFrom<StoreError> for Away {
    type Error = ApiError;

    /// Errors that don't pass by themselves stay errors.
    fn try_from(error: StoreError) -> Result<Self, ApiError> {
        match error {
            StoreError::Unavailable {
                reason,
                retry_after,
            } => Ok(Self {
                reason,
                retry_after,
            }),
            // Of the key that is made on the first run: the next request finds out.
            StoreError::OutcomeUnknown { reason } => Ok(Self {
                reason,
                retry_after: RETRY_AFTER,
            }),
            error => Err(error.into()),
        }
    }
}

impl From<Away> for AuthError {
    fn from(away: Away) -> Self {
        Self::Store(StoreError::Unavailable {
            reason: away.reason,
            retry_after: away.retry_after,
        })
    }
}

/// The session of a request to an address behind [`DeskSession`]. [`StoreError::Unavailable`] while the key of the cookies is
/// out of reach.
pub(super) fn session(request: &HttpRequest) -> Result<Session, AuthError> {
    if let Some(away) = request.extensions().get::<Away>() {
        return Err(away.clone().into());
    }
    Ok(request.get_session())
}

/// The admin whose session the request's cookie carries.
pub(super) fn principal(request: &HttpRequest, name: &str) -> Result<Principal, AuthError> {
    let worth = session(request)?.get(WORTH).map_err(internal)?;
    match worth {
        Some(Worth::Good(principal)) => Ok(principal),
        Some(Worth::Disabled) => Err(AuthError::Disabled),
        Some(Worth::Unknown(away)) => Err(away.into()),
        None if values(request.headers(), name).next().is_some() => Err(AuthError::Unknown),
        None => Err(AuthError::Missing),
    }
}

/// Has a session begin with the answer, under a new key. The one that the request's cookie carries ends.
pub(super) fn begin(
    session: &Session,
    admin: Authenticated,
    client: String,
    address: IpAddr,
) -> Result<(), AuthError> {
    let beginning = Beginning {
        admin,
        client,
        address,
    };
    session.clear();
    session.insert(BEGINS, beginning).map_err(internal)?;
    session.renew();
    Ok(())
}

/// actix-session's errors, which aren't for other threads, as those of the store.
fn internal(error: impl std::fmt::Display) -> AuthError {
    AuthError::Store(anyhow::anyhow!("the session's state: {error}").into())
}

tokio::task_local! {
    /// Why the [`AccountSessions`] failed in this request: the middleware makes each of its errors an opaque 500.
    static FAILURE: RefCell<Option<ApiError>>;
}

/// Middleware that gives requests the session that their cookie carries.
///
/// While the key of the cookies is out of reach, requests get none, and [`session`] says why: what needs no session goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeskSession {
    /// Of addresses that take a cookie and no bearer token.
    CookieOnly,
    /// Of addresses that take either. The token is what is meant where a request has both, so that no session is loaded.
    CookieOrBearer,
}

type Answer<B> = Pin<Box<dyn Future<Output = Result<ServiceResponse<B>, Error>>>>;
type Inner<B> =
    dyn Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error, Future = Answer<B>>;

/// A service behind actix-session's middleware, once the key of the cookies is known.
pub(super) struct DeskSessionService<S, B> {
    takes: DeskSession,
    service: Rc<S>,
    sessions: Rc<OnceCell<Sessions<B>>>,
}

struct Sessions<B> {
    cookie: SessionCookie,
    middleware: Rc<Inner<B>>,
}

impl<S, B> Transform<S, ServiceRequest> for DeskSession
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = DeskSessionService<S, B>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(DeskSessionService {
            takes: *self,
            service: Rc::new(service),
            sessions: Rc::default(),
        }))
    }
}

impl<S, B> Service<ServiceRequest> for DeskSessionService<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Answer<B>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let (service, sessions) = (Rc::clone(&self.service), Rc::clone(&self.sessions));
        let has_token = bearer_secret(request.request()).is_ok();
        if has_token && self.takes == DeskSession::CookieOrBearer {
            return Box::pin(service.call(request));
        }
        Box::pin(async move {
            let Some(state) = request.app_data::<web::Data<AppState>>().cloned() else {
                return service.call(request).await;
            };
            let sessions = match built(&sessions, &service, &state).await {
                Ok(sessions) => sessions,
                Err(error) => {
                    request.extensions_mut().insert(Away::try_from(error)?);
                    return service.call(request).await;
                }
            };
            sessions
                .cookie
                .leave_one(request.head_mut(), &state.auth)
                .await;
            let answer = async {
                let answer = sessions.middleware.call(request).await;
                answer.map_err(|error| match FAILURE.with(RefCell::take) {
                    Some(failure) => failure.into(),
                    None => error,
                })
            };
            FAILURE.scope(RefCell::default(), answer).await
        })
    }
}

/// The middleware, built if this is the first request that finds the key.
async fn built<'a, S, B>(
    sessions: &'a OnceCell<Sessions<B>>,
    service: &Rc<S>,
    state: &web::Data<AppState>,
) -> Result<&'a Sessions<B>, StoreError>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    if let Some(sessions) = sessions.get() {
        return Ok(sessions);
    }
    let key = Key::from(&state.auth.cookie_key().await?);
    let secure = state.settings.secure_cookies();
    let name = session_cookie_name(secure);
    let lifetime = time::Duration::try_from(SESSION_LIMIT).map_err(anyhow::Error::from)?;
    let middleware = SessionMiddleware::builder(AccountSessions::new(state.clone()), key.clone())
        .cookie_name(name.to_owned())
        .cookie_secure(secure)
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .cookie_path("/".to_owned())
        .cookie_content_security(CookieContentSecurity::Signed)
        // The cookie is sent when a session begins and when it ends, and never with polls: in between, it is the store that
        // keeps a session going.
        .session_lifecycle(PersistentSession::default().session_ttl(lifetime))
        .build()
        .new_transform(Rc::clone(service))
        .await
        .map_err(|()| anyhow::anyhow!("actix-session's middleware can't be built"))?;
    // Another request may have been faster.
    Ok(sessions.get_or_init(|| Sessions {
        cookie: SessionCookie { name, secure, key },
        middleware: Rc::new(middleware),
    }))
}
