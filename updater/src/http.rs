//! The one HTTP client of agent, maker and operator: one connection pool, time limits, length limits, errors with codes.
//!
//! `tough` brings a client of its own that opens a connection for every file; [`MetadataTransport`] gives it this one.

use crate::keys::SigningKey;
use crate::signed::{COUNTER_HEADER, Request, SIGNATURE_HEADER};
use crate::tuf::METADATA_LEN_MAX;
use futures_util::stream;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::future::ready;
use std::time::Duration;
use tough::{Bytes, Transport, TransportError, TransportErrorKind, TransportStream};
use url::{Host, Url};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence within an answer; a slow answer that keeps coming may take as long as it needs.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest JSON answer, in bytes.
const JSON_LEN_MAX: u64 = 16 << 20;

/// A request got no usable answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection, or it broke off.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The service answered with a refusal.
    #[error("{url} answers {status} ({code}): {detail}")]
    Refused {
        /// What was asked for.
        url: String,
        /// HTTP status.
        status: u16,
        /// The service's stable code.
        code: String,
        /// Its words.
        detail: String,
    },
    /// More bytes than were announced or are allowed.
    #[error("{url} sends more than {limit} bytes")]
    TooLong {
        /// What was asked for.
        url: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// The answer is not what it should be.
    #[error("{url} sends what cannot be read: {reason}")]
    Unreadable {
        /// What was asked for.
        url: String,
        /// What the reader says.
        reason: String,
    },
}

impl HttpError {
    /// Stable name of the fault; the service's own code when it refused.
    pub fn code(&self) -> &str {
        match self {
            HttpError::Unreachable { .. } => "service_unreachable",
            HttpError::Refused { code, .. } => code,
            HttpError::TooLong { .. } => "answer_too_long",
            HttpError::Unreadable { .. } => "answer_unreadable",
        }
    }

    fn is_missing(&self) -> bool {
        // Some stores answer 403 for what is not there.
        matches!(self, HttpError::Refused { status: 403 | 404 | 410, .. })
    }
}

/// How a request proves who sends it.
#[derive(Clone, Copy)]
pub(crate) enum Proof<'a> {
    None,
    /// The operator's token.
    Token(&'a str),
    /// A key and the next counter.
    Key(&'a SigningKey, u64),
}

/// A connection pool to one service; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
}

impl Client {
    pub(crate) fn new(base: &Url) -> Result<Self, HttpError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("titer/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        if is_loopback(base) {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // The system's certificates are not needed, and may not be installed.
            builder = builder.tls_certs_only([]);
        }
        let unreadable = |reason: String| HttpError::Unreadable { url: base.to_string(), reason };
        let http = builder.build().map_err(|e| unreadable(chain(&e)))?;
        let mut base = base.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Client { http, base })
    }

    /// Where `path`, which begins with a slash, is.
    pub(crate) fn url(&self, path: &str) -> Result<Url, HttpError> {
        let joined = self.base.join(path.trim_start_matches('/'));
        joined.map_err(|e| HttpError::Unreadable { url: format!("{}{path}", self.base), reason: e.to_string() })
    }

    /// Fetches a file of at most `limit` bytes, telling `progress` of each piece.
    pub(crate) async fn get(
        &self,
        path: &str,
        limit: u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Vec<u8>, HttpError> {
        let url = self.url(path)?;
        self.fetch(self.http.get(url.clone()), &url, limit, progress).await
    }

    /// Sends a request with a JSON answer.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        proof: Proof<'_>,
        body: Vec<u8>,
    ) -> Result<T, HttpError> {
        let url = self.url(path)?;
        let mut request = self.http.request(method.clone(), url.clone());
        match proof {
            Proof::None => {}
            Proof::Token(token) => request = request.bearer_auth(token),
            Proof::Key(key, counter) => {
                let signature = Request { method: method.as_str(), path, counter, body: &body }.sign(key);
                request = request.header(COUNTER_HEADER, counter).header(SIGNATURE_HEADER, signature);
            }
        }
        let answer = self.fetch(request.body(body), &url, JSON_LEN_MAX, &mut |_| {}).await?;
        serde_json::from_slice(&answer).map_err(|e| HttpError::Unreadable { url: url.into(), reason: e.to_string() })
    }

    async fn fetch(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        limit: u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Vec<u8>, HttpError> {
        let unreachable = |e: reqwest::Error| HttpError::Unreachable { url: url.to_string(), reason: chain(&e) };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let limit = if status.is_success() { limit } else { METADATA_LEN_MAX };
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() as u64 + chunk.len() as u64 > limit {
                return Err(HttpError::TooLong { url: url.to_string(), limit });
            }
            bytes.extend_from_slice(&chunk);
            progress(chunk.len() as u64);
        }
        if status.is_success() { Ok(bytes) } else { Err(refusal(url, status, &bytes)) }
    }
}

fn refusal(url: &Url, status: StatusCode, body: &[u8]) -> HttpError {
    /// The part of a problem document (RFC 9457) that a caller acts on.
    #[derive(Deserialize)]
    struct Problem {
        code: String,
        #[serde(default)]
        detail: String,
    }
    let problem = serde_json::from_slice::<Problem>(body);
    let problem = problem.unwrap_or_else(|_| Problem { code: format!("http_{}", status.as_u16()), detail: String::new() });
    HttpError::Refused { url: url.to_string(), status: status.as_u16(), code: problem.code, detail: problem.detail }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Gives `tough` the shared client, and the four top roles only.
///
/// `tough` would fetch every maker's role and stop at the first bad one, so that one maker could hide all others. Asked for a
/// maker's role, this transport says that there is none; `tough` then stops, after it has verified and kept root, timestamp,
/// snapshot and targets, and the caller verifies the makers it needs, each by itself.
#[derive(Clone, Debug)]
pub(crate) struct MetadataTransport(pub(crate) Client);

#[tough::async_trait]
impl Transport for MetadataTransport {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let file = url.path_segments().and_then(Iterator::last).unwrap_or_default();
        let is_maker_role = file.split_once('.').is_some_and(|(_, role)| role.starts_with("m-"));
        if is_maker_role {
            return Err(TransportError::new(TransportErrorKind::FileNotFound, &url));
        }
        let client = &self.0;
        let fetched = client.fetch(client.http.get(url.clone()), &url, METADATA_LEN_MAX, &mut |_| {}).await;
        match fetched {
            Ok(bytes) => Ok(once(Ok(Bytes::from(bytes)))),
            Err(e) if e.is_missing() => Err(TransportError::new_with_cause(TransportErrorKind::FileNotFound, &url, e)),
            // `tough` takes any error returned here for "there is no newer root"; one inside the stream ends the update.
            Err(e) => Ok(once(Err(TransportError::new_with_cause(TransportErrorKind::Other, &url, e)))),
        }
    }
}

fn once(item: Result<Bytes, TransportError>) -> TransportStream {
    Box::pin(stream::once(ready(item)))
}
