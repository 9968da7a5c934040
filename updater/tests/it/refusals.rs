//! Attacks and faults, each named: nothing is installed, what was in force stays, the code says what it was.

use crate::support::{World, at, blob, world_with_one_terminal};
use axum::http::Method;
use std::fs;
use std::path::Path;
use std::time::Duration;
use updater::agent::{Enrolment, Outcome, Transfer};
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::maker::Maker;
use updater::service::Config;
use updater::wire::{Designation, MakerView, Sha256Hex};

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tampered_blob() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let blob = world.publish(&maker, "acme/stable", 1, 0..100).await;
    let object = world.object(&format!("o/{}", Sha256Hex::of(&blob)));
    flip(&object);
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "blob_refused");
    assert!(terminal.runs().is_empty());
    assert_eq!(world.operator.terminals().await.unwrap()[0].trouble.as_deref(), Some("blob_refused"));

    fs::write(object, blob).unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_blob() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let blob = world.publish(&maker, "acme/stable", 1, 0..100).await;
    fs::write(world.object(&format!("o/{}", Sha256Hex::of(&blob))), [&blob[..], &[0; 100]].concat()).unwrap();
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "answer_too_long");
}

#[tokio::test(flavor = "multi_thread")]
async fn tampered_delta_costs_one_whole_download() {
    let (world, maker, terminal) = world_with_one_terminal(2000).await;
    let second = world.publish(&maker, "acme/stable", 2, 5..2005).await;
    let whole = Sha256Hex::of(&second).to_string();
    let objects = fs::read_dir(world.object("o")).unwrap().map(|entry| entry.unwrap().path());
    let delta = objects.filter(|path| !path.ends_with(&whole)).min_by_key(|path| path.metadata().unwrap().len()).unwrap();
    flip(&delta);
    let report = terminal.agent.update().await.unwrap();
    let channel = &report.channels[0];
    assert_eq!((channel.transfer, channel.delta_fault.as_deref()), (Transfer::Full, Some("blob_refused")));
    assert!(channel.bytes_fetched > second.len() as u64);
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_makers_key() {
    let (world, _, terminal) = world_with_one_terminal(100).await;
    let impostor = Maker::init(&world.dir.path().join("impostor"), &"acme".parse().unwrap()).unwrap();
    let taken = impostor.register(&world.url, world.token()).await.unwrap_err();
    assert_eq!(taken.code(), "maker_taken");
    for release in 1..=2 {
        impostor.release(&world.write("evil.titer", &blob("acme/stable", release, 0..3))).unwrap();
    }
    assert_eq!(impostor.publish(&world.url).await.unwrap_err().code(), "metadata_unsigned");

    // Even a service that was taken over cannot put the impostor's role in the place of the maker's.
    fs::copy(world.dir.path().join("impostor/role.json"), world.object("metadata/1.m-acme.json")).unwrap();
    let error = terminal.agent.update().await.unwrap_err();
    assert!(["metadata_refused", "answer_too_long"].contains(&error.code()), "{error}");
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn blob_that_is_not_what_the_role_says() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    maker.release(&world.write("new.titer", &blob("acme/stable", 1, 0..100))).unwrap();
    let kept = world.dir.path().join("makers/acme/blobs/stable/1.titer");
    flip(&kept);
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "blob_refused");
    fs::write(&kept, b"short").unwrap();
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "blob_refused");
    fs::write(&kept, [&blob("acme/stable", 1, 0..100)[..], b"more"].concat()).unwrap();
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "trailing_bytes");
    assert!(!world.object("o").exists(), "nothing was stored");
    assert!(!world.object("metadata/1.m-acme.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn older_release_or_role() {
    let (world, maker, _) = world_with_one_terminal(100).await;
    let role = world.dir.path().join("makers/acme/role.json");
    let first_role = fs::read(&role).unwrap();
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let same = maker.release(&world.write("old.titer", &blob("acme/stable", 2, 0..102))).unwrap_err();
    assert_eq!(same.code(), "release_not_newer");
    // As an old copy of the whole folder, without what is known here of later roles.
    fs::write(&role, first_role).unwrap();
    fs::remove_file(role.with_file_name("mark")).unwrap();
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "signer_behind");
    // The same version with other content: release 2 made again from the first role.
    maker.release(&world.write("other.titer", &blob("acme/stable", 2, 0..103))).unwrap();
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "signer_behind");
    maker.release(&world.write("third.titer", &blob("acme/stable", 3, 0..104))).unwrap();
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "release_changed");
    let foreign = maker.release(&world.write("foreign.titer", &blob("other/stable", 1, 0..9))).unwrap_err();
    assert_eq!(foreign.code(), "channel_foreign");
}

