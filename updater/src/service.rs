//! The update service: makers publish, terminals are told what to run and fetch it.
//!
//! ```text
//! <data>/lock              one service at a time; replicas have folders of their own, with the same keys and token
//! <data>/operator-token    made at first start, 0600
//! <data>/keys/             targets, snapshot, timestamp: PKCS#8, 0600; several of a role while root changes
//! <data>/next-root.json    a root to be taken at the next start; removed then
//! <data>/root-keys/        the root key; needed only to make or change root, so it may be kept offline
//! <data>/titer.sqlite3     the tables
//! <data>/objects/          blobs, deltas, metadata
//! ```
//!
//! Actors: the HTTP server; one task that signs a new timestamp every [`Config::timestamp_every`]; one that writes the contacts of idle polls
//! every minute; one that judges rollouts; and, where replicas share the tables, one that looks every second what the others did. They share `AppState`, whose parts are immutable or guard themselves: the tables by SQLite, signing by the publisher's
//! mutex, objects by never changing. A crash loses nothing that was answered for; `publisher.rs` tells what it may leave unfinished.

mod beacon;
mod body;
mod conditional;
mod content;
mod deltas;
mod lease;
mod makers;
mod mark;
mod objects;
mod online_keys;
mod operator;
mod policy;
mod problem;
mod publisher;
mod rollout;
mod router;
mod signer;
mod start;
mod store;
mod terminals;
mod watchers;

use crate::disk::{Disk, DiskError, Lock};
use crate::keys::{KeyError, PublicKey};
use crate::service::beacon::{Beacons, CONTACTS_EVERY};
use crate::service::objects::Objects;
use crate::service::problem::Problem;
use crate::service::publisher::{Followed, Publisher};
use crate::service::start::{open, take_dropped_root};
use crate::service::store::Store;
use crate::service::watchers::Watchers;
use crate::signed::{COUNTER_HEADER, Request as SignedRequest, SIGNATURE_HEADER};
use crate::tuf::TufError;
use crate::wire::Sha256Hex;
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use axum::serve::ListenerExt;
use jiff::SignedDuration;
pub use lease::LeaseTimes;
pub use objects::{Bucket, ObjectError};
pub use publisher::PublishError;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
pub use store::{Database, StoreError};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use url::Url;

/// Publications whose blobs are in memory at the same time; others wait, with no more than their roles.
const PUBLICATIONS_MAX: usize = 2;
/// How long requests that run at shutdown may go on.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// Between two looks at what other replicas did.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of everything the service keeps; made when missing.
    pub data_dir: PathBuf,
    /// Where the tables are. Default: SQLite, `titer.sqlite3` in the data folder.
    pub database: Option<Database>,
    /// Address to listen at; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How long a timestamp is valid: the longest time for which a terminal can be kept from news unnoticed. 24 hours.
    pub timestamp_lifetime: Duration,
    /// How often a new timestamp is signed. One hour.
    pub timestamp_every: Duration,
    /// How long the role of a publication may take to come, and after it each further piece. 30 seconds.
    pub publication_patience: Duration,
    /// How often terminals are told to ask whether anything changed. 10 minutes.
    pub poll_every: Duration,
    /// How often running rollouts are judged. 5 seconds.
    pub rollouts_every: Duration,
    /// Where to keep a second mark of how far was signed: a file on another disk, that no backup of the data folder brings back. None.
    pub mark_file: Option<PathBuf>,
    /// Where blobs, deltas and metadata are. Default: `objects` in the data folder. Replicas need a bucket that they share.
    pub bucket: Option<Bucket>,
    /// How long replicas wait for each other's turn to sign.
    pub lease: LeaseTimes,
    /// Seconds over which terminals that are told of a change spread their questions. 60 seconds.
    pub watch_window: Duration,
    /// Most terminals that wait to be told of changes at the same time; at most half of the files that the process may open. 4,096.
    pub watchers_max: usize,
    /// Asked before every step on the disk that publishes something. Default: a plain disk.
    pub disk: Disk,
}

impl Config {
    /// The defaults for a data folder and an address.
    pub fn new(data_dir: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Config {
            data_dir: data_dir.into(),
            database: None,
            listen,
            timestamp_lifetime: Duration::from_hours(24),
            timestamp_every: Duration::from_hours(1),
            publication_patience: Duration::from_secs(30),
            poll_every: Duration::from_mins(10),
            rollouts_every: Duration::from_secs(5),
            mark_file: None,
            bucket: None,
            lease: LeaseTimes::default(),
            watch_window: Duration::from_mins(1),
            watchers_max: 4096,
            disk: Disk::default(),
        }
    }
}

