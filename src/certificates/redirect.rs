//! The plain HTTP listener beside HTTPS.
//!
//! It has no routes of the desk: a form or an order that is sent here gets a redirect that keeps its method, and nothing is
//! read from it.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{App, Error, HttpRequest, HttpResponse, web};

use super::renewal::Renewal;
use super::status::Status;
use crate::clock::Clock;
use crate::http::Certificates;

/// Path of the authority's questions (RFC 8555, section 8.3).
const CHALLENGES: &str = "/.well-known/acme-challenge/";
/// Maximum length of a token of the authority.
const MAX_TOKEN: usize = 128;

/// What the redirects need to know.
#[derive(Clone)]
pub struct Redirect {
    /// Names of the desk that are known from the settings; the first one is the target for requests under unknown names.
    pub names: Vec<String>,
    /// Port of HTTPS as browsers see it.
    pub https_port: u16,
    /// The certificate: its names are redirected as well.
    pub certificates: Certificates,
    /// Gets certificates, if that is done by ACME.
    pub renewal: Option<Renewal>,
    /// For the times on the page.
    pub clock: Clock,
}

/// The application of the listener.
pub fn application(
    redirect: Arc<Redirect>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    App::new()
        .app_data(web::Data::from(redirect))
        .default_service(web::to(answer))
}

async fn answer(request: HttpRequest, redirect: web::Data<Redirect>) -> HttpResponse {
    if let Some(token) = request.path().strip_prefix(CHALLENGES)
        && let Some(renewal) = &redirect.renewal
    {
        return answer_challenge(&request, renewal, token).await;
    }
    let facts = redirect.certificates.current();
    if facts.is_none()
        && let Some(renewal) = &redirect.renewal
    {
        return status_page(&renewal.status(), redirect.clock.millis());
    }
    let of_certificate = facts.map(|facts| facts.names).unwrap_or_default();
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).map(name_of);
    match redirect.target(host.as_deref(), &of_certificate) {
        Some(name) => {
            let path = request.uri().path_and_query();
            let path = path.map_or("/", |path| path.as_str());
            to_https(&location(&name, redirect.https_port, path))
        }
        None => plain(
            StatusCode::NOT_FOUND,
            "The desk is served over HTTPS only.\n",
        ),
    }
}

async fn answer_challenge(request: &HttpRequest, renewal: &Renewal, token: &str) -> HttpResponse {
    let is_token = (1..=MAX_TOKEN).contains(&token.len())
        && token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !is_token || !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::NOT_FOUND, "Not found\n");
    }
    match renewal.answer(token).await {
        Some(answer) => plain(StatusCode::OK, &answer),
        None => plain(StatusCode::NOT_FOUND, "There is no account yet\n"),
    }
}

impl Redirect {
    /// The name to redirect to: the requested one if it is the desk's, or the desk's first one.
    fn target(&self, host: Option<&str>, of_certificate: &[String]) -> Option<String> {
        let is_ours = |host: &&str| {
            let mut names = self.names.iter().chain(of_certificate);
            names.any(|name| matches(name, host))
        };
        if let Some(host) = host.filter(is_ours) {
            return Some(host.to_owned());
        }
        let mut names = self.names.iter().chain(of_certificate);
        names.find(|name| !name.starts_with("*.")).cloned()
    }
}

/// The name in a `Host` header: without the port and the root's dot, in lower case.
fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a certificate's name is `host`; a `*` stands for one label.
fn matches(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host
            .split_once('.')
            .is_some_and(|(label, rest)| is_label(label) && rest.eq_ignore_ascii_case(parent)),
        None => name.eq_ignore_ascii_case(host),
    }
}

/// Other characters could end the host's name in an address.
fn is_label(label: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.bytes().all(is_part)
}

