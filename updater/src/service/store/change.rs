//! Changes of terminals' rows, as rows: what `calls.rs` makes of signed calls, written as it is.

use super::coverage::{ConfigurationBody, configure};
use super::policy::FLAGS_CLEAN;
use super::{StoreError, int};
use crate::Channel;
use crate::wire::ChannelRelease;
use sqlx::{Any, Transaction};

/// Code of the remark on copies among a terminal's reports.
const COPY_CODE: &str = "terminal_cloned";
const COPY_WORDS: &str = "two copies of this terminal check in, or it was put back to an older state";

/// Codes of trouble of one terminal with one release that are kept, the newest; that of a clean file that was flagged besides.
const CODES_KEPT: i64 = 16;

/// What a signed call writes.
pub(crate) struct Change {
    pub(super) terminal: String,
    /// The counter of the row that this was made of.
    pub(super) seen: i64,
    pub(super) counter: i64,
    pub(super) at: i64,
    /// Where it is another than before.
    pub(super) configuration: Option<ConfigurationBody>,
    pub(super) runs: RunsChange,
    pub(super) said: Said,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Written,
    /// Another call of the terminal came first, or the terminal is gone; nothing is written.
    Overtaken,
}

pub(super) enum Said {
    CheckIn(Box<CheckInSql>),
    Report(Box<ReportSql>),
    /// A threat that it met; nothing where it met too many.
    Threat(Option<ThreatSql>),
}

/// Texts are JSON where the columns are.
pub(super) struct CheckInSql {
    pub(super) hardware: String,
    pub(super) os: String,
    pub(super) engine_version: String,
    pub(super) designation: String,
    pub(super) subscribed: String,
    pub(super) memory_bytes: Option<i64>,
    pub(super) features: String,
    pub(super) wished_group: Option<String>,
    pub(super) freshness: String,
    pub(super) freshness_before: String,
    pub(super) is_copy: bool,
    /// A remark on copies is due.
    pub(super) remarks: bool,
    pub(super) reason: &'static str,
    pub(super) words: String,
    pub(super) told: String,
    pub(super) offers: Vec<At>,
}

/// A row of the reports, and what it accuses.
pub(super) struct ReportSql {
    pub(super) outcome: &'static str,
    pub(super) generation: Option<i64>,
    pub(super) step: Option<String>,
    pub(super) code: Option<String>,
    pub(super) words: Option<String>,
    pub(super) plan: Option<String>,
    pub(super) steps: Option<String>,
    /// Whom the trouble accuses.
    pub(super) accused: Vec<At>,
    /// Whether that changes what decisions are made of, where it was not said before.
    pub(super) may_change: bool,
}

/// A row of the threats that terminals met.
pub(super) struct ThreatSql {
    pub(super) threat: String,
    pub(super) sha256: Option<String>,
}

/// What changes of what a terminal runs.
#[derive(Default)]
pub(super) struct RunsChange {
    pub(super) gone: Vec<Channel>,
    pub(super) put: Vec<At>,
    /// Channels whose time begins.
    pub(super) entered: Vec<Channel>,
}

/// A release, its number as the tables have it.
pub(super) struct At {
    pub(super) channel: Channel,
    pub(super) release: i64,
}

impl At {
    pub(super) fn of(at: &ChannelRelease) -> Result<Self, StoreError> {
        Ok(At { channel: at.channel.clone(), release: int(at.release)? })
    }

    pub(super) fn all<'a>(list: impl IntoIterator<Item = &'a ChannelRelease>) -> Result<Vec<Self>, StoreError> {
        list.into_iter().map(At::of).collect()
    }
}

impl Change {
    /// Writes it, and returns besides the number of the change of what decisions are made of, if it is one.
    pub(super) async fn write(&self, tx: &mut Transaction<'_, Any>) -> Result<(Put, Option<i64>), StoreError> {
        let update = match &self.said {
            Said::CheckIn(_) => sqlx::query(
                "UPDATE terminals SET counter = $3, last_contact = $4, hardware = $5, os = $6,
                 engine_version = $7, designation = $8, subscribed = $9, memory_bytes = $10, features = $11, wished_group = $12,
                 freshness = $13, freshness_before = $14, cloned_at = CASE WHEN $15 = 1 THEN $4 ELSE cloned_at END, reason = $16,
                 words = $17, told = $18 WHERE terminal = $1 AND counter = $2",
            ),
            Said::Report(_) | Said::Threat(_) => sqlx::query(
                "UPDATE terminals SET counter = $3, last_contact = $4 WHERE terminal = $1 AND counter = $2",
            ),
        };
        let mut update = update.bind(&self.terminal).bind(self.seen).bind(self.counter).bind(self.at);
        if let Said::CheckIn(said) = &self.said {
            update = update.bind(&said.hardware).bind(&said.os).bind(&said.engine_version).bind(&said.designation);
            update = update.bind(&said.subscribed).bind(said.memory_bytes).bind(&said.features).bind(&said.wished_group);
            update = update.bind(&said.freshness).bind(&said.freshness_before).bind(i64::from(said.is_copy));
            update = update.bind(said.reason).bind(&said.words).bind(&said.told);
        }
        if update.execute(&mut **tx).await?.rows_affected() == 0 {
            return Ok((Put::Overtaken, None));
        }
        // Not before this transaction has the row: who waits for that shall keep nobody else from the configuration.
        if let Some(body) = &self.configuration {
            configure(tx, &self.terminal, body).await?;
        }
        self.write_runs(tx).await?;
        let mut is_change = false;
        match &self.said {
            Said::CheckIn(said) => self.write_check_in(said, tx).await?,
            Said::Report(report) => is_change = self.write_report(report, tx).await?,
            Said::Threat(Some(threat)) => self.write_threat(threat, tx).await?,
            Said::Threat(None) => {}
        }
        let mut number = None;
        if is_change {
            let next = sqlx::query_scalar::<_, i64>("UPDATE changes SET number = number + 1 RETURNING number");
            number = Some(next.fetch_one(&mut **tx).await?);
        }
        Ok((Put::Written, number))
    }

