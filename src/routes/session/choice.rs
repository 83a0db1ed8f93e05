use actix_web::cookie::{Cookie, CookieJar, Key};
use actix_web::dev::RequestHead;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::auth::Auth;
use crate::routes::cookies::{device_cookie_name, segments, split, values};

/// Cookies of one request that are looked at.
const MAX_COOKIES_TRIED: usize = 64;
/// Sessions of one request that are looked up. Those that this server hasn't signed don't count.
const MAX_SESSIONS_TRIED: usize = 4;

/// The cookie that carries a session.
pub(super) struct SessionCookie {
    pub(super) name: &'static str,
    pub(super) secure: bool,
    pub(super) key: Key,
}

impl SessionCookie {
    /// Leaves one session cookie in the request, and the device's.
    ///
    /// actix takes the first cookie of a name, decodes names as well, and reads none where one isn't text. Other hosts of the
    /// same site may set any cookie, and these must not hide the good one.
    pub(super) async fn leave_one(&self, request: &mut RequestHead, auth: &Auth) {
        if self.is_plain(&request.headers) {
            return;
        }
        let session = self.pick(&request.headers, auth).await;
        let device = device_cookie_name(self.secure);
        let devices = values(&request.headers, device).take(MAX_COOKIES_TRIED);
        let kept: Vec<String> = session
            .map(|value| format!("{}={value}", self.name))
            .into_iter()
            .chain(devices.map(|value| format!("{device}={value}")))
            .collect();
        request.headers.remove(header::COOKIE);
        // Parts of a header's value are one as well.
        if let Ok(kept) = HeaderValue::from_bytes(kept.join("; ").as_bytes()) {
            request.headers.insert(header::COOKIE, kept);
        }
    }

    /// Whether there is at most one session cookie, and nothing beside it but the device's.
    fn is_plain(&self, headers: &HeaderMap) -> bool {
        let device = device_cookie_name(self.secure);
        let mut sessions = 0;
        segments(headers).all(|segment| match split(segment) {
            Some((name, _)) if name == self.name => {
                sessions += 1;
                sessions == 1
            }
            Some((name, _)) => name == device,
            None => false,
        })
    }

    /// The value of the cookie whose session is good; of any, where none is.
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

    /// The session's secret in a cookie that this server has signed.
    fn secret(&self, value: &str) -> Option<String> {
        let cookie = Cookie::parse_encoded(format!("{}={value}", self.name)).ok()?;
        let verified = CookieJar::new().signed(&self.key).verify(cookie)?;
        Some(verified.value().to_owned())
    }
}