/// The service cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another service works in the data folder.
    #[error("another service is running on `{}`", .0.display())]
    Busy(PathBuf),
    /// A file of the data folder.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The objects.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The root metadata.
    #[error(transparent)]
    Root(#[from] TufError),
    /// The metadata could not be signed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The folder of metadata holds a root that the tables do not: they were lost or replaced.
    #[error("`{}` holds no root metadata while the objects do; restore the tables from a copy", .0.display())]
    TablesLost(PathBuf),
    /// The tables tell of signed metadata and the objects hold none: they were lost, or are those of another service.
    #[error(
        "the tables tell of metadata that the objects do not hold; name the right bucket, or restore the objects from a copy"
    )]
    ObjectsLost,
    /// A key that root lists is not there.
    #[error("the {role} key `{}` is missing; restore it from a copy, or list a new one in a new root", path.display())]
    RoleKeyMissing {
        /// The role.
        role: &'static str,
        /// Where the key should be.
        path: PathBuf,
    },
    /// A key is not the one that root lists, so that nobody would believe what it signs.
    #[error("the {role} key `{}` is {found}, which root version {root} does not list", path.display())]
    RoleKeyUnlisted {
        /// The role.
        role: &'static str,
        /// Where the key is.
        path: PathBuf,
        /// Its public half.
        found: PublicKey,
        /// The newest root.
        root: u64,
    },
    /// The operator's token is so short that it could be guessed.
    #[error("the operator's token in `{}` has {found} bytes, at least {least} are needed; remove the file for a new one", path.display())]
    OperatorTokenShort {
        /// The file.
        path: PathBuf,
        /// Its length without white space, in bytes.
        found: usize,
        /// Bytes needed.
        least: usize,
    },
    /// A duration is out of range.
    #[error("the timestamp's lifetime is out of range")]
    Lifetime,
    /// The server's task died.
    #[error("the server failed: {0}")]
    Failed(String),
}

impl ServeError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            ServeError::Busy(_) => "data_dir_busy",
            ServeError::Disk(_) => "disk_failed",
            ServeError::Key(_) => "key_failed",
            ServeError::Store(StoreError::Unprotected(_)) => "database_unprotected",
            ServeError::Store(_) => "database_failed",
            ServeError::Object(ObjectError::Unprotected(_)) => "objects_unprotected",
            ServeError::Object(ObjectError::Unconditional(_)) => "objects_unconditional",
            ServeError::Object(_) => "objects_failed",
            ServeError::Root(e) => e.code(),
            ServeError::Publish(e) => e.code(),
            ServeError::Listen { .. } => "listen_failed",
            ServeError::TablesLost(_) => "tables_lost",
            ServeError::ObjectsLost => "objects_lost",
            ServeError::RoleKeyMissing { .. } => "role_key_missing",
            ServeError::RoleKeyUnlisted { .. } => "role_key_unlisted",
            ServeError::OperatorTokenShort { .. } => "operator_token_short",
            ServeError::Lifetime => "lifetime_out_of_range",
            ServeError::Failed(_) => "server_failed",
        }
    }
}

/// What every handler sees.
pub(crate) type AppState = Arc<App>;

/// Parts of the running service.
pub(crate) struct App {
    /// The tables.
    store: Store,
    /// The files.
    objects: Objects,
    /// Signs, and orders publications.
    publisher: Publisher,
    /// Held by each publication whose role was verified, while its blobs are read and published.
    publications: Semaphore,
    /// [`Config::publication_patience`].
    publication_patience: Duration,
    /// Who waits to be told of changes.
    watchers: Watchers,
    /// What idle polls share.
    beacons: Beacons,
    /// [`Config::poll_every`].
    poll_every: Duration,
    /// Compared with what the operator sends.
    operator_token: String,
    /// Digest of root version 1, which enrolment tokens carry.
    first_root: Sha256Hex,
}

/// A running service; dropping it lets the service run on until its shutdown comes.
pub struct Running {
    address: SocketAddr,
    operator_token: String,
    task: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    /// The address it listens at, with the port it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a base for requests.
    ///
    /// # Panics
    /// Never: a socket address is a valid authority.
    pub fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).expect("a socket address is a valid authority")
    }

    /// The operator's token, as in `<data>/operator-token`. Print it only to the operator.
    pub fn operator_token(&self) -> &str {
        &self.operator_token
    }

    /// Waits until the service has stopped.
    ///
    /// # Errors
    /// [`ServeError`] when it stopped by a fault.
    pub async fn finished(self) -> Result<(), ServeError> {
        self.task.await.map_err(|e| ServeError::Failed(e.to_string()))?
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Starts the service and returns once it listens; it stops, gracefully, when `shutdown` is done.
///
/// The first start makes keys, root metadata and the operator's token; a later one makes no keys, and refuses to start with any
/// that the newest root does not list. Every start completes what a crash left unfinished and
/// signs a new timestamp before the first request is taken.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(config: Config, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<Running, ServeError> {
    let lifetime = SignedDuration::try_from(config.timestamp_lifetime).map_err(|_| ServeError::Lifetime)?;
    let disk = config.disk.clone();
    disk.create_dir(&config.data_dir)?;
    let lock = Lock::try_take(&config.data_dir.join("lock"))?;
    let lock = lock.ok_or_else(|| ServeError::Busy(config.data_dir.clone()))?;
    let app = Arc::new(open(&disk, &config, lifetime).await?);
    take_dropped_root(&disk, &config.data_dir, &app.publisher).await?;
    app.publisher.refresh().await?;

    let listen = |source| ServeError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    tracing::info!(%address, "the service listens at {address}");
    let operator_token = app.operator_token.clone();
    let task = tokio::spawn(async move {
        let _lock = lock;
        run(app, listener, (config.timestamp_every, config.rollouts_every), shutdown).await
    });
    Ok(Running { address, operator_token, task })
}

