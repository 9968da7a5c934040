//! The user table.

use super::coverage::configure;
use super::policy::{RowSql, note_stays, put_machine};
use super::{Store, StoreError, channel, int, nat, now};
use crate::Channel;
use crate::decide::UserRow;
use crate::keys::PublicKey;
use crate::wire::{Acknowledge, Assignment, ChannelRelease, CheckIn, Reported, TerminalFacts, TerminalRow};
use serde_json::json;
use sqlx::{Any, FromRow, Transaction};
use std::collections::HashMap;

/// How a terminal stands with the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    /// It enrolled, and the operator has still to approve it.
    Pending,
    /// The operator revoked it.
    Revoked,
}

impl Standing {
    fn of(pending: i64, revoked_at: Option<i64>) -> Self {
        match (revoked_at, pending) {
            (Some(_), _) => Standing::Revoked,
            (None, 0) => Standing::Active,
            (None, _) => Standing::Pending,
        }
    }
}

/// What became of a check-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckInTaken {
    /// It is written. A copy said what neither the last answer nor the one before it told this terminal to say.
    Yes { is_copy: bool },
    /// Its counter was used; nothing is written. The last one that was taken.
    Replayed(u64),
}

/// The part of a terminal's row that an idle poll needs.
pub(crate) struct Terminal {
    /// Last counter that was written; newer ones may be in memory.
    pub(crate) counter: u64,
    pub(crate) standing: Standing,
    pub(crate) row: UserRow,
}

impl Store {
    /// Who a terminal is and how it stands.
    pub(crate) async fn terminal_key(&self, terminal: &str) -> Result<Option<(PublicKey, Standing)>, StoreError> {
        let row = sqlx::query_as::<_, (String, i64, Option<i64>)>(
            "SELECT public_key, pending, revoked_at FROM terminals WHERE terminal = $1",
        );
        let row = row.bind(terminal).fetch_optional(&self.pool).await?;
        row.map(|(key, pending, revoked_at)| Ok((key.parse()?, Standing::of(pending, revoked_at)))).transpose()
    }

    /// What an idle poll needs of a terminal.
    pub(crate) async fn terminal(&self, terminal: &str) -> Result<Option<Terminal>, StoreError> {
        let select = format!("SELECT {} FROM terminals WHERE terminal = $1", RowSql::COLUMNS);
        let row = sqlx::query_as::<_, RowSql>(sqlx::AssertSqlSafe(select)).bind(terminal);
        let Some(row) = row.fetch_optional(&self.pool).await? else { return Ok(None) };
        let applied = sqlx::query_as::<_, (String, String, i64, Option<i64>)>(
            "SELECT a.maker, a.name, a.release, s.since FROM applied a LEFT JOIN stays s ON s.terminal = a.terminal
             AND s.maker = a.maker AND s.name = a.name WHERE a.terminal = $1 ORDER BY a.maker, a.name",
        );
        let applied = applied.bind(terminal).fetch_all(&self.pool).await?;
        let counter = nat(row.counter)?;
        let standing = Standing::of(row.pending, row.revoked_at);
        let row = UserRow { one_offs: self.one_offs_of(terminal).await?, ..row.read(terminal, applied)? };
        Ok(Some(Terminal { counter, standing, row }))
    }

    /// Writes contacts by idle polls, all or none: by terminal, seconds since 1970 and counter. One whose counter was used is no contact, so that
    /// a poll which is played again, to another replica or after a restart, shows nobody as seen. A counter that the
    /// table does not take is left out, so that no terminal keeps the others' contacts from being written.
    pub(crate) async fn note_contacts(&self, contacts: &HashMap<String, (i64, u64)>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for (terminal, (at, counter)) in contacts {
            let Ok(counter) = int(*counter) else {
                tracing::warn!(terminal, counter, "a contact of terminal {terminal} has an impossible counter");
                continue;
            };
            sqlx::query(
                "UPDATE terminals SET counter = $2,
                 last_contact = CASE WHEN COALESCE(last_contact, 0) < $1 THEN $1 ELSE last_contact END
                 WHERE terminal = $3 AND counter < $2",
            )
            .bind(at)
            .bind(counter)
            .bind(terminal)
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Writes a terminal's row as it reported it, and `freshness` as what it must say next time.
    pub(crate) async fn check_in(
        &self,
        terminal: &str,
        counter: u64,
        report: &CheckIn,
        freshness: &str,
    ) -> Result<CheckInTaken, StoreError> {
        let mut tx = self.begin().await?;
        if !take_counter(&mut tx, terminal, counter).await? {
            return Ok(CheckInTaken::Replayed(last_counter(&mut tx, terminal).await?));
        }
        let is_copy = !take_freshness(&mut tx, terminal, &report.freshness, freshness).await?;
        let facts = &report.facts;
        sqlx::query(
            "UPDATE terminals SET hardware = $1, os = $2, engine_version = $3, designation = $4, subscribed = $5
             WHERE terminal = $6",
        )
        .bind(&facts.hardware)
        .bind(&facts.os)
        .bind(&facts.engine_version)
        .bind(serde_json::to_string(&facts.designation)?)
        .bind(subscribed_text(facts)?)
        .bind(terminal)
        .execute(&mut *tx)
        .await?;
        put_machine(&mut tx, terminal, facts).await?;
        put_applied(&mut tx, terminal, &report.applied).await?;
        configure(&mut tx, terminal).await?;
        tx.commit().await?;
        Ok(CheckInTaken::Yes { is_copy })
    }

    /// Refuses all calls of a terminal from now on; false when there is none of this number.
    pub(crate) async fn revoke_terminal(&self, by: &str, terminal: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let revoke = sqlx::query("UPDATE terminals SET revoked_at = COALESCE(revoked_at, $1) WHERE terminal = $2");
        let revoked = revoke.bind(now()).bind(terminal).execute(&mut *tx).await?;
        if revoked.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "terminal-revoked", &json!({ "terminal": terminal })).await?;
        self.commit_row_change(tx).await?;
        Ok(true)
    }

    /// Lets a terminal that waits for approval go on, and takes back the remark that there are two of it; false when there is none.
    pub(crate) async fn approve_terminal(&self, by: &str, terminal: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let approve = sqlx::query("UPDATE terminals SET pending = 0, cloned_at = NULL WHERE terminal = $1");
        let approved = approve.bind(terminal).execute(&mut *tx).await?;
        if approved.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "terminal-approved", &json!({ "terminal": terminal })).await?;
        self.commit_row_change(tx).await?;
        Ok(true)
    }

