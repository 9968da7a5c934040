//! Fetches makers' releases from their own sites, or from another service of this kind.
//!
//! At a source's address lie
//!
//! ```text
//! m-<maker>.json     the maker's signed role
//! <sha256>.titer     every blob that it lists
//! news.json          what the maker says of threats, signed; may be missing
//! ```
//!
//! which is what `titer maker export` writes and what a service answers below `/v1/makers/<maker>/site/`. A role that is new goes the way of one
//! that its maker uploads, so nothing is published that could not have been uploaded by anybody who found it there.
//!
//! Actors: one task that looks for sources that are due, and one for each that is being fetched from, with a time limit of its own; a
//! source that hangs or refuses delays no other. Blobs come into files of the source's own folder, `<data>/incoming/<source>/`, and take
//! their turn among publications only once they are there. A turn is taken in the tables ([`Store::take_source`](crate::service::store::Store::take_source)),
//! so of several replicas one fetches. A crash costs what was fetched of that one publication.

mod site;

use crate::http::Wait;
use crate::patience::wait_after;
use crate::random;
use crate::service::access::Caller;
use crate::service::makers::{self, TakeIn, take_in_files};
use crate::service::problem::Problem;
use crate::service::publisher::{Files, PublishError, Wanted};
use crate::service::store::{Attempt, Source, StoreError, Validators};
use crate::service::{App, AppState, content, news};
use crate::tuf::{METADATA_LEN_MAX, SignedModule, role_name};
use crate::wire::{Empty, MakerName, NewSource, NewsError, SourceId, SourceView};
use crate::words::printable;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path as At, State};
use axum::http::HeaderMap;
use axum::response::Response;
pub(crate) use site::{Fetched, Site, SiteError, check_url};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Sources that a service has at most.
pub(crate) const SOURCES_MAX: u64 = 256;
/// Seconds between two looks at a source.
const EVERY_SECONDS: RangeInclusive<u64> = 10..=86_400 * 7;
/// Which part of the time that a request may take it waits for what a source comes to; the rest is for the answer.
const NOW_WAITS: f64 = 0.75;
/// Longest sleep between two looks at the tables, in which another replica may have entered a source.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Least time between two rounds in which every source is fetched from.
const ROUNDS_APART: Duration = Duration::from_secs(1);
/// Largest part of the time between two looks at a source that is added by chance.
const JITTER: f64 = 0.1;

/// What is known of sources beside the tables.
#[derive(Default)]
pub(crate) struct Sources {
    /// Something changed in the tables.
    pub(crate) wake: Notify,
    /// Every source is to be fetched from, also those that are not due.
    all: AtomicBool,
    running: Mutex<HashSet<SourceId>>,
    /// Where blobs are kept until they are complete.
    pub(crate) incoming: PathBuf,
}

impl Sources {
    pub(crate) fn new(incoming: PathBuf) -> Self {
        Sources { incoming, ..Sources::default() }
    }

    /// Has every source fetched from now, or a second after the last time that somebody wanted that.
    pub(crate) fn fetch_all(&self) {
        self.all.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(crate) fn is_running(&self, id: &SourceId) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// `None` while it is being fetched from.
    fn begin(&self, id: &SourceId) -> Option<Turn<'_>> {
        let begun = self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        begun.then(|| Turn { sources: self, id: id.clone() })
    }
}

/// A source is being fetched from for as long as this lives.
struct Turn<'a> {
    sources: &'a Sources,
    id: SourceId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.sources.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("its news: {0}")]
    News(#[from] NewsError),
    #[error("there is no `{0}` there")]
    NoRole(String),
    #[error("it did not end within {0} seconds")]
    Time(u64),
}

impl From<StoreError> for SourceError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::News(e) => e.into(),
            e => SourceError::Publish(e.into()),
        }
    }
}

impl SourceError {
    pub(crate) fn code(&self) -> &str {
        match self {
            SourceError::Site(e) => e.code(),
            SourceError::Publish(e) => e.code(),
            SourceError::News(e) => e.code(),
            SourceError::NoRole(_) => "source_empty",
            SourceError::Time(_) => "source_timed_out",
        }
    }

