//! A maker's web site: the files of a folder, and whatever else a site may do to who asks.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use updater::wire::Sha256Hex;
use url::Url;

/// How a site behaves.
#[derive(Clone, Debug)]
pub(crate) enum Mood {
    /// Serves its files, with entity tags.
    Serves,
    /// Answers this status to everything, with `Retry-After` if there is one.
    Refuses(u16, Option<&'static str>),
    /// Never answers.
    Hangs,
    /// Sends bodies without end.
    Endless,
    /// Leads to this address, always.
    LeadsTo(String),
    /// Leads once to the same file below `/moved`, where it is.
    Moved,
    /// Answers every request with these bytes.
    Says(Vec<u8>),
}

#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) url: Url,
    pub(crate) folder: PathBuf,
    mood: Arc<Mutex<Mood>>,
    seen: Arc<Mutex<Vec<(String, u16)>>>,
}

impl Site {
    /// One that serves what is in `folder`.
    pub(crate) async fn of(folder: &Path) -> Site {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sigs/", listener.local_addr().unwrap()).parse().unwrap();
        let site = Site { url, folder: folder.to_owned(), mood: Arc::new(Mutex::new(Mood::Serves)), seen: Arc::default() };
        let router = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        site
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Paths with their queries that were asked for, and the status of each answer; forgotten then.
    pub(crate) fn take_seen(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    pub(crate) fn times_seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn answer(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> Response {
    let mood = site.mood.lock().unwrap().clone();
    let response = match mood {
        Mood::Serves => site.file(uri.path().trim_start_matches("/sigs/"), &headers),
        Mood::Moved => {
            if let Some(name) = uri.path().strip_prefix("/moved/") {
                site.file(name, &headers)
            } else {
                let moved = uri.path().replace("/sigs/", "/moved/");
                (StatusCode::FOUND, [(header::LOCATION, moved)]).into_response()
            }
        }
        Mood::Refuses(status, after) => {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            if let Some(after) = after {
                response.headers_mut().insert(header::RETRY_AFTER, after.parse().unwrap());
            }
            response
        }
        Mood::Hangs => {
            site.seen.lock().unwrap().push((uri.to_string(), 0));
            tokio::time::sleep(Duration::from_hours(1)).await;
            unreachable!("nobody waits that long")
        }
        Mood::Endless => {
            let piece = Bytes::from(vec![b' '; 64 << 10]);
            let pieces = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            Body::from_stream(pieces).into_response()
        }
        Mood::LeadsTo(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Mood::Says(bytes) => bytes.into_response(),
    };
    site.seen.lock().unwrap().push((uri.to_string(), response.status().as_u16()));
    response
}

impl Site {
    fn file(&self, name: &str, headers: &HeaderMap) -> Response {
        let Ok(bytes) = std::fs::read(self.folder.join(name)) else { return StatusCode::NOT_FOUND.into_response() };
        let tag = format!("\"{}\"", Sha256Hex::of(&bytes));
        if headers.get(header::IF_NONE_MATCH).is_some_and(|sent| sent.as_bytes() == tag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
        }
        ([(header::ETAG, tag)], bytes).into_response()
    }
}