    /// Forgets a terminal and all that it reported; false when there is none of this number.
    pub(crate) async fn remove_terminal(&self, by: &str, terminal: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        for text in [
            "DELETE FROM reports WHERE terminal = $1",
            "DELETE FROM applied WHERE terminal = $1",
            "DELETE FROM token_uses WHERE terminal = $1",
            "DELETE FROM stays WHERE terminal = $1",
            "DELETE FROM offers WHERE terminal = $1",
            "DELETE FROM blamed WHERE terminal = $1",
            "DELETE FROM threat_reports WHERE terminal = $1",
            "DELETE FROM one_offs WHERE terminal = $1",
        ] {
            sqlx::query(text).bind(terminal).execute(&mut *tx).await?;
        }
        let removed = sqlx::query("DELETE FROM terminals WHERE terminal = $1").bind(terminal).execute(&mut *tx).await?;
        if removed.rows_affected() == 0 {
            return Ok(false);
        }
        self.audit_in(&mut tx, by, "terminal-removed", &json!({ "terminal": terminal })).await?;
        self.commit_row_change(tx).await?;
        Ok(true)
    }

    /// Keeps what a terminal was told, for the operator's view.
    pub(crate) async fn put_reason(&self, terminal: &str, assignment: &Assignment) -> Result<(), StoreError> {
        sqlx::query("UPDATE terminals SET reason = $1, words = $2, told = $3 WHERE terminal = $4")
            .bind(assignment.reason.code())
            .bind(&assignment.words)
            .bind(serde_json::to_string(&assignment.channels)?)
            .bind(terminal)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Records a terminal's result; returns the last counter that was taken, and records nothing, for one that was used.
    pub(crate) async fn acknowledge(
        &self,
        terminal: &str,
        counter: u64,
        reported: &Reported<Acknowledge>,
    ) -> Result<Result<(), u64>, StoreError> {
        let mut tx = self.begin().await?;
        if !take_counter(&mut tx, terminal, counter).await? {
            return Ok(Err(last_counter(&mut tx, terminal).await?));
        }
        let insert = "INSERT INTO reports (terminal, at, plan, steps, outcome, generation, step, code, words)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let steps = if reported.steps.is_empty() { None } else { Some(serde_json::to_string(&reported.steps)?) };
        let report = sqlx::query(insert).bind(terminal).bind(now()).bind(&reported.plan).bind(steps);
        let none = None::<&str>;
        match &reported.result {
            Acknowledge::Installed { generation, applied } => {
                let report = report.bind("installed").bind(int(*generation)?).bind(none).bind(none).bind(none);
                report.execute(&mut *tx).await?;
                put_applied(&mut tx, terminal, applied).await?;
                configure(&mut tx, terminal).await?;
            }
            Acknowledge::Staged { generation, .. } => {
                let report = report.bind("staged").bind(int(*generation)?).bind(none).bind(none).bind(none);
                report.execute(&mut *tx).await?;
            }
            Acknowledge::Trouble { step, code, words } => {
                let report = report.bind("trouble").bind(None::<i64>).bind(step).bind(code).bind(words);
                report.execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(Ok(()))
    }
}

pub(super) async fn take_counter(tx: &mut Transaction<'_, Any>, terminal: &str, counter: u64) -> Result<bool, StoreError> {
    let taken = sqlx::query("UPDATE terminals SET counter = $1, last_contact = $2 WHERE terminal = $3 AND counter < $4")
        .bind(int(counter)?)
        .bind(now())
        .bind(terminal)
        .bind(int(counter)?)
        .execute(&mut **tx)
        .await?;
    Ok(taken.rows_affected() == 1)
}

/// The last counter that was taken of a terminal.
pub(super) async fn last_counter(tx: &mut Transaction<'_, Any>, terminal: &str) -> Result<u64, StoreError> {
    let held = sqlx::query_scalar::<_, i64>("SELECT counter FROM terminals WHERE terminal = $1");
    nat(held.bind(terminal).fetch_optional(&mut **tx).await?.unwrap_or(0))
}

/// How long one remark on copies of a terminal is enough, in seconds.
const COPY_TOLD_EVERY: i64 = 24 * 3600;

/// Takes what a terminal says against what it was told to say, and keeps `next` for the next time. Returns false, and makes a remark in the
/// row and once a day among the reports, when it is neither what the last answer said nor what it said itself last time: two copies of the
/// terminal take turns, or it was put back to an older state. An answer that was lost makes it say the same again, which is in order.
async fn take_freshness(tx: &mut Transaction<'_, Any>, terminal: &str, said: &str, next: &str) -> Result<bool, StoreError> {
    let held = sqlx::query_as::<_, (String, String, Option<i64>)>(
        "SELECT freshness, freshness_before, cloned_at FROM terminals WHERE terminal = $1",
    );
    let (told, before, cloned_at) = held.bind(terminal).fetch_one(&mut **tx).await?;
    let is_one = said == told || said == before;
    let now = now();
    // What is kept has the length that this service gives; anything else can be no answer of its own.
    let said = if said.len() <= next.len() { said } else { "" };
    sqlx::query(
        "UPDATE terminals SET freshness = $1, freshness_before = $2,
         cloned_at = CASE WHEN $3 = 1 THEN cloned_at ELSE $4 END WHERE terminal = $5",
    )
    .bind(next)
    .bind(said)
    .bind(i64::from(is_one))
    .bind(now)
    .bind(terminal)
    .execute(&mut **tx)
    .await?;
    if !is_one && cloned_at.is_none_or(|at| now - at >= COPY_TOLD_EVERY) {
        let insert = sqlx::query(
            "INSERT INTO reports (terminal, at, outcome, step, code, words) VALUES ($1, $2, 'trouble', 'check-in', $3, $4)",
        );
        let words = "two copies of this terminal check in, or it was put back to an older state";
        insert.bind(terminal).bind(now).bind(COPY_CODE).bind(words).execute(&mut **tx).await?;
    }
    Ok(is_one)
}

/// Code of the remark on copies among a terminal's reports.
const COPY_CODE: &str = "terminal_cloned";

async fn put_applied(tx: &mut Transaction<'_, Any>, terminal: &str, applied: &[ChannelRelease]) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM applied WHERE terminal = $1").bind(terminal).execute(&mut **tx).await?;
    for at in applied {
        sqlx::query(
            "INSERT INTO applied (terminal, maker, name, release) VALUES ($1, $2, $3, $4)
             ON CONFLICT (terminal, maker, name) DO UPDATE SET release = excluded.release",
        )
        .bind(terminal)
        .bind(at.channel.maker())
        .bind(at.channel.name())
        .bind(int(at.release)?)
        .execute(&mut **tx)
        .await?;
    }
    note_stays(tx, terminal).await
}

#[derive(FromRow)]
pub(super) struct TerminalSql {
    terminal: String,
    hardware: String,
    os: String,
    engine_version: String,
    designation: String,
    subscribed: String,
    memory_bytes: Option<i64>,
    features: Option<String>,
    wished_group: Option<String>,
    group_name: Option<String>,
    enrolled_at: i64,
    last_contact: Option<i64>,
    reason: Option<String>,
    words: Option<String>,
    trouble: Option<String>,
    enrolled_group: Option<String>,
    pending: i64,
    revoked_at: Option<i64>,
    cloned_at: Option<i64>,
}

impl TerminalSql {
    pub(super) fn read(self, applied: Vec<ChannelRelease>) -> Result<TerminalRow, StoreError> {
        let facts = TerminalFacts {
            hardware: self.hardware,
            os: self.os,
            engine_version: self.engine_version,
            designation: serde_json::from_str(&self.designation)?,
            subscribed: read_subscribed(&self.subscribed)?,
            memory_bytes: self.memory_bytes.map(nat).transpose()?,
            features: self.features.map(|features| serde_json::from_str(&features)).transpose()?.unwrap_or_default(),
            group: self.group_name.or(self.wished_group),
        };
        Ok(TerminalRow {
            terminal: self.terminal,
            facts,
            applied,
            enrolled_at: self.enrolled_at,
            last_contact: self.last_contact,
            reason: self.reason,
            words: self.words,
            trouble: self.trouble,
            group: self.enrolled_group,
            pending: self.pending != 0,
            revoked_at: self.revoked_at,
            cloned_at: self.cloned_at,
        })
    }
}

pub(super) fn read_subscribed(text: &str) -> Result<Vec<Channel>, StoreError> {
    serde_json::from_str::<Vec<String>>(text)?.iter().map(|text| channel(text)).collect()
}

pub(super) fn subscribed_text(facts: &TerminalFacts) -> Result<String, StoreError> {
    Ok(serde_json::to_string(&facts.subscribed.iter().map(ToString::to_string).collect::<Vec<_>>())?)
}
