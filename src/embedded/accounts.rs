use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::EmbeddedStore;
use super::error::sql;
use crate::store::{
    AccountStore, Admin, Digest, FcmToken, MAX_SESSIONS, NewAdmin, NewPassword, NewSession,
    Session, SessionKind, SessionUse, StoreError, Token, USED_AGAIN_BONUS,
};

const ADMIN: &str = "SELECT id, email, name, password_hash, disabled, fcm_token, fcm_token_updated_millis FROM admins";
const SESSION: &str = "SELECT id, admin_id, client, created_millis, seen_millis, expires_millis, is_api, password FROM sessions";
const TOKEN: &str = "SELECT id, name, created_millis, used_millis, admin_id FROM tokens";

impl EmbeddedStore {
    /// Executes one statement, and returns the number of affected rows.
    async fn execute<P: rusqlite::Params + Send + 'static>(
        &self,
        statement: &'static str,
        params: P,
    ) -> Result<usize, StoreError> {
        self.writer
            .write(move |write| {
                sql(write
                    .sql
                    .prepare_cached(statement)
                    .and_then(|mut s| s.execute(params)))
            })
            .await
    }

    /// All rows of a query.
    async fn rows<P, T>(
        &self,
        query: String,
        params: P,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError>
    where
        P: rusqlite::Params + Send + 'static,
        T: Send + 'static,
    {
        self.read(move |connection: &Connection| {
            connection
                .prepare_cached(&query)?
                .query_map(params, read)?
                .collect()
        })
        .await
    }

    /// The row of a query that finds at most one.
    async fn row<P, T>(
        &self,
        query: String,
        params: P,
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError>
    where
        P: rusqlite::Params + Send + 'static,
        T: Send + 'static,
    {
        self.read(move |connection: &Connection| {
            connection
                .prepare_cached(&query)?
                .query_row(params, read)
                .optional()
        })
        .await
    }
}

#[async_trait]
impl AccountStore for EmbeddedStore {
    async fn admin_by_email(&self, email: &str) -> Result<Option<Admin>, StoreError> {
        self.row(
            format!("{ADMIN} WHERE email = ?1"),
            [email.to_owned()],
            read_admin,
        )
        .await
    }

    async fn admin_by_id(&self, id: &str) -> Result<Option<Admin>, StoreError> {
        self.row(
            format!("{ADMIN} WHERE id = ?1"),
            [id.to_owned()],
            read_admin,
        )
        .await
    }

    async fn admins(&self) -> Result<Vec<Admin>, StoreError> {
        self.rows(format!("{ADMIN} ORDER BY email"), [], read_admin)
            .await
    }

    async fn add_admin(&self, admin: NewAdmin) -> Result<Admin, StoreError> {
        let id = crate::store::random_id();
        self.writer
            .write(move |write| {
                let added = sql(write
                    .sql
                    .prepare_cached("INSERT INTO admins (id, email, name, password_hash) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (email) DO NOTHING")
                    .and_then(|mut s| s.execute(params![id, admin.email, admin.name, admin.password_hash])))?;
                if added == 0 {
                    return Err(StoreError::Exists);
                }
                Ok(Admin {
                    id,
                    email: admin.email,
                    name: admin.name,
                    password_hash: admin.password_hash,
                    disabled: false,
                    fcm_token: None,
                })
            })
            .await
    }

    async fn set_admin_disabled(&self, id: &str, disabled: bool) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.writer
            .write(move |write| {
                let found = sql(write.sql.execute(
                    "UPDATE admins SET disabled = ?2 WHERE id = ?1",
                    params![id, disabled],
                ))?;
                if found == 0 {
                    return Err(StoreError::NotFound);
                }
                if disabled {
                    sql(write
                        .sql
                        .execute("DELETE FROM sessions WHERE admin_id = ?1", [id]))?;
                }
                Ok(())
            })
            .await
    }

    async fn set_password(&self, id: &str, new: NewPassword) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.writer
            .write(move |write| {
                let current: Option<String> = sql(write
                    .sql
                    .query_row(
                        "SELECT password_hash FROM admins WHERE id = ?1",
                        [&id],
                        |row| row.get(0),
                    )
                    .optional())?;
                let current = current.ok_or(StoreError::NotFound)?;
                if new.replaces.is_some_and(|replaced| replaced != current) {
                    return Ok(false);
                }
                sql(write.sql.execute(
                    "UPDATE admins SET password_hash = ?2 WHERE id = ?1",
                    [&id, &new.hash],
                ))?;
                if let Some((session, fingerprint)) = new.session {
                    sql(write.sql.execute(
                        "UPDATE sessions SET password = ?3 WHERE id = ?1 AND admin_id = ?2",
                        params![session, id, fingerprint],
                    ))?;
                }
                Ok(true)
            })
            .await
    }

    async fn set_fcm_token(&self, id: &str, token: &str) -> Result<(), StoreError> {
        let (id, token) = (id.to_owned(), token.to_owned());
        self.writer
            .write(move |write| {
                let found = sql(write.sql.execute(
                    "UPDATE admins SET fcm_token = ?2, fcm_token_updated_millis = ?3 WHERE id = ?1",
                    params![id, token, write.now_millis()],
                ))?;
                if found == 0 {
                    return Err(StoreError::NotFound);
                }
                Ok(())
            })
            .await
    }

    async fn begin_session(&self, new: NewSession) -> Result<(), StoreError> {
        self.writer
            .write(move |write| {
                let NewSession { session, digest } = new;
                sql(write.sql.execute("DELETE FROM sessions WHERE expires_millis < ?1", [session.created_at]))?;
                // Ordered by `Session::precedence`.
                sql(write.sql.execute(
                    "DELETE FROM sessions WHERE id IN (
                         SELECT id FROM sessions WHERE admin_id = ?1 AND is_api = ?2
                         ORDER BY seen_millis + iif(seen_millis > created_millis, ?4, 0) DESC, created_millis DESC LIMIT -1 OFFSET ?3
                     )",
                    params![session.admin_id, session.kind == SessionKind::Api, MAX_SESSIONS - 1, USED_AGAIN_BONUS],
                ))?;
                sql(write.sql.execute(
                    "INSERT INTO sessions (id, digest, admin_id, client, created_millis, seen_millis, expires_millis, is_api, password)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        session.id,
                        digest,
                        session.admin_id,
                        session.client,
                        session.created_at,
                        session.seen_at,
                        session.expires_at,
                        session.kind == SessionKind::Api,
                        session.password,
                    ],
                ))?;
                Ok(())
            })
            .await
    }

    async fn session(&self, digest: &Digest) -> Result<Option<Session>, StoreError> {
        self.row(
            format!("{SESSION} WHERE digest = ?1"),
            [*digest],
            read_session,
        )
        .await
    }

    async fn session_and_admin(
        &self,
        digest: &Digest,
        admin_id: &str,
    ) -> Result<Option<(Session, Admin)>, StoreError> {
        let (digest, admin_id) = (*digest, admin_id.to_owned());
        self.read(move |connection| {
            // One transaction, so that both queries see the same state.
            let moment = connection.unchecked_transaction()?;
            let session = moment
                .prepare_cached(&format!("{SESSION} WHERE digest = ?1"))?
                .query_row([digest], read_session)
                .optional()?;
            let admin = moment
                .prepare_cached(&format!("{ADMIN} WHERE id = ?1"))?
                .query_row([admin_id], read_admin)
                .optional()?;
            Ok(session.zip(admin))
        })
        .await
    }

    async fn touch_session(&self, id: &str, used: SessionUse) -> Result<(), StoreError> {
        self.execute(
            "UPDATE sessions SET seen_millis = ?2, expires_millis = ?3, password = coalesce(password, ?4) WHERE id = ?1",
            (id.to_owned(), used.seen_at, used.expires_at, used.password),
        )
        .await?;
        Ok(())
    }

    async fn end_session(&self, id: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM sessions WHERE id = ?1", [id.to_owned()])
            .await?;
        Ok(())
    }

    async fn end_sessions(&self, admin_id: &str, keep: Option<&str>) -> Result<u64, StoreError> {
        let ended = self
            .execute(
                "DELETE FROM sessions WHERE admin_id = ?1 AND id IS NOT ?2",
                (admin_id.to_owned(), keep.map(str::to_owned)),
            )
            .await?;
        Ok(ended as u64)
    }

    async fn sessions(&self, admin_id: &str) -> Result<Vec<Session>, StoreError> {
        self.rows(
            format!("{SESSION} WHERE admin_id = ?1 ORDER BY created_millis DESC"),
            [admin_id.to_owned()],
            read_session,
        )
        .await
    }

    async fn add_token(&self, token: Token, digest: Digest) -> Result<(), StoreError> {
        self.execute(
            "INSERT INTO tokens (id, digest, name, created_millis, admin_id) VALUES (?1, ?2, ?3, ?4, ?5)",
            (token.id, digest, token.name, token.created_at, token.admin_id),
        )
        .await?;
        Ok(())
    }

    async fn token(&self, digest: &Digest) -> Result<Option<Token>, StoreError> {
        self.row(format!("{TOKEN} WHERE digest = ?1"), [*digest], read_token)
            .await
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        self.rows(format!("{TOKEN} ORDER BY created_millis"), [], read_token)
            .await
    }

    async fn touch_token(&self, id: &str, used_at: u64) -> Result<(), StoreError> {
        self.execute(
            "UPDATE tokens SET used_millis = ?2 WHERE id = ?1",
            (id.to_owned(), used_at),
        )
        .await?;
        Ok(())
    }

    async fn revoke_token(&self, id: &str) -> Result<(), StoreError> {
        let found = self
            .execute("DELETE FROM tokens WHERE id = ?1", [id.to_owned()])
            .await?;
        if found == 0 {
            Err(StoreError::NotFound)
        } else {
            Ok(())
        }
    }

    async fn secret(&self, name: &str, fresh: &str) -> Result<String, StoreError> {
        let (name, fresh) = (name.to_owned(), fresh.to_owned());
        self.writer
            .write(move |write| {
                sql(write.sql.execute(
                    "INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    [&name, &fresh],
                ))?;
                sql(write.sql.query_row(
                    "SELECT value FROM secrets WHERE name = ?1",
                    [&name],
                    |row| row.get(0),
                ))
            })
            .await
    }
}

fn read_admin(row: &Row<'_>) -> rusqlite::Result<Admin> {
    let (token, updated_at): (Option<String>, Option<u64>) = (row.get(5)?, row.get(6)?);
    Ok(Admin {
        fcm_token: token.map(|token| FcmToken::new(&token, updated_at.unwrap_or_default())),
        id: row.get(0)?,
        email: row.get(1)?,
        name: row.get(2)?,
        password_hash: row.get(3)?,
        disabled: row.get(4)?,
    })
}

fn read_session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        admin_id: row.get(1)?,
        client: row.get(2)?,
        created_at: row.get(3)?,
        seen_at: row.get(4)?,
        expires_at: row.get(5)?,
        kind: if row.get(6)? {
            SessionKind::Api
        } else {
            SessionKind::Browser
        },
        password: row.get(7)?,
    })
}

fn read_token(row: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        created_at: row.get(2)?,
        used_at: row.get(3)?,
        admin_id: row.get(4)?,
    })
}
