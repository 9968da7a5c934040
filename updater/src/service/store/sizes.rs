//! How much there is: for who looks after the service.

use super::{Store, StoreError};

/// Rows by kind, and bytes of all blobs.
pub(crate) struct Sizes {
    pub(crate) rows: Vec<(&'static str, i64)>,
    pub(crate) blob_bytes: i64,
}

/// What is counted, by the word that it is told by.
const COUNTED: [(&str, &str); 8] = [
    ("makers", "SELECT COUNT(*) FROM makers"),
    ("releases", "SELECT COUNT(*) FROM releases"),
    ("deltas", "SELECT COUNT(*) FROM deltas"),
    ("threats", "SELECT COUNT(*) FROM threats"),
    ("terminals", "SELECT COUNT(*) FROM terminals"),
    ("one_offs", "SELECT COUNT(*) FROM one_offs"),
    ("lost_objects", "SELECT COUNT(*) FROM lost_objects"),
    ("audit", "SELECT n FROM audit_head WHERE one = 1"),
];

impl Store {
    /// Whether the tables answer.
    pub(crate) async fn answers(&self) -> Result<(), StoreError> {
        sqlx::query_as::<_, (i64,)>("SELECT n FROM audit_head WHERE one = 1").fetch_one(&self.pool).await?;
        Ok(())
    }

    /// Counts rows: time grows with the largest table.
    pub(crate) async fn sizes(&self) -> Result<Sizes, StoreError> {
        let mut rows = Vec::new();
        for (kind, query) in COUNTED {
            rows.push((kind, sqlx::query_as::<_, (i64,)>(query).fetch_one(&self.pool).await?.0));
        }
        let bytes = sqlx::query_as::<_, (i64,)>("SELECT CAST(COALESCE(SUM(length), 0) AS BIGINT) FROM releases");
        Ok(Sizes { rows, blob_bytes: bytes.fetch_one(&self.pool).await?.0 })
    }

    /// The newest version of a role that was signed here; 0 when there is none.
    pub(crate) async fn newest_version(&self, role: &str) -> Result<i64, StoreError> {
        let row = sqlx::query_as::<_, (i64,)>("SELECT COALESCE(MAX(version), 0) FROM metadata WHERE role = $1");
        Ok(row.bind(role).fetch_one(&self.pool).await?.0)
    }
}
