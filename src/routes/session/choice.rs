use actix_web::cookie::{Cookie, CookieJar, Key};
use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::auth::Auth;
use crate::routes::cookies::{device_cookie_name, segments, split, values};
use crate::routes::language;

/// Maximum number of cookies of one request that are examined.
const MAX_COOKIES_TRIED: usize = 64;
/// Maximum number of sessions of one request that are looked up. Cookies without this server's signature don't count.
const MAX_SESSIONS_TRIED: usize = 4;

/// The cookie that carries a session.
pub(super) struct SessionCookie {
    pub(super) name: &'static str,
    pub(super) secure: bool,
    pub(super) key: Key,
}

impl SessionCookie {
    /// Removes all cookies of a request except one session cookie, the device cookie and the language.
    ///
    /// actix takes the first cookie of a name, also decodes names, and reads no cookies if one isn't text. Other hosts of the
    /// same site can set any cookie, which must not hide the valid one.
    pub(super) async fn leave_one(&self, request: &mut RequestHead, auth: &Auth) {
        if self.is_plain(&request.headers) {
            return;
        }
        let session = self.pick(&request.headers, auth).await;
        let others = self.others().into_iter().flat_map(|name| {
            let values = values(&request.headers, name).take(MAX_COOKIES_TRIED);
            values.map(move |value| format!("{name}={value}"))
        });
        let kept: Vec<String> = session
            .map(|value| format!("{}={value}", self.name))
            .into_iter()
            .chain(others)
            .collect();
        request.headers.remove(header::COOKIE);
        // Parts of a valid header value form a valid one.
        if let Ok(kept) = HeaderValue::from_bytes(kept.join("; ").as_bytes()) {
            request.headers.insert(header::COOKIE, kept);
        }
    }

    /// Whether there is at most one session cookie, and none of other programs.
    fn is_plain(&self, headers: &HeaderMap) -> bool {
        let others = self.others();
        let mut sessions = 0;
        segments(headers).all(|segment| match split(segment) {
            Some((name, _)) if name == self.name => {
                sessions += 1;
                sessions == 1
            }
            Some((name, _)) => others.contains(&name),
            None => false,
        })
    }

    /// The names of this server's other cookies.
    fn others(&self) -> [&'static str; 2] {
        [device_cookie_name(self.secure), language::COOKIE]
    }

    /// The value of the cookie with a valid session, or of any if there is none.
    async fn pick<'a>(&self, headers: &'a HeaderMap, auth: &Auth) -> Option<&'a str> {
        let signed: Vec<(&str, String)> = values(headers, self.name)
            .take(MAX_COOKIES_TRIED)
            .filter_map(|value| Some((value, self.secret(value)?)))
            .take(MAX_SESSIONS_TRIED)
            .collect();
        let picked = match signed.as_slice() {
            [] | [_] => 0,
            several => {
                let secrets: Vec<&str> = several.iter().map(|(_, secret)| &**secret).collect();
                auth.pick_session(&secrets).await
            }
        };
        match signed.get(picked) {
            Some((value, _)) => Some(value),
            None => values(headers, self.name).next(),
        }
    }

    /// The session secret in a cookie signed by this server.
    fn secret(&self, value: &str) -> Option<String> {
        let cookie = Cookie::parse_encoded(format!("{}={value}", self.name)).ok()?;
        let verified = CookieJar::new().signed(&self.key).verify(cookie)?;
        Some(verified.value().to_owned())
    }
}
