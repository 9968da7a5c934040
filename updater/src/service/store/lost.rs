//! Objects that were lost: what the tables name and the object store has no more.

use super::{Store, StoreError, nat, now};
use crate::wire::{MakerName, Sha256Hex};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

impl Store {
    /// Every object that a table names, with its length.
    pub(crate) async fn named_lengths(&self) -> Result<BTreeMap<Sha256Hex, u64>, StoreError> {
        let rows = sqlx::query_as::<_, (String, i64)>(
            "SELECT sha256, length FROM releases UNION SELECT sha256, length FROM modules UNION SELECT sha256, length FROM deltas",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(|(sha256, length)| Ok((sha256.parse()?, nat(length)?))).collect()
    }

    /// Keeps which objects are lost, by digest, and whether only reading showed that. What a look without reading does not find stays lost where
    /// reading had shown it. A delta that is lost is forgotten: whoever wanted it fetches the whole blob.
    pub(crate) async fn put_lost(&self, lost: &BTreeMap<Sha256Hex, bool>, were_read: bool) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let forget = sqlx::query("DELETE FROM lost_objects WHERE damaged = 0 OR $1 = 1");
        forget.bind(i64::from(were_read)).execute(&mut *tx).await?;
        for (digest, damaged) in lost {
            let delta = sqlx::query("DELETE FROM deltas WHERE sha256 = $1").bind(digest.to_string());
            if delta.execute(&mut *tx).await?.rows_affected() > 0 {
                continue;
            }
            let insert = sqlx::query(
                "INSERT INTO lost_objects (sha256, damaged, noticed_at) VALUES ($1, $2, $3) ON CONFLICT (sha256) DO NOTHING",
            );
            insert.bind(digest.to_string()).bind(i64::from(*damaged)).bind(now()).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// How many objects are lost.
    pub(crate) async fn lost_count(&self) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM lost_objects").fetch_one(&self.pool).await?;
        nat(count)
    }

    /// Blobs and modules of a maker that are lost.
    pub(crate) async fn lost_of(&self, maker: &MakerName) -> Result<BTreeSet<Sha256Hex>, StoreError> {
        let rows = sqlx::query_as::<_, (String,)>(
            "SELECT sha256 FROM lost_objects l WHERE EXISTS (SELECT 1 FROM releases r WHERE r.sha256 = l.sha256 AND r.maker = $1)
             OR EXISTS (SELECT 1 FROM modules m WHERE m.sha256 = l.sha256 AND m.maker = $1)",
        );
        let rows = rows.bind(maker.as_str()).fetch_all(&self.pool).await?;
        rows.into_iter().map(|(sha256,)| Ok(sha256.parse()?)).collect()
    }

    /// Notes that these are there again.
    pub(crate) async fn put_restored(&self, maker: &MakerName, restored: &[Sha256Hex]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for digest in restored {
            let found = sqlx::query("DELETE FROM lost_objects WHERE sha256 = $1").bind(digest.to_string());
            found.execute(&mut *tx).await?;
        }
        self.audit_in(&mut tx, &format!("maker:{maker}"), "objects-restored", &json!({ "objects": restored })).await?;
        Ok(tx.commit().await?)
    }
}
