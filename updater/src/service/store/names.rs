//! Names of the records in makers' releases, as spans of releases: a release costs as many rows as names came and went with it, not as many as
//! it has.

use super::{Store, StoreError, channel_release, int, nat};
use crate::wire::{ChannelRelease, Sha256Hex};
use sqlx::{Any, Transaction};
use std::fmt::Write as _;

/// Names in one statement.
const BATCH: usize = 200;
/// Names in one transaction, so that others who write wait for a part of a second and not for all of a first release.
pub(crate) const NAMES_IN_ONE_GO: usize = 20_000;

/// A release whose names are to be taken over.
#[derive(Clone, Debug)]
pub(crate) struct Unnamed {
    pub(crate) at: ChannelRelease,
    pub(crate) sha256: Sha256Hex,
    /// The newest release of the channel whose names were taken over, with its blob.
    pub(crate) before: Option<(u64, Sha256Hex)>,
}

impl Store {
    /// The next release whose names are to be taken over, lowest numbers first.
    pub(crate) async fn next_unnamed(&self) -> Result<Option<Unnamed>, StoreError> {
        sqlx::query(
            "INSERT INTO named_releases (maker, name, release, done) SELECT r.maker, r.name, r.release, 0 FROM releases r
             WHERE NOT EXISTS (SELECT 1 FROM named_releases n WHERE n.maker = r.maker AND n.name = r.name AND n.release = r.release)
             ON CONFLICT DO NOTHING",
        )
        .execute(&self.writer)
        .await?;
        let next = sqlx::query_as::<_, (String, String, i64, String)>(
            "SELECT r.maker, r.name, r.release, r.sha256 FROM named_releases n
             JOIN releases r ON r.maker = n.maker AND r.name = n.name AND r.release = n.release
             WHERE n.done = 0 ORDER BY r.maker, r.name, r.release LIMIT 1",
        );
        let Some((maker, name, release, sha256)) = next.fetch_optional(&self.pool).await? else { return Ok(None) };
        let before = sqlx::query_as::<_, (i64, String)>(
            "SELECT r.release, r.sha256 FROM named_releases n
             JOIN releases r ON r.maker = n.maker AND r.name = n.name AND r.release = n.release
             WHERE n.done = 1 AND n.maker = $1 AND n.name = $2 AND n.release < $3 ORDER BY n.release DESC LIMIT 1",
        );
        let before = before.bind(&maker).bind(&name).bind(release).fetch_optional(&self.pool).await?;
        let before = before.map(|(release, sha256)| Ok::<_, StoreError>((nat(release)?, sha256.parse()?))).transpose()?;
        Ok(Some(Unnamed { at: channel_release(&maker, &name, release)?, sha256: sha256.parse()?, before }))
    }

    /// Enters names that came with a release; false when it was done meanwhile, by another replica.
    ///
    /// A name that was gone and comes again counts from here: between, it was not covered.
    pub(crate) async fn add_names(&self, at: &ChannelRelease, names: &[String]) -> Result<bool, StoreError> {
        let update = "first_release = excluded.first_release, last_release = NULL";
        self.put_names(at, (at.release, None), names, update).await
    }

    /// Ends the spans of names that are gone since release `last`; false when it was done meanwhile.
    pub(crate) async fn end_names(&self, at: &ChannelRelease, last: u64, names: &[String]) -> Result<bool, StoreError> {
        // The rows are there. An update of rows by a list of names would do the same, and PostgreSQL reads the whole table for each list
        // as long as it has no statistics of a table that was just filled: 7 s for 200 names among a million.
        self.put_names(at, (last, Some(last)), names, "last_release = excluded.last_release").await
    }

    /// Writes one span for each name, and where there is one does `update` to it.
    async fn put_names(
        &self,
        at: &ChannelRelease,
        (first, last): (u64, Option<u64>),
        names: &[String],
        update: &str,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !still_to_do(&mut tx, at).await? {
            return Ok(false);
        }
        for batch in names.chunks(BATCH) {
            let mut sql = "INSERT INTO names (maker, name, first_release, last_release, threat) VALUES ".to_owned();
            for number in 0..batch.len() {
                let comma = if number == 0 { "" } else { ", " };
                write!(sql, "{comma}($1, $2, $3, $4, ${})", number + 5).expect("a string takes all");
            }
            write!(sql, " ON CONFLICT (maker, threat, name) DO UPDATE SET {update}").expect("a string takes all");
            let mut insert = sqlx::query(sqlx::AssertSqlSafe(sql));
            insert = insert.bind(at.channel.maker()).bind(at.channel.name());
            insert = insert.bind(int(first)?).bind(last.map(int).transpose()?);
            for name in batch {
                insert = insert.bind(name);
            }
            insert.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Has the database learn what the table of names holds, after many came: else it may read all of it to find one.
    pub(crate) async fn analyze_names(&self) -> Result<(), StoreError> {
        sqlx::query("ANALYZE names").execute(&self.writer).await?;
        Ok(())
    }

    /// Notes that a release's names are all there, or that they cannot be had.
    pub(crate) async fn names_done(&self, at: &ChannelRelease, readable: bool) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let done = "UPDATE named_releases SET done = $1 WHERE maker = $2 AND name = $3 AND release = $4 AND done = 0";
        sqlx::query(done)
            .bind(if readable { 1_i64 } else { 2 })
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(int(at.release)?)
            .execute(&mut *tx)
            .await?;
        self.commit_change(tx).await
    }
}

/// Whether a release is not done yet; holds its row until the transaction ends, so that nobody can call it done meanwhile.
async fn still_to_do(tx: &mut Transaction<'_, Any>, at: &ChannelRelease) -> Result<bool, StoreError> {
    let held = "UPDATE named_releases SET done = 0 WHERE maker = $1 AND name = $2 AND release = $3 AND done = 0";
    let held = sqlx::query(held).bind(at.channel.maker()).bind(at.channel.name()).bind(int(at.release)?);
    Ok(held.execute(&mut **tx).await?.rows_affected() == 1)
}
