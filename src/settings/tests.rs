use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use super::*;
use crate::zone::Zone;

pub(super) fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
    variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

pub(super) fn refused(variables: &[(&str, &str)]) -> String {
    match Settings::load(None, &environment(variables)) {
        Ok(_) => panic!("accepted {variables:?}"),
        Err(error) => error.to_string(),
    }
}

pub(super) fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

#[test]
fn the_defaults_are_complete_and_in_range() {
    let settings = Settings::load(None, &BTreeMap::new()).expect("defaults");
    assert_eq!(settings.server.host.to_string(), "127.0.0.1");
    assert_eq!(settings.server.port, 8080);
    assert_eq!(settings.store.window.orders, 500);
    assert!(
        matches!(&settings.store.kind, StoreKind::Embedded(path) if path.as_os_str() == "data/orderbell.db")
    );
    assert_eq!(settings.stream.heartbeat, Duration::from_secs(30));
    assert_eq!(settings.stream.max_connections, 10_000);
    assert!(!settings.auth.accept_admin_ids);
    assert_eq!(settings.store.window.bytes, 64 << 20);
    assert_eq!(settings.submit.max_body, 64 << 10);
    assert_eq!(settings.shop.name, "FRIZZLY");
}

#[test]
fn the_environment_is_over_the_file_and_port_is_below_the_own_variable() {
    let file = file("[server]\nport = 1000\n[shop]\nname = \"Corner\"\n");
    let load = |variables: &[(&str, &str)]| {
        Settings::load(Some(file.path()), &environment(variables)).expect("accepted")
    };
    let settings = load(&[]);
    assert_eq!(
        (settings.server.port, settings.shop.name.as_str()),
        (1000, "Corner")
    );
    assert_eq!(load(&[("PORT", "2000")]).server.port, 2000);
    assert_eq!(
        load(&[("PORT", "2000"), ("ORDERBELL_SERVER__PORT", "3000")])
            .server
            .port,
        3000
    );
    assert_eq!(load(&[("ORDERBELL_SERVER__PORT", "")]).server.port, 1000);
}

#[test]
fn a_password_of_digits_stays_as_it_is() {
    let settings = Settings::load(
        None,
        &environment(&[("ORDERBELL_AUTH__ADMIN_PASSWORD", "00123456")]),
    )
    .expect("accepted");
    assert_eq!(
        settings
            .auth
            .admin_password
            .as_ref()
            .map(secrecy::ExposeSecret::expose_secret),
        Some("00123456")
    );
    assert!(!format!("{settings:?}").contains("00123456"));
}

#[test]
fn a_misspelt_key_is_named_with_its_source() {
    let error = refused(&[("ORDERBELL_SERVER__PROT", "1")]);
    assert!(
        error.contains("`server.prot`") && error.contains("ORDERBELL_SERVER__PROT"),
        "{error}"
    );
    assert!(error.contains("server.port"), "{error}");
    let error = refused(&[("ORDERBELL_SEVRER__PORT", "1")]);
    assert!(error.contains("`sevrer.port`"), "{error}");

    let file = file("[stream]\nheartbeat = 5\n");
    let error = Settings::load(Some(file.path()), &BTreeMap::new())
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("`stream.heartbeat`") && error.contains(&*file.path().display().to_string()),
        "{error}"
    );
}

