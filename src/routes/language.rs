//! The language of a request's page.

use actix_web::HttpMessage;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::header::{AcceptLanguage, Header as _, Preference, Quality};

use super::cookies::values;
use super::state::AppState;
use crate::languages::Language;

/// Name of the cookie that keeps a device's choice. Scripts of the desk set it too, so they can read it.
pub(super) const COOKIE: &str = "lang";
/// Maximum number of cookies of this name that are examined.
const MAX_COOKIES: usize = 4;

/// The language of the page: the device's choice, else the shop's setting, else what the browser accepts, else English.
pub(super) fn of_request(request: &impl HttpMessage, state: &AppState) -> Language {
    chosen(request)
        .or_else(|| state.settings.shop.language.clone())
        .or_else(|| accepted(request))
        .unwrap_or_default()
}

/// The choice that the device keeps. A language that has no file is no choice.
fn chosen(request: &impl HttpMessage) -> Option<Language> {
    values(request.headers(), COOKIE)
        .take(MAX_COOKIES)
        .find_map(Language::named)
}

/// The first language that the browser accepts and that has a file.
fn accepted(request: &impl HttpMessage) -> Option<Language> {
    let mut accepted = AcceptLanguage::parse(request).ok()?;
    accepted.retain(|item| item.quality > Quality::ZERO);
    for preference in accepted.ranked() {
        match preference {
            Preference::Specific(tag) => match Language::of_tag(tag.as_str()) {
                None => continue,
                found => return found,
            },
            Preference::Any => return None,
        }
    }
    None
}

/// Keeps the device's choice for a year. It is no secret: scripts of the desk change it too.
pub(super) fn cookie(language: &Language, secure: bool) -> Cookie<'static> {
    Cookie::build(COOKIE, language.code().to_owned())
        .path("/")
        .secure(secure)
        .same_site(SameSite::Lax)
        .max_age(time::Duration::days(365))
        .finish()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn code(found: Option<Language>) -> Option<String> {
        found.map(|language| language.code().to_owned())
    }

    #[test]
    fn the_best_accepted_language_with_a_file_is_taken() {
        for (header, wanted) in [
            ("fr-DZ,fr;q=0.9,en;q=0.8", Some("fr")),
            ("de, ar-DZ;q=0.9, en;q=0.1", Some("ar")),
            ("en;q=0.2, es", Some("es")),
            ("AR", Some("ar")),
            ("fr;q=0, es;q=0.1", Some("es")),
            ("tlh, *", None),
            ("*;q=0.5, fr;q=0.4", None),
            ("fr;q=2, nonsense!!, ;;, ar", Some("ar")),
            ("", None),
        ] {
            let request = TestRequest::default().insert_header(("accept-language", header));
            let found = accepted(&request.to_http_request());
            assert_eq!(code(found).as_deref(), wanted, "{header}");
        }
        assert_eq!(accepted(&TestRequest::default().to_http_request()), None);
    }

    #[test]
    fn the_cookie_counts_only_with_a_language_that_has_a_file() {
        for (header, wanted) in [
            ("lang=ar", Some("ar")),
            ("desk=x; lang=fr; other=y", Some("fr")),
            ("lang=xx; lang=es", Some("es")),
            ("lang=", None),
            ("lang=../en", None),
            ("lang=en.json", None),
            ("language=ar", None),
            ("lang=1; lang=2; lang=3; lang=4; lang=ar", None),
        ] {
            let request = TestRequest::default().insert_header(("cookie", header));
            let found = chosen(&request.to_http_request());
            assert_eq!(code(found).as_deref(), wanted, "{header}");
        }
    }
}
