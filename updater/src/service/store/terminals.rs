//! The user table.

use super::coverage::configure;
use super::policy::{RowSql, note_stays, put_machine};
use super::{Store, StoreError, channel, int, nat, now};
use crate::Channel;
use crate::decide::UserRow;
use crate::keys::PublicKey;
use crate::wire::{Acknowledge, Assignment, ChannelRelease, CheckIn, Sha256Hex, TerminalFacts, TerminalRow};
use serde_json::json;
use sqlx::{Any, FromRow, Transaction};
use std::collections::HashMap;

/// What became of an attempt to use up an enrolment token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enrolment {
    /// The terminal with this number may go on; also when the same key asks again.
    Accepted(String),
    /// The token is unknown or was used by another key.
    Refused,
}

/// The part of a terminal's row that an idle poll needs.
pub(crate) struct Terminal {
    pub(crate) key: PublicKey,
    /// Last counter that was written; newer ones may be in memory.
    pub(crate) counter: u64,
    pub(crate) row: UserRow,
}

impl Store {
    pub(crate) async fn add_token(&self, digest: &Sha256Hex) -> Result<(), StoreError> {
        let insert = sqlx::query("INSERT INTO enrolment_tokens (sha256, created_at) VALUES ($1, $2)");
        insert.bind(digest.to_string()).bind(now()).execute(&self.pool).await?;
        Ok(())
    }

    /// Uses up a token for the terminal with this key: a new one, which gets the number `terminal`, or one that is enrolled
    /// already, which keeps its number and whose facts are brought up to date. A terminal that died before it read the answer
    /// asks again with the same token and key and gets the same number.
    pub(crate) async fn enrol(
        &self,
        token: &Sha256Hex,
        terminal: &str,
        key: &PublicKey,
        counter: u64,
        facts: &TerminalFacts,
    ) -> Result<Enrolment, StoreError> {
        let mut tx = self.begin().await?;
        let known = sqlx::query_as::<_, (String,)>("SELECT terminal FROM terminals WHERE public_key = $1");
        let known = known.bind(key.to_string()).fetch_optional(&mut *tx).await?;
        let terminal = known.as_ref().map_or(terminal, |(known,)| known.as_str());
        let used = sqlx::query("UPDATE enrolment_tokens SET terminal = $1 WHERE sha256 = $2 AND terminal IS NULL")
            .bind(terminal)
            .bind(token.to_string())
            .execute(&mut *tx)
            .await?;
        if used.rows_affected() == 0 {
            let again = sqlx::query_as::<_, (String,)>(
                "SELECT t.terminal FROM enrolment_tokens e JOIN terminals t ON t.terminal = e.terminal
                 WHERE e.sha256 = $1 AND t.public_key = $2",
            );
            let again = again.bind(token.to_string()).bind(key.to_string()).fetch_optional(&mut *tx).await?;
            return Ok(again.map_or(Enrolment::Refused, |(terminal,)| Enrolment::Accepted(terminal)));
        }
        // The counter of a known key only grows here too, so that no recorded request becomes worth anything again.
        let entered = sqlx::query_scalar::<_, String>(
            "INSERT INTO terminals (terminal, public_key, counter, hardware, os, engine_version, designation, subscribed,
             enrolled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             ON CONFLICT (public_key) DO UPDATE SET counter = CASE WHEN
             terminals.counter < excluded.counter THEN excluded.counter ELSE terminals.counter END, hardware = excluded.hardware,
             os = excluded.os, engine_version = excluded.engine_version, designation = excluded.designation,
             subscribed = excluded.subscribed RETURNING terminal",
        )
        .bind(terminal)
        .bind(key.to_string())
        .bind(int(counter)?)
        .bind(&facts.hardware)
        .bind(&facts.os)
        .bind(&facts.engine_version)
        .bind(serde_json::to_string(&facts.designation)?)
        .bind(subscribed_text(facts)?)
        .bind(now())
        .fetch_one(&mut *tx)
        .await?;
        if entered != terminal {
            // The same key enrolled with another token, after this transaction looked for it.
            let renamed = sqlx::query("UPDATE enrolment_tokens SET terminal = $1 WHERE sha256 = $2").bind(&entered);
            renamed.bind(token.to_string()).execute(&mut *tx).await?;
        }
        put_machine(&mut tx, &entered, facts).await?;
        let told = json!({ "key": key, "digest": token, "again": known.is_some() });
        self.audit_in(&mut tx, &format!("terminal:{entered}"), "terminal-enrolled", &told).await?;
        tx.commit().await?;
        Ok(Enrolment::Accepted(entered))
    }

    pub(crate) async fn terminal_key(&self, terminal: &str) -> Result<Option<PublicKey>, StoreError> {
        let row = sqlx::query_as::<_, (String,)>("SELECT public_key FROM terminals WHERE terminal = $1").bind(terminal);
        row.fetch_optional(&self.pool).await?.map(|(key,)| Ok(key.parse()?)).transpose()
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
        let (key, counter) = (row.public_key.parse()?, nat(row.counter)?);
        Ok(Some(Terminal { key, counter, row: row.read(terminal, applied)? }))
    }

    /// Writes contacts by idle polls, all or none: by terminal, seconds since 1970 and counter. Neither ever goes back.
    pub(crate) async fn note_contacts(&self, contacts: &HashMap<String, (i64, u64)>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for (terminal, (at, counter)) in contacts {
            sqlx::query(
                "UPDATE terminals SET
                 last_contact = CASE WHEN COALESCE(last_contact, 0) < $1 THEN $1 ELSE last_contact END,
                 counter = CASE WHEN counter < $2 THEN $2 ELSE counter END
                 WHERE terminal = $3",
            )
            .bind(at)
            .bind(int(*counter)?)
            .bind(terminal)
            .execute(&mut *tx)
            .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Writes a terminal's row as it reported it; returns false, and writes nothing, for a counter that was used.
    pub(crate) async fn check_in(&self, terminal: &str, counter: u64, report: &CheckIn) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !take_counter(&mut tx, terminal, counter).await? {
            return Ok(false);
        }
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

    /// Records a terminal's result; returns false, and records nothing, for a counter that was used.
    pub(crate) async fn acknowledge(&self, terminal: &str, counter: u64, result: &Acknowledge) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !take_counter(&mut tx, terminal, counter).await? {
            return Ok(false);
        }
        let insert = "INSERT INTO reports (terminal, at, outcome, generation, step, code, words)
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let report = sqlx::query(insert).bind(terminal).bind(now());
        let none = None::<&str>;
        match result {
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
        Ok(true)
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
        })
    }
}

pub(super) fn read_subscribed(text: &str) -> Result<Vec<Channel>, StoreError> {
    serde_json::from_str::<Vec<String>>(text)?.iter().map(|text| channel(text)).collect()
}

fn subscribed_text(facts: &TerminalFacts) -> Result<String, StoreError> {
    Ok(serde_json::to_string(&facts.subscribed.iter().map(ToString::to_string).collect::<Vec<_>>())?)
}
