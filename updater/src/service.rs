//! The update service: makers publish, terminals are told what to run and fetch it.
//!
//! ```text
//! <data>/lock              one service at a time; replicas have folders of their own, with the same keys and token
//! <data>/operator-token    made at first start, 0600
//! <data>/keys/             targets, snapshot, timestamp, director: PKCS#8, 0600; several of a role while root changes
//! <data>/next-root.json    a root to be taken at the next start; removed then
//! <data>/root-keys/        the root key; needed only to make or change root, so it may be kept offline
//! <data>/titer.sqlite3     the tables
//! <data>/objects/          blobs, deltas, metadata
//! <data>/incoming/         what is being fetched from makers' sites
//! ```
//!
//! Actors: the HTTP server; one task that signs a new timestamp every [`Config::timestamp_every`]; one that every minute writes the contacts
//! of idle polls and forgets callers whose budget is full; one that looks whether the certificate was replaced; those that fetch from makers'
//! sources (`sources.rs`), take over names of records (`names.rs`) and watch over promises; one that judges rollouts; and, where replicas share the tables, one that
//! looks every second what the others did. They share `AppState`, whose parts are immutable or guard themselves: the tables by SQLite, signing by the publisher's
//! mutex, objects by never changing. A crash loses nothing that was answered for; `publisher.rs` tells what it may leave unfinished.

mod access;
mod audit;
mod beacon;
mod body;
mod conditional;
mod connections;
mod console;
mod content;
mod coverage;
mod deltas;
mod director;
mod enrolment;
mod gate;
mod lease;
mod limits;
mod makers;
mod mark;
mod metrics;
mod names;
mod news;
mod objects;
mod one_offs;
mod online_keys;
mod openapi;
mod operator;
mod operators;
mod policy;
mod poll;
mod problem;
mod publisher;
mod ready;
mod refusals;
mod releases;
mod request;
mod rollout;
mod router;
mod signer;
mod sources;
mod start;
mod store;
mod terminals;
mod tls;
mod watchers;

