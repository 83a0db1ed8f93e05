use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use anyhow::Context as _;
use rust_embed::RustEmbed;
use serde::Serialize;
use tera::Tera;

use super::texts::Texts;

/// The template files, built into the program; a debug build reads them from disk each time.
#[derive(RustEmbed)]
#[folder = "templates/"]
struct Files;

/// The parsed templates, and the texts that they show.
pub struct Templates {
    tera: Tera,
    texts: Texts,
}

impl Templates {
    /// Parses all templates and texts.
    pub fn load() -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for name in Files::iter() {
            let file = Files::get(&name).with_context(|| format!("templates/{name} is missing"))?;
            let text = String::from_utf8(file.data.into_owned())
                .with_context(|| format!("templates/{name}"))?;
            files.push((name, text));
        }
        let mut tera = Tera::default();
        tera.add_raw_templates(files)?;
        let texts = Texts::load("en")?;
        Ok(Self { tera, texts })
    }

    /// Renders a page as text. Templates find the texts in `t`, and those for scripts, as JSON, in `texts_json`.
    pub(super) fn render(&self, name: &str, page: &impl Serialize) -> anyhow::Result<String> {
        if cfg!(debug_assertions) {
            return Self::load()?.render_loaded(name, page);
        }
        self.render_loaded(name, page)
    }

    fn render_loaded(&self, name: &str, page: &impl Serialize) -> anyhow::Result<String> {
        let mut context = tera::Context::from_serialize(page)?;
        context.insert("t", &self.texts.of_pages());
        context.insert("texts_json", &self.texts.of_scripts()?);
        Ok(self.tera.render(name, &context)?)
    }

    /// Renders a page with this status. If the template fails, logs the error and sends the status as text.
    pub(super) fn page(
        &self,
        status: StatusCode,
        template: &str,
        page: &impl Serialize,
    ) -> HttpResponse {
        match self.render(template, page) {
            Ok(page) => HttpResponseBuilder::new(status)
                .content_type(ContentType::html())
                .body(page),
            Err(error) => {
                tracing::error!(
                    template,
                    error = format!("{error:#}"),
                    "can't render a page"
                );
                HttpResponseBuilder::new(status).body(status.to_string())
            }
        }
    }
}
