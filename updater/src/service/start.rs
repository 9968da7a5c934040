//! Opening the data folder: what is made at the first start, what must be there at a later one, and a root that somebody put there.

use crate::disk::{Access, Disk};
use crate::keys::{SigningKey, random_hex};
use crate::root::RootRole;
use crate::service::beacon::Beacons;
use crate::service::console::Sessions;
use crate::service::director::Director;
use crate::service::lease::Lease;
use crate::service::limits::Limiter;
use crate::service::mark::Mark;
use crate::service::metrics::Metrics;
use crate::service::news::ASKED_MAX;
use crate::service::objects::Objects;
use crate::service::online_keys::OnlineKeys;
use crate::service::poll::Polls;
use crate::service::publisher::Publisher;
use crate::service::refusals::Refusals;
use crate::service::request::RequestIds;
use crate::service::signer::{Signer, Signing};
use crate::service::sources::Sources;
use crate::service::store::{Database, Fence, Store, StoreError};
use crate::service::watchers::Watchers;
use crate::service::{App, Config, PUBLICATIONS_MAX, ServeError, ready};
use crate::tuf;
use crate::wire::Sha256Hex;
use crate::words::printable;
use jiff::SignedDuration;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};
use tough::schema::{Root, Signed};

/// The root that enrolment tokens vouch for.
const FIRST_ROOT: &str = "1.root.json";
/// A root that somebody put into the data folder for the next start.
const DROPPED_ROOT: &str = "next-root.json";
/// Random bytes of an operator's token that is made here.
const OPERATOR_TOKEN_BYTES: usize = 24;
/// Shortest operator's token that is taken, in bytes of text.
const OPERATOR_TOKEN_LEN_MIN: usize = 16;
/// Random bytes in the name that a replica has while it runs.
const REPLICA_BYTES: usize = 8;

/// Where the tables are when the configuration does not say.
fn own_tables(config: &Config) -> PathBuf {
    config.data_dir.join("titer.sqlite3")
}

pub(crate) async fn open_tables(config: &Config) -> Result<Store, StoreError> {
    Store::open(&config.database.clone().unwrap_or_else(|| Database::Sqlite(own_tables(config)))).await
}

pub(crate) async fn open(
    disk: &Disk,
    config: &Config,
    timestamp_lifetime: SignedDuration,
    store: Store,
) -> Result<(App, String), ServeError> {
    let data = config.data_dir.as_path();
    for folder in ["keys", "root-keys", "objects"] {
        disk.create_dir(&data.join(folder))?;
    }
    let objects = match &config.bucket {
        None => Objects::open(&data.join("objects"), disk.clone())?,
        Some(bucket) => Objects::open_bucket(bucket, disk.clone()).await?,
    };
    let keys_folder = data.join("keys");
    let lease = Lease::new(store.clone(), random_hex(REPLICA_BYTES)?, config.lease);
    let mut roots = store.metadata_versions("root").await?;
    let has_files = objects.has_metadata(FIRST_ROOT).await?;
    if roots.is_empty() {
        if has_files {
            return Err(ServeError::TablesLost(own_tables(config)));
        }
        roots = first_roots(disk, data, &store, &lease).await?;
    } else if !has_files && store.newest_metadata("timestamp").await?.is_some() {
        return Err(ServeError::ObjectsLost);
    }
    for (version, root) in &roots {
        objects.put_metadata(&format!("{version}.root.json"), root.clone()).await?;
    }
    let newest = &roots.last().expect("there is one now").1;
    let signing = Signing { lags: true, keys: OnlineKeys::load(disk, &keys_folder)?, root: tuf::read(newest)?, fence: None };
    if !will_change_root(disk, data, &store).await? {
        check_keys(&signing, &keys_folder)?;
    }
    let mark = Mark::new(objects.clone(), disk.clone(), config.mark_file.clone());
    let director = Director::new(disk.clone(), keys_folder.clone());
    let (signing_store, signing_objects) = (store.clone(), objects.clone());
    let signer =
        Signer { disk: disk.clone(), store: signing_store, objects: signing_objects, mark, keys_folder, timestamp_lifetime };
    let publisher = Publisher::new(signer, signing, lease);
    let operator_token = operator_token(disk, &data.join("operator-token"))?;
    let secret = |purpose| match publisher.secret(purpose) {
        Some(secret) => Ok(secret.to_vec()),
        // Without the key nothing is signed either; what is made with this run's secret is good for this run.
        None => random_hex(32).map(String::into_bytes),
    };
    let (pass_secret, poll_secret) = (secret("pass")?, secret("poll")?);
    let app = App {
        first_root: Sha256Hex::of(&roots[0].1),
        watchers: Watchers::new(config.watchers_max, config.watch_window),
        operator_token: Sha256Hex::of(operator_token.as_bytes()),
        metrics: Metrics::default(),
        limits: Limiter::new(&config.limits, &pass_secret),
        connection_limits: config.limits.clone(),
        patience: config.patience,
        body_patience: config.body_patience,
        request_time: config.request_time,
        contact: config.contact.as_deref().map(printable).map(Arc::from),
        refusals: Refusals::default(),
        request_ids: RequestIds::new()?,
        ready: ready::Found::default(),
        publisher,
        publications: Semaphore::new(PUBLICATIONS_MAX),
        publication_patience: config.publication_patience,
        sweep_grace: config.sweep_grace,
        beacons: Beacons::default(),
        polls: Polls::new(&poll_secret),
        director,
        poll_every: config.poll_every,
        names: Notify::new(),
        sources: Sources::new(data.join("incoming")),
        source_time: config.source_time,
        source_network: config.source_network.clone(),
        asking: Arc::new(Semaphore::new(ASKED_MAX)),
        ask_time: config.ask_time,
        ask_every: config.ask_every,
        census_every: config.census_every,
        sessions: Sessions::new(config.console_over_tls),
        store,
        objects,
    };
    Ok((app, operator_token))
}

