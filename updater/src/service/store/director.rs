//! Assignments that were signed, by cohort.

use super::{Store, StoreError, int, nat, now};
use crate::wire::{AssignedBlob, ChannelRelease, SignedDocument};

/// Cohorts that are kept. One that is forgotten is signed anew when a terminal of it comes.
const ASSIGNMENTS_MAX: i64 = 16_384;

/// A signed assignment as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct KeptAssignment {
    pub(crate) number: u64,
    /// The version of root whose director signed it.
    pub(crate) root: u64,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
    pub(crate) document: SignedDocument,
}

impl Store {
    /// The newest assignment of a cohort.
    pub(crate) async fn assignment(&self, cohort: &str) -> Result<Option<KeptAssignment>, StoreError> {
        let row = sqlx::query_as::<_, (i64, i64, i64, String)>(
            "SELECT number, root, expires_at, document FROM assignments WHERE cohort = $1",
        );
        let row = row.bind(cohort).fetch_optional(&self.pool).await?;
        row.map(|(number, root, expires_at, document)| {
            let document = serde_json::from_str(&document)?;
            Ok(KeptAssignment { number: nat(number)?, root: nat(root)?, expires_at, document })
        })
        .transpose()
    }

    /// Keeps a cohort's next assignment, and forgets those that expired and the oldest beyond 16,384. False, and nothing is kept, when another
    /// replica kept one with the same number or a newer one.
    pub(crate) async fn put_assignment(&self, cohort: &str, kept: &KeptAssignment) -> Result<bool, StoreError> {
        let put = sqlx::query(
            "INSERT INTO assignments (cohort, number, root, expires_at, document) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (cohort) DO UPDATE SET number = excluded.number, root = excluded.root,
             expires_at = excluded.expires_at, document = excluded.document WHERE assignments.number < excluded.number",
        );
        let put = put.bind(cohort).bind(int(kept.number)?).bind(int(kept.root)?).bind(kept.expires_at);
        let put = put.bind(serde_json::to_string(&kept.document)?).execute(&self.writer).await?;
        // Each by itself: in one transaction, two replicas could wait for each other's rows.
        sqlx::query("DELETE FROM assignments WHERE expires_at < $1").bind(now()).execute(&self.writer).await?;
        sqlx::query(
            "DELETE FROM assignments WHERE number <= (SELECT number FROM assignments ORDER BY number DESC LIMIT 1 OFFSET $1)",
        )
        .bind(ASSIGNMENTS_MAX)
        .execute(&self.writer)
        .await?;
        Ok(put.rows_affected() == 1)
    }

    /// What the blobs of these releases are; one that was never published here is left out.
    pub(crate) async fn blobs(&self, channels: &[ChannelRelease]) -> Result<Vec<AssignedBlob>, StoreError> {
        let mut blobs = Vec::new();
        for at in channels {
            let row = sqlx::query_as::<_, (String, i64)>(
                "SELECT sha256, length FROM releases WHERE maker = $1 AND name = $2 AND release = $3",
            );
            let row = row.bind(at.channel.maker()).bind(at.channel.name()).bind(int(at.release)?);
            if let Some((sha256, length)) = row.fetch_optional(&self.pool).await? {
                blobs.push(AssignedBlob { at: at.clone(), sha256: sha256.parse()?, length: nat(length)? });
            }
        }
        Ok(blobs)
    }
}
