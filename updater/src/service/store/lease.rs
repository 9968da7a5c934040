//! The lease on signing, as rows and numbers; who waits how long is `service/lease.rs`.
//!
//! A holder writes the fence that it took the lease with into every transaction that records something signed, by a change of the
//! lease's row: both databases then keep the row to that transaction until it ends, so that nobody can take the lease between the check
//! and the commit. Rejected: `SELECT … FOR UPDATE`, which SQLite does not have; an advisory lock of PostgreSQL, which is lost with its
//! connection while its holder goes on believing in it.

use super::{Store, StoreError};
use sqlx::{Any, FromRow, Transaction};

/// The number that a lease was taken with. It goes with everything that only the holder may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fence(i64);

impl Fence {
    /// Whether nobody had the lease in between.
    pub(crate) fn follows(self, earlier: Fence) -> bool {
        self.0 == earlier.0 + 1
    }
}

/// The lease as it is.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub(crate) struct LeaseRow {
    holder: String,
    fence: i64,
    beat: i64,
    lags: i64,
}

impl LeaseRow {
    pub(crate) fn is_free_for(&self, replica: &str) -> bool {
        self.holder.is_empty() || self.holder == replica
    }

    /// The number with which it was taken last.
    pub(crate) fn fence(&self) -> Fence {
        Fence(self.fence)
    }

    /// Whether the metadata may not show yet what the tables hold.
    pub(crate) fn lags(&self) -> bool {
        self.lags != 0
    }
}

impl Store {
    pub(crate) async fn lease(&self) -> Result<LeaseRow, StoreError> {
        let row = sqlx::query_as("SELECT holder, fence, beat, lags FROM leases WHERE lease = 'signing'");
        Ok(row.fetch_one(&self.pool).await?)
    }

    /// Takes the lease as it was `seen`; `None` when it was taken, kept or given back meanwhile.
    pub(crate) async fn take_lease(&self, seen: &LeaseRow, replica: &str) -> Result<Option<Fence>, StoreError> {
        let taken = sqlx::query(
            "UPDATE leases SET holder = $1, fence = fence + 1, beat = 0
             WHERE lease = 'signing' AND holder = $2 AND fence = $3 AND beat = $4",
        );
        let taken = taken.bind(replica).bind(&seen.holder).bind(seen.fence).bind(seen.beat).execute(&self.writer).await?;
        Ok((taken.rows_affected() == 1).then_some(Fence(seen.fence + 1)))
    }

    /// A sign of life; false when the lease is lost.
    pub(crate) async fn keep_lease(&self, fence: Fence) -> Result<bool, StoreError> {
        let kept = sqlx::query("UPDATE leases SET beat = beat + 1 WHERE lease = 'signing' AND fence = $1 AND holder <> ''");
        Ok(kept.bind(fence.0).execute(&self.writer).await?.rows_affected() == 1)
    }

    /// Gives the lease back; nothing happens when it is lost. `shown`: the metadata shows all that the tables hold. If it did not before,
    /// that is a change: terminals are told of a release once they can fetch it.
    pub(crate) async fn release_lease(&self, fence: Fence, shown: bool) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        if shown {
            let caught_up =
                sqlx::query("UPDATE leases SET holder = '', lags = 0 WHERE lease = 'signing' AND fence = $1 AND lags = 1");
            if caught_up.bind(fence.0).execute(&mut *tx).await?.rows_affected() == 1 {
                return self.commit_change(tx).await;
            }
        }
        let release = sqlx::query("UPDATE leases SET holder = '' WHERE lease = 'signing' AND fence = $1");
        release.bind(fence.0).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// Begins a transaction of the holder.
    pub(super) async fn begin_fenced(&self, fence: Fence) -> Result<Transaction<'static, Any>, StoreError> {
        let mut tx = self.begin().await?;
        let kept = sqlx::query("UPDATE leases SET beat = beat + 1 WHERE lease = 'signing' AND fence = $1 AND holder <> ''");
        match kept.bind(fence.0).execute(&mut *tx).await?.rows_affected() {
            1 => Ok(tx),
            _ => Err(StoreError::Fenced),
        }
    }
}

/// Notes, within the transaction of the holder, that the metadata lags behind the tables.
pub(super) async fn lags(tx: &mut Transaction<'_, Any>) -> Result<(), StoreError> {
    sqlx::query("UPDATE leases SET lags = 1 WHERE lease = 'signing'").execute(&mut **tx).await?;
    Ok(())
}
