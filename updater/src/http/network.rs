//! How a service is reached: proxy, certificates, patience.

use crate::http::error::{HttpError, chain};
use crate::http::trust::{self, Authorities, Times};
use reqwest::{ClientBuilder, NoProxy};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::{Host, Url};

/// Longest file of certificates that is read, in bytes; the system's own have a quarter of that.
const CA_LEN_MAX: u64 = 1 << 20;

/// How services are reached, and with what patience.
#[derive(Clone, Debug)]
pub struct Network {
    /// Proxy for every request: `http://`, `https://`, `socks5://` or `socks5h://` (names are resolved by the proxy), with
    /// `user:password@` if it wants that. Without one the environment decides as it does for curl: `HTTPS_PROXY`,
    /// `HTTP_PROXY`, `ALL_PROXY`, in small letters too, and `NO_PROXY`; loopback addresses are then reached directly. Default: none.
    pub proxy: Option<Url>,
    /// File of certificates in PEM. A service must show one that they vouch for; the system's are then not asked. Default: none,
    /// the system's certificates.
    pub ca_file: Option<PathBuf>,
    /// Whether TLS 1.2 will do where the other side knows no better. The service itself speaks 1.3 alone. Default: false.
    pub tls12: bool,
    /// Longest wait for a connection. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// Bytes a second that an answer must have, on average over each [`Network::speed_window`]. There is no limit to a whole
    /// download: a slow line may take its time. Default: 1,024.
    pub least_speed: u64,
    /// Time over which the speed is measured, and so the longest silence. Default: 30 seconds.
    pub speed_window: Duration,
    /// How often one download is taken up again, in one update, where it broke off. Default: 3.
    pub resumes: u32,
    /// Pause before that, doubled each time. Default: one second.
    pub resume_pause: Duration,
    /// Bytes that downloads and new generations leave free on the disk. Default: 32 MiB.
    pub spare_bytes: u64,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            proxy: None,
            ca_file: None,
            tls12: false,
            connect_timeout: Duration::from_secs(10),
            least_speed: 1024,
            speed_window: Duration::from_secs(30),
            resumes: 3,
            resume_pause: Duration::from_secs(1),
            spare_bytes: 32 << 20,
        }
    }
}

