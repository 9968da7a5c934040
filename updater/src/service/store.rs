//! The tables, in SQLite (the default, in the data folder) or PostgreSQL. Knows no HTTP.
//!
//! What was answered for is on the disk: SQLite with WAL and `synchronous=FULL`, PostgreSQL with its own log. Every change is one
//! transaction. SQLite has one connection that writes, so that writers take turns in the order they came, and readers never wait; its
//! transactions are `BEGIN IMMEDIATE`, in case somebody else has the file open. In PostgreSQL they are read committed, and every change names, in
//! its own `WHERE` or `ON CONFLICT`, the state that it is a change of. `docs/service.md` has what that means for several replicas on one
//! database. What terminals' calls write is committed in groups (`groups.rs`).
//!
//! One text of SQL for both. It keeps to what both understand: `$1` for values, 64-bit integers, text and bytes, `ON CONFLICT … DO UPDATE`,
//! no scalar `MAX`, sums cast to `BIGINT`. Only the schemas differ, in the names of types: `migrations/sqlite` and `migrations/postgres`.
//! Queries are checked when they run, so that a build needs no database. Rejected: two modules of queries, of which one is always the less
//! tested; the texts differ in nothing that speed asks for.

mod audit;
mod calls;
mod change;
pub(crate) mod console;
pub(crate) mod coverage;
mod director;
mod enrolment;
mod groups;
mod lease;
pub(crate) mod listing;
mod lost;
mod modules;
mod names;
mod one_offs;
mod operators;
mod place;
mod policy;
mod publications;
mod reports;
mod rollout;
mod sizes;
mod sources;
mod terminals;
mod threats;

use crate::Channel;
use crate::keys::KeyError;
use crate::wire::{ChannelRelease, NewsError, ShapeError};
pub(crate) use calls::Held;
use change::Change;
pub(crate) use change::Put;
pub(crate) use director::KeptAssignment;
pub(crate) use enrolment::{Enrolment, NewToken, token_id};
use groups::{Groups, QUEUE_MAX, Waiting, Written};
pub(crate) use lease::{Fence, LeaseRow};
pub(crate) use names::{NAMES_IN_ONE_GO, Unnamed};
pub(crate) use one_offs::OneOffPut;
use place::{REFUSED_FOR, check_sqlite, place_of, postgres_at, reach, sqlite_at, unreachable};
pub(crate) use publications::{Maker, NewDelta, Publication};
use serde::Serialize;
use serde::de::DeserializeOwned;
pub(crate) use sizes::Sizes;
pub(crate) use sources::{Attempt, Source, Validators};
use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
pub(crate) use terminals::{Standing, Terminal};
pub(crate) use threats::Told;
use tokio::sync::{mpsc, oneshot, watch};

const CONNECTIONS_MAX: u32 = 8;
/// How long a connection is waited for: by requests for a free one, and at the start for an answer to the first.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Said to every connection to SQLite; a writer waits at most 10 s for another.
const PRAGMAS: &str =
    "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// Where the tables are.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file, made when missing; in the folder of the service's data.
    Sqlite(PathBuf),
    /// A PostgreSQL database, 15 or newer: `postgres://user:password@host:port/database`. What `libpq` takes from the environment, such as
    /// `PGPASSWORD`, is taken here. A host that is not this one is reached as by `?sslmode=verify-full`, where the address says nothing else;
    /// `sslrootcert` names the authority. `sslmode=disable` says that the network in between is trusted.
    Postgres(String),
}

