//! What only people look at: releases with their age, faults in groups, reports of one terminal, the countering table in any order.

use super::threats::{ThreatSql, read_rows, with_records};
use super::{Store, StoreError, channel_release, nat};
use crate::wire::{ChannelRelease, ThreatRow};
use sqlx::{AssertSqlSafe, FromRow};

/// A release that the service holds.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) at: ChannelRelease,
    pub(crate) length: u64,
    /// Seconds since 1970.
    pub(crate) published_at: i64,
    pub(crate) listed: bool,
    pub(crate) withdrawn: bool,
}

/// Trouble of one kind.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct FaultGroup {
    pub(crate) code: String,
    pub(crate) step: String,
    pub(crate) times: i64,
    pub(crate) terminals: i64,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// What a terminal answered after it tried.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Report {
    pub(crate) id: i64,
    pub(crate) terminal: String,
    pub(crate) at: i64,
    pub(crate) outcome: String,
    pub(crate) generation: Option<i64>,
    pub(crate) step: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) words: Option<String>,
}

/// The order of the countering table, within a maker or a threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreatOrder {
    Name,
    Danger,
    Discovered,
    Vaccine,
}

/// Which rows of the countering table, in which order.
#[derive(Clone, Debug)]
pub(crate) struct ThreatQuestion<'a> {
    /// Only with this in the name of threat or maker.
    pub(crate) search: &'a str,
    /// Only of this danger: `low`, `medium`, `high`, or empty for all.
    pub(crate) danger: &'a str,
    /// Only those without a vaccine.
    pub(crate) uncured: bool,
    /// In blocks by threat instead of by maker.
    pub(crate) by_threat: bool,
    pub(crate) order: ThreatOrder,
}

/// $1 is a pattern, $2 a danger or empty.
const WHICH: &str =
    "withdrawn = 0 AND (LOWER(threat) LIKE $1 ESCAPE '!' OR maker LIKE $1 ESCAPE '!') AND ($2 = '' OR danger = $2)";

impl ThreatQuestion<'_> {
    fn which(&self) -> String {
        format!("{WHICH}{}", if self.uncured { " AND vaccine_date IS NULL" } else { "" })
    }

    /// From words of ours alone.
    fn order(&self) -> String {
        let by = match self.order {
            ThreatOrder::Name => "",
            ThreatOrder::Danger => "CASE danger WHEN 'high' THEN 0 WHEN 'medium' THEN 1 ELSE 2 END, ",
            ThreatOrder::Discovered => "discovered DESC, ",
            ThreatOrder::Vaccine => "COALESCE(vaccine_date, '9999') DESC, ",
        };
        if self.by_threat { format!("{by}threat, maker") } else { format!("maker, {by}threat") }
    }
}

impl Store {
    /// `limit` rows of the countering table from the `offset`-th on.
    pub(crate) async fn threats_ordered(
        &self,
        question: &ThreatQuestion<'_>,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<ThreatRow>, StoreError> {
        let (which, order) = (question.which(), question.order());
        let sql = format!("SELECT * FROM threats WHERE {which} ORDER BY {order} LIMIT $3 OFFSET $4");
        let sql = with_records(&sql, &order);
        let rows = sqlx::query_as::<_, ThreatSql>(AssertSqlSafe(sql)).bind(super::listing::like(question.search));
        let rows = rows.bind(question.danger).bind(super::listing::rows(limit)).bind(super::int(offset)?);
        read_rows(rows.fetch_all(&self.pool).await?)
    }

    /// How many rows that has in all.
    pub(crate) async fn threats_counted(&self, question: &ThreatQuestion<'_>) -> Result<u64, StoreError> {
        let sql = format!("SELECT COUNT(*) FROM threats WHERE {}", question.which());
        let count = sqlx::query_as::<_, (i64,)>(AssertSqlSafe(sql)).bind(super::listing::like(question.search));
        nat(count.bind(question.danger).fetch_one(&self.pool).await?.0)
    }

    /// Every release that is held, ascending by channel and number.
    pub(crate) async fn held_releases(&self) -> Result<Vec<Held>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64, i64, i64, i64, i64)>(
            "SELECT r.maker, r.name, r.release, r.length, r.published_at, r.listed,
             CASE WHEN w.release IS NULL THEN CAST(0 AS BIGINT) ELSE CAST(1 AS BIGINT) END
             FROM releases r LEFT JOIN withdrawn w ON w.maker = r.maker AND w.name = r.name AND w.release = r.release
             ORDER BY r.maker, r.name, r.release",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let read =
            |(maker, name, release, length, published_at, listed, withdrawn): (String, String, i64, i64, i64, i64, i64)| {
                let at = channel_release(&maker, &name, release)?;
                Ok(Held { at, length: nat(length)?, published_at, listed: listed == 1, withdrawn: withdrawn == 1 })
            };
        rows.into_iter().map(read).collect()
    }

    /// Trouble since a time, by code and step: that which most terminals had first, 200 kinds at most.
    pub(crate) async fn faults(&self, since: i64) -> Result<Vec<FaultGroup>, StoreError> {
        let rows = sqlx::query_as::<_, FaultGroup>(
            "SELECT COALESCE(code, '') AS code, COALESCE(step, '') AS step, COUNT(*) AS times,
             COUNT(DISTINCT terminal) AS terminals, MIN(at) AS first, MAX(at) AS last
             FROM reports WHERE outcome = 'trouble' AND at >= $1 GROUP BY COALESCE(code, ''), COALESCE(step, '')
             ORDER BY COUNT(DISTINCT terminal) DESC, MAX(at) DESC LIMIT 200",
        );
        Ok(rows.bind(since).fetch_all(&self.pool).await?)
    }

    /// The newest reports of trouble of a kind, before the report `before`.
    pub(crate) async fn troubles(
        &self,
        code: &str,
        step: &str,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Report>, StoreError> {
        let rows = sqlx::query_as::<_, Report>(
            "SELECT id, terminal, at, outcome, generation, step, code, words FROM reports WHERE outcome = 'trouble'
             AND COALESCE(code, '') = $1 AND COALESCE(step, '') = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
        );
        Ok(rows.bind(code).bind(step).bind(before).bind(super::listing::rows(limit)).fetch_all(&self.pool).await?)
    }

    /// The newest reports of a terminal.
    pub(crate) async fn reports_of(&self, terminal: &str, limit: usize) -> Result<Vec<Report>, StoreError> {
        let rows = sqlx::query_as::<_, Report>(
            "SELECT id, terminal, at, outcome, generation, step, code, words FROM reports WHERE terminal = $1
             ORDER BY id DESC LIMIT $2",
        );
        Ok(rows.bind(terminal).bind(super::listing::rows(limit)).fetch_all(&self.pool).await?)
    }
}