use crate::disk::{Disk, DiskError, Lock};
use crate::http::Network;
use crate::keys::{KeyError, PublicKey};
use crate::service::beacon::{Beacons, CONTACTS_EVERY};
use crate::service::director::Director;
use crate::service::limits::{FORGET_EVERY, Limiter};
use crate::service::metrics::Metrics;
use crate::service::objects::Objects;
use crate::service::poll::Polls;
use crate::service::problem::Problem;
use crate::service::publisher::{Followed, Publisher};
use crate::service::refusals::Refusals;
use crate::service::request::RequestIds;
use crate::service::sources::Sources;
use crate::service::start::{open, open_tables, take_dropped_root};
use crate::service::store::Store;
use crate::service::tls::Tls;
use crate::service::watchers::Watchers;
use crate::signed::{COUNTER_HEADER, COUNTER_MAX, Request as SignedRequest, SIGNATURE_HEADER};
use crate::tuf::TufError;
use crate::wire::Sha256Hex;
use axum::http::{HeaderMap, Method};
pub use connections::Patience;
pub use console::PAGES as CONSOLE_PAGES;
use jiff::SignedDuration;
pub use lease::LeaseTimes;
pub use limits::{Limits, Rate};
pub use objects::{Bucket, ObjectError};
pub use publisher::PublishError;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
pub use store::{Database, StoreError};
pub use tls::{TlsError, TlsFiles};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// Publications whose blobs are in memory at the same time; others wait, with no more than their roles.
const PUBLICATIONS_MAX: usize = 2;
/// Between two looks at what other replicas did.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);
/// How often the files of the certificate are looked at.
const CERTIFICATE_EVERY: Duration = Duration::from_secs(10);
/// Longest sleep between two looks at whether a new timestamp is due.
const RESIGN_LOOK_EVERY: Duration = Duration::from_mins(1);
/// How often terminals that reported are looked at, and how long others have the tables between two steps of that.
const REPORTS_EVERY: Duration = Duration::from_mins(1);
const REPORTS_PAUSE: Duration = Duration::from_millis(20);

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
    /// Age from which a stored object that no table names is swept away when an operator asks. Default: a day.
    pub sweep_grace: Duration,
    /// How often terminals are told to ask whether anything changed. 10 minutes.
    pub poll_every: Duration,
    /// How often running rollouts are judged. 5 seconds.
    pub rollouts_every: Duration,
    /// Since when terminals could reach this service or another that it takes over from at once: seconds since 1970. Silence of before counts
    /// against no rollout. None: since its start.
    pub heard_since: Option<i64>,
    /// Whether browsers come by TLS, here or at a proxy in front: cookies of the console are then sent over TLS alone. No.
    pub console_over_tls: bool,
    /// How often the fleet is counted for coverage over time. 15 minutes.
    pub census_every: Duration,
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
    /// Certificate and key. None: connections are not encrypted, and only loopback addresses are listened at.
    pub tls: Option<TlsFiles>,
    /// Listen at other addresses than loopback without TLS, because a proxy in front has it. False.
    pub insecure_listen: bool,
    /// Bounds on callers.
    pub limits: Limits,
    /// Time limits of connections.
    pub patience: Patience,
    /// How long a short body may take to come. 10 seconds.
    pub body_patience: Duration,
    /// How long a request may be worked on, if it is no publication. 20 seconds.
    pub request_time: Duration,
    /// Whom callers may ask when they are refused: an address or a phone number. None.
    pub contact: Option<String>,
    /// How long one attempt to fetch a maker's releases from a source may take. 10 minutes.
    pub source_time: Duration,
    /// How sources are reached. The defaults of [`Network`].
    pub source_network: Network,
    /// How long a maker may take to answer a question about a threat. 5 seconds.
    pub ask_time: Duration,
    /// How long makers are not asked about the same threat again. One hour.
    pub ask_every: Duration,
    /// How often it is looked whether every object that the tables name is stored. Default: an hour.
    pub objects_looked_at_every: Duration,
    /// How long requests that run may go on when the service is to stop. Default: 10 seconds.
    pub shutdown_grace: Duration,
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
            sweep_grace: releases::SWEEP_GRACE,
            poll_every: Duration::from_mins(10),
            rollouts_every: Duration::from_secs(5),
            heard_since: None,
            console_over_tls: false,
            census_every: Duration::from_mins(15),
            mark_file: None,
            bucket: None,
            lease: LeaseTimes::default(),
            watch_window: Duration::from_mins(1),
            watchers_max: 4096,
            disk: Disk::default(),
            tls: None,
            insecure_listen: false,
            limits: Limits::default(),
            patience: Patience::default(),
            body_patience: Duration::from_secs(10),
            request_time: Duration::from_secs(20),
            contact: None,
            source_time: Duration::from_mins(10),
            source_network: Network::default(),
            ask_time: Duration::from_secs(5),
            ask_every: Duration::from_hours(1),
            objects_looked_at_every: Duration::from_hours(1),
            shutdown_grace: Duration::from_secs(10),
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
    /// Without TLS whoever is on the way can read operators' tokens.
    #[error("will not listen at {0} without TLS, which would show operators' tokens to whoever is on the way")]
    InsecureListen(SocketAddr),
    /// The certificate or its key.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The server's task died.
    #[error("the server failed: {0}")]
    Failed(String),
}

