//! TLS: one certificate, which can be replaced while the service runs.
//!
//! TLS 1.3 alone: agents of every version speak it, and 1.2 would only widen what can go wrong. A certificate is read again when its file or
//! the key's changes, or when asked for; one that cannot be used is logged and the old one kept, so that a renewal that writes one file after
//! the other, or the wrong one, does not stop the service.

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it, in PEM, the service's own first.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// A certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be used: {reason}", path.display())]
pub struct TlsError {
    path: PathBuf,
    reason: String,
}

impl TlsError {
    fn new(path: &Path, reason: impl ToString) -> Self {
        TlsError { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// How a file was when it was last read.
type Seen = Option<(SystemTime, u64)>;

/// Accepts connections with the certificate of the day.
pub(crate) struct Tls {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    held: Arc<Held>,
    seen: Mutex<[Seen; 2]>,
    acceptor: TlsAcceptor,
}

#[derive(Debug)]
struct Held(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Held {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Tls {
    /// Reads both files.
    pub(crate) fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let seen = files.seen();
        let held = Arc::new(Held(RwLock::new(Arc::new(files.read(&provider)?))));
        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|e| TlsError::new(&files.certificate, e))?;
        let mut config = config.with_no_client_auth().with_cert_resolver(held.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Tls { files: files.clone(), provider, held, seen: Mutex::new(seen), acceptor })
    }

    /// Takes a handshake.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }

    /// Reads both files again if one of them changed.
    pub(crate) fn reload_if_changed(&self) {
        let seen = self.files.seen();
        if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != seen {
            self.reload();
        }
    }

    /// Reads both files again. What cannot be used is logged, and the old certificate stays.
    pub(crate) fn reload(&self) {
        let seen = self.files.seen();
        match self.files.read(&self.provider) {
            Ok(certified) => {
                *self.held.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(certified);
                tracing::info!("the certificate was read anew");
            }
            Err(error) => tracing::error!(%error, "the old certificate stays in use: {error}"),
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

impl TlsFiles {
    fn seen(&self) -> [Seen; 2] {
        let seen = |path: &Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        [seen(&self.certificate), seen(&self.key)]
    }

    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let of_chain = |e: rustls::pki_types::pem::Error| TlsError::new(&self.certificate, e);
        let chain = CertificateDer::pem_file_iter(&self.certificate).map_err(of_chain)?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(of_chain)?;
        if chain.is_empty() {
            return Err(TlsError::new(&self.certificate, "it holds no certificate in PEM"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| TlsError::new(&self.key, e))?;
        CertifiedKey::from_der(chain, key, provider).map_err(|e| TlsError::new(&self.key, e))
    }
}
