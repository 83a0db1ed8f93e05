//! Tokens of scripts.

use super::directory::AccountSnapshot;
use super::documents::{Accounts, MOST, TOKENS, names_of, update};
use super::records::read_token;
use crate::firestore::fields::{fields, time};
use crate::firestore::writes::{delete, put};
use crate::firestore::{query, value};
use crate::store::{Digest, StoreError, Token};

impl Accounts {
    pub(super) async fn add_token(&self, token: Token, digest: Digest) -> Result<(), StoreError> {
        let mut values = fields([
            ("id", value::text(token.id)),
            ("name", value::text(token.name)),
            ("createdAt", time(token.created_at)),
        ]);
        if let Some(admin_id) = token.admin_id {
            values.insert("adminId".to_owned(), value::text(admin_id));
        }
        self.write(vec![put(
            self.database.name(TOKENS, &hex::encode(digest)),
            values,
            None,
        )])
        .await?;
        Ok(())
    }

    pub(super) async fn token(&self, digest: &Digest) -> Result<Option<Token>, StoreError> {
        let id = hex::encode(digest);
        let name = self.database.name(TOKENS, &id);
        let find = |contents: &AccountSnapshot| contents.tokens.get(&id).cloned();
        if let Some(known) = self.directory.look_up(&name, find) {
            return Ok(known.map(|token| Token::clone(&token)));
        }
        Ok(self.document(TOKENS, &id).await?.as_ref().map(read_token))
    }

    pub(super) async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let documents = self.documents(query::all(TOKENS, MOST)).await?;
        let mut tokens: Vec<Token> = documents.iter().map(read_token).collect();
        tokens.sort_by_key(|token| token.created_at);
        Ok(tokens)
    }

    /// See [`AccountStore::touch_token`](crate::store::AccountStore::touch_token).
    pub(super) async fn touch_token(&self, id: &str, used_at: u64) -> Result<(), StoreError> {
        let values = fields([("usedAt", time(used_at))]);
        let names = self.token_names(id).await?;
        let writes = names
            .into_iter()
            .map(|name| update(name, &values))
            .collect();
        self.write_any(writes).await
    }

    pub(super) async fn revoke_token(&self, id: &str) -> Result<(), StoreError> {
        let found = self.with_text(TOKENS, "id", id).await?;
        if found.is_empty() {
            return Err(StoreError::NotFound);
        }
        self.write(
            found
                .into_iter()
                .map(|document| delete(document.name, None))
                .collect(),
        )
        .await?;
        Ok(())
    }

    /// Names of a token's documents; at most one.
    async fn token_names(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let find = |contents: &AccountSnapshot| {
            let mut tokens = contents.tokens.iter();
            let found = tokens.find(|(_, token)| token.id == id);
            found.map(|(digest, _)| digest.clone())
        };
        match self.directory.peek(find).flatten() {
            Some(digest) => Ok(vec![self.database.name(TOKENS, &digest)]),
            None => Ok(names_of(self.with_text(TOKENS, "id", id).await?)),
        }
    }
}
