//! Rollouts, and who was told of what is rolled out.

use super::{Store, StoreError, channel_release, from_word, int, nat, word};
use crate::wire::{ChannelRelease, Progress, Rollout, RolloutState};
use serde_json::json;
use sqlx::FromRow;

/// Of an offer `o` to a terminal `t`: 1 where the terminal runs the release or a later one.
macro_rules! installed {
    () => {
        "CASE WHEN EXISTS (SELECT 1 FROM applied a WHERE a.terminal = o.terminal AND a.maker = o.maker
         AND a.name = o.name AND a.release >= o.release) THEN 1 ELSE 0 END"
    };
}
/// 1 where it reported trouble with it since $4.
macro_rules! trouble {
    () => {
        "CASE WHEN EXISTS (SELECT 1 FROM blamed b WHERE b.terminal = o.terminal AND b.maker = o.maker
         AND b.name = o.name AND b.release = o.release AND b.at >= $4) THEN 1 ELSE 0 END"
    };
}
/// 1 where it was told before $5 and not heard of since; of one that was revoked nothing can be heard.
macro_rules! silent {
    () => {
        "CASE WHEN o.at < $5 AND COALESCE(t.last_contact, 0) < $5 AND t.revoked_at IS NULL THEN 1 ELSE 0 END"
    };
}
pub(super) use {installed, silent, trouble};

impl Store {
    /// Every rollout, by channel and release.
    pub(crate) async fn rollouts(&self) -> Result<Vec<Rollout>, StoreError> {
        let rows = sqlx::query_as::<_, RolloutSql>("SELECT * FROM rollouts ORDER BY maker, name, release");
        rows.fetch_all(&self.pool).await?.into_iter().map(RolloutSql::read).collect()
    }

    /// At most `limit` rollouts after the one of `after`, or from the first, by channel and release.
    pub(crate) async fn rollouts_after(
        &self,
        after: Option<&ChannelRelease>,
        limit: usize,
    ) -> Result<Vec<Rollout>, StoreError> {
        let (maker, name) = after.map_or(("", ""), |at| (at.channel.maker(), at.channel.name()));
        let rows = sqlx::query_as::<_, RolloutSql>(
            "SELECT * FROM rollouts WHERE (maker, name, release) > ($1, $2, $3) ORDER BY maker, name, release LIMIT $4",
        );
        let rows = rows.bind(maker).bind(name).bind(after.map_or(Ok(-1), |at| int(at.release))?);
        rows.bind(super::listing::rows(limit)).fetch_all(&self.pool).await?.into_iter().map(RolloutSql::read).collect()
    }

    pub(crate) async fn rollout(&self, at: &ChannelRelease) -> Result<Option<Rollout>, StoreError> {
        let row = sqlx::query_as::<_, RolloutSql>("SELECT * FROM rollouts WHERE maker = $1 AND name = $2 AND release = $3")
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(int(at.release)?);
        row.fetch_optional(&self.pool).await?.map(RolloutSql::read).transpose()
    }

    /// Enters a rollout: by an operator anew, by the policy only where there is none yet. Returns whether this was entered.
    pub(crate) async fn start_rollout(&self, rollout: &Rollout, by: Option<&str>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let conflict = if by.is_some() {
            "ON CONFLICT (maker, name, release) DO UPDATE SET rings = excluded.rings, gate = excluded.gate, urgent = excluded.urgent,
             state = excluded.state, ring = excluded.ring, opened_at = excluded.opened_at, counted_from = excluded.counted_from,
             words = excluded.words"
        } else {
            "ON CONFLICT (maker, name, release) DO NOTHING"
        };
        let insert = format!(
            "INSERT INTO rollouts (maker, name, release, rings, gate, urgent, state, ring, opened_at, counted_from, words)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) {conflict}"
        );
        let entered = sqlx::query(sqlx::AssertSqlSafe(insert))
            .bind(rollout.at.channel.maker())
            .bind(rollout.at.channel.name())
            .bind(int(rollout.at.release)?)
            .bind(serde_json::to_string(&rollout.rings)?)
            .bind(serde_json::to_string(&rollout.gate)?)
            .bind(i64::from(rollout.urgent))
            .bind(word(&rollout.state)?)
            .bind(int(rollout.ring as u64)?)
            .bind(rollout.opened_at)
            .bind(rollout.counted_from)
            .bind(&rollout.words)
            .execute(&mut *tx)
            .await?;
        if entered.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some(by) = by {
            self.audit_in(&mut tx, by, "rollout-started", &json!(rollout)).await?;
        }
        self.commit_change(tx).await?;
        Ok(true)
    }

