//! Group commit: changes that come while another commit is on its way are written together, by the one task that writes them.
//!
//! A synced commit takes a disk milliseconds whether it holds one row or a hundred, and SQLite has one writer at a time. So the task takes
//! what waits, begins one transaction, writes every change, commits, and only then answers whoever waits for one of them. Who comes
//! alone is written at once: nothing is waited for but the commit before. `docs/service.md` has what was rejected.
//!
//! A change that cannot be written fails alone. Within a group nobody knows what is left of a transaction of which a statement failed, so
//! the group is undone and each of its changes is written in a transaction of its own, which tells whose failure it was. A counter in the
//! `WHERE` of each makes that safe even if the commit had taken place and only its answer was lost.
//!
//! PostgreSQL syncs its log once for all transactions that commit at the same time, and writes rows of different terminals side by side: there
//! the task hands each change to a task of its own, as many at a time as there are connections.
//!
//! Who waits may go away (a request has a time limit): what nobody waits for any more when its turn comes is not written, and what was begun
//! is finished, and told to `settled`.

use super::change::{Change, Put};
use super::{CONNECTIONS_MAX, Dialect, StoreError, nat};
use sqlx::{Any, AnyPool, Transaction};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

/// Changes that wait for their turn; callers beyond that wait for a place.
pub(super) const QUEUE_MAX: usize = 1024;
/// Changes of one transaction. Bounds for how long other writers wait: some 0.2 ms for each.
const GROUP_MAX: usize = 256;

/// Called with what became of a change before its caller is answered, and also when the caller has gone.
pub(crate) type Settled = Box<dyn FnOnce(&Result<Put, StoreError>) + Send>;

/// A change that waits.
pub(super) struct Waiting {
    pub(super) change: Change,
    pub(super) settled: Settled,
    pub(super) answer: oneshot::Sender<Result<Put, StoreError>>,
}

impl Waiting {
    fn settle(self, put: Result<Put, StoreError>) {
        (self.settled)(&put);
        // Whoever asked may have gone.
        let _ = self.answer.send(put);
    }
}

/// How much was written how often.
#[derive(Debug, Default)]
pub(crate) struct Written {
    changes: AtomicU64,
    commits: AtomicU64,
}

impl Written {
    /// Changes that were written, and commits that they took.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.changes.load(Ordering::Relaxed), self.commits.load(Ordering::Relaxed))
    }
}

/// What the task writes with.
#[derive(Clone)]
pub(super) struct Groups {
    pub(super) writer: AnyPool,
    pub(super) dialect: Dialect,
    /// Of the store.
    pub(super) changes: Arc<watch::Sender<u64>>,
    pub(super) written: Arc<Written>,
}

impl Groups {
    /// Writes what comes until nobody can send any more.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Waiting>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
        let mut group = Vec::new();
        while let Some(first) = queue.recv().await {
            let groups = self.clone();
            if self.dialect == Dialect::Postgres {
                let Ok(place) = places.clone().acquire_owned().await else { return };
                tokio::spawn(async move {
                    groups.alone(first).await;
                    drop(place);
                });
                continue;
            }
            group.push(first);
            while group.len() < GROUP_MAX
                && let Ok(next) = queue.try_recv()
            {
                group.push(next);
            }
            let group = std::mem::take(&mut group);
            // In a task, so that a bug that one change meets ends its group and not the service's writing; whoever waits is told.
            if let Err(error) = tokio::spawn(async move { groups.together(group).await }).await {
                tracing::error!(%error, "changes of terminals could not be written");
            }
        }
    }

    /// Writes a group in one transaction, or each of it in its own where that fails.
    pub(super) async fn together(&self, mut group: Vec<Waiting>) {
        group.retain(|waiting| !waiting.answer.is_closed());
        if group.len() > 1 {
            let changes = group.iter().map(|waiting| &waiting.change).collect::<Vec<_>>();
            match self.write(&changes).await {
                Ok(puts) => {
                    for (waiting, put) in group.into_iter().zip(puts) {
                        waiting.settle(Ok(put));
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "{} changes of terminals could not be written together", group.len());
                }
            }
        }
        for waiting in group {
            self.alone(waiting).await;
        }
    }

    async fn alone(&self, waiting: Waiting) {
        if waiting.answer.is_closed() {
            return;
        }
        let put = self.write(&[&waiting.change]).await.map(|puts| puts[0]);
        waiting.settle(put);
    }

    /// Writes all or nothing, in their order, and returns what became of each.
    async fn write(&self, changes: &[&Change]) -> Result<Vec<Put>, StoreError> {
        let mut tx = self.dialect.begin(&self.writer).await?;
        let mut puts = Vec::with_capacity(changes.len());
        let mut known = None;
        for change in changes {
            let (put, number) = change.write(&mut tx).await?;
            puts.push(put);
            known = number.or(known);
        }
        self.commit(tx, known).await?;
        let written = puts.iter().filter(|put| **put == Put::Written).count();
        self.written.changes.fetch_add(written as u64, Ordering::Relaxed);
        self.written.commits.fetch_add(1, Ordering::Relaxed);
        Ok(puts)
    }

    /// `known`: the number of a change of what decisions are made of, which is known here only after the commit.
    async fn commit(&self, tx: Transaction<'_, Any>, known: Option<i64>) -> Result<(), StoreError> {
        let known = known.map(nat).transpose()?;
        tx.commit().await?;
        if let Some(number) = known {
            super::know(&self.changes, number);
        }
        Ok(())
    }
}
