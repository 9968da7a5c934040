//! Whose certificates are believed, and by what time they are judged.
//!
//! TLS 1.3, as the service speaks nothing else; 1.2 where a site is not ours. The library's own client would do but for one thing: it
//! judges certificates by the machine's clock, and a terminal whose clock lost its battery, or was set back, would find every certificate
//! "not valid yet" and never again hear of anything, the time included.

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Certificates between a service's own and that of an authority, and these two: each may be younger than the known time.
const CHAIN_MAX: usize = 8;

/// Who vouches for services.
pub(super) enum Authorities {
    /// Those that the system believes.
    System,
    /// The owners of these certificates, and nobody else.
    These(Vec<CertificateDer<'static>>),
}

/// What is known of the time.
#[derive(Clone)]
pub(crate) struct Times {
    /// What the machine's clock says.
    pub(crate) clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// A time that is known to be past, as somebody who is believed signed it.
    pub(crate) known: Option<Timestamp>,
}

impl Default for Times {
    fn default() -> Self {
        Times { clock: Arc::new(Timestamp::now), known: None }
    }
}

impl fmt::Debug for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Times").field("known", &self.known).finish_non_exhaustive()
    }
}

impl TimeProvider for Times {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix((self.clock)()))
    }
}

/// Before 1970 there were no certificates either.
fn unix(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0)))
}

/// The configuration of a client.
pub(super) fn config(authorities: Authorities, times: Times, tls12: bool) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match authorities {
        Authorities::System => Arc::new(rustls_platform_verifier::Verifier::new(provider.clone())?),
        Authorities::These(certificates) => by(certificates, provider.clone())?,
    };
    let verifier = match times.known {
        Some(known) => Arc::new(NotBefore { verifier, known: unix(known) }),
        None => verifier,
    };
    let versions = if tls12 { rustls::ALL_VERSIONS } else { &[&rustls::version::TLS13] };
    let config = ClientConfig::builder_with_details(provider, Arc::new(times)).with_protocol_versions(versions)?;
    let mut config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn by(
    certificates: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Error> {
    let mut roots = RootCertStore::empty();
    certificates.into_iter().try_for_each(|certificate| roots.add(certificate))?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map_err(|e| Error::General(e.to_string()))
}

/// Judges certificates on a machine whose clock may be behind a time that is known to be past.
///
/// While the clock shows more than that, it is believed. While it shows less, it is wrong, and nothing is known but that it is the known time
/// or later: what expired before that has expired, and what begins later than that may have begun, so it is judged by its own beginning.
/// The price is that a certificate which expired since the known time is still taken; who has its key can keep news back, as
/// anybody between can, and can forge nothing.
#[derive(Debug)]
struct NotBefore {
    verifier: Arc<dyn ServerCertVerifier>,
    known: UnixTime,
}

impl ServerCertVerifier for NotBefore {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = |at| self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at);
        if now >= self.known {
            return judge(now);
        }
        let mut at = self.known;
        for _ in 0..CHAIN_MAX {
            match judge(at) {
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }))
                    if not_before > at =>
                {
                    at = not_before;
                }
                verdict => return verdict,
            }
        }
        judge(at)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}
