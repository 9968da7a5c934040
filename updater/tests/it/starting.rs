//! Starts of the service on data that is not as it was left.

use crate::support::{World, at, config, run_on_postgres, tables};
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;
use tough::schema::{Role, Root, Signed};
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::service::{Config, Database, serve};
use updater::wire::Designation;

/// The code with which a service on the data of `world` refuses to start.
async fn refusal(world: &World) -> &'static str {
    serve(config(world.dir.path()), std::future::pending()).await.unwrap_err().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_nobody_serves_has_a_code_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = format!("postgres://titer@{}/titer", nobody.local_addr().unwrap());
    let config = Config { database: Some(Database::Postgres(address)), ..config(dir.path()) };
    let error = serve(config, std::future::pending()).await.unwrap_err();
    assert_eq!(error.code(), "database_unreachable", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_operator_token_makes_nobody_operator() {
    let mut world = World::new().await;
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let url = world.url.join("v1/terminals").unwrap();
    for header in [None, Some(""), Some("Bearer "), Some("Bearer x"), Some(world.token())] {
        let request = client.get(url.clone());
        let request = header.into_iter().fold(request, |request, value| request.header("authorization", value));
        assert_eq!(request.send().await.unwrap().status().as_u16(), 401, "{header:?}");
    }
    world.stop().await;
    let token = world.dir.path().join("service/operator-token");
    let honest = fs::read(&token).unwrap();
    for short in ["", " \n", "fifteen bytes!!"] {
        fs::write(&token, short).unwrap();
        assert_eq!(refusal(&world).await, "operator_token_short", "`{short}`");
    }
    fs::write(&token, honest).unwrap();
    world.start().await;
    world.operator.terminals().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_invented_once_there_is_a_root() {
    let mut world = World::new().await;
    world.stop().await;
    let data = world.dir.path().join("service");
    for role in ["targets", "snapshot", "timestamp"] {
        let path = data.join(format!("keys/{role}.pk8"));
        let honest = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(refusal(&world).await, "role_key_missing", "{role}");
        assert!(!path.exists(), "{role}");
        SigningKey::load_or_create(&Disk::default(), &path).unwrap();
        assert_eq!(refusal(&world).await, "role_key_unlisted", "{role}");
        fs::write(&path, "garbage").unwrap();
        assert_eq!(refusal(&world).await, "key_failed", "{role}");
        fs::write(&path, honest).unwrap();
    }
    // The root key may be elsewhere.
    fs::remove_dir_all(data.join("root-keys")).unwrap();
    world.start().await;
    world.stop().await;
    run_on_postgres(world.dir.path(), "TRUNCATE metadata").await;
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("titer.sqlite3") {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(refusal(&world).await, "tables_lost");
}

/// Enters root version 2, with the same keys, as its holder would.
async fn enter_second_root(data: &Path) {
    let first = fs::read(data.join("objects/metadata/1.root.json")).unwrap();
    let mut root: Signed<Root> = serde_json::from_slice(&first).unwrap();
    root.signed.version = NonZeroU64::new(2).unwrap();
    let key = SigningKey::load(&Disk::default(), &data.join("root-keys/root.pk8")).unwrap();
    root.signatures[0].sig = key.sign(&root.signed.canonical_form().unwrap()).into();
    let pool = tables(data.parent().unwrap()).await;
    let insert = sqlx::query("INSERT INTO metadata (role, version, body) VALUES ('root', 2, $1)");
    insert.bind(serde_json::to_vec(&root).unwrap()).execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_root_version_does_not_stop_the_next_start() {
    let mut world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    world.stop().await;
    enter_second_root(&world.dir.path().join("service")).await;
    world.start().await;
    assert!(world.object("metadata/2.root.json").exists());

    // Tokens vouch for the first root still, and terminals walk on to the second.
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    let trusted = fs::read_to_string(terminal.folder.join("trusted.json")).unwrap();
    let trusted: serde_json::Value = serde_json::from_str(&trusted).unwrap();
    let root: Signed<Root> = serde_json::from_str(trusted["root.json"].as_str().unwrap()).unwrap();
    assert_eq!(root.signed.version.get(), 2);
}
