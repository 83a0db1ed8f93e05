use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::HttpResponseBuilder;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType};
use anyhow::Context as _;
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::json;
use tera::Tera;

use crate::languages::{Direction, Language, Texts};

/// The template files, built into the program; a debug build reads them from disk each time.
#[derive(RustEmbed)]
#[folder = "templates/"]
struct Files;

/// What a page depends on beside its address.
pub(super) const VARY: &str = "accept-language, cookie";

/// The parsed templates, and the texts that they show.
pub struct Templates {
    tera: Tera,
    languages: BTreeMap<Language, Texts>,
}

/// A language, for templates.
#[derive(Debug, Serialize)]
struct LanguageFacts<'a> {
    code: &'a str,
    name: &'a str,
    direction: Direction,
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
        let languages = Language::all().iter();
        let languages = languages.map(|language| Ok((language.clone(), Texts::load(language)?)));
        let languages = languages.collect::<anyhow::Result<_>>()?;
        Ok(Self { tera, languages })
    }

    /// Renders a page as text. Templates find the texts in `t`, those for scripts, as JSON, in `texts_json`, and the page's and
    /// all languages in `language` and `languages`.
    pub(super) fn render(
        &self,
        language: &Language,
        name: &str,
        page: &impl Serialize,
    ) -> anyhow::Result<String> {
        if cfg!(debug_assertions) {
            return Self::load()?.render_loaded(language, name, page);
        }
        self.render_loaded(language, name, page)
    }

    fn render_loaded(
        &self,
        language: &Language,
        name: &str,
        page: &impl Serialize,
    ) -> anyhow::Result<String> {
        let texts = self.languages.get(language);
        let texts = texts.with_context(|| format!("no texts of {:?}", language.code()))?;
        let languages: Vec<_> = self.languages.iter().map(LanguageFacts::of).collect();
        let mut context = tera::Context::from_serialize(page)?;
        context.insert("t", &texts.of_pages());
        context.insert("texts_json", &texts.of_scripts()?);
        context.insert("language", &LanguageFacts::of((language, texts)));
        context.insert("languages", &languages);
        Ok(self.tera.render(name, &context)?)
    }

    /// What scripts fetch when it is first needed, as JSON: further texts, and the markup of dialogs.
    pub(super) fn later(&self, language: &Language) -> anyhow::Result<Vec<u8>> {
        let windows = self.render(language, "windows.html", &json!({}))?;
        let texts = Texts::load(language)?;
        let later = json!({"texts": texts.of_later(), "windows": windows});
        Ok(serde_json::to_vec(&later)?)
    }

    /// Renders a page with this status. If the template fails, logs the error and sends the status as text.
    pub(super) fn page(
        &self,
        status: StatusCode,
        language: &Language,
        template: &str,
        page: &impl Serialize,
    ) -> HttpResponse {
        match self.render(language, template, page) {
            Ok(page) => HttpResponseBuilder::new(status)
                .content_type(ContentType::html())
                .insert_header((header::VARY, VARY))
                .insert_header((header::CONTENT_LANGUAGE, language.code()))
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

impl<'a> LanguageFacts<'a> {
    fn of((language, texts): (&'a Language, &'a Texts)) -> Self {
        Self {
            code: language.code(),
            name: texts.name(),
            direction: texts.direction(),
        }
    }
}