/// Variable, bad value, and the key that it sets.
const BAD_VALUES: [(&str, &str, &str); 29] = [
    ("ORDERBELL_SERVER__PORT", "eighty", "server.port"),
    ("ORDERBELL_SERVER__PORT", "70000", "server.port"),
    ("ORDERBELL_SERVER__HOST", "shop.example", "server.host"),
    (
        "ORDERBELL_SERVER__TRUSTED_PROXIES",
        "10.0.0.0/8, x",
        "server.trusted_proxies",
    ),
    ("ORDERBELL_STORE__KIND", "mysql", "store.kind"),
    ("ORDERBELL_STORE__WINDOW", "0", "store.window"),
    ("ORDERBELL_STREAM__RETRY_MS", "0", "stream.retry_ms"),
    (
        "ORDERBELL_STREAM__HEARTBEAT_SECONDS",
        "-1",
        "stream.heartbeat_seconds",
    ),
    (
        "ORDERBELL_AUTH__ACCEPT_ADMIN_IDS",
        "perhaps",
        "auth.accept_admin_ids",
    ),
    (
        "ORDERBELL_AUTH__ADMIN_TOKEN",
        "only 23 characters long",
        "auth.admin_token",
    ),
    (
        "ORDERBELL_AUTH__SECURE_COOKIES",
        "yes",
        "auth.secure_cookies",
    ),
    (
        "ORDERBELL_SERVER__PUBLIC_URL",
        "desk.example.com",
        "server.public_url",
    ),
    (
        "ORDERBELL_SERVER__PUBLIC_URL",
        "https://desk.example.com/path",
        "server.public_url",
    ),
    (
        "ORDERBELL_SERVER__ALLOWED_ORIGINS",
        "https://a.example, *",
        "server.allowed_origins",
    ),
    ("ORDERBELL_SUBMIT__PER_MINUTE", "0", "submit.per_minute"),
    ("ORDERBELL_STORE__WINDOW_MIB", "0", "store.window_mib"),
    ("ORDERBELL_SUBMIT__AUTH", "nobody", "submit.auth"),
    ("ORDERBELL_SHOP__CURRENCY", "dollars", "shop.currency"),
    ("ORDERBELL_SHOP__LANGUAGE", "tlh", "shop.language"),
    (
        "ORDERBELL_SHOP__TIME_ZONE",
        "Africa/Algeria",
        "shop.time_zone",
    ),
    ("ORDERBELL_TLS__MODE", "on", "tls.mode"),
    ("ORDERBELL_TLS__REDIRECT_PORT", "70000", "tls.redirect_port"),
    ("ORDERBELL_TLS__DOMAINS", "*.example.com", "tls.domains"),
    ("ORDERBELL_TLS__DOMAINS", "192.0.2.1", "tls.domains"),
    ("ORDERBELL_TLS__DOMAINS", "a.example.com:443", "tls.domains"),
    ("ORDERBELL_TLS__DOMAINS", "desk", "tls.domains"),
    ("ORDERBELL_TLS__MAX_HANDSHAKES", "0", "tls.max_handshakes"),
    ("ORDERBELL_LOG__FORMAT", "xml", "log.format"),
    ("ORDERBELL_LOG__LEVEL", "orderbell=loud", "log.level"),
];

#[test]
fn a_bad_value_is_named_with_its_source() {
    for (name, value, key) in BAD_VALUES {
        let error = refused(&[(name, value)]);
        assert!(
            error.contains(&format!("`{key}`")) && error.contains(name),
            "{name}={value}: {error}"
        );
    }
    let error = refused(&[("PORT", "http")]);
    assert!(error.contains("variable PORT"), "{error}");
}

#[test]
fn the_shops_days_are_those_of_a_named_zone_or_of_the_machine() {
    let zone = |name: &str| {
        Settings::load(None, &environment(&[("ORDERBELL_SHOP__TIME_ZONE", name)]))
            .expect("accepted")
            .shop
            .time_zone
    };
    assert_eq!(zone("Africa/Algiers").name(), "Africa/Algiers");
    for unset in ["auto", ""] {
        assert_eq!(zone(unset), Zone::of_machine());
    }
    let error = refused(&[("ORDERBELL_SHOP__TIME_ZONE", "Africa/Algeria")]);
    assert!(error.contains("\"Africa/Algeria\""), "{error}");
}

#[test]
fn firestore_takes_two_settings_and_what_google_says() {
    use crate::firestore::Access;

    let kind = |variables: &[(&str, &str)]| match Settings::load(None, &environment(variables)) {
        Ok(Settings {
            store:
                StoreSettings {
                    kind: StoreKind::Firestore(settings),
                    ..
                },
            ..
        }) => settings,
        other => panic!("{other:?}"),
    };
    let store = ("ORDERBELL_STORE__KIND", "firestore");
    let project = ("ORDERBELL_FIRESTORE__PROJECT_ID", "shop");
    let settings = kind(&[store, project]);
    assert_eq!(
        (settings.project_id.as_str(), settings.collection.as_str()),
        ("shop", "orders")
    );
    assert!(matches!(settings.access, Access::Default));
    let host = ("FIRESTORE_EMULATOR_HOST", "127.0.0.1:8200");
    assert!(
        matches!(kind(&[store, project, host]).access, Access::Emulator(host) if host == "127.0.0.1:8200")
    );
    // {"a":1} in Base64
    let key = ("FIREBASE_SERVICE_ACCOUNT_BASE64", "eyJhIjox\nfQ==");
    let settings = kind(&[store, project, key]);
    assert!(
        matches!(&settings.access, Access::ServiceAccount(_))
            && !format!("{settings:?}").contains("{\"a\"")
    );
    assert_eq!(
        kind(&[store, ("GOOGLE_CLOUD_PROJECT", "cloud")]).project_id,
        "cloud"
    );
    assert_eq!(
        kind(&[store, project, ("GOOGLE_CLOUD_PROJECT", "cloud")]).project_id,
        "shop"
    );
    assert!(refused(&[store]).contains("`firestore.project_id`"));
    assert!(
        refused(&[store, project, ("FIREBASE_SERVICE_ACCOUNT_BASE64", "%")])
            .contains("FIREBASE_SERVICE_ACCOUNT_BASE64")
    );
}

