use std::collections::BTreeMap;
use std::path::Path;

use config::{Config, ConfigError, Environment, File, FileFormat, Map, Source, Value, ValueKind};
use serde::de::DeserializeOwned;

use super::fields::{Fields, SettingsError};

const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The layers read so far, and the layer that last set each key.
pub(super) struct Layers {
    builder: config::ConfigBuilder<config::builder::DefaultState>,
    origins: BTreeMap<String, String>,
}

impl Layers {
    pub(super) fn new() -> Result<Self, SettingsError> {
        let source = File::from_str(DEFAULTS, FileFormat::Toml);
        let keys = flatten(
            &source
                .collect()
                .map_err(|error| SettingsError(error.to_string()))?,
        );
        Ok(Self {
            builder: Config::builder().add_source(source),
            origins: keys
                .into_iter()
                .map(|key| (key, "the built-in defaults".to_owned()))
                .collect(),
        })
    }

    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), SettingsError> {
        let name = path.display().to_string();
        self.add(&File::from(path).format(FileFormat::Toml), |_| name.clone())
    }

    pub(super) fn add_environment(
        &mut self,
        environment: &BTreeMap<String, String>,
    ) -> Result<(), SettingsError> {
        let mut ours: Map<String, String> = environment
            .iter()
            .filter(|(name, _)| name.starts_with("ORDERBELL_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (variable, key) in [
            ("PORT", "SERVER__PORT"),
            ("GOOGLE_CLOUD_PROJECT", "FIRESTORE__PROJECT_ID"),
        ] {
            let own = format!("ORDERBELL_{key}");
            if let Some(value) = environment.get(variable).filter(|value| !value.is_empty())
                && !ours.contains_key(&own)
            {
                let origin = format!("the environment variable {variable}");
                let only = Map::from_iter([(own, value.clone())]);
                self.add(&environment_source(only), |_| origin.clone())?;
            }
        }
        // An empty variable means "not set", like an empty text, even if a number is expected.
        ours.retain(|_, value| !value.is_empty());
        self.add(&environment_source(ours), |key| {
            let variable = key.to_uppercase().replace('.', "__");
            format!("the environment variable ORDERBELL_{variable}")
        })
    }

    /// Sets the value of an option of the command line.
    pub(super) fn add_option(
        &mut self,
        option: &str,
        key: &str,
        value: &str,
    ) -> Result<(), SettingsError> {
        let source = environment_source(Map::from_iter([variable(key, value)]));
        self.add(&source, |_| format!("the option {option}"))
    }

    /// Changes the defaults of keys because of an option of the command line. Skips keys that have another value than the
    /// built-in default already.
    pub(super) fn add_defaults(
        &mut self,
        option: &str,
        defaults: &[(&str, &str)],
    ) -> Result<(), SettingsError> {
        let error = |error: ConfigError| SettingsError(error.to_string());
        let built_in = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        let built_in = built_in.build().map_err(error)?;
        let so_far = self.builder.build_cloned().map_err(error)?;
        for (key, value) in defaults {
            if so_far.get_string(key).ok() == built_in.get_string(key).ok() {
                self.add_option(option, key, value)?;
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        source: &(impl Source + Clone + Send + Sync + 'static),
        origin: impl Fn(&str) -> String,
    ) -> Result<(), SettingsError> {
        let values = source
            .collect()
            .map_err(|error| SettingsError(error.to_string()))?;
        for key in flatten(&values) {
            if !self.origins.contains_key(&key) {
                return Err(self.unknown(&key, &origin(&key)));
            }
            self.origins.insert(key.clone(), origin(&key));
        }
        self.builder = std::mem::take(&mut self.builder).add_source(source.clone());
        Ok(())
    }

    fn unknown(&self, key: &str, origin: &str) -> SettingsError {
        let section = key.split('.').next().unwrap_or_default();
        let mut known: Vec<_> = self
            .origins
            .keys()
            .filter(|known| known.split('.').next() == Some(section))
            .cloned()
            .collect();
        if known.is_empty() {
            known = self
                .origins
                .keys()
                .filter_map(|key| key.split('.').next())
                .map(|name| format!("{name}.*"))
                .collect();
            known.dedup();
        }
        SettingsError(format!(
            "unknown setting `{key}` in {origin}; the known ones are {}",
            known.join(", ")
        ))
    }

    /// The merged values as `T`, and the origin of each.
    pub(super) fn finish<T: DeserializeOwned>(self) -> Result<(T, Fields), SettingsError> {
        let fields = Fields::new(self.origins);
        let config = self
            .builder
            .build()
            .map_err(|error| SettingsError(error.to_string()))?;
        let raw = config
            .try_deserialize()
            .map_err(|error| bad_type(&error, &fields))?;
        Ok((raw, fields))
    }
}

/// The environment variable that sets `key`.
fn variable(key: &str, value: &str) -> (String, String) {
    let name = key.to_uppercase().replace('.', "__");
    (format!("ORDERBELL_{name}"), value.to_owned())
}

fn environment_source(variables: Map<String, String>) -> Environment {
    // No try_parsing, which would turn a password of digits into a number. Deserializing converts texts where a number is
    // expected.
    Environment::with_prefix("ORDERBELL")
        .prefix_separator("_")
        .separator("__")
        .source(Some(variables))
}

fn bad_type(error: &ConfigError, fields: &Fields) -> SettingsError {
    let mut inner = error;
    let mut path = None;
    while let ConfigError::At { error, key, .. } = inner {
        path = key.clone().or(path);
        inner = error;
    }
    if let ConfigError::Type {
        unexpected,
        expected,
        key,
        ..
    } = inner
        && let Some(key) = key.clone().or(path)
    {
        return fields.bad(&key, format_args!("must be {expected}, not {unexpected}"));
    }
    SettingsError(error.to_string())
}

/// The dotted keys of all values that aren't tables.
fn flatten(values: &Map<String, Value>) -> Vec<String> {
    fn visit(prefix: &str, values: &Map<String, Value>, keys: &mut Vec<String>) {
        for (name, value) in values {
            let key = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            match &value.kind {
                ValueKind::Table(inner) => visit(&key, inner, keys),
                _ => keys.push(key),
            }
        }
    }
    let mut keys = Vec::new();
    visit("", values, &mut keys);
    keys.sort();
    keys
}
