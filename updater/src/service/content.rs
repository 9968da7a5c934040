//! What anybody may fetch: metadata, blobs, deltas. Conditions and ranges are answered as `conditional.rs` has it.

use crate::Channel;
use crate::deltas::{Index, Node};
use crate::service::AppState;
use crate::service::conditional::{Portion, portion, tag_of};
use crate::service::problem::Problem;
use crate::tuf::module_of_file;
use crate::wire::Sha256Hex;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const REVALIDATE: &str = "no-cache";

pub(crate) async fn unknown() -> Problem {
    Problem::not_found("route_unknown", "there is nothing at this address")
}

/// A metadata file. All but `timestamp.json` never change. Code: `metadata_unknown`.
#[utoipa::path(
    get,
    path = "/metadata/{file}",
    params(("file" = String, Path, description = "Its name.")),
    responses(
        (status = 200, description = "The file.", content_type = "application/json"),
        (status = 304, description = "`If-None-Match` names it."),
    )
)]
pub(crate) async fn metadata(
    State(app): State<AppState>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let missing = || Problem::not_found("metadata_unknown", format!("there is no metadata file `{file}`"));
    if !file.chars().all(plain) || file.starts_with('.') || file.strip_suffix(".json").is_none() {
        return Err(missing());
    }
    let bytes = app.objects.metadata(&file).await?.ok_or_else(missing)?;
    let caching = if file == "timestamp.json" { REVALIDATE } else { IMMUTABLE };
    let kind = Kind { media_type: "application/json", caching, digest: Sha256Hex::of(&bytes), length: bytes.len() as u64 };
    match portion(&headers, &tag_of(&kind.digest), kind.length) {
        // A few hundred bytes: no reader asks for a part of them.
        Portion::NotModified => Ok(kind.answer(Portion::NotModified, Body::empty())),
        _ => Ok(kind.answer(Portion::Whole, bytes.into())),
    }
}

/// A blob by its consistent-snapshot name, `m/<maker>/<name>/<sha256>.<release>.titer`, or a module,
/// `m/<maker>/<name>/<sha256>.<release>.<module>.<kind>`.
///
/// The digest alone finds the object, so that no table is read and any cache may stand in front. Codes: `target_unknown`,
/// `range_not_satisfiable`.
#[utoipa::path(
    get,
    path = "/targets/m/{maker}/{name}/{file}",
    params(
        ("maker" = String, Path, description = "The maker."),
        ("name" = String, Path, description = "The channel's name."),
        ("file" = String, Path, description = "`<sha256>.<release>.titer`, or `<sha256>.<release>.<module>.<kind>`."),
    ),
    responses(
        (status = 200, description = "The file.", content_type = "application/octet-stream"),
        (status = 206, description = "The range that was asked for.", content_type = "application/octet-stream"),
        (status = 304, description = "`If-None-Match` names it."),
    )
)]
pub(crate) async fn target(
    State(app): State<AppState>,
    Path((maker, name, file)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("target_unknown", format!("there is no target `m/{maker}/{name}/{file}`"));
    let channel = format!("{maker}/{name}").parse::<Channel>();
    let (digest, plain) = file.split_once('.').ok_or_else(missing)?;
    let digest = digest.parse::<Sha256Hex>().map_err(|_| missing())?;
    let is_release = plain.strip_suffix(".titer").is_some_and(|release| release.parse::<u64>().is_ok());
    if channel.is_err() || !(is_release || module_of_file(plain).is_some()) {
        return Err(missing());
    }
    blob(&app, &digest, &headers).await?.ok_or_else(missing)
}

/// The signed index of deltas that lead to a blob; a blob that no release has, has an empty one. Code: `delta_unknown`.
#[utoipa::path(
    get,
    path = "/v1/deltas/{to}",
    params(("to" = Sha256Hex, Path, description = "Digest of the blob.")),
    responses((status = 200, description = "The index.", content_type = "application/json"))
)]
pub(crate) async fn deltas(State(app): State<AppState>, Path(to): Path<Sha256Hex>) -> Result<Response, Problem> {
    let (node, deltas) = match app.store.deltas_around(&to).await? {
        Some(found) => found,
        None => (Node { sha256: to, release: 0, length: 0 }, Vec::new()),
    };
    let missing = || Problem::not_found("delta_unknown", "no index can be signed at the moment");
    let body = app.publisher.sign_index(&Index::around(node, &deltas)).ok_or_else(missing)?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, REVALIDATE)], body).into_response())
}