    fn wait(&self) -> Wait {
        match self {
            SourceError::Site(SiteError::Http(e)) => e.wait().unwrap_or(Wait::Unnamed),
            _ => Wait::Unnamed,
        }
    }
}

/// Fetches from sources that are due, for as long as the service runs.
pub(crate) async fn run(app: AppState) {
    // What an earlier run left.
    let _ = tokio::fs::remove_dir_all(&app.sources.incoming).await;
    let mut fetching = JoinSet::new();
    let mut last_round = None::<Instant>;
    loop {
        let is_round =
            last_round.is_none_or(|last| last.elapsed() >= ROUNDS_APART) && app.sources.all.swap(false, Ordering::AcqRel);
        if is_round {
            last_round = Some(Instant::now());
        }
        match if is_round { all_sources(&app).await } else { app.store.due_sources().await } {
            Ok(due) => {
                for id in due.into_iter().filter(|id| !app.sources.is_running(id)) {
                    let app = app.clone();
                    fetching.spawn(async move { fetch(&app, &id, is_round).await });
                }
            }
            Err(error) => tracing::error!(%error, "sources that are due could not be found"),
        }
        while fetching.try_join_next().is_some() {}
        let pause = if app.sources.all.load(Ordering::Acquire) { ROUNDS_APART } else { sleep(&app).await };
        let _ = timeout(pause, app.sources.wake.notified()).await;
    }
}

async fn sleep(app: &App) -> Duration {
    let now = jiff::Timestamp::now().as_second();
    match app.store.next_source_at().await {
        // One that is due and not taken is being fetched from.
        Ok(Some(at)) => Duration::from_secs(at.saturating_sub(now).clamp(1, 30).unsigned_abs()).min(LOOK_EVERY),
        _ => LOOK_EVERY,
    }
}

/// Every source but those that wait after a fault: whoever refuses is left alone, whatever terminals meet.
async fn all_sources(app: &App) -> Result<Vec<SourceId>, StoreError> {
    let now = jiff::Timestamp::now().as_second();
    let mut views = app.store.sources().await?;
    views.retain(|view| view.failures == 0 || view.next_at <= now);
    Ok(views.into_iter().map(|view| view.id).collect())
}

/// Fetches from a source, unless somebody does already, and notes what it came to.
pub(crate) async fn fetch(app: &AppState, id: &SourceId, at_once: bool) {
    let Some(_turn) = app.sources.begin(id) else { return };
    let limit = app.source_time;
    // A little longer than the attempt can take: the turn of one that died passes to others then.
    let taken = app.store.take_source(id, limit.as_secs() + 60, at_once).await;
    let source = match taken {
        Ok(Some(source)) => source,
        Ok(None) => return,
        Err(error) => return tracing::error!(%error, %id, "a source's turn could not be taken"),
    };
    let folder = app.sources.incoming.join(id.as_str());
    let outcome = timeout(limit, fetch_from(app, &source, &folder)).await;
    let outcome = outcome.unwrap_or(Err(SourceError::Time(limit.as_secs())));
    // Nothing of it is needed, and the next attempt begins anew.
    let _ = tokio::fs::remove_dir_all(&folder).await;
    let attempt = attempt(&source, outcome);
    if let Err(error) = app.store.note_attempt(id, &attempt).await {
        tracing::error!(%error, %id, "what a source came to could not be noted");
    }
    app.sources.wake.notify_one();
}

/// What a source had.
#[derive(Debug)]
struct Had {
    /// Whether any of it was new.
    changed: bool,
    role: Validators,
    news: Validators,
}

