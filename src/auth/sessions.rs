use super::{Auth, AuthError, Credential, Principal};
use crate::store::Session;

impl Auth {
    /// Ends the session with this secret, and its streams. Does nothing if it has ended already.
    pub async fn sign_out(&self, secret: &str) -> Result<(), AuthError> {
        let Some(digest) = self.key.session(secret).await? else {
            return Ok(());
        };
        let ended = Credential::Session(digest);
        let id = match self.cache.get(&ended, self.clock.millis()) {
            Some(known) => known.principal.session_id,
            None => {
                let session = self.accounts.session(&digest).await?;
                session.map(|session| session.id)
            }
        };
        if let Some(id) = id {
            self.accounts.end_session(&id).await?;
        }
        self.cache.forget(|credential, _| *credential == ended);
        self.streams.end(|stream| *stream.credential() == ended);
        Ok(())
    }

    /// Ends all other sessions of the admin, and their streams. Returns how many.
    pub async fn sign_out_others(&self, principal: &Principal) -> Result<u64, AuthError> {
        let Some(admin_id) = &principal.admin_id else {
            return Ok(0);
        };
        let ended = self
            .accounts
            .end_sessions(admin_id, principal.session_id.as_deref())
            .await?;
        let other = |credential: &Credential, owner: Option<&str>| {
            matches!(credential, Credential::Session(_))
                && *credential != principal.credential
                && owner == Some(admin_id.as_str())
        };
        self.cache
            .forget(|credential, known| other(credential, known.admin_id.as_deref()));
        self.streams
            .end(|stream| other(stream.credential(), stream.principal().admin_id.as_deref()));
        Ok(ended)
    }

    /// The sessions of `principal`'s admin. The time of last use is exact if this process has seen the session since its start,
    /// and up to an hour behind otherwise.
    pub async fn sessions(&self, principal: &Principal) -> Result<Vec<Session>, AuthError> {
        let Some(admin_id) = &principal.admin_id else {
            return Ok(Vec::new());
        };
        let mut sessions = self.accounts.sessions(admin_id).await?;
        let used = self.cache.last_used(admin_id);
        for session in &mut sessions {
            let here = used.get(&session.id).copied().unwrap_or_default();
            session.seen_at = session.seen_at.max(here);
        }
        Ok(sessions)
    }

    /// Ends the streams whose credential is no longer valid. True if there were any.
    pub async fn recheck_streams(&self) -> bool {
        let mut any = false;
        for credential in self.streams.credentials() {
            match self.verdict(credential.clone(), None).await {
                Ok(_) | Err(AuthError::Store(_)) => {}
                Err(_) => {
                    any |= self
                        .streams
                        .end(|stream| *stream.credential() == credential)
                        > 0;
                }
            }
        }
        any
    }
}
