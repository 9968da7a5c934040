//! The tables, in SQLite: WAL, `synchronous=FULL`, so what was answered for is on the disk. Knows no HTTP.
//!
//! Every change is one `BEGIN IMMEDIATE` transaction; readers never wait. Queries are checked when they run, so that a build
//! needs no database.

use crate::Channel;
use crate::keys::{KeyError, PublicKey};
use crate::tuf::SignedRelease;
use crate::wire::{
    Acknowledge, Assignment, ChannelRelease, CheckIn, Danger, DeltaView, MakerName, ReleaseView, Sha256Hex, ShapeError,
    TerminalFacts, TerminalRow, ThreatNews, ThreatRow, Vaccine,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{FromRow, Sqlite, Transaction};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: u32 = 8;

/// The tables could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What SQLite says.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("database schema: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A value in a table does not have its form.
    #[error("database holds a value that cannot be read: {0}")]
    Value(String),
}

impl From<ShapeError> for StoreError {
    fn from(e: ShapeError) -> Self {
        StoreError::Value(e.to_string())
    }
}

impl From<KeyError> for StoreError {
    fn from(e: KeyError) -> Self {
        StoreError::Value(e.to_string())
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(e: serde_json::Error) -> Self {
        StoreError::Value(e.to_string())
    }
}

/// A maker and what they last published.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) maker: MakerName,
    pub(crate) public_key: PublicKey,
    pub(crate) role_version: u64,
    pub(crate) role_body: Vec<u8>,
}

/// A delta made for a new release.
#[derive(Clone, Debug)]
pub(crate) struct NewDelta {
    pub(crate) from: Sha256Hex,
    pub(crate) to: Sha256Hex,
    pub(crate) sha256: Sha256Hex,
    pub(crate) length: u64,
}

/// One verified publication, to be recorded as a whole.
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) maker: &'a MakerName,
    pub(crate) role_version: u64,
    pub(crate) role_body: &'a [u8],
    pub(crate) new: &'a [SignedRelease],
    pub(crate) listed: &'a [SignedRelease],
    pub(crate) deltas: &'a [NewDelta],
}

/// What became of an attempt to use up an enrolment token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Enrolment {
    /// The terminal with this number may go on; also when the same key asks again.
    Accepted(String),
    /// The token is unknown or was used by another key.
    Refused,
}