impl Network {
    /// A client for requests to `base`, who judges certificates by `times`.
    pub(super) fn client(&self, base: &Url, times: Times) -> Result<reqwest::Client, HttpError> {
        check_address(base)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("titer/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout);
        builder = self.with_proxy(builder, base)?;
        builder = self.with_certificates(builder, base, times)?;
        builder.build().map_err(|e| HttpError::Setup { code: "client_failed", reason: format!("for {base}: {}", chain(&e)) })
    }

    fn with_proxy(&self, builder: ClientBuilder, base: &Url) -> Result<ClientBuilder, HttpError> {
        let Some(proxy) = &self.proxy else {
            return Ok(if is_loopback(base) { builder.no_proxy() } else { builder });
        };
        let refused = |reason: String| HttpError::Setup { code: "proxy_refused", reason };
        if !matches!(proxy.scheme(), "http" | "https" | "socks5" | "socks5h") || proxy.host().is_none() {
            return Err(refused(format!("the proxy `{}` is not http, https, socks5 or socks5h with a host", hidden(proxy))));
        }
        let made = reqwest::Proxy::all(proxy.clone());
        let made = made.map_err(|e| refused(format!("the proxy `{}`: {}", hidden(proxy), chain(&e))))?;
        // Whoever names a proxy means it, for every address.
        Ok(builder.proxy(made.no_proxy(None::<NoProxy>)))
    }

    fn with_certificates(&self, builder: ClientBuilder, base: &Url, times: Times) -> Result<ClientBuilder, HttpError> {
        let is_plain = |url: &Url| !matches!(url.scheme(), "https");
        let authorities = match &self.ca_file {
            Some(file) => Authorities::These(certificates(file)?),
            // The system's certificates are not needed, and may not be installed.
            None if is_plain(base) && self.proxy.as_ref().is_none_or(is_plain) => return Ok(builder.tls_certs_only([])),
            None => Authorities::System,
        };
        let ca_refused = |file: &Path, reason: String| HttpError::Setup {
            code: "ca_refused",
            reason: format!("`{}`: {reason}", file.display()),
        };
        let config = trust::config(authorities, times, self.tls12).map_err(|e| match &self.ca_file {
            Some(file) => ca_refused(file, chain(&e)),
            None => HttpError::Setup { code: "client_failed", reason: format!("for {base}: {}", chain(&e)) },
        })?;
        Ok(builder.tls_backend_preconfigured(config))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let refused =
        |reason: String| HttpError::Setup { code: "ca_refused", reason: format!("`{}`: {reason}", file.display()) };
    let mut pem = Vec::new();
    // A device has no length and no end.
    let read = File::open(file).and_then(|file| file.take(CA_LEN_MAX + 1).read_to_end(&mut pem));
    read.map_err(|e| refused(e.to_string()))?;
    if pem.len() as u64 > CA_LEN_MAX {
        return Err(refused(format!("it has more than the {CA_LEN_MAX} bytes that are read")));
    }
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|e| refused(e.to_string()))?;
    // A client with no certificates at all would refuse every service, and say so of the service.
    if found.is_empty() { Err(refused("it holds no certificate".to_owned())) } else { Ok(found) }
}

/// Refuses what is no address of a service, and one with a name or password in it: addresses are kept, printed, logged and written into bundles.
fn check_address(base: &Url) -> Result<(), HttpError> {
    let refused = |reason: String| Err(HttpError::Setup { code: "service_address_refused", reason });
    if !base.username().is_empty() || base.password().is_some() {
        let host = base.host_str().unwrap_or_default();
        return refused(format!(
            "the address of `{host}` has a name or password in it, which would be kept and passed on; give it without, \
             and let a proxy in front ask for another proof"
        ));
    }
    if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
        return refused(format!("`{base}` is no address of a service; write it like https://updates.example:7911/"));
    }
    Ok(())
}

/// An address without the password that may be in it.
fn hidden(url: &Url) -> String {
    let mut shown = url.clone();
    if shown.password().is_some() && shown.set_password(Some("***")).is_err() {
        return format!("{}:…", url.scheme());
    }
    shown.into()
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_settings_are_refused_by_name() {
        let base = "https://updates.example".parse().unwrap();
        let code = |network: Network| network.client(&base, Times::default()).map(|_| ()).map_err(|e| e.code().to_owned());
        let proxy = |text: &str| Network { proxy: Some(text.parse().unwrap()), ..Network::default() };
        assert_eq!(code(proxy("ftp://proxy.example/")), Err("proxy_refused".to_owned()));
        assert_eq!(code(proxy("socks5h://user:secret@proxy.example:1080")), Ok(()));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let ca = || Network { ca_file: Some(file.clone()), ..Network::default() };
        assert_eq!(code(ca()), Err("ca_refused".to_owned()), "it is not there");
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(code(ca()), Err("ca_refused".to_owned()), "{text}");
        }
        // What has no end is not read to its end.
        #[cfg(unix)]
        assert_eq!(code(Network { ca_file: Some("/dev/zero".into()), ..Network::default() }), Err("ca_refused".to_owned()));
    }

    #[test]
    fn addresses_that_are_none_or_hold_secrets_are_refused_and_not_told() {
        for address in
            ["http://me:secret@service/", "http://secret@service/", "localhost:7911", "ftp://service/", "file:///x"]
        {
            let error = Network::default().client(&address.parse().unwrap(), Times::default()).unwrap_err();
            assert_eq!(error.code(), "service_address_refused", "{address}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_proxys_password_is_not_told() {
        let error = Network { proxy: Some("ftp://me:secret@proxy/".parse().unwrap()), ..Network::default() };
        let error = error.client(&"http://service/".parse().unwrap(), Times::default()).unwrap_err().to_string();
        assert!(!error.contains("secret") && error.contains("me"), "{error}");
    }
}
