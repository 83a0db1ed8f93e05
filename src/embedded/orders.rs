use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Map, Value};

use super::EmbeddedStore;
use super::error::sql;
use super::list::list;
use super::rows::{find_row, stored_id};
use super::writer::Write;
use crate::orders::{
    Change, HeldOrder, ListPage, ListQuery, Order, OrderDraft, OrderId, OrderPatch, WindowLimits,
};
use crate::store::{IDEMPOTENCY_MILLIS, IdempotencyKey, OrderStore, Placed, StoreError, WatchSink};

#[async_trait]
impl OrderStore for EmbeddedStore {
    async fn submit(
        &self,
        draft: OrderDraft,
        key: Option<IdempotencyKey>,
    ) -> Result<Placed, StoreError> {
        self.writer
            .write(move |write| {
                if let Some(key) = &key
                    && let Some(placed) = placed_before(write, key)?
                {
                    return Ok(placed);
                }
                place(write, draft, key.as_ref())
            })
            .await
    }

    async fn change(&self, id: &OrderId, patch: OrderPatch, by: &str) -> Result<Order, StoreError> {
        let (id, by) = (id.clone(), by.to_owned());
        self.writer
            .write(move |write| {
                let order = find(write.sql, &id)?.ok_or(StoreError::NotFound)?;
                if patch
                    .expected_status
                    .as_ref()
                    .is_some_and(|expected| expected != order.status())
                {
                    return Err(StoreError::Conflict(Box::new(order)));
                }
                let micros = write.stamp();
                let patched = order.patched(&patch, &by, micros / 1_000);
                let Some(fields) = patched.map_err(StoreError::Invalid)? else {
                    return Ok(order);
                };
                let order = Order {
                    fields,
                    updated_micros: micros,
                    ..order
                };
                save(write.sql, &order)?;
                write.announce(Change::Upsert(Arc::new(HeldOrder::from(&order))));
                Ok(order)
            })
            .await
    }

    async fn remove(&self, id: &OrderId, by: &str) -> Result<(), StoreError> {
        let (id, by) = (id.clone(), by.to_owned());
        self.writer
            .write(move |write| {
                let order = find(write.sql, &id)?.ok_or(StoreError::NotFound)?;
                let micros = write.stamp();
                sql(write.sql.prepare_cached("DELETE FROM orders WHERE id = ?1").and_then(|mut s| s.execute([id.as_str()])))?;
                sql(write
                    .sql
                    .prepare_cached("INSERT INTO removals (micros, id, removed_by, data) VALUES (?1, ?2, ?3, ?4)")
                    .and_then(|mut s| s.execute(params![micros, id.as_str(), by, json(&order.fields)])))?;
                write.announce(Change::Remove { id, micros });
                Ok(())
            })
            .await
    }

    async fn get(&self, id: &OrderId) -> Result<Option<Order>, StoreError> {
        let id = id.clone();
        self.read(move |connection| find_row(connection, &id)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, StoreError> {
        let query = query.clone();
        self.read(move |connection| list(connection, &query)).await
    }

    fn watch(&self, window: WindowLimits, sink: WatchSink) {
        self.writer.watch(window, sink);
    }

    fn deliver_open_orders(&self) {
        self.writer.deliver_open_orders();
    }

    async fn ended(&self) -> anyhow::Error {
        self.writer.ended().await
    }
}

fn placed_before(write: &Write<'_>, key: &IdempotencyKey) -> Result<Option<Placed>, StoreError> {
    let oldest = write.now_millis().saturating_sub(IDEMPOTENCY_MILLIS);
    let found: Option<(String, u64, Option<Vec<u8>>)> = sql(write
        .sql
        .prepare_cached(
            "SELECT order_id, number, fingerprint FROM idempotency WHERE key = ?1 AND created_millis >= ?2",
        )
        .and_then(|mut s| {
            s.query_row(params![key.text(), oldest], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()
        }))?;
    let Some((id, number, fingerprint)) = found else {
        return Ok(None);
    };
    if !key.matches(fingerprint.as_deref()) {
        return Err(StoreError::KeyReused);
    }
    Ok(Some(Placed {
        order_id: known_id(&id)?,
        number,
    }))
}

fn place(
    write: &mut Write<'_>,
    draft: OrderDraft,
    key: Option<&IdempotencyKey>,
) -> Result<Placed, StoreError> {
    let micros = write.stamp();
    let number: u64 = sql(write
        .sql
        .prepare_cached(
            "UPDATE meta SET value = value + 1 WHERE key = 'order_counter' RETURNING value",
        )
        .and_then(|mut s| s.query_row([], |row| row.get(0))))?;
    let id = OrderId::sequential(number);
    let order = Order {
        fields: draft.into_fields(&id, micros / 1_000),
        id,
        created_micros: micros,
        updated_micros: micros,
    };
    save(write.sql, &order)?;
    if let Some(key) = key {
        // Replaces a key that has expired.
        sql(write
            .sql
            .prepare_cached(
                "INSERT OR REPLACE INTO idempotency (key, order_id, number, created_millis, fingerprint)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut s| {
                s.execute(params![
                    key.text(),
                    order.id.as_str(),
                    number,
                    write.now_millis(),
                    key.fingerprint()
                ])
            }))?;
    }
    let placed = Placed {
        order_id: order.id.clone(),
        number,
    };
    write.announce(Change::Upsert(Arc::new(HeldOrder::from(&order))));
    Ok(placed)
}

fn save(connection: &Connection, order: &Order) -> Result<(), StoreError> {
    sql(connection
        .prepare_cached(
            "INSERT OR REPLACE INTO orders (id, placed_micros, status, created_micros, updated_micros, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut s| {
            s.execute(params![
                order.id.as_str(),
                order.placed_micros(),
                order.status(),
                order.created_micros,
                order.updated_micros,
                json(&order.fields),
            ])
        }))?;
    Ok(())
}

fn find(connection: &Connection, id: &OrderId) -> Result<Option<Order>, StoreError> {
    sql(find_row(connection, id))
}

fn known_id(id: &str) -> Result<OrderId, StoreError> {
    sql(stored_id(id))
}

fn json(fields: &Map<String, Value>) -> String {
    // Serializing a map of strings to values can't fail.
    serde_json::to_string(fields).unwrap_or_default()
}
