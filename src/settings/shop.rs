//! `shop.*`: the shop, as shown on pages.

use serde::Deserialize;

use super::fields::{Fields, SettingsError};
use crate::languages::Language;
use crate::zone::Zone;

/// `shop.*`
#[derive(Debug, Clone)]
pub struct ShopSettings {
    /// The shop's name.
    pub name: String,
    /// ISO 4217 code.
    pub currency: String,
    /// Language of pages, unless the device has chosen one; `None`: the browser's.
    pub language: Option<Language>,
    /// Time zone in which the shop's days begin at midnight.
    pub time_zone: Zone,
}

/// `shop.*`, unparsed.
#[derive(Deserialize)]
pub(super) struct RawShop {
    name: String,
    currency: String,
    language: String,
    time_zone: String,
}

impl RawShop {
    pub(super) fn check(self, fields: &Fields) -> Result<ShopSettings, SettingsError> {
        if self.name.trim().is_empty() || self.name.chars().count() > 100 {
            return Err(fields.bad("shop.name", "must have 1 to 100 characters"));
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(fields.bad(
                "shop.currency",
                format_args!(
                    "must be an ISO 4217 code such as \"USD\", not {:?}",
                    self.currency
                ),
            ));
        }
        Ok(ShopSettings {
            name: self.name,
            currency: self.currency,
            language: language(fields, &self.language)?,
            time_zone: time_zone(fields, &self.time_zone)?,
        })
    }
}

fn language(fields: &Fields, code: &str) -> Result<Option<Language>, SettingsError> {
    if matches!(code, "" | "auto") {
        return Ok(None);
    }
    let known = || {
        let codes: Vec<_> = Language::all().iter().map(Language::code).collect();
        codes.join(", ")
    };
    let found = Language::named(code).ok_or_else(|| {
        fields.bad(
            "shop.language",
            format_args!("must be \"auto\" or one of {}, not {code:?}", known()),
        )
    });
    found.map(Some)
}

fn time_zone(fields: &Fields, name: &str) -> Result<Zone, SettingsError> {
    if matches!(name, "" | "auto") {
        return Ok(Zone::of_machine());
    }
    Zone::named(name).ok_or_else(|| {
        fields.bad(
            "shop.time_zone",
            format_args!(
                "must be \"auto\" or an IANA name such as \"Africa/Algiers\", not {name:?}"
            ),
        )
    })
}
