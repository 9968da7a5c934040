//! What the operator gives single terminals.

use super::{Store, StoreError, channel, int, nat, now};
use crate::Channel;
use crate::wire::{ONE_OFFS_MAX, OneOff, OneOffRow};
use jiff::Timestamp;
use serde_json::json;
use sqlx::FromRow;

/// What became of a one-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OneOffPut {
    Put,
    /// No terminal has this number.
    NoTerminal,
    /// The terminal is given as many channels as it may be.
    TooMany,
}

impl Store {
    /// Gives a terminal a channel, in the place of what it was given of that channel before. What is over is forgotten, of all terminals.
    pub(crate) async fn put_one_off(&self, by: &str, terminal: &str, one_off: &OneOff) -> Result<OneOffPut, StoreError> {
        let mut tx = self.begin().await?;
        // The terminal's row is this transaction's own from here on, so that two who count at once count each other.
        let known = sqlx::query("UPDATE terminals SET terminal = terminal WHERE terminal = $1").bind(terminal);
        if known.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(OneOffPut::NoTerminal);
        }
        sqlx::query("DELETE FROM one_offs WHERE until_at <= $1").bind(now()).execute(&mut *tx).await?;
        let (maker, name) = (one_off.channel.maker(), one_off.channel.name());
        let others = sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(*) FROM one_offs WHERE terminal = $1 AND NOT (maker = $2 AND name = $3)",
        );
        let others = others.bind(terminal).bind(maker).bind(name).fetch_one(&mut *tx).await?;
        if nat(others)? >= ONE_OFFS_MAX as u64 {
            return Ok(OneOffPut::TooMany);
        }
        sqlx::query(
            "INSERT INTO one_offs (terminal, maker, name, release, until_at, why, who, given_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (terminal, maker, name) DO UPDATE SET
             release = excluded.release, until_at = excluded.until_at, why = excluded.why, who = excluded.who,
             given_at = excluded.given_at",
        )
        .bind(terminal)
        .bind(maker)
        .bind(name)
        .bind(one_off.release.map(int).transpose()?)
        .bind(one_off.until.as_second())
        .bind(&one_off.why)
        .bind(by)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        self.audit_in(&mut tx, by, "one-off-given", &json!({ "terminal": terminal, "one_off": one_off })).await?;
        self.commit_row_change(tx).await?;
        Ok(OneOffPut::Put)
    }

    /// Takes from a terminal what it was given of a channel, or all; false when there was nothing.
    pub(crate) async fn drop_one_offs(&self, by: &str, terminal: &str, of: Option<&Channel>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let gone = sqlx::query(
            "DELETE FROM one_offs WHERE terminal = $1 AND until_at > $2 AND ($3 = '' OR maker = $3) AND ($4 = '' OR name = $4)",
        );
        let gone = gone.bind(terminal).bind(now());
        let gone = gone.bind(of.map_or("", Channel::maker)).bind(of.map_or("", Channel::name)).execute(&mut *tx).await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        let told = json!({ "terminal": terminal, "channel": of.map(Channel::as_str) });
        self.audit_in(&mut tx, by, "one-off-taken", &told).await?;
        self.commit_row_change(tx).await?;
        Ok(true)
    }

    /// What is given to any terminal now, by terminal, maker and name; at most `most` rows after the one named so.
    pub(crate) async fn one_offs(&self, after: [&str; 3], most: u64) -> Result<Vec<OneOffRow>, StoreError> {
        let rows = sqlx::query_as::<_, OneOffSql>(
            "SELECT * FROM one_offs WHERE until_at > $1 AND (terminal, maker, name) > ($2, $3, $4)
             ORDER BY terminal, maker, name LIMIT $5",
        );
        let [terminal, maker, name] = after;
        let rows = rows.bind(now()).bind(terminal).bind(maker).bind(name).bind(int(most)?).fetch_all(&self.pool).await?;
        rows.into_iter().map(OneOffSql::row).collect()
    }

    /// What one terminal is given, ascending by channel.
    pub(crate) async fn one_offs_of(&self, terminal: &str) -> Result<Vec<OneOff>, StoreError> {
        let rows = sqlx::query_as::<_, OneOffSql>(
            "SELECT * FROM one_offs WHERE terminal = $1 AND until_at > $2 ORDER BY maker, name",
        );
        let rows = rows.bind(terminal).bind(now()).fetch_all(&self.pool).await?;
        let of = |row: OneOffRow| OneOff { channel: row.channel, release: row.release, until: row.until, why: row.why };
        rows.into_iter().map(|row| Ok(of(row.row()?))).collect()
    }
}

#[derive(FromRow)]
struct OneOffSql {
    terminal: String,
    maker: String,
    name: String,
    release: Option<i64>,
    until_at: i64,
    why: String,
    who: String,
    given_at: i64,
}

impl OneOffSql {
    fn row(self) -> Result<OneOffRow, StoreError> {
        let until = Timestamp::from_second(self.until_at).map_err(|e| StoreError::Value(e.to_string()))?;
        Ok(OneOffRow {
            terminal: self.terminal,
            channel: channel(&format!("{}/{}", self.maker, self.name))?,
            release: self.release.map(nat).transpose()?,
            until,
            why: self.why,
            who: self.who,
            given_at: self.given_at,
        })
    }
}