    /// Changes a rollout if it still is as `from` says, so that of two who judge it one is heard. Returns whether it was. What is changed by an
    /// operator or halts is in the audit log, by `by`.
    pub(crate) async fn step_rollout(&self, by: &str, from: &Rollout, to: &Rollout) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let stepped = sqlx::query(
            "UPDATE rollouts SET state = $1, ring = $2, opened_at = $3, counted_from = $4, words = $5
             WHERE maker = $6 AND name = $7 AND release = $8 AND state = $9 AND ring = $10 AND opened_at = $11",
        )
        .bind(word(&to.state)?)
        .bind(int(to.ring as u64)?)
        .bind(to.opened_at)
        .bind(to.counted_from)
        .bind(&to.words)
        .bind(from.at.channel.maker())
        .bind(from.at.channel.name())
        .bind(int(from.at.release)?)
        .bind(word(&from.state)?)
        .bind(int(from.ring as u64)?)
        .bind(from.opened_at)
        .execute(&mut *tx)
        .await?;
        if stepped.rows_affected() == 0 {
            return Ok(false);
        }
        let what = match to.state {
            RolloutState::Halted => Some("rollout-halted"),
            _ if from.state == RolloutState::Halted => Some("rollout-resumed"),
            _ => None,
        };
        if let Some(what) = what {
            self.audit_in(&mut tx, by, what, &json!({ "at": to.at, "words": to.words })).await?;
        }
        self.commit_change(tx).await?;
        Ok(true)
    }

    /// What became of the terminals that were told of a release since its rollout counts. Contacts that are not written yet count as none.
    pub(crate) async fn progress(&self, rollout: &Rollout, at: i64) -> Result<Progress, StoreError> {
        let counts = sqlx::query_as::<_, (i64, i64, i64, i64)>(concat!(
            "SELECT COUNT(*), CAST(COALESCE(SUM(",
            installed!(),
            "), 0) AS BIGINT), CAST(COALESCE(SUM(",
            trouble!(),
            "), 0) AS BIGINT), CAST(COALESCE(SUM(",
            silent!(),
            "), 0) AS BIGINT) FROM offers o JOIN terminals t ON t.terminal = o.terminal
             WHERE o.maker = $1 AND o.name = $2 AND o.release = $3"
        ))
        .bind(rollout.at.channel.maker())
        .bind(rollout.at.channel.name())
        .bind(int(rollout.at.release)?)
        .bind(rollout.counted_from)
        .bind(silent_before(rollout, at))
        .fetch_one(&self.pool)
        .await?;
        let (told, installed, trouble, silent) = counts;
        Ok(Progress { told: nat(told)?, installed: nat(installed)?, trouble: nat(trouble)?, silent: nat(silent)? })
    }

    /// Forgets who was told of a release.
    pub(crate) async fn forget_offers(&self, at: &ChannelRelease) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM offers WHERE maker = $1 AND name = $2 AND release = $3")
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(int(at.release)?)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Forgets whom a resumed rollout lost: they are told anew when they come back, and counted from then.
    pub(crate) async fn forget_silent(&self, rollout: &Rollout, at: i64) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM offers WHERE maker = $1 AND name = $2 AND release = $3 AND terminal IN (SELECT t.terminal FROM terminals t
             WHERE COALESCE(t.last_contact, 0) < $4)",
        )
        .bind(rollout.at.channel.maker())
        .bind(rollout.at.channel.name())
        .bind(int(rollout.at.release)?)
        .bind(silent_before(rollout, at))
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

/// Who was not heard of since then is silent at `now`.
pub(super) fn silent_before(rollout: &Rollout, now: i64) -> i64 {
    now.saturating_sub(i64::try_from(rollout.gate.silent_minutes.saturating_mul(60)).unwrap_or(i64::MAX))
}

#[derive(FromRow)]
pub(super) struct RolloutSql {
    maker: String,
    name: String,
    release: i64,
    rings: String,
    gate: String,
    urgent: i64,
    state: String,
    ring: i64,
    opened_at: i64,
    counted_from: i64,
    words: String,
}

impl RolloutSql {
    pub(super) fn read(self) -> Result<Rollout, StoreError> {
        Ok(Rollout {
            at: channel_release(&self.maker, &self.name, self.release)?,
            rings: serde_json::from_str(&self.rings)?,
            gate: serde_json::from_str(&self.gate)?,
            urgent: self.urgent != 0,
            state: from_word::<RolloutState>(&self.state)?,
            ring: usize::try_from(self.ring).map_err(|_| StoreError::Value(format!("{} is no ring", self.ring)))?,
            opened_at: self.opened_at,
            counted_from: self.counted_from,
            words: self.words,
        })
    }
}
