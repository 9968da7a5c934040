//! The tables, in SQLite: WAL, `synchronous=FULL`, so what was answered for is on the disk. Knows no HTTP.
//!
//! Every change is one `BEGIN IMMEDIATE` transaction; readers never wait. Queries are checked when they run, so that a build
//! needs no database.

mod publications;
mod terminals;
mod threats;

use crate::Channel;
use crate::keys::KeyError;
use crate::wire::{ChannelRelease, ShapeError};
pub(crate) use publications::{Maker, NewDelta, Publication};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
pub(crate) use terminals::Enrolment;

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
    /// A number from outside does not fit a table.
    #[error("{0} is larger than the database can hold")]
    TooLarge(u64),
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

#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: SqlitePool,
    changes: Arc<AtomicU64>,
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
        Ok(Store { pool, changes: Arc::default() })
    }

    /// A number that grows whenever what assignments are made of has changed: releases and what of them is withdrawn, threats, root.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// To be called after the commit of such a change.
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
    }
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
    i64::try_from(number).map_err(|_| StoreError::TooLarge(number))
}

fn nat(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Value(format!("{number} is negative")))
}

/// Seconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
