//! Rollouts as people look at them: page by page, terminal by terminal, with who reported trouble and what is blocked.

use crate::service::store::listing::{like, rows};
use crate::service::store::rollout::{RolloutSql, installed, silent, silent_before, trouble};
use crate::service::store::{Store, StoreError, channel_release, int, nat, word};
use crate::wire::{Blocked, ChannelRelease, Rollout, RolloutState};
use sqlx::FromRow;

/// A terminal that was told of a release, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) terminal: String,
    /// The operator's word, else its token's, else its own.
    pub(crate) group: Option<String>,
    /// It runs the release or a later one.
    pub(crate) installed: bool,
    /// It reported trouble with it since that counts.
    pub(crate) trouble: bool,
    /// It was not heard of for as long as the rollout's gate allows.
    pub(crate) silent: bool,
}

/// What a terminal reported of a release.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Trouble {
    pub(crate) terminal: String,
    pub(crate) code: String,
    /// Seconds since 1970.
    pub(crate) at: i64,
}

/// A blocked release and since when it is blocked, in seconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct BlockedRow {
    pub(crate) blocked: Blocked,
    pub(crate) since: i64,
}

/// In the state $1, of channels like $2.
pub(super) const PAGE: &str = "SELECT * FROM rollouts WHERE state = $1 AND (maker || '/' || name) LIKE $2 ESCAPE '!'
    ORDER BY opened_at DESC, maker, name, release LIMIT $3 OFFSET $4";

/// With the release $3 of the channel $1/$2, after the terminal $4 and the code $5.
pub(super) const TROUBLES: &str = "SELECT terminal, code, at FROM blamed WHERE maker = $1 AND name = $2 AND release = $3
    AND (terminal, code) > ($4, $5) ORDER BY terminal, code LIMIT $6";

impl Store {
    /// `limit` rollouts in this state, of channels with this in their name, from the `offset`-th on; that whose ring opened last comes first.
    pub(crate) async fn rollouts_in(
        &self,
        state: RolloutState,
        search: &str,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Rollout>, StoreError> {
        let page = sqlx::query_as::<_, RolloutSql>(PAGE).bind(word(&state)?).bind(like(search));
        let page = page.bind(rows(limit)).bind(int(offset)?).fetch_all(&self.pool).await?;
        page.into_iter().map(RolloutSql::read).collect()
    }

    /// How many those are in all.
    pub(crate) async fn rollouts_counted(&self, state: RolloutState, search: &str) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM rollouts WHERE state = $1 AND (maker || '/' || name) LIKE $2 ESCAPE '!'";
        let count = sqlx::query_as::<_, (i64,)>(sql).bind(word(&state)?).bind(like(search));
        nat(count.fetch_one(&self.pool).await?.0)
    }

    /// At most `limit` of the terminals that were told of a release since its rollout counts.
    pub(crate) async fn told(&self, rollout: &Rollout, at: i64, limit: usize) -> Result<Vec<Told>, StoreError> {
        let told = sqlx::query_as::<_, (String, Option<String>, i64, i64, i64)>(concat!(
            "SELECT o.terminal, COALESCE(t.group_name, t.enrolled_group, t.wished_group), CAST(",
            installed!(),
            " AS BIGINT), CAST(",
            trouble!(),
            " AS BIGINT), CAST(",
            silent!(),
            " AS BIGINT) FROM offers o JOIN terminals t ON t.terminal = o.terminal
             WHERE o.maker = $1 AND o.name = $2 AND o.release = $3 LIMIT $6"
        ))
        .bind(rollout.at.channel.maker())
        .bind(rollout.at.channel.name())
        .bind(int(rollout.at.release)?)
        .bind(rollout.counted_from)
        .bind(silent_before(rollout, at))
        .bind(rows(limit))
        .fetch_all(&self.pool)
        .await?;
        let read = |(terminal, group, installed, trouble, silent): (String, Option<String>, i64, i64, i64)| Told {
            terminal,
            group,
            installed: installed != 0,
            trouble: trouble != 0,
            silent: silent != 0,
        };
        Ok(told.into_iter().map(read).collect())
    }

    /// At most `limit` troubles with a release after the one with this terminal and code, by terminal and code.
    pub(crate) async fn troubles_with(
        &self,
        at: &ChannelRelease,
        after: (&str, &str),
        limit: usize,
    ) -> Result<Vec<Trouble>, StoreError> {
        let page = sqlx::query_as::<_, Trouble>(TROUBLES).bind(at.channel.maker()).bind(at.channel.name());
        let page = page.bind(int(at.release)?).bind(after.0).bind(after.1).bind(rows(limit));
        Ok(page.fetch_all(&self.pool).await?)
    }

    /// `limit` blocked releases of channels with this in their name from the `offset`-th on, the last blocked first.
    pub(crate) async fn blocked_page(&self, search: &str, offset: u64, limit: usize) -> Result<Vec<BlockedRow>, StoreError> {
        let page = sqlx::query_as::<_, (String, String, i64, String, i64)>(
            "SELECT maker, name, release, words, blocked_at FROM blocked WHERE (maker || '/' || name) LIKE $1 ESCAPE '!'
             ORDER BY blocked_at DESC, maker, name, release LIMIT $2 OFFSET $3",
        );
        let page = page.bind(like(search)).bind(rows(limit)).bind(int(offset)?).fetch_all(&self.pool).await?;
        let read = |(maker, name, release, words, since): (String, String, i64, String, i64)| {
            let at = channel_release(&maker, &name, release)?;
            Ok(BlockedRow { blocked: Blocked { at, words }, since })
        };
        page.into_iter().map(read).collect()
    }

    /// How many those are in all.
    pub(crate) async fn blocked_counted(&self, search: &str) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM blocked WHERE (maker || '/' || name) LIKE $1 ESCAPE '!'";
        nat(sqlx::query_as::<_, (i64,)>(sql).bind(like(search)).fetch_one(&self.pool).await?.0)
    }

    /// Since when a release is blocked, and why.
    pub(crate) async fn blocked_one(&self, at: &ChannelRelease) -> Result<Option<BlockedRow>, StoreError> {
        let sql = "SELECT words, blocked_at FROM blocked WHERE maker = $1 AND name = $2 AND release = $3";
        let row = sqlx::query_as::<_, (String, i64)>(sql).bind(at.channel.maker()).bind(at.channel.name());
        let row = row.bind(int(at.release)?).fetch_optional(&self.pool).await?;
        Ok(row.map(|(words, since)| BlockedRow { blocked: Blocked { at: at.clone(), words }, since }))
    }
}