fn location(name: &str, port: u16, path: &str) -> String {
    let path = if path.starts_with('/') { path } else { "/" };
    let name = if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    };
    if port == 443 {
        format!("https://{name}{path}")
    } else {
        format!("https://{name}:{port}{path}")
    }
}

fn to_https(location: &str) -> HttpResponse {
    let Ok(location) = HeaderValue::from_str(location) else {
        return plain(StatusCode::BAD_REQUEST, "Bad request\n");
    };
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, location))
        // Browsers keep such redirects for ever otherwise, also when the port changes.
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

fn plain(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/plain; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(text.to_owned())
}

/// Says why HTTPS doesn't answer yet. Has nothing but fixed words, the domain and times.
fn status_page(status: &Status, now: u64) -> HttpResponse {
    let mut lines = Vec::new();
    match &status.failure {
        _ if status.is_working => lines.push("A certificate is being requested.".to_owned()),
        None => lines.push("A certificate is going to be requested.".to_owned()),
        Some((problem, count)) => {
            lines.push(format!(
                "There is no certificate yet: {}.",
                problem.sentence()
            ));
            lines.push(format!("What to do: {}.", problem.advice()));
            let wait = status.next_attempt_at.saturating_sub(now).div_ceil(60_000);
            lines.push(match wait {
                0 | 1 => "The next attempt is within a minute.".to_owned(),
                wait => format!("The next attempt is in {wait} minutes. Attempts so far: {count}."),
            });
            lines.push("`orderbell doctor` and the log say more.".to_owned());
        }
    }
    let lines: Vec<String> = lines
        .iter()
        .map(|line| format!("<p>{}</p>", line.replace('&', "&amp;").replace('<', "&lt;")))
        .collect();
    let body = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta http-equiv=refresh content=10><title>HTTPS is being set up</title>\
         <h1>HTTPS is being set up</h1>{}</html>\n",
        lines.join("")
    );
    HttpResponse::ServiceUnavailable()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::RETRY_AFTER, "10"))
        .body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(names: &[&str]) -> Redirect {
        Redirect {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            https_port: 443,
            certificates: Certificates::new(),
            renewal: None,
            clock: Clock::system(),
        }
    }

    #[test]
    fn only_names_of_the_desk_are_redirected_to() {
        let redirect = redirect(&["desk.example.com", "b.example.com"]);
        let of_certificate = ["*.shop.example".to_owned(), "192.0.2.1".to_owned()];
        let target = |host: &str| {
            let name = name_of(host);
            redirect
                .target(Some(&name), &of_certificate)
                .expect("a name")
        };
        for (host, name) in [
            ("B.example.com:80", "b.example.com"),
            ("b.example.com.", "b.example.com"),
            ("a.shop.example", "a.shop.example"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("a.b.shop.example", "desk.example.com"),
            ("shop.example", "desk.example.com"),
            ("evil.example", "desk.example.com"),
            ("desk.example.com.evil.example", "desk.example.com"),
            ("desk.example.com@evil.example", "desk.example.com"),
            ("", "desk.example.com"),
            ("[::1]", "desk.example.com"),
        ] {
            assert_eq!(target(host), name, "{host}");
        }
        assert_eq!(
            redirect.target(None, &[]).as_deref(),
            Some("desk.example.com")
        );
    }

    #[test]
    fn without_a_name_there_is_no_redirect() {
        let redirect = redirect(&[]);
        assert_eq!(redirect.target(Some("a.example"), &[]), None);
        let wild = ["*.shop.example".to_owned()];
        assert_eq!(redirect.target(Some("evil.example"), &wild), None);
    }

    #[test]
    fn a_location_has_the_port_where_it_is_not_443() {
        assert_eq!(
            location("a.example", 443, "/x?y=1"),
            "https://a.example/x?y=1"
        );
        assert_eq!(
            location("a.example", 8443, "//b"),
            "https://a.example:8443//b"
        );
        assert_eq!(location("::1", 443, "*"), "https://[::1]/");
    }
}