#[test]
fn tokens_of_the_auth_emulator_stay_on_this_machine() {
    let firebase = [
        ("ORDERBELL_SUBMIT__AUTH", "firebase"),
        ("ORDERBELL_SUBMIT__FIREBASE_EMULATOR_TOKENS", "true"),
    ];
    assert!(refused(&firebase).contains("`submit.firebase_project_id`"));
    let open = [
        firebase[0],
        firebase[1],
        ("GOOGLE_CLOUD_PROJECT", "shop"),
        ("ORDERBELL_SERVER__HOST", "0.0.0.0"),
    ];
    assert!(refused(&open).contains("`submit.firebase_emulator_tokens`"));
    assert!(Settings::load(None, &environment(&open[..3])).is_ok());
}

#[test]
fn cookies_are_secure_as_soon_as_others_reach_the_server() {
    let secure = |variables: &[(&str, &str)]| {
        Settings::load(None, &environment(variables))
            .expect("accepted")
            .secure_cookies()
    };
    let open = ("ORDERBELL_SERVER__HOST", "0.0.0.0");
    let insecure = ("ORDERBELL_AUTH__INSECURE_COOKIES", "true");
    let https = ("ORDERBELL_SERVER__PUBLIC_URL", "https://desk.example.com");
    let http = ("ORDERBELL_SERVER__PUBLIC_URL", "http://desk.lan:8080");
    assert!(!secure(&[]));
    assert!(secure(&[open]));
    assert!(!secure(&[open, insecure]));
    assert!(secure(&[https]), "behind a proxy on the same machine");
    assert!(!secure(&[http]));
    assert!(secure(&[open, http]));
    assert!(secure(&[("ORDERBELL_AUTH__SECURE_COOKIES", "always")]));
    assert!(!secure(&[
        open,
        ("ORDERBELL_AUTH__SECURE_COOKIES", "never")
    ]));
}

#[test]
fn browsers_are_told_to_stay_with_https_only_where_they_have_it() {
    let load = |variables: &[(&str, &str)]| {
        Settings::load(None, &environment(variables)).expect("accepted")
    };
    assert!(!load(&[("ORDERBELL_SERVER__HOST", "0.0.0.0")]).has_public_https());
    let settings = load(&[(
        "ORDERBELL_SERVER__PUBLIC_URL",
        "https://Desk.example.com:443",
    )]);
    assert!(settings.has_public_https());
    let url = settings.server.public_url.expect("a public address");
    assert_eq!(url.origin(), "https://desk.example.com");
}

#[test]
fn admin_ids_are_accepted_where_old_clients_are() {
    let accepts = |variables: &[(&str, &str)]| {
        Settings::load(None, &environment(variables))
            .expect("accepted")
            .auth
            .accept_admin_ids
    };
    let firestore = [
        ("ORDERBELL_STORE__KIND", "firestore"),
        ("ORDERBELL_FIRESTORE__PROJECT_ID", "shop"),
    ];
    let off = ("ORDERBELL_AUTH__ACCEPT_ADMIN_IDS", "false");
    assert!(!accepts(&[]));
    assert!(accepts(&[("ORDERBELL_AUTH__ACCEPT_ADMIN_IDS", "true")]));
    assert!(accepts(&firestore));
    assert!(!accepts(&[firestore[0], firestore[1], off]));
    let file = file("[auth]\naccept_admin_ids = true\n");
    let settings = Settings::load(Some(file.path()), &BTreeMap::new()).expect("accepted");
    assert!(settings.auth.accept_admin_ids, "as older files have it");
}

#[test]
fn other_origins_are_named_exactly() {
    let origins = |text: &str| {
        Settings::load(
            None,
            &environment(&[("ORDERBELL_SERVER__ALLOWED_ORIGINS", text)]),
        )
        .expect("accepted")
        .server
        .allowed_origins
    };
    assert_eq!(origins(""), AllowedOrigins::None);
    assert_eq!(origins("*"), AllowedOrigins::Any);
    assert_eq!(
        origins("https://shop.example.com/, http://localhost:3000"),
        AllowedOrigins::These(vec![
            "https://shop.example.com".to_owned(),
            "http://localhost:3000".to_owned()
        ])
    );
}
