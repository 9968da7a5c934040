//! What terminals reported: how much of it is kept.
//!
//! Every result is a row, and terminals have results for as long as they live: a fleet of a million with a release a day would fill a disk, and one
//! terminal that means harm could. So of each terminal the newest are kept. That is done beside the calls, which write their row and
//! nothing else: whoever reported since the last look is looked at, so that no look goes over the whole table.

use super::{Store, StoreError};

/// Reports of each terminal that are kept, the newest; what they say of plans and faults of before is in the log.
pub(super) const REPORTS_KEPT: i64 = 100;
/// Numbers of reports that one look goes over.
const LOOK: i64 = 1_000;

impl Store {
    /// The number of the newest report, or 0.
    pub(crate) async fn newest_report(&self) -> Result<i64, StoreError> {
        let newest = sqlx::query_scalar::<_, i64>("SELECT COALESCE(MAX(id), 0) FROM reports");
        Ok(newest.fetch_one(&self.pool).await?)
    }

    /// Forgets old reports of terminals that reported after the report `after`, of a thousand reports at most. Returns the number that it came to: who
    /// asks again from there on comes to the newest.
    pub(crate) async fn forget_reports(&self, after: i64) -> Result<i64, StoreError> {
        let newest = self.newest_report().await?;
        // Numbers may be given again after the newest rows went with their terminal.
        let after = after.min(newest);
        let until = newest.min(after.saturating_add(LOOK));
        let last_forgotten = sqlx::query_as::<_, (String, Option<i64>)>(
            "SELECT n.terminal, (SELECT r.id FROM reports r WHERE r.terminal = n.terminal ORDER BY r.id DESC LIMIT 1 OFFSET $3)
             FROM (SELECT DISTINCT terminal FROM reports WHERE id > $1 AND id <= $2) n",
        );
        let last_forgotten = last_forgotten.bind(after).bind(until).bind(REPORTS_KEPT).fetch_all(&self.pool).await?;
        let mut last_forgotten =
            last_forgotten.into_iter().filter_map(|(terminal, last)| Some((terminal, last?))).peekable();
        if last_forgotten.peek().is_some() {
            let mut tx = self.begin().await?;
            for (terminal, last) in last_forgotten {
                let forget = sqlx::query("DELETE FROM reports WHERE terminal = $1 AND id <= $2");
                forget.bind(terminal).bind(last).execute(&mut *tx).await?;
            }
            tx.commit().await?;
        }
        Ok(until)
    }
}
