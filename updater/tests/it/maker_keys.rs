//! Makers whose keys change, who have several, or who were restored from an old copy.

use crate::support::web::Web;
use crate::support::{World, at, blob, copy};
use axum::http::Method;
use std::fs;
use std::num::NonZeroU64;
use std::path::PathBuf;
use tough::schema::{Role, Signed, Targets};
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::maker::{KeyChange, Maker, cosign};
use updater::wire::{Danger, Designation, News, ThreatNews};

fn folder(world: &World, name: &str) -> PathBuf {
    world.dir.path().join("makers").join(name)
}

fn release(world: &World, maker: &Maker, number: u64) {
    maker.release(&world.write("new.titer", &blob("acme/stable", number, 0..100 + number as u32))).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_makers_new_key_takes_the_place_of_the_old_one() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    let stolen = folder(&world, "thief");
    copy(&folder(&world, "acme"), &stolen);

    maker.rotate(&KeyChange { renew: true, ..KeyChange::default() }).unwrap();
    assert_eq!(maker.rotate(&KeyChange::default()).unwrap_err().code(), "key_change_waits");
    let held = maker.publish(&world.url).await.unwrap();
    assert_eq!((held.keys.version, held.keys.keys.len()), (2, 1));
    assert_ne!(held.keys.keys[0], maker.registration().public_key);
    assert_eq!(maker.keys().unwrap(), held.keys);
    world.publish(&maker, "acme/stable", 2, 0..110).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);

    // Who has the old key speaks for nobody any more, whatever version they sign.
    let thief = Maker::open(&stolen).unwrap();
    for number in 2..=6 {
        release(&world, &thief, number);
    }
    assert_eq!(thief.publish(&world.url).await.unwrap_err().code(), "metadata_unsigned");
    thief.rotate(&KeyChange { renew: true, ..KeyChange::default() }).unwrap();
    assert_eq!(thief.publish(&world.url).await.unwrap_err().code(), "metadata_refused", "a version is given once");
    // The maker's next one works from the new key.
    maker.rotate(&KeyChange { renew: true, ..KeyChange::default() }).unwrap();
    assert_eq!(maker.publish(&world.url).await.unwrap().keys.version, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_two_holders_must_sign() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let other = SigningKey::load_or_create(&Disk::default(), &world.dir.path().join("other.pk8")).unwrap();
    let stranger = SigningKey::load_or_create(&Disk::default(), &world.dir.path().join("stranger.pk8")).unwrap();
    let change = KeyChange { add: vec![other.public()], threshold: NonZeroU64::new(2), ..KeyChange::default() };
    let statement = maker.rotate(&change).unwrap();
    assert_eq!(statement.lacking(&maker.keys().unwrap()), (0, 1));
    let (role, keys) = (folder(&world, "acme").join("role.json"), folder(&world, "acme").join("next-keys.json"));
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "signatures_missing");
    let words = cosign(&keys, &other).unwrap();
    assert!(words[0].contains("2 of these must sign"), "{words:?}");
    assert_eq!(cosign(&role, &stranger).unwrap_err().code(), "key_not_listed");
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "signatures_missing");
    let words = cosign(&role, &other).unwrap();
    assert!(words.iter().any(|fact| fact.starts_with("offers acme/stable release 1")), "{words:?}");
    assert_eq!(maker.publish(&world.url).await.unwrap().keys.threshold.get(), 2);

    release(&world, &maker, 2);
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "signatures_missing");
    cosign(&role, &other).unwrap();
    maker.publish(&world.url).await.unwrap();
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_change_of_keys_does_no_harm() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    maker.rotate(&KeyChange { renew: true, ..KeyChange::default() }).unwrap();
    let before = world.dir.path().join("before");
    copy(&folder(&world, "acme"), &before);
    maker.publish(&world.url).await.unwrap();
    let unaware = Maker::open(&before).unwrap();
    assert_eq!(unaware.publish(&world.url).await.unwrap().keys.version, 2);
    assert_eq!(unaware.keys().unwrap().version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maker_restored_from_an_old_copy_does_not_sign() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let old = world.dir.path().join("old");
    copy(&folder(&world, "acme"), &old);
    world.publish(&maker, "acme/stable", 2, 0..110).await;

    // Only the role was restored: the mark in the folder tells.
    let role = folder(&world, "acme").join("role.json");
    let newest = fs::read(&role).unwrap();
    fs::copy(old.join("role.json"), &role).unwrap();
    let third = world.write("third.titer", &blob("acme/stable", 3, 0..120));
    assert_eq!(maker.release(&third).unwrap_err().code(), "signer_behind");
    fs::write(&role, newest).unwrap();

    // The whole folder was restored: the service tells. A version that was signed twice is noticed too.
    let restored = Maker::open(&old).unwrap();
    assert_eq!(restored.publish(&world.url).await.unwrap_err().code(), "signer_behind");
    restored.release(&third).unwrap();
    assert_eq!(restored.publish(&world.url).await.unwrap_err().code(), "signer_behind");
    assert_eq!(restored.restore(&world.url).await.unwrap(), 2);
    restored.release(&third).unwrap();
    let held = restored.publish(&world.url).await.unwrap();
    assert_eq!(held.releases.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_uses_up_a_makers_versions_with_one_signature() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let path = folder(&world, "acme").join("role.json");
    let honest = fs::read(&path).unwrap();
    let mut role: Signed<Targets> = serde_json::from_slice(&honest).unwrap();
    role.signed.version = NonZeroU64::new(u64::MAX >> 1).unwrap();
    let key = SigningKey::load(&Disk::default(), &folder(&world, "acme").join("key.pk8")).unwrap();
    role.signatures[0].sig = key.sign(&role.signed.canonical_form().unwrap()).into();
    fs::write(&path, serde_json::to_vec(&role).unwrap()).unwrap();
    assert_eq!(maker.publish(&world.url).await.unwrap_err().code(), "role_version_too_far");
    fs::write(&path, honest).unwrap();
    world.publish(&maker, "acme/stable", 2, 0..110).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_about_to_expire_is_signed_anew_when_it_is_published() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    assert_eq!(maker.publish(&world.url).await.unwrap().role_version, 1, "a young one is left as it is");
    let path = folder(&world, "acme").join("role.json");
    let mut role: Signed<Targets> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let young = role.signed.expires;
    role.signed.version = NonZeroU64::new(2).unwrap();
    role.signed.expires = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 86_400).unwrap();
    let key = SigningKey::load(&Disk::default(), &folder(&world, "acme").join("key.pk8")).unwrap();
    role.signatures[0].sig = key.sign(&role.signed.canonical_form().unwrap()).into();
    fs::write(&path, serde_json::to_vec(&role).unwrap()).unwrap();

    assert_eq!(maker.publish(&world.url).await.unwrap().role_version, 3);
    let renewed: Signed<Targets> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(renewed.signed.expires >= young && renewed.signed.targets == role.signed.targets);
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
}

