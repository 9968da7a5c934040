//! What makers call to publish. Their releases are proven by the signed role; how makers tell of threats is in `news.rs`.

use crate::service::body::{BodyError, BodyReader};
use crate::service::objects::ObjectError;
use crate::service::problem::Problem;
use crate::service::publisher::{Files, PublishError, Wanted};
use crate::service::store::{Maker, StoreError};
use crate::service::{App, AppState};
use crate::statement::KeyStatement;
use crate::tuf::METADATA_LEN_MAX;
use crate::wire::{MakerName, MakerView, Sha256Hex};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use tokio::time::timeout;

/// What the service holds of a maker. Code: `maker_unknown`.
#[utoipa::path(
    get,
    path = "/v1/makers/{maker}",
    params(("maker" = MakerName, Path, description = "The maker.")),
    responses((status = 200, body = MakerView))
)]
pub(crate) async fn show(State(app): State<AppState>, Path(maker): Path<MakerName>) -> Result<Json<MakerView>, Problem> {
    let held = find(&app, &maker).await?;
    let (releases, modules) = (app.store.releases(&maker).await?, app.store.module_digests(&maker).await?);
    let role_sha256 = (held.role_version > 0).then(|| Sha256Hex::of(&held.role_body));
    let lost = match role_sha256 {
        Some(_) => app.publisher.lost_files(&maker, &held.role_body).await.map_err(refused)?.digests(),
        None => Vec::new(),
    };
    Ok(Json(MakerView { maker, keys: held.keys, role_version: held.role_version, role_sha256, releases, modules, lost }))
}

/// Body: length of the role (4 bytes, little-endian), the role, then the blobs and the modules that the service lacks; with the role that it holds,
/// those that it says it lost.
///
/// Anybody may send one, so nothing is kept of it beyond what is proven so far: the role, which is short; then, when the role is
/// its maker's and newer than the held one, the files that it lists, to the byte.
#[utoipa::path(
    post,
    path = "/v1/makers/{maker}/releases",
    params(("maker" = MakerName, Path, description = "The maker.")),
    request_body(content_type = "application/octet-stream"),
    responses((status = 200, body = MakerView))
)]
pub(crate) async fn publish(
    State(app): State<AppState>,
    Path(maker): Path<MakerName>,
    body: Body,
) -> Result<Json<MakerView>, Problem> {
    let mut body = BodyReader::new(body, app.publication_patience);
    let taken = take_in(&app, &maker, None, &mut body).await;
    body.discard().await;
    taken?;
    show(State(app), Path(maker)).await
}

/// Body: length of the statement (4 bytes, little-endian), the statement, then a publication whose role is signed by the new keys.
///
/// Keys and role change in one transaction, as the old role would not be believed under the new keys, nor the new one under the old.
#[utoipa::path(
    post,
    path = "/v1/makers/{maker}/keys",
    params(("maker" = MakerName, Path, description = "The maker.")),
    request_body(content_type = "application/octet-stream"),
    responses((status = 200, body = MakerView))
)]
pub(crate) async fn rotate(
    State(app): State<AppState>,
    Path(maker): Path<MakerName>,
    body: Body,
) -> Result<Json<MakerView>, Problem> {
    let mut body = BodyReader::new(body, app.publication_patience);
    let taken = take_in_keys(&app, &maker, &mut body).await;
    body.discard().await;
    taken?;
    tracing::info!(%maker, "maker {maker} has new keys");
    show(State(app), Path(maker)).await
}

async fn take_in_keys(app: &AppState, maker: &MakerName, body: &mut BodyReader) -> Result<(), Problem> {
    find(app, maker).await?;
    let statement = timeout(app.publication_patience, read_part(body)).await.map_err(|_| slow())??;
    let statement = serde_json::from_slice::<KeyStatement>(&statement);
    let statement = statement.map_err(|e| Problem::bad_request("body_malformed", e))?;
    take_in(app, maker, Some(&statement), body).await
}

