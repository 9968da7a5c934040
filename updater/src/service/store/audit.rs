//! The audit log. [`crate::audit`] has the form of a row and the check of the chain.

use super::{Store, StoreError, int, nat, now};
use crate::audit::{AuditHead, AuditPage, AuditRow};
use crate::words::printable;
use serde_json::Value;
use sqlx::{Any, FromRow, Transaction};

impl Store {
    /// Appends to the log within a transaction, as its last statement before the commit, or before the number that a commit gives a change.
    ///
    /// The last, because it locks the head of the log until then: transactions that locked the head first and rows that another holds after
    /// it could wait for each other.
    pub(crate) async fn audit_in(
        &self,
        tx: &mut Transaction<'static, Any>,
        who: &str,
        what: &str,
        detail: &Value,
    ) -> Result<(), StoreError> {
        let head = sqlx::query_as::<_, (i64, String)>("UPDATE audit_head SET n = n + 1 WHERE one = 1 RETURNING n, hash");
        let (n, previous) = head.fetch_one(&mut **tx).await?;
        let previous = previous.parse()?;
        let (who, what) = (printable(who), printable(what));
        let mut row = AuditRow { n: nat(n)?, at: now(), who, what, detail: detail.to_string(), previous, hash: previous };
        row.hash = row.computed_hash();
        sqlx::query("INSERT INTO audit (n, at, who, what, detail, previous, hash) VALUES ($1, $2, $3, $4, $5, $6, $7)")
            .bind(n)
            .bind(row.at)
            .bind(&row.who)
            .bind(&row.what)
            .bind(&row.detail)
            .bind(row.previous.to_string())
            .bind(row.hash.to_string())
            .execute(&mut **tx)
            .await?;
        let head = sqlx::query("UPDATE audit_head SET hash = $1 WHERE one = 1").bind(row.hash.to_string());
        head.execute(&mut **tx).await?;
        // A log that is sent elsewhere keeps the hashes where who edits the tables cannot reach them.
        tracing::info!(target: "audit", n, hash = %row.hash, who = row.who, what = row.what, "{} {}", row.who, row.what);
        Ok(())
    }

    /// Appends to the log in a transaction of its own.
    pub(crate) async fn audit(&self, who: &str, what: &str, detail: &Value) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        self.audit_in(&mut tx, who, what, detail).await?;
        Ok(tx.commit().await?)
    }

    /// At most `limit` rows with numbers above `after` and not older than `since`, and the head.
    pub(crate) async fn audit_rows(&self, after: u64, since: i64, limit: u64) -> Result<AuditPage, StoreError> {
        // Read before the rows: what is appended between the two belongs to the next page.
        let head = sqlx::query_as::<_, (i64, String)>("SELECT n, hash FROM audit_head WHERE one = 1");
        let (n, hash) = head.fetch_one(&self.pool).await?;
        let rows =
            sqlx::query_as::<_, AuditSql>("SELECT * FROM audit WHERE n > $1 AND n <= $2 AND at >= $3 ORDER BY n LIMIT $4");
        let rows = rows.bind(int(after)?).bind(n).bind(since).bind(int(limit)?).fetch_all(&self.pool).await?;
        let rows = rows.into_iter().map(AuditSql::read).collect::<Result<_, _>>()?;
        Ok(AuditPage { rows, head: AuditHead { n: nat(n)?, hash: hash.parse()? } })
    }
}

#[derive(FromRow)]
struct AuditSql {
    n: i64,
    at: i64,
    who: String,
    what: String,
    detail: String,
    previous: String,
    hash: String,
}

impl AuditSql {
    fn read(self) -> Result<AuditRow, StoreError> {
        let AuditSql { n, at, who, what, detail, previous, hash } = self;
        Ok(AuditRow { n: nat(n)?, at, who, what, detail, previous: previous.parse()?, hash: hash.parse()? })
    }
}