    async fn write_runs(&self, tx: &mut Transaction<'_, Any>) -> Result<(), StoreError> {
        for channel in &self.runs.gone {
            for text in [
                "DELETE FROM applied WHERE terminal = $1 AND maker = $2 AND name = $3",
                "DELETE FROM stays WHERE terminal = $1 AND maker = $2 AND name = $3",
            ] {
                let delete = sqlx::query(text).bind(&self.terminal).bind(channel.maker()).bind(channel.name());
                delete.execute(&mut **tx).await?;
            }
        }
        for at in &self.runs.put {
            sqlx::query(
                "INSERT INTO applied (terminal, maker, name, release) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (terminal, maker, name) DO UPDATE SET release = excluded.release",
            )
            .bind(&self.terminal)
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(at.release)
            .execute(&mut **tx)
            .await?;
        }
        for channel in &self.runs.entered {
            sqlx::query(
                "INSERT INTO stays (terminal, maker, name, since) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (terminal, maker, name) DO UPDATE SET since = excluded.since",
            )
            .bind(&self.terminal)
            .bind(channel.maker())
            .bind(channel.name())
            .bind(self.at)
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }

    async fn write_check_in(&self, said: &CheckInSql, tx: &mut Transaction<'_, Any>) -> Result<(), StoreError> {
        for at in &said.offers {
            sqlx::query(
                "INSERT INTO offers (maker, name, release, terminal, at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (maker, name, release, terminal) DO NOTHING",
            )
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(at.release)
            .bind(&self.terminal)
            .bind(self.at)
            .execute(&mut **tx)
            .await?;
        }
        if said.remarks {
            let insert = sqlx::query(
                "INSERT INTO reports (terminal, at, outcome, step, code, words) VALUES ($1, $2, 'trouble', 'check-in', $3, $4)",
            );
            insert.bind(&self.terminal).bind(self.at).bind(COPY_CODE).bind(COPY_WORDS).execute(&mut **tx).await?;
        }
        Ok(())
    }

    async fn write_threat(&self, met: &ThreatSql, tx: &mut Transaction<'_, Any>) -> Result<(), StoreError> {
        let insert = sqlx::query(
            "INSERT INTO threat_reports (terminal, threat, sha256, at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (terminal, threat) DO UPDATE SET at = excluded.at, sha256 = COALESCE(excluded.sha256, threat_reports.sha256)",
        );
        insert.bind(&self.terminal).bind(&met.threat).bind(&met.sha256).bind(self.at).execute(&mut **tx).await?;
        Ok(())
    }

    /// Returns whether that changes what decisions are made of: what was said before is no change, or one terminal could have the whole fleet ask
    /// again and again.
    async fn write_report(&self, report: &ReportSql, tx: &mut Transaction<'_, Any>) -> Result<bool, StoreError> {
        sqlx::query(
            "INSERT INTO reports (terminal, at, plan, steps, outcome, generation, step, code, words)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&self.terminal)
        .bind(self.at)
        .bind(&report.plan)
        .bind(&report.steps)
        .bind(report.outcome)
        .bind(report.generation)
        .bind(&report.step)
        .bind(&report.code)
        .bind(&report.words)
        .execute(&mut **tx)
        .await?;
        let mut is_change = false;
        for at in &report.accused {
            if report.may_change {
                let known = sqlx::query_scalar::<_, i64>(
                    "SELECT COUNT(*) FROM blamed WHERE maker = $1 AND name = $2 AND release = $3 AND terminal = $4 AND code = $5",
                );
                let known = known.bind(at.channel.maker()).bind(at.channel.name()).bind(at.release).bind(&self.terminal);
                is_change |= known.bind(&report.code).fetch_one(&mut **tx).await? == 0;
            }
            sqlx::query(
                "INSERT INTO blamed (maker, name, release, terminal, code, at) VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (maker, name, release, terminal, code) DO UPDATE SET at = excluded.at",
            )
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(at.release)
            .bind(&self.terminal)
            .bind(&report.code)
            .bind(self.at)
            .execute(&mut **tx)
            .await?;
            // A terminal chooses the codes, and could else have as many rows as it likes.
            sqlx::query(
                "DELETE FROM blamed WHERE maker = $1 AND name = $2 AND release = $3 AND terminal = $4 AND code <> $5 AND code NOT IN
                 (SELECT b.code FROM blamed b WHERE b.maker = $1 AND b.name = $2 AND b.release = $3 AND b.terminal = $4 AND b.code <> $5
                 ORDER BY b.at DESC, b.code LIMIT $6)",
            )
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(at.release)
            .bind(&self.terminal)
            .bind(FLAGS_CLEAN)
            .bind(CODES_KEPT)
            .execute(&mut **tx)
            .await?;
        }
        Ok(is_change)
    }
}
