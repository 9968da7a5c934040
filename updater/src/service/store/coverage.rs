//! Configurations: what terminals accept and run, of which a fleet has few; how many have each, now and over time.

use super::listing::numbers;
use super::{Store, StoreError, channel, nat};
use crate::Channel;
use crate::decide::UserRow;
use crate::wire::{ChannelRelease, Designation, Sha256Hex};
use serde::{Deserialize, Serialize};
use sqlx::{Any, AssertSqlSafe, Transaction};
use std::collections::{HashMap, HashSet};

/// Terminals that were not heard of since they were enrolled have no configuration yet.
pub(crate) const UNHEARD: i64 = 0;
/// Configurations that one census tells apart, the largest; the others' terminals are counted as not heard of.
const CENSUS_CONFIGURATIONS_MAX: usize = 5000;

/// Configurations of the terminals that are revoked, one row each, by the index of those alone.
pub(super) const REVOKED: &str = "SELECT t.configuration FROM terminals t WHERE t.revoked_at IS NOT NULL";

/// What some terminals accept and run, and how many they are.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// Its number; never used twice.
    pub(crate) id: i64,
    pub(crate) row: UserRow,
    pub(crate) terminals: u64,
}

/// All terminals, by configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet {
    /// Those that some terminal has, if only a revoked one, ascending by number.
    pub(crate) configurations: Vec<Configuration>,
    /// Terminals not heard of since they were enrolled.
    pub(crate) unheard: u64,
    /// Terminals that are served nothing any more, and are in none of the other counts.
    pub(crate) revoked: u64,
}

impl Fleet {
    /// How many terminals there are that are not revoked.
    pub(crate) fn terminals(&self) -> u64 {
        self.unheard + self.configurations.iter().map(|configuration| configuration.terminals).sum::<u64>()
    }
}

/// The counts at one time, by configuration.
pub(crate) struct Census {
    pub(crate) at: i64,
    pub(crate) counts: Vec<(i64, u64)>,
}

/// A configuration as it is kept: lists sorted, so that what means the same is the same.
#[derive(Serialize, Deserialize)]
struct Body {
    designation: Designation,
    subscribed: Vec<String>,
    applied: Vec<ChannelRelease>,
}