impl ServeError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            ServeError::Busy(_) => "data_dir_busy",
            ServeError::Disk(_) | ServeError::Publish(PublishError::Disk(_)) => "disk_failed",
            ServeError::Key(_) | ServeError::Publish(PublishError::Key(_)) => "key_failed",
            ServeError::Store(StoreError::Unprotected(_)) => "database_unprotected",
            ServeError::Store(StoreError::Unreachable { .. }) => "database_unreachable",
            ServeError::Store(_) => "database_failed",
            ServeError::Object(ObjectError::Unprotected(_)) => "objects_unprotected",
            ServeError::Object(ObjectError::Unconditional(_)) => "objects_unconditional",
            ServeError::Object(_) => "objects_failed",
            ServeError::Root(e) => e.code(),
            ServeError::Publish(PublishError::Store(e)) if !matches!(e, StoreError::Fenced) => "database_failed",
            ServeError::Publish(e) => e.code(),
            ServeError::Listen { .. } => "listen_failed",
            ServeError::TablesLost(_) => "tables_lost",
            ServeError::ObjectsLost => "objects_lost",
            ServeError::RoleKeyMissing { .. } => "role_key_missing",
            ServeError::RoleKeyUnlisted { .. } => "role_key_unlisted",
            ServeError::OperatorTokenShort { .. } => "operator_token_short",
            ServeError::Lifetime => "lifetime_out_of_range",
            ServeError::InsecureListen(_) => "listen_insecure",
            ServeError::Tls(_) => "tls_failed",
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
    /// [`Config::sweep_grace`].
    sweep_grace: Duration,
    /// Who waits to be told of changes.
    watchers: Watchers,
    /// What decisions are made of, and contacts.
    beacons: Beacons,
    /// Rows of terminals that poll.
    polls: Polls,
    /// Signs what terminals are told.
    director: Director,
    /// [`Config::poll_every`].
    poll_every: Duration,
    /// Who is signed in to the console.
    sessions: console::Sessions,
    /// [`Config::census_every`].
    census_every: Duration,
    /// Digest of the token in the file `operator-token`.
    operator_token: Sha256Hex,
    /// What is measured.
    metrics: Metrics,
    /// Counts callers and gives turns.
    limits: Limiter,
    /// Bounds on connections.
    connection_limits: Limits,
    /// [`Config::patience`].
    patience: Patience,
    /// [`Config::body_patience`].
    body_patience: Duration,
    /// [`Config::request_time`].
    request_time: Duration,
    /// [`Config::contact`].
    contact: Option<Arc<str>>,
    /// Calls of terminals that were shut out.
    refusals: Refusals,
    /// Ids of requests that bring none.
    request_ids: RequestIds,
    /// What the last look at the service's parts found.
    ready: ready::Found,
    /// Digest of root version 1, which enrolment tokens carry.
    first_root: Sha256Hex,
    /// Wakes who takes over the names of new releases.
    names: Notify,
    /// What is known of sources beside the tables.
    sources: Sources,
    /// [`Config::source_time`].
    source_time: Duration,
    /// [`Config::source_network`].
    source_network: Network,
    /// Held by each threat that makers are being asked about.
    asking: Arc<Semaphore>,
    /// [`Config::ask_time`].
    ask_time: Duration,
    /// [`Config::ask_every`].
    ask_every: Duration,
}

/// A running service; dropping it lets the service run on until its shutdown comes.
pub struct Running {
    address: SocketAddr,
    operator_token: String,
    tls: Option<Arc<Tls>>,
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
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Url::parse(&format!("{scheme}://{}/", self.address)).expect("a socket address is a valid authority")
    }

    /// The operator's token, as in `<data>/operator-token`. Print it only to the operator.
    pub fn operator_token(&self) -> &str {
        &self.operator_token
    }

    /// What reads the certificate anew, to be called when it was replaced; the service looks by itself every ten seconds.
    pub fn certificate_reader(&self) -> impl Fn() + Send + Sync + 'static {
        let tls = self.tls.clone();
        move || {
            if let Some(tls) = &tls {
                tls.reload();
            }
        }
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
    let tls = config.tls.as_ref().map(Tls::open).transpose()?.map(Arc::new);
    if tls.is_none() && !config.insecure_listen && !config.listen.ip().to_canonical().is_loopback() {
        return Err(ServeError::InsecureListen(config.listen));
    }
    let disk = config.disk.clone();
    disk.create_dir(&config.data_dir)?;
    let lock = Lock::try_take(&config.data_dir.join("lock"))?;
    let lock = lock.ok_or_else(|| ServeError::Busy(config.data_dir.clone()))?;
    let store = open_tables(&config).await?;
    let started = start(&disk, &config, lifetime, store.clone()).await;
    if started.is_err() {
        // Its connections would end some time after the caller was told.
        store.close().await;
    }
    let (app, operator_token, listener, address) = started?;
    tracing::info!(%address, "the service listens at {address}");
    let held = tls.clone();
    let times = Times {
        timestamp_every: config.timestamp_every,
        rollouts_every: config.rollouts_every,
        heard_since: config.heard_since,
        objects_looked_at_every: config.objects_looked_at_every,
        shutdown_grace: config.shutdown_grace,
    };
    let task = tokio::spawn(async move {
        let _lock = lock;
        run(app, listener, held, times, shutdown).await
    });
    Ok(Running { address, operator_token, tls, task })
}