/// A delta between two blobs. Codes: `delta_unknown`, `range_not_satisfiable`.
#[utoipa::path(
    get,
    path = "/v1/deltas/{from}/{to}",
    params(
        ("from" = Sha256Hex, Path, description = "Digest of the blob it starts from."),
        ("to" = Sha256Hex, Path, description = "Digest of the blob it leads to."),
    ),
    responses(
        (status = 200, description = "The file.", content_type = "application/octet-stream"),
        (status = 206, description = "The range that was asked for.", content_type = "application/octet-stream"),
        (status = 304, description = "`If-None-Match` names it."),
    )
)]
pub(crate) async fn delta(
    State(app): State<AppState>,
    Path((from, to)): Path<(Sha256Hex, Sha256Hex)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("delta_unknown", format!("there is no delta from {from} to {to}"));
    let digest = app.store.delta(&from, &to).await?.ok_or_else(missing)?;
    blob(&app, &digest, &headers).await?.ok_or_else(missing)
}

/// A JSON file that changes, with its entity tag.
pub(crate) fn json_file(bytes: Vec<u8>, headers: &HeaderMap) -> Response {
    let digest = Sha256Hex::of(&bytes);
    let kind = Kind { media_type: "application/json", caching: REVALIDATE, digest, length: bytes.len() as u64 };
    match portion(headers, &tag_of(&kind.digest), kind.length) {
        Portion::NotModified => kind.answer(Portion::NotModified, Body::empty()),
        _ => kind.answer(Portion::Whole, bytes.into()),
    }
}

/// What is asked of the blob or delta with this digest; `None` when there is none.
pub(crate) async fn blob(app: &AppState, digest: &Sha256Hex, headers: &HeaderMap) -> Result<Option<Response>, Problem> {
    let Some(length) = app.objects.blob_length(digest).await? else { return Ok(None) };
    let kind = Kind { media_type: "application/octet-stream", caching: IMMUTABLE, digest: *digest, length };
    let portion = portion(headers, &tag_of(digest), length);
    let wanted = match &portion {
        Portion::NotModified | Portion::Unsatisfiable => None,
        Portion::Whole => Some(0..length),
        Portion::Part(range) => Some(range.clone()),
    };
    let body = match wanted {
        // An empty range is one that a store refuses.
        Some(range) if !range.is_empty() => app.objects.stream_blob(digest, range).await?,
        _ => Some(Body::empty()),
    };
    Ok(body.map(|body| kind.answer(portion, body)))
}

/// What the headers of an answer say of a file.
struct Kind {
    media_type: &'static str,
    caching: &'static str,
    digest: Sha256Hex,
    length: u64,
}

impl Kind {
    /// `body` holds the portion's bytes.
    fn answer(&self, portion: Portion, body: Body) -> Response {
        let Kind { media_type, caching, digest, length } = self;
        let (status, sent, range) = match portion {
            Portion::NotModified => (StatusCode::NOT_MODIFIED, None, None),
            Portion::Whole => (StatusCode::OK, Some(*length), None),
            Portion::Part(range) => {
                let of = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                (StatusCode::PARTIAL_CONTENT, Some(range.end - range.start), Some(of))
            }
            Portion::Unsatisfiable => {
                let detail = format!("the file has {length} bytes");
                let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail);
                let mut response = problem.into_response();
                response.headers_mut().insert(header::CONTENT_RANGE, plain(&format!("bytes */{length}")));
                return response;
            }
        };
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::ETAG, plain(&tag_of(digest)));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
        if let Some(sent) = sent {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            headers.insert(header::CONTENT_LENGTH, sent.into());
        }
        if let Some(range) = range {
            headers.insert(header::CONTENT_RANGE, plain(&range));
        }
        response
    }
}

fn plain(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("numbers, hexadecimal digits and quotes are a header's value")
}