impl fmt::Debug for Database {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Database::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// Which of the two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// The tables could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// What the database says.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("database schema: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A number from outside does not fit a table.
    #[error("{0} is larger than the database can hold")]
    TooLarge(u64),
    /// The tables' address is none.
    #[error("the address of the database cannot be read: {0}")]
    Address(String),
    /// The file of the tables is something else.
    #[error("`{}` is no SQLite database", .0.display())]
    NotTables(PathBuf),
    /// The connection would cross a network in the clear, and nobody said that it may.
    #[error(
        "the connection to the database at `{0}` may not be encrypted; leave `sslmode` away, or say `disable` if that network is trusted"
    )]
    Unprotected(String),
    /// Nobody takes connections where PostgreSQL is said to be.
    #[error("no PostgreSQL can be reached at `{at}`: {why}")]
    Unreachable {
        /// Host and port, as the address names them.
        at: String,
        /// What became of the attempt.
        why: String,
    },
    /// What writes changes of terminals met a bug; whether the change was written is not known.
    #[error("a change of a terminal's row was given up")]
    Unwritten,
    /// Makers told of more than is kept.
    #[error(transparent)]
    News(#[from] NewsError),
    /// Another replica signs.
    #[error("another replica of the service signs")]
    Fenced,
    /// A value in a table does not have its form.
    #[error("database holds a value that cannot be read: {0}")]
    Value(String),
}

impl StoreError {
    /// Whether the tables are away for a while, rather than wrong: a later try may do.
    pub(crate) fn is_passing(&self) -> bool {
        let StoreError::Sql(error) = self else { return false };
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
            // PostgreSQL's classes "connection exception", "insufficient resources" and "operator intervention", the last without a query that
            // was cancelled; SQLite's "busy".
            sqlx::Error::Database(error) => error.code().is_some_and(|code| {
                code == "5" || (["08", "53", "57"].iter().any(|class| code.starts_with(class)) && code != "57014")
            }),
            _ => false,
        }
    }

    /// Whether PostgreSQL refuses a text of the caller's, which holds the character that it keeps nowhere.
    pub(crate) fn is_of_a_text(&self) -> bool {
        let StoreError::Sql(sqlx::Error::Database(error)) = self else { return false };
        // "Character not in repertoire"; SQLite's codes are short numbers.
        error.code().is_some_and(|code| code == "22021")
    }
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
    /// For reading.
    pool: AnyPool,
    /// For writing: in SQLite one connection, for which writers queue; in PostgreSQL the same as for reading.
    writer: AnyPool,
    dialect: Dialect,
    /// To the task that writes what terminals' calls change.
    queue: mpsc::Sender<Waiting>,
    written: Arc<Written>,
    /// The newest number of a change that is known here.
    changes: Arc<watch::Sender<u64>>,
    /// The same of changes that operators make to rows of terminals.
    row_changes: Arc<AtomicU64>,
}