/// The first root; of replicas that start on empty tables at the same time one makes it.
async fn first_roots(disk: &Disk, data: &Path, store: &Store, lease: &Lease) -> Result<Vec<(u64, Vec<u8>)>, ServeError> {
    let held = lease.take().await?;
    let mut roots = store.metadata_versions("root").await?;
    if roots.is_empty() {
        roots.push((1, first_root(disk, data, store, held.fence).await?));
    }
    held.release(false).await;
    Ok(roots)
}

/// Makes keys and root version 1, at the first start. One that broke off before root was recorded goes on with its keys; one that finds a
/// root in its data takes that, when it is by somebody who has its key elsewhere.
async fn first_root(disk: &Disk, data: &Path, store: &Store, fence: Fence) -> Result<Vec<u8>, ServeError> {
    let mut keys = Vec::new();
    for role in RootRole::ONLINE {
        keys.push((role, SigningKey::load_or_create(disk, &data.join(format!("keys/{role}.pk8")))?.public()));
    }
    let root = if let Some(root) = dropped_root(disk, data)? {
        root
    } else {
        let root_key = SigningKey::load_or_create(disk, &data.join("root-keys/root.pk8"))?;
        keys.push((RootRole::Root, root_key.public()));
        tuf::write(&tuf::sign(tuf::first_root(&keys, jiff::Timestamp::now())?, [&root_key])?)?
    };
    let parsed: Signed<Root> = tuf::read(&root)?;
    tuf::verify_first_root(&parsed, jiff::Timestamp::now())?;
    store.add_metadata("root", 1, &root, fence).await?;
    Ok(root)
}

/// Whether a root waits to take the place of the newest, which can be why keys of the newest are not there.
async fn will_change_root(disk: &Disk, data: &Path, store: &Store) -> Result<bool, ServeError> {
    Ok(dropped_root(disk, data)?.is_some() || store.next_root().await?.is_some())
}

fn dropped_root(disk: &Disk, data: &Path) -> Result<Option<Vec<u8>>, ServeError> {
    match disk.read(&data.join(DROPPED_ROOT)) {
        Err(e) if e.is_not_found() => Ok(None),
        read => Ok(Some(read?)),
    }
}

/// Takes the root that somebody put into the data folder.
pub(crate) async fn take_dropped_root(disk: &Disk, data: &Path, publisher: &Publisher) -> Result<(), ServeError> {
    if let Some(root) = dropped_root(disk, data)? {
        publisher.accept_root(&root).await?;
        disk.remove(&data.join(DROPPED_ROOT))?;
    }
    Ok(())
}

/// Refuses keys that root does not list. None is ever made for a root that is there: readers believe only the keys that it lists, so a
/// service with others would sign what everybody refuses.
fn check_keys(signing: &Signing, folder: &Path) -> Result<(), ServeError> {
    let root = &signing.root.signed;
    let Some(role) = RootRole::ONLINE.into_iter().find(|role| !signing.keys.meet(root, *role)) else { return Ok(()) };
    let path = folder.join(format!("{role}.pk8"));
    Err(match signing.keys.of(role).next() {
        None => ServeError::RoleKeyMissing { role: role.name(), path },
        Some(key) => ServeError::RoleKeyUnlisted { role: role.name(), path, found: key.public(), root: root.version.get() },
    })
}

fn operator_token(disk: &Disk, path: &Path) -> Result<String, ServeError> {
    match disk.read(path) {
        Ok(token) => {
            let token = String::from_utf8_lossy(&token).trim().to_owned();
            if token.len() < OPERATOR_TOKEN_LEN_MIN {
                let (found, least) = (token.len(), OPERATOR_TOKEN_LEN_MIN);
                return Err(ServeError::OperatorTokenShort { path: path.to_owned(), found, least });
            }
            Ok(token)
        }
        Err(e) if e.is_not_found() => {
            let token = random_hex(OPERATOR_TOKEN_BYTES)?;
            disk.replace(path, token.as_bytes(), Access::Private)?;
            Ok(token)
        }
        Err(e) => Err(e.into()),
    }
}
