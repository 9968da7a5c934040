//! One replica signs at a time: who may, and how long the others wait.
//!
//! Every replica takes publications, and takes the lease for the time of one. A holder says every now and then that it lives; one that was
//! silent for [`LeaseTimes::lost_after`], by the clock of whoever waits, has lost the lease. No two clocks are compared. A holder that was
//! only slow finds, at its next transaction, that its fence is an old one, and nothing of it is written.
//!
//! Who had it last waits a little before taking it again, so that one who waits meanwhile finds it free: else a replica that publishes without
//! a pause would keep the others from ever starting.
//!
//! Rejected: electing one replica for good and sending publications on to it, which needs addresses of replicas, and a second way for every
//! publication that is tried only when something fails; expiry as a time in the row, which trusts that clocks agree.

use crate::service::publisher::PublishError;
use crate::service::store::{Fence, LeaseRow, Store, StoreError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Between two looks at a lease that another replica has.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long who had it last lets others look; more than [`LOOK_EVERY`].
const COURTESY: Duration = Duration::from_millis(150);

/// How long a lease is waited for.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTimes {
    /// A holder of whom nothing was heard for so long has lost the lease; they say that they live three times as often. Default: 6 seconds.
    pub lost_after: Duration,
    /// Longest wait for the lease, after which a publication is refused. Default: 2 minutes.
    pub patience: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        LeaseTimes { lost_after: Duration::from_secs(6), patience: Duration::from_mins(2) }
    }
}

/// Takes the lease for one replica. Whoever calls it makes sure that the replica does so once at a time.
pub(crate) struct Lease {
    store: Store,
    replica: String,
    times: LeaseTimes,
    /// What this replica took it with last.
    last: Mutex<Option<Fence>>,
}

/// The lease while it is held; dropped, it is given back as soon as the tables answer.
pub(crate) struct Held {
    pub(crate) fence: Fence,
    /// Whether the metadata may not show yet what the tables hold.
    pub(crate) lags: bool,
    store: Option<Store>,
    beating: JoinHandle<()>,
}

impl Lease {
    pub(crate) fn new(store: Store, replica: String, times: LeaseTimes) -> Self {
        Lease { store, replica, times, last: Mutex::default() }
    }

    /// How long a holder may be silent.
    pub(crate) fn lost_after(&self) -> Duration {
        self.times.lost_after
    }

    /// Waits for the lease and takes it.
    pub(crate) async fn take(&self) -> Result<Held, PublishError> {
        let began = Instant::now();
        let mut seen = self.store.lease().await?;
        if self.store.is_shared() && Some(seen.fence()) == *self.last() {
            sleep(COURTESY).await;
            seen = self.store.lease().await?;
        }
        let mut since = Instant::now();
        loop {
            // A folder of SQLite is one service's alone, so whoever is named there is dead.
            let lost = !self.store.is_shared() || since.elapsed() >= self.times.lost_after;
            if lost && !seen.is_free_for(&self.replica) {
                tracing::warn!("the replica that signs is not heard of; its lease is taken");
            }
            if (lost || seen.is_free_for(&self.replica))
                && let Some(fence) = self.store.take_lease(&seen, &self.replica).await?
            {
                *self.last() = Some(fence);
                return Ok(self.held(fence, &seen));
            }
            if began.elapsed() >= self.times.patience {
                return Err(PublishError::Store(StoreError::Fenced));
            }
            sleep(LOOK_EVERY).await;
            let now = self.store.lease().await?;
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Fence>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self, fence: Fence, seen: &LeaseRow) -> Held {
        let (store, every) = (self.store.clone(), self.times.lost_after / 3);
        let beating = tokio::spawn(async move {
            loop {
                sleep(every).await;
                match store.keep_lease(fence).await {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(error) => tracing::warn!(%error, "the tables cannot be told that the lease is held"),
                }
            }
        });
        Held { fence, lags: seen.lags(), store: Some(self.store.clone()), beating }
    }
}

impl Held {
    /// Gives it back. `shown`: the metadata shows all that the tables hold. A failure costs the others the time after which it is lost.
    pub(crate) async fn release(mut self, shown: bool) {
        if let Some(store) = self.store.take() {
            give_back(store, self.fence, shown).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.beating.abort();
        if let (Some(store), Ok(runtime)) = (self.store.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(give_back(store, self.fence, false));
        }
    }
}

async fn give_back(store: Store, fence: Fence, shown: bool) {
    if let Err(error) = store.release_lease(fence, shown).await {
        tracing::warn!(%error, "the lease on signing could not be given back");
    }
}
