//! Finds the documents of sessions and tokens, and the sessions that a new one replaces.

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::account_directory::Contents;
use super::accounts::{SESSIONS, TOKENS};
use super::records::read_session;
use super::{FirestoreStore, query};
use crate::store::{MAX_SESSIONS, Session, StoreError};

/// Maximum number of expired sessions removed with a new one.
const SWEEP: usize = 20;
/// Maximum number of sessions beyond the limit removed with a new one. All are one commit, which has its own limit.
const MAX_EXCESS: usize = 400;

impl FirestoreStore {
    /// Names of a session's documents; at most one.
    pub(super) async fn session_names(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let find = |contents: &Contents| {
            let mut sessions = contents.sessions.iter();
            let found = sessions.find(|(_, session)| session.id == id);
            found.map(|(digest, _)| digest.clone())
        };
        match self.accounts.peek(find).flatten() {
            Some(digest) => Ok(vec![self.connection.name(SESSIONS, &digest)]),
            None => Ok(names_of(self.with_text(SESSIONS, "id", id).await?)),
        }
    }

    /// Names of a token's documents; at most one.
    pub(super) async fn token_names(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let find = |contents: &Contents| {
            let mut tokens = contents.tokens.iter();
            let found = tokens.find(|(_, token)| token.id == id);
            found.map(|(digest, _)| digest.clone())
        };
        match self.accounts.peek(find).flatten() {
            Some(digest) => Ok(vec![self.connection.name(TOKENS, &digest)]),
            None => Ok(names_of(self.with_text(TOKENS, "id", id).await?)),
        }
    }

    /// Names of the sessions that a new one replaces: some expired ones, and the admin's sessions of its kind beyond the limit,
    /// by their [`precedence`](Session::precedence).
    pub(super) async fn superseded(&self, new: &Session) -> Result<Vec<String>, StoreError> {
        let is_expired = |session: &Session| session.expires_at < new.created_at;
        let find = |contents: &Contents| {
            let of_interest = contents
                .sessions
                .iter()
                .filter(|(_, session)| session.admin_id == new.admin_id || is_expired(session));
            of_interest
                .map(|(digest, session)| {
                    (
                        self.connection.name(SESSIONS, digest),
                        Session::clone(session),
                    )
                })
                .collect::<Vec<_>>()
        };
        let sessions = match self.accounts.peek(find) {
            Some(sessions) => sessions,
            None => self.sessions_of_interest(new).await?,
        };
        let (expired, mut live): (Vec<_>, Vec<_>) = sessions
            .into_iter()
            .partition(|(_, session)| is_expired(session));
        live.retain(|(_, session)| session.kind == new.kind);
        live.sort_by_key(|(_, session)| {
            std::cmp::Reverse((session.precedence(), session.created_at))
        });
        let excess = live.into_iter().skip(MAX_SESSIONS - 1).take(MAX_EXCESS);
        let expired = expired.into_iter().take(SWEEP);
        Ok(expired.chain(excess).map(|(name, _)| name).collect())
    }

    async fn sessions_of_interest(
        &self,
        new: &Session,
    ) -> Result<Vec<(String, Session)>, StoreError> {
        let before = new.created_at.saturating_sub(1);
        let expired = query::expired(SESSIONS, "expiresAt", before, SWEEP);
        let mut found = self.documents(expired).await?;
        let own = self.with_text(SESSIONS, "adminId", &new.admin_id).await?;
        found.extend(own);
        let mut sessions: Vec<_> = found
            .iter()
            .map(|document| (document.name.clone(), read_session(document)))
            .collect();
        sessions.sort_by(|a, b| a.0.cmp(&b.0));
        sessions.dedup_by(|a, b| a.0 == b.0);
        Ok(sessions)
    }
}

fn names_of(documents: Vec<Document>) -> Vec<String> {
    documents
        .into_iter()
        .map(|document| document.name)
        .collect()
}