#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens or creates the file and brings its schema up to date.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS_MAX).connect_with(options).await?;
        sqlx::migrate!().run(&pool).await?;
        Ok(Store { pool })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }

    // Makers and releases.

    /// Enters a maker; returns false when the name is taken by another key.
    pub(crate) async fn register_maker(&self, maker: &MakerName, key: &PublicKey) -> Result<bool, StoreError> {
        sqlx::query("INSERT INTO makers (maker, public_key, registered_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(maker.as_str())
            .bind(key.to_string())
            .bind(now())
            .execute(&self.pool)
            .await?;
        Ok(self.maker(maker).await?.is_some_and(|held| held.public_key == *key))
    }

    pub(crate) async fn maker(&self, maker: &MakerName) -> Result<Option<Maker>, StoreError> {
        let row = sqlx::query_as::<_, MakerSql>("SELECT * FROM makers WHERE maker = ?").bind(maker.as_str());
        row.fetch_optional(&self.pool).await?.map(MakerSql::read).transpose()
    }

    /// Makers who have published, by name.
    pub(crate) async fn published_makers(&self) -> Result<Vec<Maker>, StoreError> {
        let rows = sqlx::query_as::<_, MakerSql>("SELECT * FROM makers WHERE role_version > 0 ORDER BY maker");
        rows.fetch_all(&self.pool).await?.into_iter().map(MakerSql::read).collect()
    }

    /// Releases of a maker, ascending by channel and number.
    pub(crate) async fn releases(&self, maker: &MakerName) -> Result<Vec<ReleaseView>, StoreError> {
        let rows = sqlx::query_as::<_, ReleaseSql>("SELECT * FROM releases WHERE maker = ? ORDER BY name, release");
        rows.bind(maker.as_str()).fetch_all(&self.pool).await?.into_iter().map(ReleaseSql::read).collect()
    }

    /// The newest listed release of every channel.
    pub(crate) async fn newest(&self) -> Result<Vec<ChannelRelease>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64)>(
            "SELECT maker, name, MAX(release) FROM releases WHERE listed = 1 GROUP BY maker, name ORDER BY maker, name",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        rows.into_iter().map(|(maker, name, release)| channel_release(&maker, &name, release)).collect()
    }

    pub(crate) async fn publish(&self, publication: &Publication<'_>) -> Result<(), StoreError> {
        let maker = publication.maker.as_str();
        let mut tx = self.begin().await?;
        for new in publication.new {
            sqlx::query(
                "INSERT INTO releases (maker, name, release, sha256, root, length, created, published_at, listed)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
            )
            .bind(maker)
            .bind(new.channel.name())
            .bind(int(new.release)?)
            .bind(new.sha256.to_string())
            .bind(new.root.to_string())
            .bind(int(new.length)?)
            .bind(new.created)
            .bind(now())
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query("UPDATE releases SET listed = 0 WHERE maker = ?").bind(maker).execute(&mut *tx).await?;
        for listed in publication.listed {
            sqlx::query("UPDATE releases SET listed = 1 WHERE maker = ? AND name = ? AND release = ?")
                .bind(maker)
                .bind(listed.channel.name())
                .bind(int(listed.release)?)
                .execute(&mut *tx)
                .await?;
        }
        for delta in publication.deltas {
            sqlx::query("INSERT OR REPLACE INTO deltas (from_sha256, to_sha256, sha256, length) VALUES (?, ?, ?, ?)")
                .bind(delta.from.to_string())
                .bind(delta.to.to_string())
                .bind(delta.sha256.to_string())
                .bind(int(delta.length)?)
                .execute(&mut *tx)
                .await?;
        }
        sqlx::query("UPDATE makers SET role_version = ?, role_body = ? WHERE maker = ?")
            .bind(int(publication.role_version)?)
            .bind(publication.role_body)
            .bind(maker)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Deltas that lead to a blob, the smallest first.
    pub(crate) async fn deltas_to(&self, to: &Sha256Hex) -> Result<Vec<DeltaView>, StoreError> {
        let rows = sqlx::query_as::<_, (String, String, i64)>(
            "SELECT from_sha256, sha256, length FROM deltas WHERE to_sha256 = ? ORDER BY length, from_sha256",
        );
        let rows = rows.bind(to.to_string()).fetch_all(&self.pool).await?;
        let read = |(from, sha256, length): (String, String, i64)| {
            Ok(DeltaView { from: from.parse()?, sha256: sha256.parse()?, length: nat(length)? })
        };
        rows.into_iter().map(read).collect()
    }

    // Metadata.

    /// The newest version of a role that was signed here, with its bytes.
    pub(crate) async fn newest_metadata(&self, role: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let row = sqlx::query_as::<_, (i64, Vec<u8>)>(
            "SELECT version, body FROM metadata WHERE role = ? ORDER BY version DESC LIMIT 1",
        );
        let row = row.bind(role).fetch_optional(&self.pool).await?;
        row.map(|(version, body)| Ok((nat(version)?, body))).transpose()
    }

    /// Records a signed version before its file is written; fails when the version exists.
    pub(crate) async fn add_metadata(&self, role: &str, version: u64, body: &[u8]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query("INSERT INTO metadata (role, version, body) VALUES (?, ?, ?)")
            .bind(role)
            .bind(int(version)?)
            .bind(body)
            .execute(&mut *tx)
            .await?;
        if role == "timestamp" {
            // Its file is replaced too; only the newest version can ever be asked for.
            sqlx::query("DELETE FROM metadata WHERE role = ? AND version < ?")
                .bind(role)
                .bind(int(version)?)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    // The countering table.

    /// Enters a maker's news; returns false, and enters nothing, when `counter` is not newer than the last.
    pub(crate) async fn put_news(&self, maker: &MakerName, counter: u64, news: &ThreatNews) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let taken = sqlx::query("UPDATE makers SET counter = ? WHERE maker = ? AND counter < ?")
            .bind(int(counter)?)
            .bind(maker.as_str())
            .bind(int(counter)?)
            .execute(&mut *tx)
            .await?;
        if taken.rows_affected() == 0 {
            return Ok(false);
        }
        let vaccine = news.vaccine.as_ref();
        let release = vaccine.map(|vaccine| int(vaccine.since.release)).transpose()?;
        sqlx::query(
            "INSERT OR REPLACE INTO threats (maker, threat, danger, discovered, expected, vaccine_date, vaccine_name,
             vaccine_release, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(maker.as_str())
        .bind(&news.threat)
        .bind(word(&news.danger)?)
        .bind(news.discovered.to_string())
        .bind(news.expected.map(|date| date.to_string()))
        .bind(vaccine.map(|vaccine| vaccine.date.to_string()))
        .bind(vaccine.map(|vaccine| vaccine.since.channel.name().to_owned()))
        .bind(release)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    pub(crate) async fn threats(&self) -> Result<Vec<ThreatRow>, StoreError> {
        let rows = sqlx::query_as::<_, ThreatSql>("SELECT * FROM threats ORDER BY threat, maker");
        rows.fetch_all(&self.pool).await?.into_iter().map(ThreatSql::read).collect()
    }

    // The user table.

    pub(crate) async fn add_token(&self, digest: &Sha256Hex) -> Result<(), StoreError> {
        let insert = sqlx::query("INSERT INTO enrolment_tokens (sha256, created_at) VALUES (?, ?)");
        insert.bind(digest.to_string()).bind(now()).execute(&self.pool).await?;
        Ok(())
    }

    /// Uses up a token for a new terminal. A terminal that died before it read the answer asks again with the same key and
    /// gets the same number.
    pub(crate) async fn enrol(
        &self,
        token: &Sha256Hex,
        terminal: &str,
        key: &PublicKey,
        counter: u64,
        facts: &TerminalFacts,
    ) -> Result<Enrolment, StoreError> {
        let mut tx = self.begin().await?;
        let used = sqlx::query("UPDATE enrolment_tokens SET terminal = ? WHERE sha256 = ? AND terminal IS NULL")
            .bind(terminal)
            .bind(token.to_string())
            .execute(&mut *tx)
            .await?;
        if used.rows_affected() == 0 {
            let again = sqlx::query_as::<_, (String,)>(
                "SELECT t.terminal FROM enrolment_tokens e JOIN terminals t ON t.terminal = e.terminal
                 WHERE e.sha256 = ? AND t.public_key = ?",
            );
            let again = again.bind(token.to_string()).bind(key.to_string()).fetch_optional(&mut *tx).await?;
            return Ok(again.map_or(Enrolment::Refused, |(terminal,)| Enrolment::Accepted(terminal)));
        }
        sqlx::query(
            "INSERT INTO terminals (terminal, public_key, counter, hardware, os, engine_version, designation, subscribed,
             enrolled_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Enrolment::Accepted(terminal.to_owned()))
    }

    pub(crate) async fn terminal_key(&self, terminal: &str) -> Result<Option<PublicKey>, StoreError> {
        let row = sqlx::query_as::<_, (String,)>("SELECT public_key FROM terminals WHERE terminal = ?").bind(terminal);
        row.fetch_optional(&self.pool).await?.map(|(key,)| Ok(key.parse()?)).transpose()
    }

    /// Writes a terminal's row as it reported it; returns false, and writes nothing, for a counter that was used.
    pub(crate) async fn check_in(&self, terminal: &str, counter: u64, report: &CheckIn) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !take_counter(&mut tx, terminal, counter).await? {
            return Ok(false);
        }
        let facts = &report.facts;
        sqlx::query(
            "UPDATE terminals SET hardware = ?, os = ?, engine_version = ?, designation = ?, subscribed = ?
             WHERE terminal = ?",
        )
        .bind(&facts.hardware)
        .bind(&facts.os)
        .bind(&facts.engine_version)
        .bind(serde_json::to_string(&facts.designation)?)
        .bind(subscribed_text(facts)?)
        .bind(terminal)
        .execute(&mut *tx)
        .await?;
        put_applied(&mut tx, terminal, &report.applied).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps what a terminal was told, for the operator's view.
    pub(crate) async fn put_reason(&self, terminal: &str, assignment: &Assignment) -> Result<(), StoreError> {
        sqlx::query("UPDATE terminals SET reason = ?, words = ? WHERE terminal = ?")
            .bind(assignment.reason.code())
            .bind(&assignment.words)
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
                      VALUES (?, ?, ?, ?, ?, ?, ?)";
        let report = sqlx::query(insert).bind(terminal).bind(now());
        let none = None::<&str>;
        match result {
            Acknowledge::Installed { generation, applied } => {
                let report = report.bind("installed").bind(int(*generation)?).bind(none).bind(none).bind(none);
                report.execute(&mut *tx).await?;
                put_applied(&mut tx, terminal, applied).await?;
            }
            Acknowledge::Trouble { step, code, words } => {
                let report = report.bind("trouble").bind(None::<i64>).bind(step).bind(code).bind(words);
                report.execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The user table, by time of enrolment.
    pub(crate) async fn terminals(&self) -> Result<Vec<TerminalRow>, StoreError> {
        let rows = sqlx::query_as::<_, TerminalSql>(
            "SELECT t.*, (SELECT r.code FROM reports r WHERE r.terminal = t.terminal ORDER BY r.id DESC LIMIT 1) AS trouble
             FROM terminals t ORDER BY t.enrolled_at, t.terminal",
        );
        let rows = rows.fetch_all(&self.pool).await?;
        let applied = sqlx::query_as::<_, (String, String, String, i64)>(
            "SELECT terminal, maker, name, release FROM applied ORDER BY maker, name",
        );
        let mut of_terminal = HashMap::<String, Vec<ChannelRelease>>::new();
        for (terminal, maker, name, release) in applied.fetch_all(&self.pool).await? {
            of_terminal.entry(terminal).or_default().push(channel_release(&maker, &name, release)?);
        }
        rows.into_iter()
            .map(|row| {
                let applied = of_terminal.remove(&row.terminal).unwrap_or_default();
                row.read(applied)
            })
            .collect()
    }
}

async fn take_counter(tx: &mut Transaction<'_, Sqlite>, terminal: &str, counter: u64) -> Result<bool, StoreError> {
    let taken = sqlx::query("UPDATE terminals SET counter = ?, last_contact = ? WHERE terminal = ? AND counter < ?")
        .bind(int(counter)?)
        .bind(now())
        .bind(terminal)
        .bind(int(counter)?)
        .execute(&mut **tx)
        .await?;
    Ok(taken.rows_affected() == 1)
}

async fn put_applied(
    tx: &mut Transaction<'_, Sqlite>,
    terminal: &str,
    applied: &[ChannelRelease],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM applied WHERE terminal = ?").bind(terminal).execute(&mut **tx).await?;
    for at in applied {
        sqlx::query("INSERT OR REPLACE INTO applied (terminal, maker, name, release) VALUES (?, ?, ?, ?)")
            .bind(terminal)
            .bind(at.channel.maker())
            .bind(at.channel.name())
            .bind(int(at.release)?)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct MakerSql {
    maker: String,
    public_key: String,
    role_version: i64,
    role_body: Option<Vec<u8>>,
}

impl MakerSql {
    fn read(self) -> Result<Maker, StoreError> {
        Ok(Maker {
            maker: self.maker.parse()?,
            public_key: self.public_key.parse()?,
            role_version: nat(self.role_version)?,
            role_body: self.role_body.unwrap_or_default(),
        })
    }
}

#[derive(FromRow)]
struct ReleaseSql {
    maker: String,
    name: String,
    release: i64,
    sha256: String,
    length: i64,
}

impl ReleaseSql {
    fn read(self) -> Result<ReleaseView, StoreError> {
        let release = channel_release(&self.maker, &self.name, self.release)?;
        Ok(ReleaseView { release, sha256: self.sha256.parse()?, length: nat(self.length)? })
    }
}

#[derive(FromRow)]
struct ThreatSql {
    maker: String,
    threat: String,
    danger: String,
    discovered: String,
    expected: Option<String>,
    vaccine_date: Option<String>,
    vaccine_name: Option<String>,
    vaccine_release: Option<i64>,
}

impl ThreatSql {
    fn read(self) -> Result<ThreatRow, StoreError> {
        let vaccine = match (self.vaccine_date, self.vaccine_name, self.vaccine_release) {
            (Some(made), Some(name), Some(release)) => {
                Some(Vaccine { date: date(&made)?, since: channel_release(&self.maker, &name, release)? })
            }
            _ => None,
        };
        let news = ThreatNews {
            threat: self.threat,
            danger: from_word::<Danger>(&self.danger)?,
            discovered: date(&self.discovered)?,
            expected: self.expected.as_deref().map(date).transpose()?,
            vaccine,
        };
        Ok(ThreatRow { maker: self.maker.parse()?, news })
    }
}

#[derive(FromRow)]
struct TerminalSql {
    terminal: String,
    hardware: String,
    os: String,
    engine_version: String,
    designation: String,
    subscribed: String,
    enrolled_at: i64,
    last_contact: Option<i64>,
    reason: Option<String>,
    words: Option<String>,
    trouble: Option<String>,
}

impl TerminalSql {
    fn read(self, applied: Vec<ChannelRelease>) -> Result<TerminalRow, StoreError> {
        let subscribed = serde_json::from_str::<Vec<String>>(&self.subscribed)?;
        let facts = TerminalFacts {
            hardware: self.hardware,
            os: self.os,
            engine_version: self.engine_version,
            designation: serde_json::from_str(&self.designation)?,
            subscribed: subscribed.iter().map(|text| channel(text)).collect::<Result<_, _>>()?,
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

fn subscribed_text(facts: &TerminalFacts) -> Result<String, StoreError> {
    Ok(serde_json::to_string(&facts.subscribed.iter().map(ToString::to_string).collect::<Vec<_>>())?)
}

fn channel(text: &str) -> Result<Channel, StoreError> {
    text.parse().map_err(|_| StoreError::Value(format!("`{text}` is not a channel")))
}

fn channel_release(maker: &str, name: &str, release: i64) -> Result<ChannelRelease, StoreError> {
    Ok(ChannelRelease { channel: channel(&format!("{maker}/{name}"))?, release: nat(release)? })
}

fn date(text: &str) -> Result<jiff::civil::Date, StoreError> {
    text.parse().map_err(|_| StoreError::Value(format!("`{text}` is not a date")))
}

/// A unit variant as its word in JSON, without quotes.
fn word<T: Serialize>(value: &T) -> Result<String, StoreError> {
    Ok(serde_json::to_string(value)?.trim_matches('"').to_owned())
}

fn from_word<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    Ok(serde_json::from_value(serde_json::Value::String(text.to_owned()))?)
}

fn int(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Value(format!("{number} is larger than the database can hold")))
}

fn nat(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Value(format!("{number} is negative")))
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
