//! Assignments signed for cohorts, memberships, a director whose keys change, and plans.

use crate::support::{World, at, tables, world_with_one_terminal};
use serde_json::Value;
use std::fs;
use updater::agent::{Outcome, PlanStep};
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::root::{Changes, RootFile, RootRole};
use updater::wire::{AssignmentDocument, CheckedIn, Designation, Membership};

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

fn documents(answer: &[u8]) -> (CheckedIn, AssignmentDocument, Membership) {
    let answer: CheckedIn = serde_json::from_slice(answer).unwrap();
    let told = serde_json::from_str(&answer.assignment.payload).unwrap();
    let member = serde_json::from_str(&answer.membership.payload).unwrap();
    (answer, told, member)
}

/// One assignment for all who are to be told the same, signed once; a membership for each, for each check-in.
#[tokio::test(flavor = "multi_thread")]
async fn terminals_that_are_told_the_same_share_one_document() {
    let mut world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..50).await;
    let first = world.terminal("one", &["acme/stable"], Designation::Own).await;
    let second = world.terminal("two", &["acme/stable"], Designation::Any).await;
    let (answer, told, member) = documents(&first.check_in_by_hand(&client(), &world.url).await);
    let (other_answer, _, other_member) = documents(&second.check_in_by_hand(&client(), &world.url).await);
    assert_eq!(answer.assignment, other_answer.assignment, "to the byte");
    assert_eq!((&member.cohort, member.number), (&told.cohort, told.number));
    assert_eq!(member.terminal, first.status().terminal.unwrap());
    assert_ne!((&member.terminal, &member.freshness), (&other_member.terminal, &other_member.freshness));
    assert_eq!((told.root, told.assignment.channels.as_slice()), (1, [at("acme/stable", 1)].as_slice()));
    assert_eq!((told.blobs.len(), &told.blobs[0].at), (1, &at("acme/stable", 1)));
    assert!(told.expires - told.signed_at == 7 * 24 * 3600 && member.expires > told.signed_at);

    // The same after a restart: it is in the tables. Another release is another cohort.
    world.restart(|_| {}).await;
    let (again, _, later) = documents(&first.check_in_by_hand(&client(), &world.url).await);
    assert_eq!(again.assignment, answer.assignment);
    assert!(later.counter > member.counter && later.freshness != member.freshness);
    world.publish(&maker, "acme/stable", 2, 0..51).await;
    let (_, newer, _) = documents(&first.check_in_by_hand(&client(), &world.url).await);
    assert!(newer.cohort != told.cohort && newer.number > told.number);
    assert_eq!(cohorts(&world).await, 2);
}

async fn cohorts(world: &World) -> i64 {
    let pool = tables(world.dir.path()).await;
    let count = sqlx::query_scalar("SELECT count(*) FROM assignments").fetch_one(&pool).await.unwrap();
    pool.close().await;
    count
}

/// The director gets another key by root, as other roles do; a terminal that was away follows root first and the director then.
#[tokio::test(flavor = "multi_thread")]
async fn a_director_whose_key_is_replaced() {
    let (world, maker, terminal) = world_with_one_terminal(50).await;
    let data = world.dir.path().join("service");
    let first = RootFile::read(&fs::read(world.object("metadata/1.root.json")).unwrap()).unwrap();
    let old = first.keys(RootRole::Director).0[0];
    let spare = world.operator.role_key(RootRole::Director).await.unwrap();
    assert_eq!(world.operator.role_key(RootRole::Director).await.unwrap(), spare, "one that waits is kept");
    let changes =
        Changes { add: vec![(RootRole::Director, spare)], remove: vec![(RootRole::Director, old)], ..Changes::default() };
    let mut next = first.next(&changes, 365).unwrap();
    assert!(next.changes(&first).contains(&format!("director gets key {spare}")));
    let holder = SigningKey::load(&Disk::default(), &data.join("root-keys/root.pk8")).unwrap();
    next.sign(Some(&first), &holder).unwrap();
    world.operator.put_root(next.bytes().unwrap()).await.unwrap();
    fs::remove_file(data.join("keys/director.pk8")).unwrap();
    world.publish(&maker, "acme/stable", 2, 0..51).await;
    terminal.agent.update().await.unwrap();
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    let (answer, told, _) = documents(&terminal.check_in_by_hand(&client(), &world.url).await);
    assert_eq!((told.root, answer.assignment.signatures.last().unwrap().key), (2, spare));

    // A root without a director, or with one whose key is elsewhere, is not taken.
    let stranger = SigningKey::load_or_create(&Disk::default(), &world.dir.path().join("stranger.pk8")).unwrap();
    let elsewhere = Changes {
        add: vec![(RootRole::Director, stranger.public())],
        remove: vec![(RootRole::Director, spare)],
        ..Changes::default()
    };
    let none = Changes { remove: vec![(RootRole::Director, spare)], ..Changes::default() };
    for changes in [elsewhere, none] {
        let mut third = next.next(&changes, 365).unwrap();
        third.sign(Some(&next), &holder).unwrap();
        let refused = world.operator.put_root(third.bytes().unwrap()).await.unwrap_err();
        assert_eq!(refused.code(), "role_key_missing");
    }
}

/// What the next update would do is told, nothing of it is done, and then it is what is done.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_told_before_it_is_followed() {
    let (world, maker, terminal) = world_with_one_terminal(50).await;
    let current = terminal.agent.plan().await.unwrap();
    assert_eq!((current.steps.len(), current.generation), (0, Some(1)));
    let blob = world.publish(&maker, "acme/stable", 2, 0..51).await;
    let plan = terminal.agent.plan().await.unwrap();
    assert_eq!(plan, terminal.agent.plan().await.unwrap(), "the same pair makes the same plan");
    assert_eq!(terminal.runs(), [at("acme/stable", 1)], "nothing is done");
    let (channel, release) = (at("acme/stable", 2).channel, 2);
    assert_eq!(
        plan.steps,
        [
            PlanStep::Fetch { channel: channel.clone(), release, bytes_max: Some(blob.len() as u64) },
            PlanStep::Verify { channel: channel.clone(), release },
            PlanStep::Link,
            PlanStep::SelfTest,
            PlanStep::Switch,
            PlanStep::Remove { channel, release: 1 },
        ]
    );
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.plan.as_ref()), (Outcome::Installed, Some(&plan.id)));
    let done = ["fetch acme/stable 2", "verify acme/stable 2", "link", "self_test", "switch", "remove acme/stable 1"];
    assert_eq!(report.steps, done);
    assert_eq!(reported_plan(&world, "installed").await, (plan.id, serde_json::json!(done)));

    // One that fails says how far it got.
    world.publish(&maker, "acme/stable", 3, 0..52).await;
    let plan = terminal.agent.plan().await.unwrap();
    terminal.engine.fails.store(true, std::sync::atomic::Ordering::Relaxed);
    terminal.agent.update().await.unwrap_err();
    let done = ["fetch acme/stable 3", "verify acme/stable 3"];
    assert_eq!(reported_plan(&world, "trouble").await, (plan.id, serde_json::json!(done)));
}

/// Plan and steps of the last report with this outcome.
async fn reported_plan(world: &World, outcome: &str) -> (String, Value) {
    let pool = tables(world.dir.path()).await;
    let row = sqlx::query_as("SELECT plan, steps FROM reports WHERE outcome = $1 ORDER BY id DESC LIMIT 1").bind(outcome);
    let (plan, steps): (String, String) = row.fetch_one(&pool).await.unwrap();
    pool.close().await;
    (plan, serde_json::from_str(&steps).unwrap())
}
