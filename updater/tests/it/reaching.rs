//! Ways to a service: through a proxy, by the environment or by name; over TLS, vouched for by a file of certificates.

use crate::support::fault::FaultProxy;
use crate::support::{Terminal, World, at};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use std::process::Stdio;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};
use updater::Network;
use updater::agent::SETTINGS_FILE;
use updater::wire::Designation;
use url::Url;

async fn world() -> (World, Terminal) {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    (world, terminal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_named_takes_every_request() {
    let (world, mut terminal) = world().await;
    let proxy = FaultProxy::before(&world.url).await;
    terminal.agent = terminal.agent.network(Network { proxy: Some(proxy.url.clone()), ..Network::default() });
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    for part in ["/check-in", "/metadata/timestamp.json", "/targets/", "/acknowledge"] {
        assert_eq!(proxy.seen(part).len(), 1, "{part}");
    }
}

/// The service has a name that only the proxy knows, so what is not sent through it arrives nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn the_environment_names_a_proxy_as_for_curl() {
    let (world, terminal) = world().await;
    let proxy = FaultProxy::before(&world.url).await;
    terminal.asks(&"http://updates.invalid/".parse().unwrap());
    let update = |environment: &[(&str, &str)]| {
        let mut child = terminal.update_by_child();
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
            child.env_remove(name);
        }
        child.envs(environment.iter().copied()).stderr(Stdio::null());
        tokio::task::spawn_blocking(move || child.status().unwrap().success())
    };
    let url = proxy.url.as_str();
    assert!(!update(&[]).await.unwrap());
    assert!(!update(&[("http_proxy", url), ("no_proxy", ".invalid")]).await.unwrap());
    assert!(proxy.seen("").is_empty());
    for name in ["http_proxy", "all_proxy", "ALL_PROXY"] {
        proxy.forget();
        assert!(update(&[(name, url)]).await.unwrap(), "{name}");
        assert!(!proxy.seen("").is_empty(), "{name}");
    }
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

async fn tls_before(service: &Url) -> (Url, String) {
    tls_with(service, 1975, 4096, &[&TLS13]).await
}

/// TLS before the service, with a certificate for `localhost` that holds from one year's beginning to another's, by an authority of its own.
/// Returns the address and the authority in PEM.
async fn tls_with(
    service: &Url,
    from_year: i32,
    to_year: i32,
    versions: &[&'static SupportedProtocolVersion],
) -> (Url, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (certificate.not_before, certificate.not_after) = (date_time_ymd(from_year, 1, 1), date_time_ymd(to_year, 1, 1));
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_protocol_versions(versions).with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    let real = format!("{}:{}", service.host_str().unwrap(), service.port().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, real) = (acceptor.clone(), real.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate ends the handshake.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut service = TcpStream::connect(real).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut service).await;
            });
        }
    });
    (url, authority.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_certificates_vouches_for_a_service() {
    let (world, mut terminal) = world().await;
    let (url, authority) = tls_before(&world.url).await;
    let (_, stranger) = tls_before(&world.url).await;
    terminal.asks(&url);
    let mut update = async |pem: &str| {
        let ca_file = Some(world.write("ca.pem", pem.as_bytes()));
        terminal.agent = terminal.agent.clone().network(Network { ca_file, ..Network::default() });
        terminal.agent.update().await.map_err(|error| error.code().to_owned())
    };
    assert_eq!(update(&stranger).await, Err("certificate_refused".to_owned()));
    assert_eq!(update("no certificate").await, Err("ca_refused".to_owned()));
    update(&format!("{stranger}{authority}")).await.unwrap();
    // Another name of the same machine is not in the certificate.
    let other = url.as_str().replace("localhost", "127.0.0.1").parse().unwrap();
    terminal.asks(&other);
    let error = terminal.agent.update_fully().await.unwrap_err();
    assert_eq!(error.code(), "certificate_refused");
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

/// A clock that lost its battery finds every certificate "not valid yet"; whoever knows the time better goes by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_behind_stops_no_update_over_tls() {
    let (world, terminal) = world().await;
    let (url, authority) = tls_with(&world.url, 2020, 4096, &[&TLS13]).await;
    let (expired_url, expired) = tls_with(&world.url, 2010, 2020, &[&TLS13]).await;
    let ca_file = Some(world.write("ca.pem", format!("{authority}{expired}").as_bytes()));
    let agent = terminal.agent.clone().network(Network { ca_file, ..Network::default() });
    let year_2001 = agent.clone().clock(|| Timestamp::from_second(980_000_000).unwrap());
    terminal.asks(&url);
    let error = year_2001.update_fully().await.unwrap_err();
    assert_eq!(error.code(), "certificate_refused", "nothing was signed yet that tells of a later time: {error}");

    agent.update_fully().await.unwrap();
    world.publish(&world.maker("acme").await, "acme/stable", 2, 0..101).await;
    let report = year_2001.update_fully().await.unwrap();
    assert_eq!(report.warnings[0].code, "clock_behind");
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    terminal.asks(&expired_url);
    assert_eq!(year_2001.update_fully().await.unwrap_err().code(), "certificate_refused", "it expired before that time");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_terminal_speaks_an_older_tls() {
    let (world, mut terminal) = world().await;
    let (url, authority) = tls_with(&world.url, 1975, 4096, &[&TLS12]).await;
    terminal.asks(&url);
    let ca_file = Some(world.write("ca.pem", authority.as_bytes()));
    terminal.agent = terminal.agent.clone().network(Network { ca_file: ca_file.clone(), ..Network::default() });
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "service_unreachable");
    terminal.agent = terminal.agent.clone().network(Network { ca_file, tls12: true, ..Network::default() });
    terminal.agent.update().await.unwrap();
}

/// What every command of a terminal needs is said once, also for a scan, which has no such flags.
#[tokio::test(flavor = "multi_thread")]
async fn the_settings_name_proxy_and_certificates() {
    let (world, mut terminal) = world().await;
    let (url, authority) = tls_before(&world.url).await;
    world.write("ca.pem", authority.as_bytes());
    let settings = |lines: &str| std::fs::write(terminal.folder.join(SETTINGS_FILE), format!("[network]\n{lines}\n"));
    terminal.asks(&url);
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "certificate_refused");
    std::fs::write(terminal.folder.join("authority.pem"), &authority).unwrap();
    settings("ca = \"authority.pem\"").unwrap();
    terminal.agent.update().await.unwrap();

    terminal.asks(&world.url);
    let proxy = FaultProxy::before(&world.url).await;
    settings(&format!("proxy = \"{}\"", proxy.url)).unwrap();
    terminal.agent.update_fully().await.unwrap();
    assert!(!proxy.seen("/check-in").is_empty());
    proxy.forget();
    let other = FaultProxy::before(&world.url).await;
    terminal.agent = terminal.agent.clone().network(Network { proxy: Some(other.url.clone()), ..Network::default() });
    terminal.agent.update_fully().await.unwrap();
    assert!(proxy.seen("").is_empty() && !other.seen("/check-in").is_empty(), "a flag goes before");
    settings("proxy = \"no address\"").unwrap();
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "settings_malformed");
}
