//! What only people look at: releases with their age, faults in groups, reports of one terminal, the countering table in any order.

mod audit;
mod rollouts;
#[cfg(test)]
mod tests;

use super::threats::{ThreatSql, with_records, with_sources};
use super::{Store, StoreError, channel_release, nat};
use crate::threat_id::ThreatIds;
use crate::wire::{ChannelRelease, MakerName, ThreatView};
pub(crate) use audit::{AuditQuestion, AuditWho};
pub(crate) use rollouts::{BlockedRow, Told, Trouble};
use sqlx::{AssertSqlSafe, FromRow};

/// Kinds of trouble that are told apart.
pub(crate) const FAULTS_MAX: usize = 200;

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

/// How a maker stands to a threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ThreatState {
    Any,
    /// There is no vaccine, neither by the maker's word nor in a record.
    Uncured,
    /// There is none, and the promised day has passed.
    Missed,
}

/// Which rows of the countering table, in which order.
#[derive(Clone, Debug)]
pub(crate) struct ThreatQuestion<'a> {
    /// Only with this in the name of threat or maker.
    pub(crate) search: &'a str,
    /// Only of this danger: `low`, `medium`, `high`, or empty for all.
    pub(crate) danger: &'a str,
    /// Only those in this state.
    pub(crate) state: ThreatState,
    /// In blocks by threat instead of by maker.
    pub(crate) by_threat: bool,
    pub(crate) order: ThreatOrder,
}

/// $1 is a pattern, $2 a danger or empty.
const WHICH: &str =
    "withdrawn = 0 AND (LOWER(threat) LIKE $1 ESCAPE '!' OR maker LIKE $1 ESCAPE '!') AND ($2 = '' OR danger = $2)";

/// Without a vaccine, and without a record that could be one.
const UNCURED: &str = "vaccine_date IS NULL AND NOT EXISTS (SELECT 1 FROM names n WHERE n.maker = threats.maker
    AND n.threat = threats.threat AND n.last_release IS NULL)";

impl ThreatQuestion<'_> {
    fn which(&self) -> String {
        match self.state {
            ThreatState::Any => WHICH.to_owned(),
            ThreatState::Uncured => format!("{WHICH} AND {UNCURED}"),
            ThreatState::Missed => format!("{WHICH} AND expected < '{}' AND {UNCURED}", today()),
        }
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

/// Since $1, at most $2 kinds.
const FAULTS: &str = "SELECT COALESCE(code, '') AS code, COALESCE(step, '') AS step, COUNT(*) AS times,
    COUNT(DISTINCT terminal) AS terminals, MIN(at) AS first, MAX(at) AS last
    FROM reports WHERE outcome = 'trouble' AND at >= $1 GROUP BY COALESCE(code, ''), COALESCE(step, '')
    ORDER BY COUNT(DISTINCT terminal) DESC, MAX(at) DESC LIMIT $2";

/// Of the code $1 at the step $2, before the report $3.
const TROUBLES: &str =
    "SELECT id, terminal, at, outcome, generation, step, code, words FROM reports WHERE outcome = 'trouble'
    AND COALESCE(code, '') = $1 AND COALESCE(step, '') = $2 AND id < $3 ORDER BY id DESC LIMIT $4";

/// Of the terminal $1, before the report $2.
const REPORTS_OF: &str =
    "SELECT id, terminal, at, outcome, generation, step, code, words FROM reports WHERE terminal = $1 AND id < $2
    ORDER BY id DESC LIMIT $3";

impl Store {
    /// `limit` rows of the countering table from the `offset`-th on, with other names and records. Of the names that mean the same
    /// none is chosen: `threat_id` is the row's own name.
    pub(crate) async fn threats_ordered(
        &self,
        question: &ThreatQuestion<'_>,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<ThreatView>, StoreError> {
        let (which, order) = (question.which(), question.order());
        let sql = format!("SELECT * FROM threats WHERE {which} ORDER BY {order} LIMIT $3 OFFSET $4");
        let sql = with_records(&sql, &order);
        let rows = sqlx::query_as::<_, ThreatSql>(AssertSqlSafe(sql)).bind(super::listing::like(question.search));
        let rows = rows.bind(question.danger).bind(super::listing::rows(limit)).bind(super::int(offset)?);
        let (ids, mut views) = (ThreatIds::new([], []), Vec::<ThreatView>::new());
        for (row, cure_from) in with_sources(rows.fetch_all(&self.pool).await?)? {
            views.push(self.view(row, cure_from, &ids, today()).await?);
        }
        Ok(views)
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

    /// Trouble since a time, by code and step: that which most terminals had first, [`FAULTS_MAX`] kinds at most.
    pub(crate) async fn faults(&self, since: i64) -> Result<Vec<FaultGroup>, StoreError> {
        let rows = sqlx::query_as::<_, FaultGroup>(FAULTS);
        let rows = rows.bind(since).bind(super::listing::rows(FAULTS_MAX));
        Ok(rows.fetch_all(&self.pool).await?)
    }

    /// The newest reports of trouble of a kind, before the report `before`.
    pub(crate) async fn troubles(
        &self,
        code: &str,
        step: &str,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Report>, StoreError> {
        let rows = sqlx::query_as::<_, Report>(TROUBLES);
        Ok(rows.bind(code).bind(step).bind(before).bind(super::listing::rows(limit)).fetch_all(&self.pool).await?)
    }

    /// The newest reports of a terminal, before the report `before`.
    pub(crate) async fn reports_of(&self, terminal: &str, before: i64, limit: usize) -> Result<Vec<Report>, StoreError> {
        let rows = sqlx::query_as::<_, Report>(REPORTS_OF);
        Ok(rows.bind(terminal).bind(before).bind(super::listing::rows(limit)).fetch_all(&self.pool).await?)
    }

    /// Every maker with when they were registered, in seconds since 1970, by name.
    pub(crate) async fn makers(&self) -> Result<Vec<(MakerName, i64)>, StoreError> {
        let rows = sqlx::query_as::<_, (String, i64)>("SELECT maker, registered_at FROM makers ORDER BY maker");
        let read = |(maker, registered_at): (String, i64)| Ok((maker.parse()?, registered_at));
        rows.fetch_all(&self.pool).await?.into_iter().map(read).collect()
    }
}

/// The day, in UTC.
fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}