impl Store {
    /// All terminals, by configuration; some hundred rows, whatever the size of the fleet, and one for each terminal that is revoked.
    pub(crate) async fn fleet(&self) -> Result<Fleet, StoreError> {
        let rows = sqlx::query_as::<_, (i64, Option<String>, i64)>(
            "SELECT n.configuration, c.body, n.total FROM
             (SELECT configuration, CAST(SUM(terminals) AS BIGINT) AS total FROM configuration_counts GROUP BY configuration) n
             LEFT JOIN configurations c ON c.id = n.configuration WHERE n.total > 0 ORDER BY n.configuration",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let mut revoked = HashMap::<i64, u64>::new();
        for (configuration,) in sqlx::query_as::<_, (i64,)>(REVOKED).fetch_all(&self.pool).await? {
            *revoked.entry(configuration).or_default() += 1;
        }
        let mut fleet = Fleet { revoked: revoked.values().sum(), ..Fleet::default() };
        for (id, body, terminals) in rows {
            // Somebody may have been revoked between the two looks.
            let terminals = nat(terminals)?.saturating_sub(revoked.get(&id).copied().unwrap_or(0));
            match body {
                Some(body) if id != UNHEARD => {
                    fleet.configurations.push(Configuration { id, row: read_body(&body)?, terminals });
                }
                _ => fleet.unheard += terminals,
            }
        }
        Ok(fleet)
    }

    /// What every configuration that is kept accepts and runs, also those that no terminal has any more.
    pub(crate) async fn configurations(&self) -> Result<HashMap<i64, UserRow>, StoreError> {
        let rows = sqlx::query_as::<_, (i64, String)>("SELECT id, body FROM configurations WHERE id <> 0");
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(|(id, body)| Ok((id, read_body(&body)?))).collect()
    }

    /// Times of the census from `since` on, ascending.
    pub(crate) async fn census_times(&self, since: i64) -> Result<Vec<i64>, StoreError> {
        let times = sqlx::query_as::<_, (i64,)>("SELECT at FROM census WHERE at >= $1 ORDER BY at").bind(since);
        Ok(times.fetch_all(&self.pool).await?.into_iter().map(|(at,)| at).collect())
    }

    /// The census of these times, ascending.
    pub(crate) async fn census(&self, times: &[i64]) -> Result<Vec<Census>, StoreError> {
        let sql = format!("SELECT at, counts FROM census WHERE at IN ({}) ORDER BY at", numbers(times));
        let rows = sqlx::query_as::<_, (i64, String)>(AssertSqlSafe(sql)).fetch_all(&self.pool).await?;
        rows.into_iter().map(|(at, counts)| Ok(Census { at, counts: serde_json::from_str(&counts)? })).collect()
    }

    /// Writes how many terminals have each configuration now, as the census of the time `at`.
    pub(crate) async fn take_census(&self, at: i64) -> Result<(), StoreError> {
        let fleet = self.fleet().await?;
        let mut counts: Vec<_> = fleet.configurations.iter().map(|held| (held.id, held.terminals)).collect();
        counts.sort_by_key(|(id, terminals)| (std::cmp::Reverse(*terminals), *id));
        let others: u64 = counts.iter().skip(CENSUS_CONFIGURATIONS_MAX).map(|(_, terminals)| terminals).sum();
        counts.truncate(CENSUS_CONFIGURATIONS_MAX);
        counts.push((UNHEARD, fleet.unheard + others));
        sqlx::query(
            "INSERT INTO census (at, counts) VALUES ($1, $2) ON CONFLICT (at) DO UPDATE SET counts = excluded.counts",
        )
        .bind(at)
        .bind(serde_json::to_string(&counts)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Forgets the census of these times, and configurations that no terminal has and no census names any more.
    pub(crate) async fn forget_census(&self, times: &[i64]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for at in times {
            sqlx::query("DELETE FROM census WHERE at = $1").bind(at).execute(&mut *tx).await?;
        }
        sqlx::query("DELETE FROM configuration_counts WHERE terminals = 0").execute(&mut *tx).await?;
        let unused = sqlx::query_as::<_, (i64,)>(
            "SELECT id FROM configurations c WHERE id <> 0
             AND NOT EXISTS (SELECT 1 FROM terminals t WHERE t.configuration = c.id)",
        );
        let unused = unused.fetch_all(&mut *tx).await?;
        if !unused.is_empty() {
            let census = sqlx::query_as::<_, (String,)>("SELECT counts FROM census");
            let mut named = HashSet::new();
            for (counts,) in census.fetch_all(&mut *tx).await? {
                named.extend(serde_json::from_str::<Vec<(i64, u64)>>(&counts)?.into_iter().map(|(id, _)| id));
            }
            for (id,) in unused.into_iter().filter(|(id,)| !named.contains(id)) {
                sqlx::query("DELETE FROM configurations WHERE id = $1").bind(id).execute(&mut *tx).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}

/// A configuration as it is kept, with its digest.
pub(super) struct ConfigurationBody {
    sha256: String,
    text: String,
}

impl ConfigurationBody {
    /// `applied` ascends by channel.
    pub(super) fn new(
        designation: &Designation,
        subscribed: &[Channel],
        applied: &[ChannelRelease],
    ) -> Result<Self, StoreError> {
        let mut designation = designation.clone();
        if let Designation::List(makers) = &mut designation {
            makers.sort();
            makers.dedup();
        }
        let mut subscribed = subscribed.iter().map(ToString::to_string).collect::<Vec<_>>();
        subscribed.sort();
        subscribed.dedup();
        let text = serde_json::to_string(&Body { designation, subscribed, applied: applied.to_vec() })?;
        Ok(ConfigurationBody { sha256: Sha256Hex::of(text.as_bytes()).to_string(), text })
    }

    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// Points a terminal, whose row this transaction has, to a configuration, which is entered where it is new.
pub(super) async fn configure(
    tx: &mut Transaction<'_, Any>,
    terminal: &str,
    body: &ConfigurationBody,
) -> Result<(), StoreError> {
    loop {
        let known = sqlx::query(
            "UPDATE terminals SET configuration = (SELECT c.id FROM configurations c WHERE c.sha256 = $1)
             WHERE terminal = $2 AND EXISTS (SELECT 1 FROM configurations c WHERE c.sha256 = $1)",
        );
        if known.bind(&body.sha256).bind(terminal).execute(&mut **tx).await?.rows_affected() > 0 {
            return Ok(());
        }
        // Somebody else may do the same; then theirs is found.
        sqlx::query("INSERT INTO configurations (sha256, body) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&body.sha256)
            .bind(&body.text)
            .execute(&mut **tx)
            .await?;
    }
}

pub(super) fn read_body(body: &str) -> Result<UserRow, StoreError> {
    let Body { designation, subscribed, applied } = serde_json::from_str(body)?;
    let subscribed = subscribed.iter().map(|text| channel(text)).collect::<Result<_, _>>()?;
    Ok(UserRow::new(designation, subscribed, applied))
}
