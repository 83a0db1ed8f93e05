use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time;
use actix_web::web;
use secrecy::ExposeSecret as _;

use super::entries::{Away, BEGINS, Beginning, FAILURE, VALIDITY, Validity, internal};
use crate::auth::AuthError;
use crate::routes::error::ApiError;
use crate::routes::state::AppState;
use crate::store::SessionKind;

/// Session storage of actix-session on the store's accounts. Its key is a session's secret, of which the store has only a
/// digest.
///
/// Uses of a session are recorded by [`crate::auth::Auth`], which extends it.
pub(super) struct AccountSessions {
    state: web::Data<AppState>,
}

type State = HashMap<String, String>;

impl AccountSessions {
    pub(super) fn new(state: web::Data<AppState>) -> Self {
        Self { state }
    }

    async fn begin(&self, mut state: State) -> Result<SessionKey, AuthError> {
        let beginning = state.remove(BEGINS).unwrap_or_default();
        let beginning: Beginning = serde_json::from_str(&beginning).map_err(internal)?;
        let Beginning {
            admin,
            client,
            address,
        } = beginning;
        let auth = &self.state.auth;
        let begun = auth.begin_session(&admin, &client, SessionKind::Browser);
        let secret = begun.await?.secret.expose_secret().to_owned();
        tracing::info!(admin = admin.email, %address, "signed in");
        SessionKey::try_from(secret).map_err(internal)
    }

    async fn end(&self, key: &SessionKey) -> Result<(), AuthError> {
        self.state.auth.sign_out(key.as_ref()).await?;
        self.state.hub.check_subscribers();
        Ok(())
    }
}

impl SessionStore for AccountSessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        let validity = match self.state.auth.session(key.as_ref()).await {
            Ok(principal) => Validity::Good(principal),
            Err(AuthError::Disabled) => Validity::Disabled,
            Err(AuthError::Store(error)) => match Away::try_from(error) {
                Ok(away) => Validity::Unknown(away),
                Err(error) => return Err(LoadError::Other(failed(error))),
            },
            Err(_) => return Ok(None),
        };
        let validity = serde_json::to_string(&validity);
        let validity = validity.map_err(|error| LoadError::Other(error.into()))?;
        Ok(Some(HashMap::from([(VALIDITY.to_owned(), validity)])))
    }

    async fn save(&self, state: State, _: &time::Duration) -> Result<SessionKey, SaveError> {
        let begun = self.begin(state).await;
        begun.map_err(|error| SaveError::Other(failed(error.into())))
    }

    /// Replaces the session with one that begins, if the state says so. Otherwise writes nothing, so that a session revoked
    /// during the request stays revoked.
    async fn update(
        &self,
        key: SessionKey,
        state: State,
        _: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        if !state.contains_key(BEGINS) {
            return Ok(key);
        }
        let begun = self.begin(state).await;
        let begun = begun.map_err(|error| UpdateError::Other(failed(error.into())))?;
        // The user is signed in by now. A session that couldn't be ended stays in the list of sessions, and ends when idle.
        if let Err(error) = self.end(&key).await {
            tracing::warn!(%error, "can't end the previous session of this browser");
        }
        Ok(begun)
    }

    async fn update_ttl(&self, _: &SessionKey, _: &time::Duration) -> anyhow::Result<()> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> anyhow::Result<()> {
        let ended = self.end(key).await;
        ended.map_err(|error| failed(error.into()))
    }
}

/// Keeps the error for the response.
fn failed(error: ApiError) -> anyhow::Error {
    let text = anyhow::anyhow!("{error}");
    // Fails only outside of a request, where there is no slot.
    let _ = FAILURE.try_with(|failure| failure.replace(Some(error)));
    text
}