impl Store {
    /// Opens the tables and brings their schema up to date; a file of SQLite is made when there is none.
    pub(crate) async fn open(database: &Database) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options = AnyPoolOptions::new().max_connections(CONNECTIONS_MAX).acquire_timeout(ANSWERED_WITHIN);
        let (dialect, writer, pool) = match database {
            Database::Sqlite(path) => {
                check_sqlite(path)?;
                let options = options.after_connect(|connection, _| {
                    Box::pin(async move {
                        connection.execute(PRAGMAS).await?;
                        Ok(())
                    })
                });
                let writer = options.clone().max_connections(1).after_release(|connection, _| {
                    Box::pin(async move {
                        // The worst failures, as of a full disk, end a transaction behind the library's back, and such a connection would begin no
                        // other one. The ping has it do what it put off: to roll back what was given up.
                        if connection.is_in_transaction() {
                            connection.ping().await?;
                        }
                        Ok(!connection.is_in_transaction())
                    })
                });
                let writer = writer.connect_with(sqlite_at(path)?).await?;
                (Dialect::Sqlite, writer, options.connect_with(sqlite_at(path)?).await?)
            }
            Database::Postgres(url) => {
                let (address, at) = (postgres_at(url)?, place_of(url));
                reach(&at, REFUSED_FOR, || AnyConnection::connect_with(&address)).await?;
                let pool = options.connect_with(address).await.map_err(|error| unreachable(&at, error))?;
                (Dialect::Postgres, pool.clone(), pool)
            }
        };
        match dialect {
            Dialect::Sqlite => sqlx::migrate!("migrations/sqlite").run(&writer).await?,
            Dialect::Postgres => sqlx::migrate!("migrations/postgres").run(&writer).await?,
        }
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let (changes, written) = (Arc::default(), Arc::default());
        let groups = Groups { writer, dialect, changes, written };
        let Groups { writer, changes, written, .. } = groups.clone();
        tokio::spawn(groups.run(waiting));
        let store = Store { pool, writer, dialect, queue, written, changes, row_changes: Arc::default() };
        store.look().await?;
        Ok(store)
    }

    /// Whether other replicas may work on the same tables.
    pub(crate) fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// A number that grows whenever what assignments are made of has changed: releases and what of them is withdrawn, threats, root.
    pub(crate) fn changes(&self) -> u64 {
        *self.changes.borrow()
    }

    /// The same as it grows.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A number that grows whenever an operator has changed rows of terminals: what is kept of rows elsewhere is to be read again then.
    pub(crate) fn row_changes(&self) -> u64 {
        self.row_changes.load(Ordering::Acquire)
    }

    /// Looks whether another replica changed something; two rows are read.
    pub(crate) async fn look(&self) -> Result<(), StoreError> {
        let numbers = sqlx::query_as::<_, (i64, i64)>("SELECT c.number, r.number FROM changes c, row_changes r");
        let (number, rows) = numbers.fetch_one(&self.pool).await?;
        self.know(nat(number)?);
        self.row_changes.fetch_max(nat(rows)?, Ordering::AcqRel);
        Ok(())
    }

    /// Commits an operator's change of a terminal's row; its number is known here only after the commit, as in [`Store::commit_change`].
    async fn commit_row_change(&self, mut tx: Transaction<'_, Any>) -> Result<(), StoreError> {
        let number = sqlx::query_scalar::<_, i64>("UPDATE row_changes SET number = number + 1 RETURNING number");
        let number = number.fetch_one(&mut *tx).await?;
        tx.commit().await?;
        self.row_changes.fetch_max(nat(number)?, Ordering::AcqRel);
        Ok(())
    }

    /// Commits such a change. Its number is in the same transaction, so that no other replica sees the one without the other, and is
    /// known here only after the commit, so that nobody reads the tables as they were before and takes them for those after it.
    async fn commit_change(&self, mut tx: Transaction<'_, Any>) -> Result<(), StoreError> {
        let number = sqlx::query_scalar::<_, i64>("UPDATE changes SET number = number + 1 RETURNING number");
        let number = number.fetch_one(&mut *tx).await?;
        tx.commit().await?;
        self.know(nat(number)?);
        Ok(())
    }

    fn know(&self, number: u64) {
        know(&self.changes, number);
    }

    /// Writes what a terminal's call changes, and returns when it is on the disk. `settled` is called before, and also when nobody waits
    /// for this any more.
    pub(crate) async fn put(
        &self,
        change: Change,
        settled: impl FnOnce(&Result<Put, StoreError>) + Send + 'static,
    ) -> Result<Put, StoreError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { change, settled: Box::new(settled), answer };
        let is_sent = self.queue.send(waiting).await.is_ok();
        match answered.await {
            Ok(put) => put,
            Err(_) if is_sent => Err(StoreError::Unwritten),
            Err(_) => Err(sqlx::Error::PoolClosed.into()),
        }
    }

    /// Changes by calls of terminals that were written, and commits that they took.
    pub(crate) fn written(&self) -> (u64, u64) {
        self.written.counts()
    }

    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        self.dialect.begin(&self.writer).await
    }
}

impl Dialect {
    async fn begin(self, writer: &AnyPool) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = match self {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        Ok(writer.begin_with(begin).await?)
    }
}

/// Notes the number of a change, unless a later one is known.
fn know(changes: &watch::Sender<u64>, number: u64) {
    changes.send_if_modified(|known| {
        let grows = number > *known;
        *known = number.max(*known);
        grows
    });
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

#[cfg(test)]
mod tests;