/// What is noted of an outcome, and when the source is tried again.
fn attempt(source: &Source, outcome: Result<Had, SourceError>) -> Attempt {
    let (maker, url) = (&source.said.maker, &source.said.url);
    let now = jiff::Timestamp::now().as_second();
    let after = |wait: Duration| now.saturating_add(wait.as_secs_f64().ceil() as i64);
    match outcome {
        Ok(Had { changed, role, news }) => {
            let every = Duration::from_secs(source.said.every_seconds);
            let code = if changed { "ok" } else { "unchanged" }.to_owned();
            let next_at = after(every + every.mul_f64(JITTER * random::fraction()));
            Attempt { code, words: None, success: true, role, news, next_at }
        }
        Err(error) => {
            let wait = wait_after(error.wait(), source.failures.saturating_add(1));
            let seconds = wait.as_secs();
            tracing::warn!(%maker, %url, code = error.code(), "{maker}'s source {url}: {error}; tried again in {seconds} s");
            let (code, words) = (error.code().to_owned(), Some(printable(&error.to_string())));
            // The files are asked for as a whole next time: they may not have been what the validators stand for.
            let (role, news) = <(Validators, Validators)>::default();
            Attempt { code, words, success: false, role, news, next_at: after(wait) }
        }
    }
}

async fn fetch_from(app: &AppState, source: &Source, folder: &Path) -> Result<Had, SourceError> {
    let site = Site::new(&source.said, &app.source_network)?;
    let file = format!("{}.json", role_name(&source.said.maker));
    // What was lost is looked for even where nothing changed.
    let is_whole = app.store.lost_of(&source.said.maker).await?.is_empty();
    let known = if is_whole { source.role.clone() } else { Validators::default() };
    let (released, role) = match site.fetch(&file, &known, METADATA_LEN_MAX).await? {
        Fetched::Unchanged => (false, source.role.clone()),
        Fetched::Missing => return Err(SourceError::NoRole(file)),
        Fetched::New(role, validators) => (take_role(app, source, &site, &role, folder).await?, validators),
    };
    let (told, news) = match site.fetch("news.json", &source.news, METADATA_LEN_MAX).await? {
        Fetched::Unchanged => (false, source.news.clone()),
        Fetched::Missing => (false, Validators::default()),
        Fetched::New(list, validators) => (news::take_list(app, &source.said.maker, &list).await?, validators),
    };
    Ok(Had { changed: released || told, role, news })
}

/// Publishes a role with its files as if it had been uploaded; false when it is held already.
async fn take_role(app: &App, source: &Source, site: &Site, role: &[u8], folder: &Path) -> Result<bool, SourceError> {
    let maker = &source.said.maker;
    let Some(Wanted { releases, modules }) = app.publisher.plan(maker, None, role).await?.wanted() else {
        return Ok(false);
    };
    tokio::fs::create_dir_all(folder).await.map_err(SiteError::Disk)?;
    for release in &releases {
        let file = format!("{}.titer", release.sha256);
        site.save(&file, release.length, &release.sha256, &folder.join(&file)).await?;
    }
    for SignedModule { module, .. } in &modules {
        let file = format!("{}.module", module.sha256);
        site.save(&file, module.length, &module.sha256, &folder.join(&file)).await?;
    }
    let taken = take_in_files(app, TakeIn { maker, statement: None, role }, async || {
        let mut files = Files::default();
        for release in releases {
            let bytes = tokio::fs::read(folder.join(format!("{}.titer", release.sha256))).await;
            files.blobs.push((release, bytes.map_err(SiteError::Disk)?));
        }
        for signed in modules {
            let bytes = tokio::fs::read(folder.join(format!("{}.module", signed.module.sha256))).await;
            files.modules.push((signed, bytes.map_err(SiteError::Disk)?));
        }
        Ok::<_, SourceError>(files)
    });
    taken.await?;
    Ok(true)
}

/// Every source and how it fares.
#[utoipa::path(get, path = "/v1/sources", responses((status = 200, body = Vec<SourceView>)))]
pub(crate) async fn list(State(app): State<AppState>) -> Result<Json<Vec<SourceView>>, Problem> {
    Ok(Json(views(&app).await?))
}

async fn views(app: &App) -> Result<Vec<SourceView>, StoreError> {
    let mut views = app.store.sources().await?;
    for view in &mut views {
        view.running = app.sources.is_running(&view.id);
    }
    Ok(views)
}