/// Who steals a key can sign the highest counter: then the maker's news counts no more, until all keys are others.
#[tokio::test(flavor = "multi_thread")]
async fn new_keys_take_back_what_a_thief_said_by_the_highest_counter() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let stolen = SigningKey::load(&Disk::default(), &folder(&world, "acme").join("key.pk8")).unwrap();
    let (path, counter) = ("/v1/makers/acme/news", (u64::MAX >> 1).to_string());
    let body = r#"[{"threat":"x","danger":"high","discovered":"2026-11-10"}]"#;
    let signature = hex::encode(stolen.sign(format!("titer-request-v1\nPOST {path}\n{counter}\n{body}").as_bytes()));
    let proof = [("titer-counter", counter.as_str()), ("titer-signature", signature.as_str())];
    let send = async || Web::to(&world).send(Method::POST, path, &proof, body).await;
    assert_eq!(send().await.status, 200);

    let discovered = "2026-11-10".parse().unwrap();
    let news = ThreatNews { threat: "x".to_owned(), danger: Danger::Low, discovered, expected: None, vaccine: None };
    let withdrawn = [News { withdrawn: true, ..News::from(news) }];
    assert_eq!(maker.send_news(&world.url, &withdrawn).await.unwrap_err().code(), "request_replayed");
    // A further key leaves the old one, whose requests could else be played again.
    let other = SigningKey::load_or_create(&Disk::default(), &world.dir.path().join("other.pk8")).unwrap();
    maker.rotate(&KeyChange { add: vec![other.public()], ..KeyChange::default() }).unwrap();
    cosign(&folder(&world, "acme").join("next-keys.json"), &other).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(maker.send_news(&world.url, &withdrawn).await.unwrap_err().code(), "request_replayed");
    maker.rotate(&KeyChange { renew: true, remove: vec![other.public()], ..KeyChange::default() }).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(maker.send_news(&world.url, &withdrawn).await.unwrap(), 1);
    assert!(world.operator.threat_views(None).await.unwrap().is_empty());
    assert_eq!(send().await.code(), "signature_refused");
}
