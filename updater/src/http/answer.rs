//! An answer as it comes: status and headers first, then the body piece by piece, under the least speed.

use crate::http::Network;
use crate::http::error::HttpError;
use crate::tuf::METADATA_LEN_MAX;
use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{RequestBuilder, Response, StatusCode};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tough::Bytes;
use url::Url;

/// An answer whose head has come.
pub(crate) struct Answer {
    url: Url,
    response: Response,
    pace: Pace,
}

impl Answer {
    /// Sends a request with a body of `body_len` bytes and waits for the head of its answer.
    pub(super) async fn to(request: RequestBuilder, url: &Url, body_len: u64, network: &Network) -> Result<Self, HttpError> {
        let mut pace = Pace::new(network);
        // The body goes out first, and may take as long as one of its length may take to come in.
        pace.allow(Duration::from_secs(body_len / network.least_speed.max(1)));
        let response = pace.wait(url, request.send()).await?.map_err(|e| HttpError::of_network(url, &e))?;
        Ok(Answer { url: url.clone(), response, pace: Pace::new(network) })
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// A header that is text.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.response.headers().get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        let piece = self.pace.wait(&self.url, self.response.chunk()).await?;
        let piece = piece.map_err(|e| HttpError::of_network(&self.url, &e))?;
        self.pace.came(piece.as_ref().map_or(0, |piece| piece.len() as u64));
        Ok(piece)
    }

    /// The whole body, of at most `limit` bytes; an answer that is no success is an error.
    pub(crate) async fn read(mut self, limit: u64, progress: &mut (dyn FnMut(u64) + Send)) -> Result<Vec<u8>, HttpError> {
        let status = self.status();
        let limit = if status.is_success() { limit } else { METADATA_LEN_MAX };
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece().await? {
            if bytes.len() as u64 + piece.len() as u64 > limit {
                return Err(HttpError::TooLong { url: self.url.to_string(), limit });
            }
            bytes.extend_from_slice(&piece);
            progress(piece.len() as u64);
        }
        if status.is_success() { Ok(bytes) } else { Err(self.refusal(&bytes)) }
    }

    /// The error that an answer which is of no use stands for; reads what it says of itself.
    pub(crate) async fn into_error(self) -> HttpError {
        let (url, status, headers) = (self.url.clone(), self.status(), self.response.headers().clone());
        if status.is_success() {
            return HttpError::Unreadable {
                url: url.into(),
                reason: format!("status {status} is no answer to this request"),
            };
        }
        match self.read(METADATA_LEN_MAX, &mut |_| {}).await {
            Err(refused @ HttpError::Refused { .. }) => refused,
            // Its words are lost, its status is not.
            _ => HttpError::of_refusal(&url, status, &headers, &[]),
        }
    }

    fn refusal(&self, body: &[u8]) -> HttpError {
        let headers: &HeaderMap = self.response.headers();
        HttpError::of_refusal(&self.url, self.status(), headers, body)
    }
}

/// The rule of the least speed: in each window of time spent waiting, so many bytes must come.
///
/// Only waiting counts, so that a slow disk here is not held against the service. Windows follow each other; a download that is
/// quick at first cannot live on that for long.
struct Pace {
    least: u64,
    window: Duration,
    /// Of the present window.
    waited: Duration,
    bytes: u64,
}

impl Pace {
    fn new(network: &Network) -> Self {
        Pace { least: network.least_speed, window: network.speed_window, waited: Duration::ZERO, bytes: 0 }
    }

    /// Makes the present window longer.
    fn allow(&mut self, more: Duration) {
        self.window = self.window.saturating_add(more);
    }

    /// `future` must be one that can be dropped unfinished and asked for again, or the window must be its only one.
    async fn wait<T>(&mut self, url: &Url, future: impl Future<Output = T>) -> Result<T, HttpError> {
        tokio::pin!(future);
        loop {
            let began = Instant::now();
            let done = timeout(self.window.saturating_sub(self.waited), &mut future).await;
            self.waited += began.elapsed();
            if self.waited >= self.window {
                self.turn(url)?;
            }
            if let Ok(done) = done {
                return Ok(done);
            }
        }
    }

    fn came(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Ends a window.
    fn turn(&mut self, url: &Url) -> Result<(), HttpError> {
        let seconds = self.waited.as_secs_f64();
        if (self.bytes as f64) < self.least as f64 * seconds {
            return Err(HttpError::TooSlow { url: url.to_string(), bytes: self.bytes, seconds, least: self.least });
        }
        (self.waited, self.bytes) = (Duration::ZERO, 0);
        Ok(())
    }
}
