//! The languages of pages: one file for each.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use anyhow::Context as _;
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};

/// The language files, built into the program; a debug build reads them from disk each time.
#[derive(RustEmbed)]
#[folder = "languages/"]
struct Files;

/// A language that has a file, by its BCP 47 code, such as "fr".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Language(Arc<str>);

/// The texts of one language, by key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// The language's name in itself.
    name: String,
    direction: Direction,
    /// Texts that only pages use.
    pages: BTreeMap<String, String>,
    /// Texts that scripts use from the start: the page carries them.
    scripts: BTreeMap<String, Text>,
    /// Texts that scripts fetch later, as a file.
    later: BTreeMap<String, Text>,
}

/// Which way a language is written, as in HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From left to right.
    Ltr,
    /// From right to left.
    Rtl,
}

/// `{name}` stands for a value.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Text {
    One(String),
    /// By the plural category of `{n}`: `zero`, `one`, `two`, `few`, `many`, `other`.
    Plural(BTreeMap<String, String>),
}

impl Language {
    /// All languages, by code.
    pub fn all() -> &'static [Self] {
        static ALL: LazyLock<Vec<Language>> = LazyLock::new(|| {
            let codes = Files::iter();
            let codes = codes.filter_map(|name| name.strip_suffix(".json").map(Arc::from));
            let mut languages: Vec<_> = codes.map(Language).collect();
            languages.sort();
            languages
        });
        &ALL
    }

    /// The language with this code; `None` if it has no file.
    pub fn named(code: &str) -> Option<Self> {
        let mut languages = Self::all().iter();
        languages
            .find(|language| language.0.eq_ignore_ascii_case(code))
            .cloned()
    }

    /// The language of a BCP 47 tag: of "ar-DZ" the file of "ar-DZ", or that of "ar".
    pub fn of_tag(tag: &str) -> Option<Self> {
        let mut tag = tag;
        loop {
            if let Some(language) = Self::named(tag) {
                return Some(language);
            }
            (tag, _) = tag.rsplit_once('-')?;
        }
    }

    /// The code, as in HTML's `lang`.
    pub fn code(&self) -> &str {
        &self.0
    }
}

/// English, the language that every text has.
impl Default for Language {
    fn default() -> Self {
        Self(Arc::from("en"))
    }
}

impl Texts {
    /// Reads the file of a language.
    pub fn load(language: &Language) -> anyhow::Result<Self> {
        let name = format!("{}.json", language.code());
        let file = Files::get(&name).with_context(|| format!("languages/{name} is missing"))?;
        serde_json::from_slice(&file.data).with_context(|| format!("languages/{name}"))
    }

    /// The language's name in itself, such as "Français".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which way the language is written.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The texts that templates may use: all but plurals and those of later.
    pub fn of_pages(&self) -> BTreeMap<&str, &str> {
        let pages = self.pages.iter().map(|(key, text)| (&**key, &**text));
        let scripts = self.scripts.iter().filter_map(|(key, text)| match text {
            Text::One(text) => Some((&**key, &**text)),
            Text::Plural(_) => None,
        });
        pages.chain(scripts).collect()
    }

    /// The texts of scripts, as JSON for the page.
    pub fn of_scripts(&self) -> serde_json::Result<String> {
        json_in_page(&self.scripts)
    }

    /// The texts that scripts fetch later.
    pub fn of_later(&self) -> &impl Serialize {
        &self.later
    }
}

/// JSON that can't end the `<script>` element around it.
pub fn json_in_page(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_readable_texts() -> anyhow::Result<()> {
        let languages = Language::all();
        assert!(languages.contains(&Language::default()));
        for language in languages {
            let texts = Texts::load(language)?;
            assert!(!texts.name().is_empty(), "{language:?}");
            assert!(texts.of_pages().contains_key("login.title"));
        }
        Ok(())
    }

    #[test]
    fn a_tag_with_a_region_has_the_language_of_its_beginning() {
        let code = |tag| Language::of_tag(tag).map(|language| language.code().to_owned());
        assert_eq!(code("en-Latn-GB").as_deref(), Some("en"));
        assert_eq!(code("EN").as_deref(), Some("en"));
        for unknown in ["", "-", "e", "english", "tlh", "../en", "x-en"] {
            assert_eq!(code(unknown), None, "{unknown}");
        }
    }
}
