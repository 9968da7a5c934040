//! A maker's site: files below one address. Whoever answers there is believed nothing; what is fetched is signed by the maker.
//!
//! What the service may be led to ask for is bounded: the scheme is `https`, or `http` on this machine, unless the operator allowed
//! `http`; an answer may lead elsewhere at most three times, and only within the same scheme, host and port, so that a site cannot
//! make the service ask others, such as those that answer only within its network. Names are resolved by the system, and nobody
//! forbids an operator to name an address of their own network.

use crate::http::{Answer, Client, HttpError, Network};
use crate::service::store::Validators;
use crate::tuf::METADATA_LEN_MAX;
use crate::wire::{NewSource, Sha256Hex};
use reqwest::StatusCode;
use reqwest::header::{ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use sha2::{Digest, Sha256};
use std::path::Path;
use tokio::io::AsyncWriteExt;
use url::{Host, Url};

/// Answers that lead elsewhere, one after another.
const REDIRECTS_MAX: usize = 3;
/// Bytes of a validator that is kept.
const VALIDATOR_LEN_MAX: usize = 256;

/// Why a source is not fetched from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("`{0}` is neither https, nor http on this machine; `--plain` allows http")]
    Scheme(Url),
    #[error("an address with a name or a password in it is not taken: it is shown to whoever may look, and logged")]
    Secret,
    #[error("{url} leads to `{location}`, which is not followed")]
    Redirect { url: Url, location: String },
    #[error("{url} has another content than {expected}")]
    Content { url: Url, expected: Sha256Hex },
    #[error("cannot keep what is fetched: {0}")]
    Disk(#[from] std::io::Error),
}

impl SiteError {
    pub(crate) fn code(&self) -> &str {
        match self {
            SiteError::Http(e) => e.code(),
            SiteError::Scheme(_) => "source_scheme",
            SiteError::Secret => "source_secret",
            SiteError::Redirect { .. } => "redirect_refused",
            SiteError::Content { .. } => "blob_refused",
            SiteError::Disk(_) => "disk_failed",
        }
    }
}

/// Refuses addresses that the service does not ask.
pub(crate) fn check_url(url: &Url, allow_plain: bool) -> Result<(), SiteError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SiteError::Secret);
    }
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" if url.has_host() => Ok(()),
        "http" if here || (allow_plain && url.has_host()) => Ok(()),
        _ => Err(SiteError::Scheme(url.clone())),
    }
}

/// Headers by which a file is asked for unless it is what `known` says.
fn conditions(known: &Validators) -> Vec<(HeaderName, HeaderValue)> {
    let header = |name, value: &Option<String>| Some((name, HeaderValue::from_str(value.as_deref()?).ok()?));
    [header(IF_NONE_MATCH, &known.etag), header(IF_MODIFIED_SINCE, &known.modified)].into_iter().flatten().collect()
}

fn validators(answer: &Answer) -> Validators {
    let kept = |name| answer.header(name).filter(|text| text.len() <= VALIDATOR_LEN_MAX).map(str::to_owned);
    Validators { etag: kept(ETAG), modified: kept(LAST_MODIFIED) }
}

/// A file that was asked for with validators.
pub(crate) enum Fetched {
    Unchanged,
    Missing,
    New(Vec<u8>, Validators),
}

/// A maker's site is not ours, and what it has is signed: TLS 1.2 is better than no signatures.
fn foreign(network: &Network) -> Network {
    Network { tls12: true, ..network.clone() }
}

/// A connection pool to one site.
pub(crate) struct Site {
    client: Client,
    /// Ends with a slash.
    base: Url,
}

