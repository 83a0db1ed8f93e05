use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use anyhow::Context as _;
use rust_embed::RustEmbed;
use serde::Serialize;
use tera::Tera;

/// The template files, built into the program; a debug build reads them from disk each time.
#[derive(RustEmbed)]
#[folder = "templates/"]
struct Files;

/// The parsed templates.
pub struct Templates {
    tera: Tera,
}

impl Templates {
    /// Parses all templates.
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
        Ok(Self { tera })
    }

    /// Renders a page as text.
    pub(super) fn render(&self, name: &str, page: &impl Serialize) -> anyhow::Result<String> {
        let context = tera::Context::from_serialize(page)?;
        if cfg!(debug_assertions) {
            return Ok(Self::load()?.tera.render(name, &context)?);
        }
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