/// The part of a start that has the tables open.
async fn start(
    disk: &Disk,
    config: &Config,
    timestamp_lifetime: SignedDuration,
    store: Store,
) -> Result<(AppState, String, TcpListener, SocketAddr), ServeError> {
    let (app, operator_token) = open(disk, config, timestamp_lifetime, store).await?;
    let app = Arc::new(app);
    take_dropped_root(disk, &config.data_dir, &app.publisher).await?;
    app.publisher.refresh().await?;
    let listen = |source| ServeError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    Ok((app, operator_token, listener, address))
}

/// Of [`Config`], what tasks of the service go by.
struct Times {
    timestamp_every: Duration,
    rollouts_every: Duration,
    heard_since: Option<i64>,
    objects_looked_at_every: Duration,
    shutdown_grace: Duration,
}

async fn run(
    app: AppState,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    times: Times,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let (stop, stopped) = watch::channel(());
    let until = |mut stopped: watch::Receiver<()>| async move {
        // An error means that the sender is gone, which is a stop as well.
        let _ = stopped.changed().await;
    };
    let resign = tokio::spawn(resign(app.clone(), times.timestamp_every, until(stopped.clone())));
    let noting = tokio::spawn(note_contacts(app.clone()));
    let forgetting = tokio::spawn(forget_reports(app.clone()));
    let following = tokio::spawn(follow(app.clone()));
    let counting = tokio::spawn(coverage::census::keep(app.clone(), app.census_every));
    let watching = tls.clone().map(|tls| tokio::spawn(watch_certificate(tls)));
    let server = connections::serve(app.clone(), listener, router::router(app.clone()), tls, stopped);
    let mut server = tokio::spawn(server);
    let mut makers_in = JoinSet::new();
    makers_in.spawn(sources::run(app.clone()));
    makers_in.spawn(names::run(app.clone()));
    makers_in.spawn(news::watch_promises(app.clone()));
    makers_in.spawn(look_for_lost(app.clone(), times.objects_looked_at_every));
    let judging = tokio::spawn(judge_rollouts(app.clone(), times.rollouts_every, times.heard_since));
    let served = tokio::select! {
        served = &mut server => served,
        () = shutdown => {
            drop(stop);
            app.watchers.close();
            if let Ok(served) = tokio::time::timeout(times.shutdown_grace, &mut server).await {
                served
            } else {
                tracing::warn!("requests were still running after the grace period and are cut off");
                server.abort();
                // What it leaves behind is dropped before the tables are closed.
                let _ = server.await;
                Ok(())
            }
        }
    };
    resign.abort();
    noting.abort();
    forgetting.abort();
    following.abort();
    judging.abort();
    counting.abort();
    if let Some(watching) = watching {
        watching.abort();
    }
    makers_in.shutdown().await;
    app.beacons.flush(&app.store).await;
    app.store.close().await;
    tracing::info!("the service has stopped");
    served.map_err(|e| ServeError::Failed(e.to_string()))
}

