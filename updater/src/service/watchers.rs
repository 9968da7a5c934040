//! The push hint: whoever listens is told that something may have changed, and asks in the usual way.
//!
//! ```text
//! data: {"change":17,"window_seconds":60}
//! ```
//!
//! as server-sent events: one at once, one after each change of what assignments are made of, and a comment every now and then so that
//! both sides notice a dead connection. Nobody signs it and nobody needs to: it says no more than that asking may be worth while, and who
//! believes it asks once more than needed. Every listener spreads over the window by chance, so that a release to a million terminals is
//! no flood.
//!
//! Bounds: so many listeners, the next ones are told to come back later and go on asking from time to time; one number is kept for all,
//! and who reads slowly is told the newest and not each; a connection ends after a while, so that replicas share listeners evenly and
//! one that nobody reads does not stay.

use crate::service::AppState;
use crate::service::problem::Problem;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// Between two signs of life. Routers forget connections that are silent for a minute or two.
const BEAT_EVERY: Duration = Duration::from_secs(25);
/// Least time between two events; changes in between are told of together.
const EVENTS_APART: Duration = Duration::from_secs(1);
/// How long one connection lasts.
const CONNECTION_LIFETIME: Duration = Duration::from_hours(1);
/// When to come back, in seconds, for whom there is no room.
const RETRY_AFTER: &str = "600";

/// Places for listeners.
pub(crate) struct Watchers {
    places: Arc<Semaphore>,
    window: Duration,
    ends: watch::Sender<bool>,
}

impl Watchers {
    /// At most `most` places, and no more than half of the files that the process may open: the others are for requests.
    pub(crate) fn new(most: usize, window: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most.min(files_max() / 2)));
        Watchers { places, window, ends: watch::Sender::new(false) }
    }

    /// Ends every connection.
    pub(crate) fn close(&self) {
        self.ends.send_replace(true);
    }
}

#[cfg(unix)]
fn files_max() -> usize {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.map_or(Semaphore::MAX_PERMITS, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn files_max() -> usize {
    Semaphore::MAX_PERMITS
}

/// What an event says.
#[derive(Serialize)]
struct Hint {
    /// Number of the newest change.
    change: u64,
    /// Time over which listeners spread their questions.
    window_seconds: u64,
}

/// A listener's side of the connection.
struct Listener {
    changes: watch::Receiver<u64>,
    ends: watch::Receiver<bool>,
    until: Instant,
    window: Duration,
    told: bool,
    _place: OwnedSemaphorePermit,
    counted: Gauge,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.counted.dec();
    }
}

impl Listener {
    /// What to send next; `None` at the end.
    async fn next(&mut self) -> Option<Event> {
        if self.told {
            tokio::select! {
                _ = self.ends.wait_for(|ends| *ends) => return None,
                () = sleep_until(self.until) => return None,
                changed = async { sleep(EVENTS_APART).await; self.changes.changed().await } => changed.ok()?,
                () = sleep(BEAT_EVERY) => return Some(Event::default().comment("")),
            }
        }
        self.told = true;
        let hint = Hint { change: *self.changes.borrow_and_update(), window_seconds: self.window.as_secs() };
        Some(Event::default().data(serde_json::to_string(&hint).expect("numbers are plain JSON")))
    }
}

/// A hint whenever something may have changed, as server-sent events, as long as the connection lasts.
#[utoipa::path(
    get,
    path = "/v1/watch",
    responses((status = 200, description = "Events of `{\"change\",\"window_seconds\"}`.", content_type = "text/event-stream"))
)]
pub(crate) async fn watch(State(app): State<AppState>) -> Response {
    let Ok(place) = app.watchers.places.clone().try_acquire_owned() else {
        let detail = "as many terminals as may listen do; ask from time to time";
        let mut full = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "watchers_full", detail).into_response();
        full.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        return full;
    };
    let listener = Listener {
        changes: app.store.watch(),
        ends: app.watchers.ends.subscribe(),
        until: Instant::now() + CONNECTION_LIFETIME,
        window: app.watchers.window,
        told: false,
        _place: place,
        counted: app.metrics.watchers.clone(),
    };
    listener.counted.inc();
    let events = unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let mut response = Sse::new(events).into_response();
    // Proxies that gather answers would keep the news back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