impl Site {
    pub(crate) fn new(source: &NewSource, network: &Network) -> Result<Self, SiteError> {
        check_url(&source.url, source.allow_plain)?;
        let mut base = source.url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Site { client: Client::with(&base, &foreign(network))?, base })
    }

    /// One that is asked at an address as it stands.
    pub(crate) fn at(address: &Url, allow_plain: bool, network: &Network) -> Result<Self, SiteError> {
        check_url(address, allow_plain)?;
        Ok(Site { client: Client::with(address, &foreign(network))?, base: address.clone() })
    }

    /// A file of the folder, of at most `limit` bytes, unless it is still what `known` says.
    pub(crate) async fn fetch(&self, name: &str, known: &Validators, limit: u64) -> Result<Fetched, SiteError> {
        let conditions = conditions(known);
        let is_asked_whether = !conditions.is_empty();
        let answer = self.ask(self.file(name)?, conditions).await?;
        match answer.status() {
            StatusCode::NOT_MODIFIED if is_asked_whether => Ok(Fetched::Unchanged),
            // Unchanged since what? Taken for an answer, it would be one for ever, from a site of which nothing ever came.
            StatusCode::NOT_MODIFIED => {
                let reason = "status 304, unchanged, answers a request without a condition".to_owned();
                Err(HttpError::Unreadable { url: self.file(name)?.into(), reason }.into())
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Fetched::Missing),
            _ => {
                let validators = validators(&answer);
                Ok(Fetched::New(answer.read(limit, &mut |_| {}).await?, validators))
            }
        }
    }

    /// The answer at the site's own address with this query.
    pub(crate) async fn query(&self, query: &[(&str, &str)]) -> Result<Vec<u8>, SiteError> {
        let mut url = self.base.clone();
        url.query_pairs_mut().extend_pairs(query);
        Ok(self.ask(url, Vec::new()).await?.read(METADATA_LEN_MAX, &mut |_| {}).await?)
    }

    /// Writes a blob to a file as it comes, and refuses any other content than the digest says.
    pub(crate) async fn save(&self, name: &str, length: u64, sha256: &Sha256Hex, path: &Path) -> Result<(), SiteError> {
        let url = self.file(name)?;
        let mut answer = self.ask(url.clone(), Vec::new()).await?;
        if !answer.status().is_success() {
            return Err(answer.into_error().await.into());
        }
        let mut file = tokio::fs::File::create(path).await?;
        let (mut hasher, mut come) = (Sha256::new(), 0);
        while let Some(piece) = answer.piece().await? {
            come += piece.len() as u64;
            if come > length {
                return Err(HttpError::TooLong { url: url.into(), limit: length }.into());
            }
            hasher.update(&piece);
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        let found: [u8; 32] = hasher.finalize().into();
        if found == *sha256.bytes() { Ok(()) } else { Err(SiteError::Content { url, expected: *sha256 }) }
    }

    fn file(&self, name: &str) -> Result<Url, SiteError> {
        let joined = self.base.join(name);
        joined.map_err(|_| SiteError::Redirect { url: self.base.clone(), location: name.to_owned() })
    }

    async fn ask(&self, first: Url, headers: Vec<(HeaderName, HeaderValue)>) -> Result<Answer, SiteError> {
        let mut url = first;
        for _ in 0..=REDIRECTS_MAX {
            let answer = self.client.ask_at(&url, headers.clone()).await?;
            let leads = answer.status().is_redirection() && answer.status() != StatusCode::NOT_MODIFIED;
            if !leads {
                return Ok(answer);
            }
            let location = crate::words::printable(answer.header(LOCATION).unwrap_or_default());
            let next = url.join(&location).ok().filter(|next| next.origin() == url.origin());
            url = next.ok_or(SiteError::Redirect { url, location })?;
        }
        Err(SiteError::Redirect { location: url.to_string(), url: self.base.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_asked() {
        let check = |url: &str, plain| check_url(&url.parse().unwrap(), plain).map_err(|e| e.code().to_owned());
        for good in ["https://sigs.example/a/", "http://127.0.0.1:81/", "http://[::1]/", "http://localhost/x"] {
            assert_eq!(check(good, false), Ok(()), "{good}");
        }
        for bad in ["http://sigs.example/", "http://10.0.0.1/", "file:///etc/passwd", "ftp://sigs.example/", "data:,x"] {
            assert_eq!(check(bad, false), Err("source_scheme".to_owned()), "{bad}");
        }
        for secret in ["https://me:word@sigs.example/", "https://me@sigs.example/", "http://:word@127.0.0.1/"] {
            assert_eq!(check(secret, true), Err("source_secret".to_owned()), "{secret}");
            let error = check_url(&secret.parse().unwrap(), true).unwrap_err().to_string();
            assert!(!error.contains("word@") && !error.contains("me@"), "{error}");
        }
        assert_eq!(check("http://sigs.example/", true), Ok(()));
        assert!(check("gopher://sigs.example/", true).is_err());
    }
}
