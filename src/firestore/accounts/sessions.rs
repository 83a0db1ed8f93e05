//! Sessions, and which of them a new one replaces.

use firestore::gcloud_sdk::google::firestore::v1::Write;

use super::directory::AccountSnapshot;
use super::documents::{ADMINS, Accounts, SESSIONS, is_id, names_of, update, update_if};
use super::records::{FINGERPRINT, read_admin, read_session, session_fields};
use crate::firestore::fault::Fault;
use crate::firestore::fields::{Fields, bytes, fields, text_of, time};
use crate::firestore::query;
use crate::firestore::usage::Cause;
use crate::firestore::writes::{delete, put, unchanged};
use crate::store::{Admin, Digest, MAX_SESSIONS, NewSession, Session, SessionUse, StoreError};

/// Maximum number of expired sessions removed with a new one.
const SWEEP: usize = 20;
/// Maximum number of sessions beyond the limit removed with a new one. All are one commit, which has its own limit.
const MAX_EXCESS: usize = 400;

impl Accounts {
    pub(super) async fn begin_session(&self, new: NewSession) -> Result<(), StoreError> {
        let mut writes: Vec<Write> = self
            .superseded(&new.session)
            .await?
            .into_iter()
            .map(|name| delete(name, None))
            .collect();
        let name = self.database.name(SESSIONS, &hex::encode(new.digest));
        writes.push(put(name, session_fields(&new.session), None));
        self.write(writes).await?;
        Ok(())
    }

    pub(super) async fn session(&self, digest: &Digest) -> Result<Option<Session>, StoreError> {
        let id = hex::encode(digest);
        let name = self.database.name(SESSIONS, &id);
        let find = |contents: &AccountSnapshot| contents.sessions.get(&id).cloned();
        // An unknown session may have begun a moment ago on another instance.
        if let Some(Some(known)) = self.directory.look_up(&name, find) {
            return Ok(Some(Session::clone(&known)));
        }
        Ok(self
            .document(SESSIONS, &id)
            .await?
            .as_ref()
            .map(read_session))
    }

    pub(super) async fn session_and_admin(
        &self,
        digest: &Digest,
        admin_id: &str,
    ) -> Result<Option<(Session, Admin)>, StoreError> {
        if !is_id(admin_id) {
            return Ok(None);
        }
        let names = vec![
            self.database.name(SESSIONS, &hex::encode(digest)),
            self.database.name(ADMINS, admin_id),
        ];
        let found = self.database.get(names, Cause::Lookup).await;
        let found = found.map_err(Fault::into_error)?;
        Ok(match found.as_slice() {
            [Some(session), Some(admin)] => Some((read_session(session), read_admin(admin))),
            _ => None,
        })
    }

    /// See [`AccountStore::touch_session`](crate::store::AccountStore::touch_session).
    pub(super) async fn touch_session(&self, id: &str, used: SessionUse) -> Result<(), StoreError> {
        let times = fields([
            ("seenAt", time(used.seen_at)),
            ("expiresAt", time(used.expires_at)),
        ]);
        let names = self.session_names(id).await?;
        let writes = match used.password {
            None => names.into_iter().map(|name| update(name, &times)).collect(),
            Some(fingerprint) => self.first_fingerprints(names, &times, &fingerprint).await?,
        };
        self.write_any(writes).await
    }

    /// Writes that give a fingerprint to the sessions without one. Their precondition is that the session is as it was read: a
    /// change of password may write a newer fingerprint meanwhile.
    async fn first_fingerprints(
        &self,
        names: Vec<String>,
        times: &Fields,
        fingerprint: &Digest,
    ) -> Result<Vec<Write>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.database.get(names, Cause::Lookup).await;
        let found = found.map_err(Fault::into_error)?.into_iter().flatten();
        Ok(found
            .map(|document| {
                if document.fields.contains_key(FINGERPRINT) {
                    return update(document.name, times);
                }
                let condition = unchanged(Some(&document));
                let mut values = times.clone();
                values.insert(FINGERPRINT.to_owned(), bytes(fingerprint));
                update_if(document.name, &values, condition)
            })
            .collect())
    }

    pub(super) async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        let found = self.session_names(id).await?;
        let writes = found.into_iter().map(|name| delete(name, None)).collect();
        self.write_any(writes).await
    }

    pub(super) async fn end_sessions(
        &self,
        admin_id: &str,
        keep: Option<&str>,
    ) -> Result<u64, StoreError> {
        let found = self.with_text(SESSIONS, "adminId", admin_id).await?;
        let writes: Vec<Write> = found
            .into_iter()
            .filter(|document| keep.is_none_or(|keep| text_of(&document.fields, "id") != keep))
            .map(|document| delete(document.name, None))
            .collect();
        let ended = writes.len() as u64;
        self.write_any(writes).await?;
        Ok(ended)
    }

    pub(super) async fn sessions(&self, admin_id: &str) -> Result<Vec<Session>, StoreError> {
        let found = self.with_text(SESSIONS, "adminId", admin_id).await?;
        let mut sessions: Vec<Session> = found.iter().map(read_session).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        Ok(sessions)
    }

    /// Names of a session's documents; at most one.
    pub(super) async fn session_names(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let find = |contents: &AccountSnapshot| {
            let mut sessions = contents.sessions.iter();
            let found = sessions.find(|(_, session)| session.id == id);
            found.map(|(digest, _)| digest.clone())
        };
        match self.directory.peek(find).flatten() {
            Some(digest) => Ok(vec![self.database.name(SESSIONS, &digest)]),
            None => Ok(names_of(self.with_text(SESSIONS, "id", id).await?)),
        }
    }

    /// Names of the sessions that a new one replaces: some expired ones, and the admin's sessions of its kind beyond the limit,
    /// by their [`precedence`](Session::precedence).
    async fn superseded(&self, new: &Session) -> Result<Vec<String>, StoreError> {
        let is_expired = |session: &Session| session.expires_at < new.created_at;
        let find = |contents: &AccountSnapshot| {
            let found = contents
                .sessions
                .iter()
                .filter(|(_, session)| session.admin_id == new.admin_id || is_expired(session));
            found
                .map(|(digest, session)| {
                    (
                        self.database.name(SESSIONS, digest),
                        Session::clone(session),
                    )
                })
                .collect::<Vec<_>>()
        };
        let sessions = match self.directory.peek(find) {
            Some(sessions) => sessions,
            None => self.read_superseded(new).await?,
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

    async fn read_superseded(&self, new: &Session) -> Result<Vec<(String, Session)>, StoreError> {
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
