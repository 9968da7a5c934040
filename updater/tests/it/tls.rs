//! The service's own TLS: who can read along, and what happens when the certificate is replaced.

use crate::support::web::{Web, connect, rest};
use crate::support::{Terminal, World, at, config};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use updater::Network;
use updater::maker::Maker;
use updater::operator::Operator;
use updater::service::{Config, ServeError, TlsFiles, serve};
use updater::wire::Designation;

/// A certificate for 127.0.0.1 by an authority of its own, written as `cert.pem` and `key.pem`. Gives the authority in PEM.
fn certify(folder: &Path) -> String {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    authority.pem()
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") }
}

fn by(folder: &Path, authority: &str) -> Network {
    let file = folder.join("ca.pem");
    fs::write(&file, authority).unwrap();
    Network { ca_file: Some(file), ..Network::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_works_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certify(folder.path());
    let network = by(folder.path(), &authority);
    let mut world = World::with(|config| Config { tls: Some(files(folder.path())), ..config }).await;
    assert_eq!(world.url.scheme(), "https");
    world.operator = Operator::with(&world.url, world.token(), &network).unwrap();
    let maker = Maker::init(&world.dir.path().join("acme"), &"acme".parse().unwrap()).unwrap();
    assert!(maker.register(&world.url, world.token()).await.is_err(), "the system's authorities do not vouch for it");
    let maker = maker.reached_by(network.clone());
    maker.register(&world.url, world.token()).await.unwrap();
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let Terminal { agent, engine, folder } = world.stranger("one");
    let terminal = Terminal { agent: agent.network(network), engine, folder };
    let token = world.operator.enrolment_token().await.unwrap();
    let enrolment = updater::agent::Enrolment {
        designation: Designation::Own,
        ..updater::agent::Enrolment::of_this_machine(world.url.clone(), token, vec!["acme/stable".parse().unwrap()])
    };
    terminal.agent.enroll(&enrolment).await.unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);

    // Who does not speak TLS gets no answer, and holds nothing up.
    let mut plain = connect(&world.url).await;
    plain.write_all(b"GET /v1/health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(!String::from_utf8_lossy(&rest(&mut plain).await).contains("ok"));

    // A connection that is kept does not keep the service.
    let web = Web::trusting(&world.url, Some(&authority));
    assert_eq!(web.get("/v1/health").await.status, 200);
    let began = Instant::now();
    world.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_replaced_while_the_service_runs() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let world = World::with(|config| Config { tls: Some(files(folder.path())), ..config }).await;
    let read = world.certificate_reader();
    let trusts = async |authority: &str| {
        Web::trusting(&world.url, Some(authority)).try_send("GET".parse().unwrap(), "/v1/health", &[], "").await.is_ok()
    };
    assert!(trusts(&first).await);
    let second = certify(folder.path());
    assert!(trusts(&first).await && !trusts(&second).await, "not before it is read");
    read();
    assert!(trusts(&second).await && !trusts(&first).await);

    // A key that does not fit, a file that is cut off, none at all: the last good one stays.
    let key = fs::read(folder.path().join("key.pem")).unwrap();
    fs::write(folder.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    read();
    assert!(trusts(&second).await);
    fs::write(folder.path().join("key.pem"), &key[..key.len() / 2]).unwrap();
    read();
    fs::remove_file(folder.path().join("cert.pem")).unwrap();
    read();
    assert!(trusts(&second).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_only_this_machine_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Config { listen: "0.0.0.0:0".parse().unwrap(), ..config(folder.path()) };
    let refused = |config| async { serve(config, std::future::pending()).await.unwrap_err().code() };
    assert_eq!(refused(open()).await, "listen_insecure");
    assert_eq!(refused(Config { listen: "[::]:0".parse().unwrap(), ..open() }).await, "listen_insecure");
    assert_eq!(refused(Config { tls: Some(files(folder.path())), ..open() }).await, "tls_failed", "there is no certificate");
    certify(folder.path());
    fs::write(folder.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let other = serve(Config { tls: Some(files(folder.path())), ..open() }, std::future::pending()).await.unwrap_err();
    assert!(matches!(other, ServeError::Tls(_)), "{other}");
}
