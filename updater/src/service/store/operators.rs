//! Operators and the digests of their tokens.

use super::{Store, StoreError, now};
use crate::wire::{OperatorName, OperatorRow, Role, Sha256Hex};
use serde_json::json;
use sqlx::FromRow;

/// Seconds for which a use is not written again.
const USE_NOTED_EVERY: i64 = 60;

impl Store {
    /// Enters an operator; false when the name was ever taken.
    pub(crate) async fn add_operator(
        &self,
        by: &str,
        name: &OperatorName,
        role: Role,
        token: &Sha256Hex,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO operators (name, role, sha256, created_at, created_by) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT DO NOTHING",
        )
        .bind(name.as_str())
        .bind(role.name())
        .bind(token.to_string())
        .bind(now())
        .bind(by)
        .execute(&mut *tx)
        .await?;
        if added.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "operator-added", &json!({ "name": name, "role": role })).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes an operator's token out of force; false when there is no such operator. Once more changes nothing.
    pub(crate) async fn revoke_operator(&self, by: &str, name: &OperatorName) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let known = sqlx::query_as::<_, (Option<i64>,)>("SELECT revoked_at FROM operators WHERE name = $1");
        match known.bind(name.as_str()).fetch_optional(&mut *tx).await? {
            None => return Ok(false),
            Some((Some(_),)) => return Ok(true),
            Some((None,)) => {}
        }
        let revoke = sqlx::query("UPDATE operators SET revoked_at = $1 WHERE name = $2").bind(now()).bind(name.as_str());
        revoke.execute(&mut *tx).await?;
        self.audit_in(&mut tx, by, "operator-revoked", &json!({ "name": name })).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Every operator there ever was, by name.
    pub(crate) async fn operators(&self) -> Result<Vec<OperatorRow>, StoreError> {
        let rows = sqlx::query_as::<_, OperatorSql>("SELECT * FROM operators ORDER BY name");
        rows.fetch_all(&self.pool).await?.into_iter().map(OperatorSql::read).collect()
    }

    /// The operator with this token; one whose token was revoked too. Notes the use, once a minute.
    pub(crate) async fn operator_with(&self, token: &Sha256Hex) -> Result<Option<OperatorRow>, StoreError> {
        let row = sqlx::query_as::<_, OperatorSql>("SELECT * FROM operators WHERE sha256 = $1").bind(token.to_string());
        let Some(row) = row.fetch_optional(&self.pool).await?.map(OperatorSql::read).transpose()? else { return Ok(None) };
        let at = now();
        if row.revoked_at.is_none() && row.last_used.is_none_or(|last| last + USE_NOTED_EVERY <= at) {
            let note = sqlx::query("UPDATE operators SET last_used = $1 WHERE name = $2").bind(at).bind(row.name.as_str());
            note.execute(&self.writer).await?;
        }
        Ok(Some(row))
    }
}

#[derive(FromRow)]
struct OperatorSql {
    name: String,
    role: String,
    created_at: i64,
    created_by: String,
    last_used: Option<i64>,
    revoked_at: Option<i64>,
}

impl OperatorSql {
    fn read(self) -> Result<OperatorRow, StoreError> {
        let OperatorSql { name, role, created_at, created_by, last_used, revoked_at } = self;
        Ok(OperatorRow { name: name.parse()?, role: role.parse()?, created_at, created_by, last_used, revoked_at })
    }
}
