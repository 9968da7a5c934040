//! The one HTTP client of agent, maker and operator: one connection pool, least speed, length limits, errors with codes.
//!
//! `tough` brings a client of its own that opens a connection for every file; [`MetadataTransport`] gives it this one.
//!
//! Bounds on what an answer may be: its head, by the client library (100 headers, 400 KiB or so); its body, by the caller, who knows what is
//! signed or sensible; its time, by the least speed of [`Network`]. Redirections are refused: nobody vouched for where they lead.

mod answer;
mod error;
mod metadata;
mod network;
mod trust;

use crate::keys::SigningKey;
use crate::signed::{COUNTER_HEADER, Request, SIGNATURE_HEADER};
use crate::words::printable;
pub(crate) use answer::Answer;
pub use error::HttpError;
pub(crate) use error::{RETRY_AFTER_MAX, Wait, chain};
pub(crate) use metadata::MetadataTransport;
pub use network::Network;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
pub(crate) use trust::Times;
use url::Url;

/// Largest JSON answer, in bytes.
const JSON_LEN_MAX: u64 = 16 << 20;

/// What a terminal shows when it fetches, so that it is not counted among strangers at its address; the service gives one with its answers.
pub(crate) const PASS_HEADER: HeaderName = HeaderName::from_static("titer-pass");

/// Carries a request's id, both ways.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id of a request, in bytes.
const REQUEST_ID_LEN_MAX: usize = 64;

/// Whether these bytes are the id of a request: 1 to 64 of letters, digits, `.`, `_`, `-`.
pub(crate) fn is_request_id(bytes: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=REQUEST_ID_LEN_MAX).contains(&bytes.len()) && bytes.iter().all(plain)
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

impl Proof<'_> {
    fn on(self, request: RequestBuilder, method: &Method, path: &str, body: &[u8]) -> RequestBuilder {
        match self {
            Proof::None => request,
            Proof::Token(token) => request.bearer_auth(token),
            Proof::Key(key, counter) => {
                let signature = Request { method: method.as_str(), path, counter, body }.sign(key);
                request.header(COUNTER_HEADER, counter).header(SIGNATURE_HEADER, signature)
            }
        }
    }
}

/// A connection pool to one service; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    network: Arc<Network>,
    /// The pass that the service gave last.
    pass: Arc<Mutex<Option<HeaderValue>>>,
    told: Option<Told>,
}

/// Who is told of every request: its method and path, and the answer's status and the request's id, or the code of why there was none.
pub(crate) type Teller = dyn Fn(&Method, &str, Result<(u16, Option<&str>), &HttpError>) + Send + Sync;

#[derive(Clone)]
struct Told(Arc<Teller>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Client {
    /// A client that believes the machine's clock.
    pub(crate) fn with(base: &Url, network: &Network) -> Result<Self, HttpError> {
        Client::judging(base, network, Times::default())
    }

    /// A client that judges certificates by these times.
    pub(crate) fn judging(base: &Url, network: &Network, times: Times) -> Result<Self, HttpError> {
        let http = network.client(base, times)?;
        let mut base = base.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Client { http, base, network: Arc::new(network.clone()), pass: Arc::default(), told: None })
    }

    /// Tells `teller` of every request.
    pub(crate) fn telling(self, teller: Arc<Teller>) -> Self {
        Client { told: Some(Told(teller)), ..self }
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
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
        self.fetch(&url, limit, progress).await
    }

    async fn fetch(&self, url: &Url, limit: u64, progress: &mut (dyn FnMut(u64) + Send)) -> Result<Vec<u8>, HttpError> {
        self.send(&Method::GET, self.http.get(url.clone()), url, 0).await?.read(limit, progress).await
    }

    /// Asks for `path` with these headers and returns what is answered, whatever its status.
    pub(crate) async fn ask(
        &self,
        path: &str,
        proof: Proof<'_>,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Answer, HttpError> {
        let url = self.url(path)?;
        let request = self.http.get(url.clone()).headers(headers.into_iter().collect());
        self.send(&Method::GET, proof.on(request, &Method::GET, path, &[]), &url, 0).await
    }

    /// Asks for an address as it stands, without proof, and returns what is answered, whatever its status.
    pub(crate) async fn ask_at(&self, url: &Url, headers: Vec<(HeaderName, HeaderValue)>) -> Result<Answer, HttpError> {
        Answer::to(self.http.get(url.clone()).headers(headers.into_iter().collect()), url, 0, &self.network).await
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
        let request = proof.on(self.http.request(method.clone(), url.clone()), &method, path, &body);
        let length = body.len() as u64;
        let answer = self.send(&method, request.body(body), &url, length).await?;
        let answer = answer.read(JSON_LEN_MAX, &mut |_| {}).await?;
        serde_json::from_slice(&answer)
            .map_err(|e| HttpError::Unreadable { url: url.into(), reason: printable(&e.to_string()) })
    }

    /// Sends a request with the pass that came last, and keeps one that comes.
    async fn send(
        &self,
        method: &Method,
        mut request: RequestBuilder,
        url: &Url,
        body_len: u64,
    ) -> Result<Answer, HttpError> {
        if let Some(pass) = self.pass.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            request = request.header(PASS_HEADER, pass);
        }
        let answer = Answer::to(request, url, body_len, &self.network).await;
        if let Some(Told(teller)) = &self.told {
            let seen = answer.as_ref().map(|answer| (answer.status().as_u16(), answer.header(REQUEST_ID)));
            teller(method, url.path(), seen);
        }
        let answer = answer?;
        if let Some(pass) = answer.header(PASS_HEADER).and_then(|pass| HeaderValue::from_str(pass).ok()) {
            *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = Some(pass);
        }
        Ok(answer)
    }
}
