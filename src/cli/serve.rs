use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::say;
use crate::app::{App, Listeners};
use crate::clock::Clock;
use crate::settings::{Settings, StoreKind};

/// File beside the store with the first admin's password.
const PASSWORD_FILE: &str = "first-admin-password.txt";

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = stop_on_signals()?;
    let password_file = password_file(&settings);
    let listeners = Listeners::inherited(&settings)?;
    let app = App::build_on(listeners, settings, Clock::system()).await?;
    greet(&app, &password_file);
    app.run(shutdown).await
}

/// A token that is cancelled by Ctrl-C or SIGTERM. The signals are caught from this call on, also while the app is being built.
pub(super) fn stop_on_signals() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind)?;
        let token = token.clone();
        tokio::spawn(async move {
            signals.recv().await;
            token.cancel();
        });
    }
    Ok(token)
}

/// File for a generated password, used when standard output isn't a terminal.
fn password_file(settings: &Settings) -> PathBuf {
    match &settings.store.kind {
        StoreKind::Embedded(store) => store.with_file_name(PASSWORD_FILE),
        StoreKind::Firestore(_) => PathBuf::from(PASSWORD_FILE),
    }
}

/// Prints the desk's address and, on a first run, how to sign in and how to place a test order.
fn greet(app: &App, password_file: &Path) {
    let url = app.url();
    if let Some(admin) = app.first_admin() {
        say("");
        say("  Welcome. The store is new, and has its first admin:");
        say(&format!("    e-mail    {}", admin.email));
        match &admin.made_up_password {
            Some(password) => hand_over(password, password_file),
            None => say("    password  the one in auth.admin_password"),
        }
        say("  Open the desk, sign in, and place an order to see it arrive:");
        say(&format!(
            "    curl {url}/api/order/submit -H 'content-type: application/json' \\"
        ));
        say(
            r#"      -d '{"userId":"me","order":{"items":[{"name":"Apple","price":2.5,"quantity":3}],"totalAmount":7.5}}'"#,
        );
        say("");
    }
    if let Some(plain) = app.redirect_address() {
        say(&format!("redirecting http://{plain} to HTTPS"));
    }
    say(&format!("listening on {url}"));
}

/// Prints a generated password on a terminal. Otherwise standard output ends up in a log that others may read, so the password
/// is written to a file of its own.
fn hand_over(password: &SecretString, file: &Path) {
    let password = password.expose_secret();
    if std::io::stdout().is_terminal() {
        return say(&format!(
            "    password  {password}   (shown only this once)"
        ));
    }
    match write_private(file, password) {
        Ok(()) => {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
            say(&format!("    password  in the file {}", file.display()));
            say("              (only its owner can read it; delete it after reading)");
            tracing::warn!(file = %file.display(), "the first admin's password is in a file: read it, then delete the file");
        }
        // A password that was lost would leave the store without a way to sign in.
        Err(error) => {
            tracing::error!(%error, file = %file.display(), "can't write the first admin's password to a file");
            say(&format!(
                "    password  {password}   (shown only this once)"
            ));
        }
    }
}

fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // A file left from an earlier store may be readable by others, or be a link.
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?;
    writeln!(file, "{text}")
}