async fn take_in(
    app: &AppState,
    maker: &MakerName,
    statement: Option<&KeyStatement>,
    body: &mut BodyReader,
) -> Result<(), Problem> {
    find(app, maker).await?;
    let role = timeout(app.publication_patience, read_part(body)).await.map_err(|_| slow())??;
    let plan = app.publisher.plan(maker, statement, &role).await.map_err(refused)?;
    let Some(Wanted { releases, modules }) = plan.wanted() else {
        return app.publisher.complete().await.map_err(refused);
    };
    let take_in = TakeIn { maker, statement, role: &role };
    take_in_files(app, take_in, async || {
        let mut files = Files::default();
        for release in releases {
            let short = |reason| PublishError::Blob { path: release.path(), reason };
            let bytes = take_file(body, release.length, short).await?;
            files.blobs.push((release, bytes));
        }
        for signed in modules {
            let short = |reason| PublishError::Module { path: signed.path(), reason };
            let bytes = take_file(body, signed.module.length, short).await?;
            files.modules.push((signed, bytes));
        }
        match body.surplus().await.map_err(broken)? {
            0 => Ok(files),
            surplus => Err(refused(PublishError::TrailingBytes(surplus))),
        }
    })
    .await
}

/// So many bytes of the body; `short` names the file of which fewer came.
async fn take_file(body: &mut BodyReader, length: u64, short: impl Fn(String) -> PublishError) -> Result<Vec<u8>, Problem> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    body.take(length).await.map_err(|error| match error {
        BodyError::Short(left) => refused(short(format!("the role says {length} bytes, {left} are left in the body"))),
        other => broken(other),
    })
}

/// A role that was verified, on its way into the tables.
pub(crate) struct TakeIn<'a> {
    pub(crate) maker: &'a MakerName,
    pub(crate) statement: Option<&'a KeyStatement>,
    pub(crate) role: &'a [u8],
}

/// Publishes a role with the files that `files` brings into memory once it is their turn: the way of every release, from wherever it comes.
pub(crate) async fn take_in_files<E: From<PublishError>>(
    app: &App,
    TakeIn { maker, statement, role }: TakeIn<'_>,
    files: impl AsyncFnOnce() -> Result<Files, E>,
) -> Result<(), E> {
    // Never closed.
    let _turn = app.publications.acquire().await;
    app.publisher.accept(maker, statement, role, files().await?).await?;
    app.metrics.published();
    app.names.notify_one();
    Ok(())
}

impl From<PublishError> for Problem {
    fn from(e: PublishError) -> Self {
        refused(e)
    }
}

/// A role or a statement, after its length.
async fn read_part(body: &mut BodyReader) -> Result<Vec<u8>, Problem> {
    let length = body.take(4).await.map_err(broken)?;
    let length = u32::from_le_bytes(length.try_into().expect("four bytes were asked for"));
    if u64::from(length) > METADATA_LEN_MAX {
        let detail = format!("the role has {length} bytes, {METADATA_LEN_MAX} are allowed");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_long", detail));
    }
    body.take(length as usize).await.map_err(broken)
}

fn broken(error: BodyError) -> Problem {
    match error {
        BodyError::Short(_) => Problem::bad_request("body_malformed", "the role does not fit the body"),
        BodyError::Broken(error) => Problem::bad_request("body_malformed", error),
        BodyError::Slow => slow(),
    }
}

fn slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body stopped coming")
}

pub(crate) async fn find(app: &AppState, maker: &MakerName) -> Result<Maker, Problem> {
    let held = app.store.maker(maker).await?;
    held.ok_or_else(|| Problem::not_found("maker_unknown", format!("maker `{maker}` is not registered")))
}

pub(crate) fn refused(error: PublishError) -> Problem {
    let error = match error {
        PublishError::Store(error) if error.is_passing() => return error.into(),
        error => error,
    };
    let code = error.code();
    match &error {
        PublishError::UnknownMaker(_) => Problem::not_found(code, error),
        PublishError::RoleVersion { .. }
        | PublishError::RoleVersionFar { .. }
        | PublishError::ReleaseChanged { .. }
        | PublishError::ReleaseNotNewer { .. }
        | PublishError::RoleKeys { .. } => Problem::conflict(code, error),
        PublishError::Role(_) | PublishError::Blob { .. } | PublishError::Module { .. } | PublishError::TrailingBytes(_) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, error)
        }
        PublishError::TooLong { .. } => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, error),
        PublishError::Store(StoreError::TooLarge(_)) => Problem::bad_request("number_too_large", error),
        PublishError::Store(StoreError::Fenced) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, error),
        // The operator's fault and not the caller's, who may know it by name.
        PublishError::SignerBehind { .. }
        | PublishError::MarkUnreadable(_)
        | PublishError::Object(ObjectError::Changed(_)) => {
            tracing::error!(%error, "nothing can be published: {error}");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, "the service cannot sign; its log says why")
        }
        PublishError::Store(_)
        | PublishError::Object(_)
        | PublishError::Key(_)
        | PublishError::Disk(_)
        | PublishError::Worker(_) => Problem::internal(&error),
    }
}