#[tokio::test(flavor = "multi_thread")]
async fn rolled_back_metadata() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    let timestamp = world.object("metadata/timestamp.json");
    let old = fs::read(&timestamp).unwrap();
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    terminal.agent.update().await.unwrap();
    let new = fs::read(&timestamp).unwrap();

    fs::write(&timestamp, old).unwrap();
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "metadata_rolled_back");
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    fs::write(&timestamp, new).unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().outcome, Outcome::UpToDate);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_timestamp() {
    let world = World::with(|config| Config { timestamp_lifetime: Duration::from_secs(1), ..config }).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "metadata_expired");
    assert!(terminal.runs().is_empty());
    // The next publication brings a fresh one.
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tampered_metadata() {
    let (world, _, terminal) = world_with_one_terminal(100).await;
    let timestamp = world.object("metadata/timestamp.json");
    let text = fs::read_to_string(&timestamp).unwrap();
    let honest = text.clone();
    let at_version = text.find("\"version\"").unwrap();
    let digit = at_version + text[at_version..].find(|c: char| c.is_ascii_digit()).unwrap();
    let mut text = text.into_bytes();
    text[digit] = b'9';
    fs::write(&timestamp, text).unwrap();
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "metadata_unsigned");
    fs::write(&timestamp, "{").unwrap();
    assert_eq!(terminal.agent.update().await.unwrap_err().code(), "metadata_malformed");
    fs::write(&timestamp, honest).unwrap();
    terminal.agent.update().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_makers_fault_does_not_stop_the_others() {
    let world = World::new().await;
    for name in ["acme", "best"] {
        let maker = world.maker(name).await;
        world.publish(&maker, &format!("{name}/stable"), 1, 0..100).await;
    }
    let terminal = world.terminal("one", &["acme/stable", "best/stable"], Designation::Own).await;
    let role = world.object("metadata/1.m-acme.json");
    let honest = fs::read(&role).unwrap();
    fs::remove_file(&role).unwrap();
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.faults.len(), 1);
    assert_eq!(report.faults[0].code, "metadata_unknown");
    assert_eq!(terminal.runs(), [at("best/stable", 1)]);

    fs::write(&role, honest).unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_or_forged_check_in() {
    let (world, _, terminal) = world_with_one_terminal(100).await;
    let key = SigningKey::load(&Disk::default(), &terminal.folder.join("key.pk8")).unwrap();
    let path = format!("/v1/terminals/{}/check-in", terminal.status().terminal.unwrap());
    let body =
        r#"{"facts":{"hardware":"h","os":"o","engine_version":"e","designation":"own","subscribed":[]},"applied":[]}"#;
    let send = async |counter: u64, signed: &str| {
        let message = format!("titer-request-v1\nPOST {path}\n{counter}\n{signed}");
        let request = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let request = request.post(world.url.join(&path).unwrap());
        let signature = hex::encode(key.sign(message.as_bytes()));
        let request = request.header("titer-counter", counter).header("titer-signature", signature);
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    // Beyond the clock, by which the terminal counts.
    let counter = 1 << 60;
    let (status, _) = send(counter, body).await;
    assert_eq!(status, 200);
    for used in [counter, counter - 1] {
        let (status, problem) = send(used, body).await;
        assert_eq!(status, 409);
        assert!(problem.contains(r#""code":"request_replayed""#), "{problem}");
    }
    assert!(send(counter, body).await.1.contains(&format!("\"last_counter\":{counter}")));
    for impossible in [1 << 63, u64::MAX] {
        let (status, problem) = send(impossible, body).await;
        assert!(status == 400 && problem.contains(r#""code":"number_too_large""#), "{problem}");
    }
    let (status, problem) = send(counter + 1, "{}").await;
    assert_eq!(status, 401);
    assert!(problem.contains(r#""code":"signature_refused""#), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolment_without_right() {
    let world = World::new().await;
    let token = world.operator.enrolment_token().await.unwrap();
    let enrolment = Enrolment::of_this_machine(world.url.clone(), token.clone(), Vec::new());
    let first = world.stranger("one");
    assert_eq!(first.agent.update().await.unwrap_err().code(), "not_enrolled");
    let number = first.agent.enroll(&enrolment).await.unwrap();
    assert_eq!(first.agent.enroll(&enrolment).await.unwrap_err().code(), "already_enrolled");
    assert_eq!(world.stranger("two").agent.enroll(&enrolment).await.unwrap_err().code(), "enrolment_token_refused");

    // The answer was lost: the same terminal asks again and gets the same number.
    fs::remove_file(first.folder.join("identity.json")).unwrap();
    assert_eq!(first.agent.enroll(&enrolment).await.unwrap(), number);

    let (secret, _) = token.rsplit_once('.').unwrap();
    let wrong_root = Enrolment { token: format!("{secret}.{}", "0".repeat(64)), ..enrolment.clone() };
    assert_eq!(world.stranger("three").agent.enroll(&wrong_root).await.unwrap_err().code(), "root_not_vouched_for");
    let no_token = Enrolment { token: "hello".to_owned(), ..enrolment };
    assert_eq!(world.stranger("four").agent.enroll(&no_token).await.unwrap_err().code(), "token_malformed");

    let stranger = updater::operator::Operator::new(&world.url, "guess").unwrap();
    assert_eq!(stranger.terminals().await.unwrap_err().code(), "operator_token_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn service_that_was_taken_over() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    terminal.agent.update().await.unwrap();
    let best = world.maker("best").await;
    world.publish(&best, "best/stable", 1, 0..100).await;

    for (release, code) in [
        (at("best/stable", 1), "assignment_not_accepted"),
        (at("acme/stable", 1), "release_rolled_back"),
        (at("acme/stable", 9), "release_not_listed"),
    ] {
        terminal.is_told(&world, &[release]).await;
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), code);
        assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_addresses() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    for path in [
        "metadata/..%2Foperator-token",
        "metadata/.json",
        "metadata/9.root.json",
        "targets/m/acme/stable/1.titer",
        "targets/m/acme/..%2F..%2Fkeys/x.1.titer",
        "v1/nothing",
        "v1/makers/nobody",
    ] {
        let answer = client.get(format!("{}{path}", world.url)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 404, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
    }
    for (method, path, status, code) in [
        (Method::GET, "v1/makers/No%20Maker", 400, "request_malformed"),
        (Method::DELETE, "v1/health", 405, "method_not_allowed"),
        (Method::POST, "v1/terminals", 413, "body_too_long"),
        (Method::POST, "v1/makers/acme/releases", 400, "body_malformed"),
    ] {
        let body = if status == 413 { vec![b' '; 300 << 10] } else { Vec::new() };
        let answer = client.request(method, format!("{}{path}", world.url)).body(body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let problem = answer.text().await.unwrap();
        assert!(problem.contains(&format!(r#""code":"{code}""#)), "{path}: {problem}");
    }
    let maker: MakerView = serde_json::from_slice(
        &client.get(format!("{}v1/makers/acme", world.url)).send().await.unwrap().bytes().await.unwrap(),
    )
    .unwrap();
    let name = format!("targets/m/acme/stable/{}.1.titer", maker.releases[0].sha256);
    let answer = client.get(format!("{}{name}", world.url)).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), blob("acme/stable", 1, 0..100));
}