async fn run(
    app: AppState,
    listener: TcpListener,
    (timestamp_every, rollouts_every): (Duration, Duration),
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let (stop, stopped) = watch::channel(());
    let until = |mut stopped: watch::Receiver<()>| async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = stopped.changed().await;
    };
    let resign = tokio::spawn(resign(app.clone(), timestamp_every, until(stopped.clone())));
    let noting = tokio::spawn(note_contacts(app.clone()));
    let following = tokio::spawn(follow(app.clone()));
    let judging = tokio::spawn(judge_rollouts(app.clone(), rollouts_every));
    // Answers are small: waiting to fill a packet would cost every request the peer's delayed acknowledgement, 40 ms.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
    });
    let server = axum::serve(listener, router::router(app.clone())).with_graceful_shutdown(until(stopped));
    let mut server = tokio::spawn(server.into_future());
    let served = tokio::select! {
        served = &mut server => served,
        () = shutdown => {
            drop(stop);
            app.watchers.close();
            if let Ok(served) = tokio::time::timeout(SHUTDOWN_GRACE, &mut server).await {
                served
            } else {
                tracing::warn!("requests were still running after the grace period and are cut off");
                server.abort();
                Ok(Ok(()))
            }
        }
    };
    resign.abort();
    noting.abort();
    following.abort();
    judging.abort();
    app.beacons.flush(&app.store).await;
    app.store.close().await;
    tracing::info!("the service has stopped");
    served.map_err(|e| ServeError::Failed(e.to_string()))?.map_err(|e| ServeError::Failed(e.to_string()))
}

/// Signs a new timestamp every now and then. A failure is logged and tried again at the next turn: readers have the old one.
async fn resign(app: AppState, every: Duration, stopped: impl Future<Output = ()>) {
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(every) => {}
        }
        if let Err(error) = app.publisher.renew().await {
            tracing::error!(%error, "no new timestamp could be signed; readers keep the last one");
        }
    }
}

/// Judges running rollouts now and then. A failure is logged and tried again at the next turn.
async fn judge_rollouts(app: AppState, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if let Err(error) = rollout::judge(&app).await {
            tracing::error!(%error, "rollouts could not be judged; they stay as they are");
        }
    }
}

/// Writes the contacts of idle polls now and then.
async fn note_contacts(app: AppState) {
    loop {
        tokio::time::sleep(CONTACTS_EVERY).await;
        app.beacons.flush(&app.store).await;
    }
}

/// Looks what other replicas did. Nobody else writes to a file of SQLite.
async fn follow(app: AppState) {
    let mut seen = Followed::default();
    while app.store.is_shared() {
        tokio::time::sleep(FOLLOW_EVERY).await;
        if let Err(error) = app.publisher.follow(&mut seen).await {
            tracing::warn!(%error, "what other replicas did cannot be seen at the moment");
        }
    }
}

/// The counter of a request that one of `keys` signed.
fn counter_of(headers: &HeaderMap, keys: &[PublicKey], method: &Method, path: &str, body: &[u8]) -> Result<u64, Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let counter = text(COUNTER_HEADER).and_then(|counter| counter.parse::<u64>().ok());
    let (Some(counter), Some(signature)) = (counter, text(SIGNATURE_HEADER)) else {
        return Err(Problem::unauthorized("signature_missing", "this call is signed and counted"));
    };
    let request = SignedRequest { method: method.as_str(), path, counter, body };
    if keys.iter().any(|key| request.is_signed_by(key, signature)) {
        return Ok(counter);
    }
    Err(Problem::unauthorized("signature_refused", "the signature is not by the registered key"))
}

/// One line for each request.
async fn trace(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    let (status, duration_ms) = (response.status().as_u16(), started.elapsed().as_millis() as u64);
    tracing::debug!(%method, path, status, duration_ms, "{method} {path} answered {status}");
    response
}
