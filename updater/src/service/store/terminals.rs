//! The user table.

use super::policy::RowSql;
use super::{Store, StoreError, channel, int, nat, now};
use crate::Channel;
use crate::decide::UserRow;
use crate::wire::{ChannelRelease, TerminalFacts, TerminalRow};
use serde_json::json;
use sqlx::FromRow;
use std::collections::HashMap;

/// Contacts of one transaction.
const CONTACTS_AT_ONCE: usize = 1000;

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
    pub(super) fn of(pending: i64, revoked_at: Option<i64>) -> Self {
        match (revoked_at, pending) {
            (Some(_), _) => Standing::Revoked,
            (None, 0) => Standing::Active,
            (None, _) => Standing::Pending,
        }
    }
}

/// The part of a terminal's row that an idle poll needs.
pub(crate) struct Terminal {
    /// Last counter that was written; newer ones may be in memory.
    pub(crate) counter: u64,
    pub(crate) standing: Standing,
    pub(crate) row: UserRow,
}

impl Store {
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

    /// Writes contacts by idle polls: by terminal, seconds since 1970 and counter. One whose counter was used is no contact, so that
    /// a poll which is played again, to another replica or after a restart, shows nobody as seen; and writing contacts again changes nothing.
    /// A counter that the table does not take is left out, so that no terminal keeps the others' contacts from being written.
    ///
    /// In pieces, between which others write: a fleet's contacts take seconds.
    pub(crate) async fn note_contacts(&self, contacts: &HashMap<String, (i64, u64)>) -> Result<(), StoreError> {
        let contacts: Vec<_> = contacts.iter().collect();
        for piece in contacts.chunks(CONTACTS_AT_ONCE) {
            self.note_some_contacts(piece).await?;
        }
        Ok(())
    }

    async fn note_some_contacts(&self, contacts: &[(&String, &(i64, u64))]) -> Result<(), StoreError> {
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

    /// Lets a terminal that waits for approval go on, and takes back the remark that there are two of it; false when there is none
    /// that is not revoked.
    pub(crate) async fn approve_terminal(&self, by: &str, terminal: &str) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let approve =
            sqlx::query("UPDATE terminals SET pending = 0, cloned_at = NULL WHERE terminal = $1 AND revoked_at IS NULL");
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
            // The row says it, whoever has the word on it.
            group: None,
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
            group: self.group_name.or(self.enrolled_group).or(self.wished_group),
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
