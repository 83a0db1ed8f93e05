use actix_web::http::header;
use actix_web::{HttpResponse, web};
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest as _, Sha256};

use super::AppState;
use super::error::ApiError;

/// What pages load. Built into the program; a debug build reads the files anew each time.
#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// Where what pages load is found: under a path that changes whenever one of the files does.
pub struct Assets {
    version: String,
}

impl Assets {
    /// Reads all files, to know their version.
    pub fn load() -> Self {
        let mut digest = Sha256::new();
        let mut names: Vec<_> = Files::iter().collect();
        names.sort();
        for file in names.iter().filter_map(|name| Files::get(name)) {
            digest.update(file.metadata.sha256_hash());
        }
        let version = digest
            .finalize()
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self { version }
    }

    /// Path under which the files are found.
    pub fn prefix(&self) -> String {
        format!("/static/{}", self.version)
    }
}

/// One file. Under the current version it never changes, so that browsers keep it.
pub(super) async fn asset(
    path: web::Path<(String, String)>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    let (version, name) = path.into_inner();
    let file = Files::get(&name).ok_or_else(|| ApiError::not_found("file"))?;
    let is_current = version == state.assets.version && !cfg!(debug_assertions);
    Ok(answer(
        file,
        if is_current {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        },
    ))
}

/// Browsers ask for this address whatever a page says.
pub(super) async fn favicon() -> Result<HttpResponse, ApiError> {
    let file = Files::get("icons/icon.svg").ok_or_else(|| ApiError::not_found("file"))?;
    Ok(answer(file, "public, max-age=86400"))
}

fn answer(file: EmbeddedFile, caching: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(file.metadata.mimetype())
        .insert_header((header::CACHE_CONTROL, caching))
        .body(file.data.into_owned())
}
