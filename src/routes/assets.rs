use std::collections::HashMap;
use std::io::Write as _;

use actix_web::http::header::{self, AcceptEncoding, Encoding, Header as _};
use actix_web::{HttpRequest, HttpResponse};
use actix_web_lab::header::CacheControl;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest as _, Sha256};

use super::templates::Templates;
use crate::languages::Language;

/// The static files, built into the program; a debug build reads them from disk each time.
#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

/// Static files, compressed, under a path that changes whenever a file does.
///
/// Served by our own code: rust-embed 8 has no responder for actix, and `actix-files` serves folders on disk. Neither removes
/// comments, nor compresses the files once at the start.
pub struct Assets {
    version: String,
    files: HashMap<String, Asset>,
}

/// A file as sent: scripts and styles without comments.
#[derive(Clone)]
pub(super) struct Asset {
    kind: String,
    plain: Bytes,
    /// The compressed file, if that is smaller.
    gzip: Option<Bytes>,
}

impl Assets {
    /// Reads and compresses all files, and what scripts fetch later in each language.
    pub fn load(templates: &Templates) -> Self {
        let mut digest = Sha256::new();
        let mut names: Vec<_> = Files::iter().collect();
        names.sort();
        let mut files = HashMap::new();
        for name in names {
            if let Some(file) = Files::get(&name) {
                digest.update(file.metadata.sha256_hash());
                // A debug build prepares each file when it is requested.
                if !cfg!(debug_assertions) {
                    files.insert(name.to_string(), Asset::prepare(&name, &file));
                }
            }
        }
        for language in Language::all() {
            let name = format!("languages/{}.json", language.code());
            if let Some(texts) = Asset::of_language(&name, templates) {
                digest.update(&texts.plain);
                files.insert(name, texts);
            }
        }
        let version = hex::encode(&digest.finalize()[..6]);
        Self { version, files }
    }

    /// Whether `version` is the current one: files under it never change.
    pub(super) fn is_current(&self, version: &str) -> bool {
        version == self.version && !cfg!(debug_assertions)
    }

    /// Path prefix of the files.
    pub fn prefix(&self) -> String {
        format!("/static/{}", self.version)
    }

    /// The file with this path.
    pub(super) fn get(&self, name: &str, templates: &Templates) -> Option<Asset> {
        if cfg!(debug_assertions) {
            let file = Files::get(name).map(|file| Asset::prepare(name, &file));
            return file.or_else(|| Asset::of_language(name, templates));
        }
        self.files.get(name).cloned()
    }
}

impl Asset {
    fn prepare(name: &str, file: &EmbeddedFile) -> Self {
        let is_code = name.ends_with(".js") || name.ends_with(".css");
        let plain = match str::from_utf8(&file.data) {
            Ok(code) if is_code => Bytes::from(without_comments(code)),
            _ => Bytes::from(file.data.to_vec()),
        };
        let gzip = gzip(&plain).filter(|gzip| gzip.len() < plain.len());
        let kind = match name.rsplit('.').next() {
            Some("webmanifest") => "application/manifest+json".to_owned(),
            Some("js" | "css" | "svg") => format!("{}; charset=utf-8", file.metadata.mimetype()),
            _ => file.metadata.mimetype().to_owned(),
        };
        Self { kind, plain, gzip }
    }

    /// What scripts fetch later in one language: `languages/CODE.json`.
    fn of_language(name: &str, templates: &Templates) -> Option<Self> {
        let code = name.strip_prefix("languages/")?.strip_suffix(".json")?;
        let plain = Bytes::from(templates.later(&Language::named(code)?).ok()?);
        Some(Self {
            kind: "application/json".to_owned(),
            gzip: gzip(&plain),
            plain,
        })
    }

    /// The file as a response, compressed if the client accepts that.
    pub(super) fn answer(self, request: &HttpRequest, caching: CacheControl) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response
            .content_type(self.kind)
            .insert_header(caching)
            .insert_header((header::VARY, "accept-encoding"));
        match self.gzip {
            Some(gzip) if takes_gzip(request) => response
                .insert_header((header::CONTENT_ENCODING, "gzip"))
                .body(gzip),
            _ => response.body(self.plain),
        }
    }
}

/// Whether the client accepts gzip.
pub(super) fn takes_gzip(request: &HttpRequest) -> bool {
    AcceptEncoding::parse(request).is_ok_and(|accepted| {
        let gzip = [Encoding::gzip()];
        // Negotiates by the header's preferences; a client that prefers another coding still accepts gzip.
        accepted.negotiate(gzip.iter()) == Some(Encoding::gzip())
    })
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    compressed(plain, Compression::best())
}

/// The bytes as gzip.
pub(super) fn compressed(plain: &[u8], level: Compression) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// Removes comment lines, types and indentation from code.
///
/// Works line by line, which is enough for our own files: none has a text that spans lines. Other comments beside code stay.
fn without_comments(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut in_comment = false;
    for line in code.lines().map(str::trim) {
        if in_comment {
            in_comment = !line.contains("*/");
            continue;
        }
        let opens = line.starts_with("/*");
        if opens && !line.contains("*/") {
            in_comment = true;
            continue;
        }
        if line.is_empty() || line.starts_with("//") || (opens && line.ends_with("*/")) {
            continue;
        }
        push_without_types(&mut kept, line);
        kept.push('\n');
    }
    kept
}

/// Types are comments such as `/** @type {Element} */` before a value or a parameter.
fn push_without_types(kept: &mut String, line: &str) {
    let mut rest = line;
    while let Some((code, comment)) = rest.split_once("/** @") {
        kept.push_str(code);
        let (_, after) = comment.split_once("*/").unwrap_or_default();
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    kept.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_code_stays() {
        let code = "/**\n * Doc.\n * @type {X}\n */\nexport const a = '/* no */'; // why\n\n  /** one line */\n  // gone\n  const b = /** @type {T} */ (c);\n/* cast */ d();\n";
        assert_eq!(
            without_comments(code),
            "export const a = '/* no */'; // why\nconst b = (c);\n/* cast */ d();\n"
        );
    }

    #[test]
    fn no_text_of_the_scripts_spans_lines() {
        for name in Files::iter().filter(|name| name.ends_with(".js")) {
            let file = Files::get(&name).expect("it was listed");
            for (number, line) in str::from_utf8(&file.data)
                .expect("UTF-8")
                .lines()
                .enumerate()
            {
                let is_comment = line.trim_start().starts_with(['*', '/']);
                assert!(
                    is_comment || line.matches('`').count() % 2 == 0,
                    "{name}:{}",
                    number + 1
                );
            }
        }
    }
}