/// Signs a new timestamp every now and then, by the clock that readers go by: after a sleep of the machine, which no timer counts, what was signed
/// before may have expired. A failure is logged and tried again at the next turn: readers have the old one.
async fn resign(app: AppState, every: Duration, stopped: impl Future<Output = ()>) {
    tokio::pin!(stopped);
    let look_every = every.min(RESIGN_LOOK_EVERY);
    let mut signed = SystemTime::now();
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(look_every) => {}
        }
        // An error means that the clock was put back.
        if signed.elapsed().is_ok_and(|since| since + look_every / 2 < every) {
            continue;
        }
        signed = SystemTime::now();
        if let Err(error) = app.publisher.renew().await {
            tracing::error!(%error, "no new timestamp could be signed; readers keep the last one");
        }
    }
}

/// Looks now and then, and at first at once, whether every object that tables name is stored. A failure is logged and tried again at the next turn.
async fn look_for_lost(app: AppState, every: Duration) {
    loop {
        if let Err(error) = app.publisher.look_for_lost(false).await {
            tracing::error!(%error, "it could not be seen whether every object is there");
        }
        tokio::time::sleep(every).await;
    }
}

/// Judges running rollouts now and then. A failure is logged and tried again at the next turn.
async fn judge_rollouts(app: AppState, every: Duration, heard_since: Option<i64>) {
    let mut hearing = rollout::Hearing::new(heard_since, every, rollout::now());
    loop {
        tokio::time::sleep(every).await;
        if let Err(error) = rollout::judge(&app, &mut hearing).await {
            hearing.was_deaf(rollout::now());
            tracing::error!(%error, "rollouts could not be judged; they stay as they are");
        }
    }
}

/// Writes the contacts of idle polls now and then, and forgets callers whose budget is full.
async fn note_contacts(app: AppState) {
    const { assert!(CONTACTS_EVERY.as_secs() == FORGET_EVERY.as_secs()) };
    loop {
        tokio::time::sleep(CONTACTS_EVERY).await;
        app.beacons.flush(&app.store).await;
        app.limits.forget();
    }
}

/// Forgets old reports of terminals that reported since the last turn. What came before the start is forgotten when its terminal reports again.
async fn forget_reports(app: AppState) {
    let mut seen = None;
    loop {
        match came_to_newest(&app.store, seen).await {
            Ok(newest) => seen = Some(newest),
            Err(error) => tracing::warn!(%error, "old reports could not be forgotten; it is tried again in a minute"),
        }
        tokio::time::sleep(REPORTS_EVERY).await;
    }
}

/// Forgets old reports from the report `seen` on, and returns the newest.
async fn came_to_newest(store: &Store, seen: Option<i64>) -> Result<i64, StoreError> {
    let Some(mut seen) = seen else { return store.newest_report().await };
    loop {
        let came_to = store.forget_reports(seen).await?;
        if came_to <= seen {
            return Ok(came_to);
        }
        seen = came_to;
        // There is no hurry, and others want the tables.
        tokio::time::sleep(REPORTS_PAUSE).await;
    }
}

/// Reads the certificate anew when its files change.
async fn watch_certificate(tls: Arc<Tls>) {
    loop {
        tokio::time::sleep(CERTIFICATE_EVERY).await;
        let tls = tls.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || tls.reload_if_changed()).await {
            tracing::error!(%error, "the certificate's files could not be looked at");
        }
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
    if !keys.iter().any(|key| request.is_signed_by(key, signature)) {
        return Err(Problem::unauthorized("signature_refused", "the signature is not by the registered key"));
    }
    if counter > COUNTER_MAX {
        // Before anybody notes it: one that no table takes would stand in the way of all that is written with it.
        return Err(Problem::bad_request("number_too_large", format!("counter {counter} is above {COUNTER_MAX}")));
    }
    Ok(counter)
}
