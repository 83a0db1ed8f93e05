//! The desk's texts: one file for each language.

use std::collections::BTreeMap;

use anyhow::Context as _;
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};

/// The language files, built into the program; a debug build reads them from disk each time.
#[derive(RustEmbed)]
#[folder = "languages/"]
struct Files;

/// The texts of one language, by key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    /// Texts that only pages use.
    pages: BTreeMap<String, String>,
    /// Texts that scripts use too: the page carries them.
    scripts: BTreeMap<String, Text>,
}

/// `{name}` stands for a value.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Text {
    One(String),
    /// By the plural category of `{n}`: `zero`, `one`, `two`, `few`, `many`, `other`.
    Plural(BTreeMap<String, String>),
}

impl Texts {
    /// Reads the file of a language.
    pub(super) fn load(language: &str) -> anyhow::Result<Self> {
        let name = format!("{language}.json");
        let file = Files::get(&name).with_context(|| format!("languages/{name} is missing"))?;
        serde_json::from_slice(&file.data).with_context(|| format!("languages/{name}"))
    }

    /// The texts that templates may use: all but plurals.
    pub(super) fn of_pages(&self) -> BTreeMap<&str, &str> {
        let pages = self.pages.iter().map(|(key, text)| (&**key, &**text));
        let scripts = self.scripts.iter().filter_map(|(key, text)| match text {
            Text::One(text) => Some((&**key, &**text)),
            Text::Plural(_) => None,
        });
        pages.chain(scripts).collect()
    }

    /// The texts of scripts, as JSON for the page.
    pub(super) fn of_scripts(&self) -> serde_json::Result<String> {
        json_in_page(&self.scripts)
    }
}

/// JSON that can't end the `<script>` element around it.
pub(super) fn json_in_page(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}
