//! Browser sessions: actix-session's middleware on the store's accounts.
//!
//! The middleware needs the key of its cookies at construction, and the store with the key may be unreachable then. So
//! [`DeskSession`] builds it at the first request for which the key can be read.

mod choice;
mod entries;
mod store;

use std::cell::{OnceCell, RefCell};
use std::future::{Future, Ready, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;

use actix_session::config::{CookieContentSecurity, PersistentSession};
use actix_session::{Session, SessionExt as _, SessionMiddleware};
use actix_web::body::MessageBody;
use actix_web::cookie::{Key, SameSite, time};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage as _, HttpRequest, web};

use super::bearer::bearer_secret;
use super::cookies::{session_cookie_name, values};
use super::state::AppState;
use crate::auth::{AuthError, Authenticated, Principal, SESSION_LIMIT};
use crate::store::StoreError;
use choice::SessionCookie;
use entries::{Away, BEGINS, Beginning, FAILURE, VALIDITY, Validity, internal};
use store::AccountSessions;

/// The session of a request behind [`DeskSession`]. [`StoreError::Unavailable`] while the key of the cookies can't be read.
pub(super) fn session(request: &HttpRequest) -> Result<Session, AuthError> {
    if let Some(away) = request.extensions().get::<Away>() {
        return Err(away.clone().into());
    }
    Ok(request.get_session())
}

/// The admin of the session in the request's cookie.
pub(super) fn principal(request: &HttpRequest, name: &str) -> Result<Principal, AuthError> {
    let validity = session(request)?.get(VALIDITY).map_err(internal)?;
    match validity {
        Some(Validity::Good(principal)) => Ok(principal),
        Some(Validity::Disabled) => Err(AuthError::Disabled),
        Some(Validity::Unknown(away)) => Err(away.into()),
        None if values(request.headers(), name).next().is_some() => Err(AuthError::Unknown),
        None => Err(AuthError::Missing),
    }
}

/// Begins a session with the response, under a new key, and ends that of the request's cookie.
///
/// Doesn't call `renew`: actix-session 0.11 then ends the old session before it saves the new one, and a store that fails in
/// between signs the user out. The store of sessions does it in the safe order.
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
    session.insert(BEGINS, beginning).map_err(internal)
}

/// Middleware that loads the session of a request's cookie.
///
/// While the key of the cookies can't be read, requests get no session and [`session`] returns the reason. Requests that need
/// no session still work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeskSession {
    /// For routes that accept a cookie and no bearer token.
    CookieOnly,
    /// For routes that accept either. A bearer token takes precedence, so no session is loaded then.
    CookieOrBearer,
}

type Answer<B> = Pin<Box<dyn Future<Output = Result<ServiceResponse<B>, Error>>>>;
type Inner<B> =
    dyn Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error, Future = Answer<B>>;

/// The wrapped service, with actix-session's middleware once the key of the cookies is known.
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

/// The middleware, built on the first request for which the key can be read.
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
        // The cookie is sent only when a session begins or ends, never with polls: in between, the store extends the session.
        .session_lifecycle(PersistentSession::default().session_ttl(lifetime))
        .build()
        .new_transform(Rc::clone(service))
        .await
        .map_err(|()| anyhow::anyhow!("can't build actix-session's middleware"))?;
    // Another request may have built it first.
    Ok(sessions.get_or_init(|| Sessions {
        cookie: SessionCookie { name, secure, key },
        middleware: Rc::new(middleware),
    }))
}