/// Enters a source or changes one; it is fetched from at once.
#[utoipa::path(post, path = "/v1/sources", request_body = NewSource, responses((status = 200, body = SourceView)))]
pub(crate) async fn add(State(app): State<AppState>, caller: Caller, body: Bytes) -> Result<Json<SourceView>, Problem> {
    let source: NewSource = serde_json::from_slice(&body).map_err(|e| Problem::bad_request("body_malformed", e))?;
    for url in [Some(&source.url), source.ask.as_ref()].into_iter().flatten() {
        check_url(url, source.allow_plain).map_err(|e| match e {
            SiteError::Secret => Problem::bad_request("source_secret", e),
            _ => Problem::bad_request("source_scheme", e),
        })?;
    }
    if !EVERY_SECONDS.contains(&source.every_seconds) {
        let detail = format!("a source is looked at every {EVERY_SECONDS:?} seconds");
        return Err(Problem::bad_request("source_interval", detail));
    }
    makers::find(&app, &source.maker).await?;
    if !app.store.put_source(&caller.who, &source, SOURCES_MAX).await? {
        return Err(Problem::conflict("sources_too_many", format!("a service has at most {SOURCES_MAX} sources")));
    }
    tracing::info!(maker = %source.maker, url = %source.url, "{} is fetched from {}", source.maker, source.url);
    app.sources.wake.notify_one();
    let id = SourceId::of(&source.maker, &source.url);
    let view = views(&app).await?.into_iter().find(|view| view.id == id);
    view.map(Json).ok_or_else(|| unknown(&id))
}

/// Takes a source out.
#[utoipa::path(delete, path = "/v1/sources/{id}", params(("id" = String, Path)), responses((status = 200, body = Empty)))]
pub(crate) async fn remove(
    State(app): State<AppState>,
    At(id): At<SourceId>,
    caller: Caller,
) -> Result<Json<Empty>, Problem> {
    if !app.store.remove_source(&caller.who, &id).await? {
        return Err(unknown(&id));
    }
    tracing::info!(%id, "source {id} is removed");
    Ok(Json(Empty {}))
}

/// Fetches from a source now, whatever it asked for before, and answers how it fares then. One that takes longer than a request may goes on.
#[utoipa::path(post, path = "/v1/sources/{id}/now", params(("id" = String, Path)), responses((status = 200, body = SourceView)))]
pub(crate) async fn now(State(app): State<AppState>, At(id): At<SourceId>) -> Result<Json<SourceView>, Problem> {
    let fetching = (app.clone(), id.clone());
    let fetching = tokio::spawn(async move { fetch(&fetching.0, &fetching.1, true).await });
    let ended = async {
        // An error would be a panic of the task, which its runtime tells of.
        let _ = fetching.await;
        // Somebody else may have been at it already.
        while app.sources.is_running(&id) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = timeout(app.request_time.mul_f64(NOW_WAITS), ended).await;
    let view = views(&app).await?.into_iter().find(|view| view.id == id);
    view.map(Json).ok_or_else(|| unknown(&id))
}

fn unknown(id: &SourceId) -> Problem {
    Problem::not_found("source_unknown", format!("there is no source {id}"))
}

/// What a service has of a maker, as a source for other services: the role as `m-<maker>.json`, blobs as `<sha256>.titer`, modules as
/// `<sha256>.module`.
#[utoipa::path(get, path = "/v1/makers/{maker}/site/{file}", params(("maker" = String, Path), ("file" = String, Path)),
    responses((status = 200), (status = 304)))]
pub(crate) async fn site(
    State(app): State<AppState>,
    At((maker, file)): At<(MakerName, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("target_unknown", format!("there is no `{file}` of {maker}"));
    if file == format!("{}.json", role_name(&maker)) {
        let held = makers::find(&app, &maker).await?;
        if held.role_version == 0 {
            return Err(missing());
        }
        return Ok(content::json_file(held.role_body, &headers));
    }
    let digest = file.strip_suffix(".titer").or_else(|| file.strip_suffix(".module"));
    let digest = digest.and_then(|digest| digest.parse().ok()).ok_or_else(missing)?;
    content::blob(&app, &digest, &headers).await?.ok_or_else(missing)
}
