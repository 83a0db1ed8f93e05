use secrecy::ExposeSecret as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::say;
use crate::app::App;
use crate::clock::Clock;
use crate::settings::Settings;

pub(super) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = stop_on_signals()?;
    let app = App::build(settings, Clock::system()).await?;
    greet(&app);
    app.run(shutdown).await
}

/// A token that is cancelled by Ctrl-C or SIGTERM. From here on both are ours, also while the app is being built.
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

/// Says where the desk is and, on a first run, how to get in and how to see an order arrive.
pub(super) fn greet(app: &App) {
    let address = app.address();
    if let Some(admin) = app.first_admin() {
        say("");
        say("  Welcome. This store is new; its first admin is");
        say(&format!("    e-mail    {}", admin.email));
        match &admin.made_up_password {
            Some(password) => say(&format!(
                "    password  {}   (shown only this once)",
                password.expose_secret()
            )),
            None => say("    password  as set in auth.admin_password"),
        }
        say("  Open the desk, sign in, and place an order to see it arrive:");
        say(&format!(
            "    curl http://{address}/api/order/submit -H 'content-type: application/json' \\"
        ));
        say(
            r#"      -d '{"userId":"me","order":{"items":[{"name":"Apple","price":2.5,"quantity":3}],"totalAmount":7.5}}'"#,
        );
        say("");
    }
    say(&format!("listening on http://{address}"));
}
