use anyhow::ensure;
use rusqlite::{Connection, TransactionBehavior};

/// Each entry migrates the file from the version of its index to the next. Released entries are never changed.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('order_counter', 0), ('last_commit', 0);

    -- data is the whole document; the other columns repeat what queries sort and filter by.
    CREATE TABLE orders (
        id TEXT PRIMARY KEY,
        placed_micros INTEGER NOT NULL,
        status TEXT NOT NULL,
        created_micros INTEGER NOT NULL,
        updated_micros INTEGER NOT NULL,
        data TEXT NOT NULL
    ) STRICT;
    CREATE INDEX orders_newest ON orders (placed_micros DESC, id DESC);

    CREATE TABLE removals (
        micros INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        removed_by TEXT NOT NULL,
        data TEXT NOT NULL
    ) STRICT;

    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        order_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        created_millis INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX idempotency_age ON idempotency (created_millis);

    CREATE TABLE admins (
        id TEXT PRIMARY KEY,
        email TEXT NOT NULL UNIQUE COLLATE NOCASE,
        name TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        disabled INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        admin_id TEXT NOT NULL REFERENCES admins (id),
        client TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        seen_millis INTEGER NOT NULL,
        expires_millis INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        used_millis INTEGER
    ) STRICT;

    CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
",
    "
    -- Open orders stay in memory however old they are. The statuses are those of orders::finished.
    CREATE INDEX orders_open ON orders (placed_micros DESC, id DESC)
        WHERE status NOT IN ('DELIVERED', 'COMPLETED', 'CANCELLED', 'RETURNED');
    CREATE INDEX orders_changed ON orders (updated_micros DESC, id DESC);
",
    "
    -- What the key was used for; NULL for keys from before there were fingerprints.
    ALTER TABLE idempotency ADD COLUMN fingerprint BLOB;
",
    "
    -- The admin that a token acts as; none where it acts as itself.
    ALTER TABLE tokens ADD COLUMN admin_id TEXT REFERENCES admins (id) ON DELETE CASCADE;
    CREATE INDEX sessions_of_admin ON sessions (admin_id, seen_millis);
",
    "
    -- Whether a program holds the session: earlier versions didn't record it. And a keyed fingerprint of the password's hash that
    -- it was begun under; NULL for sessions from before there were fingerprints.
    ALTER TABLE sessions ADD COLUMN is_api INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE sessions ADD COLUMN password BLOB;
    -- How Firebase Cloud Messaging reaches the admin's phone app.
    ALTER TABLE admins ADD COLUMN fcm_token TEXT;
    ALTER TABLE admins ADD COLUMN fcm_token_updated_millis INTEGER;
",
    "
    -- Lists by status: without it, a rare status takes a look at every order.
    CREATE INDEX orders_by_status ON orders (status, placed_micros DESC, id DESC);
",
];

/// Sets up the connection for durable writes, and migrates the file to the newest version.
pub(super) fn prepare(connection: &mut Connection) -> anyhow::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // In WAL mode, only FULL syncs at every commit: an answered order survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;

    // Immediate, so that two processes that open a new file at once migrate one after the other.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: usize = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    ensure!(
        version <= MIGRATIONS.len(),
        "the file has schema version {version}, this orderbell knows up to {}: use a newer orderbell",
        MIGRATIONS.len()
    );
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", MIGRATIONS.len())?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_the_first_version_act_as_themselves() -> anyhow::Result<()> {
        let mut connection = Connection::open_in_memory()?;
        connection.execute_batch(MIGRATIONS[0])?;
        connection.pragma_update(None, "user_version", 1)?;
        connection.execute_batch(
            "INSERT INTO tokens (id, digest, name, created_millis) VALUES ('t', x'00', 'till', 1)",
        )?;
        prepare(&mut connection)?;
        let admin: Option<String> =
            connection.query_row("SELECT admin_id FROM tokens", [], |row| row.get(0))?;
        assert_eq!(admin, None);
        Ok(())
    }

    #[test]
    fn sessions_of_earlier_versions_are_browsers_without_a_fingerprint() -> anyhow::Result<()> {
        let mut connection = Connection::open_in_memory()?;
        for migration in &MIGRATIONS[..4] {
            connection.execute_batch(migration)?;
        }
        connection.pragma_update(None, "user_version", 4)?;
        connection.execute_batch(
            "INSERT INTO admins (id, email, name, password_hash) VALUES ('a', 'a@b', 'A', '');
             INSERT INTO sessions VALUES ('s', x'00', 'a', 'Firefox', 1, 2, 3);",
        )?;
        prepare(&mut connection)?;
        let kept: (bool, Option<Vec<u8>>) =
            connection.query_row("SELECT is_api, password FROM sessions", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        assert_eq!(kept, (false, None));
        Ok(())
    }

    #[test]
    fn a_token_goes_with_its_admin() -> anyhow::Result<()> {
        let mut connection = Connection::open_in_memory()?;
        prepare(&mut connection)?;
        connection.execute_batch(
            "INSERT INTO admins (id, email, name, password_hash) VALUES ('a', 'a@b', 'A', '');
             INSERT INTO tokens (id, digest, name, created_millis, admin_id) VALUES ('t', x'00', 'till', 1, 'a');
             DELETE FROM admins WHERE id = 'a';",
        )?;
        let left: u64 =
            connection.query_row("SELECT count(*) FROM tokens", [], |row| row.get(0))?;
        assert_eq!(left, 0);
        Ok(())
    }

    #[test]
    fn opening_twice_changes_nothing_and_a_newer_file_is_refused() -> anyhow::Result<()> {
        let mut connection = Connection::open_in_memory()?;
        prepare(&mut connection)?;
        connection.execute("UPDATE meta SET value = 5 WHERE key = 'order_counter'", [])?;
        prepare(&mut connection)?;
        let kept: u64 = connection.query_row(
            "SELECT value FROM meta WHERE key = 'order_counter'",
            [],
            |row| row.get(0),
        )?;
        assert_eq!(kept, 5);

        connection.pragma_update(None, "user_version", MIGRATIONS.len() + 1)?;
        let refused = prepare(&mut connection).expect_err("a newer schema is refused");
        assert!(refused.to_string().contains("newer orderbell"), "{refused}");
        Ok(())
    }
}
