//! The audit log: what comes into it, and that whoever edits it is found.

use crate::support::web::Web;
use crate::support::{World, at};
use axum::http::Method;
use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{AnyPool, Connection, Executor};
use updater::audit::AuditRow;
use updater::operator::AuditCheckError;
use updater::root::RootRole;
use updater::service::{Config, Database};
use updater::wire::{Blocked, DEFAULT_POLICY, Designation, Needs, OneOff, Policies, Policy, Ring, Role, RolloutStart};

async fn tables(world: &World) -> AnyPool {
    crate::support::tables(world.dir.path()).await
}

/// A service where a few things were done.
async fn busy() -> World {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..10).await;
    world.terminal("one", &["acme/stable"], Designation::Own).await;
    world.operator.add_operator(&"alice".parse().unwrap(), Role::Viewer).await.unwrap();
    world.operator.role_key(RootRole::Timestamp).await.unwrap();
    world.operator.revoke_operator(&"alice".parse().unwrap()).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_in_the_log_once() {
    let world = busy().await;
    let page = world.operator.audit(0, 0).await.unwrap();
    let told: Vec<_> = page.rows.iter().map(|row| (row.what.as_str(), row.who.split(':').next().unwrap())).collect();
    let expected = [
        ("maker-registered", "operator"),
        ("published", "maker"),
        ("enrolment-token-made", "operator"),
        ("terminal-enrolled", "terminal"),
        ("operator-added", "operator"),
        ("role-key-shown", "operator"),
        ("operator-revoked", "operator"),
    ];
    assert_eq!(told, expected);
    assert!(page.rows[1].detail.contains("m/acme/stable/1.titer"), "{}", page.rows[1].detail);
    assert_eq!(page.head.n, 7);

    // What changes nothing, or is refused, adds nothing.
    world.maker("acme").await;
    world.operator.revoke_operator(&"alice".parse().unwrap()).await.unwrap();
    world.operator.add_operator(&"alice".parse().unwrap(), Role::Viewer).await.unwrap_err();
    assert_eq!(world.operator.audit(7, 0).await.unwrap().rows, []);

    let soon = page.rows[6].at + 1000;
    assert_eq!(world.operator.audit(0, soon).await.unwrap().rows, []);
    assert_eq!(world.operator.audit(3, 0).await.unwrap().rows, page.rows[3..]);
    world.operator.audit(u64::MAX, 0).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_log_edited() {
    let world = busy().await;
    let head = world.operator.verify_audit(None).await.unwrap();
    assert_eq!(world.operator.verify_audit(Some(head.hash)).await.unwrap(), head);
    let tables = tables(&world).await;
    let run = async |sql: &'static str| sqlx::query(sql).execute(&tables).await.map(|_| ()).unwrap();
    let edits = [
        (
            "UPDATE audit SET who = 'operator:mallory' WHERE n = 3",
            "UPDATE audit SET who = 'operator:(operator-token)' WHERE n = 3",
        ),
        ("UPDATE audit SET at = at + 1 WHERE n = 7", "UPDATE audit SET at = at - 1 WHERE n = 7"),
        ("UPDATE audit SET n = 99 WHERE n = 4", "UPDATE audit SET n = 4 WHERE n = 99"),
        ("UPDATE audit SET n = 99 WHERE n = 7", "UPDATE audit SET n = 7 WHERE n = 99"),
        ("UPDATE audit_head SET n = 6", "UPDATE audit_head SET n = 7"),
        (
            "UPDATE audit_head SET hash = previous FROM audit WHERE audit.n = 7",
            "UPDATE audit_head SET hash = audit.hash FROM audit WHERE audit.n = 7",
        ),
    ];
    for (edit, back) in edits {
        run(edit).await;
        let found = world.operator.verify_audit(None).await.unwrap_err();
        assert!(matches!(found, AuditCheckError::Fault(_)), "{edit}: {found}");
        assert_eq!(found.code(), "audit_log_changed");
        run(back).await;
        world.operator.verify_audit(Some(head.hash)).await.unwrap();
    }
}

/// Who can write the tables can compute hashes too. Only a hash that was kept elsewhere finds that.
#[tokio::test(flavor = "multi_thread")]
async fn audit_log_written_anew() {
    let world = busy().await;
    let head = world.operator.verify_audit(None).await.unwrap();
    let tables = tables(&world).await;
    let mut rows = world.operator.audit(0, 0).await.unwrap().rows;
    rows[2].who = "operator:mallory".to_owned();
    let mut before = rows[0].previous;
    for row in &mut rows {
        row.previous = before;
        row.hash = row.computed_hash();
        before = row.hash;
        let AuditRow { n, who, previous, hash, .. } = row;
        let query = sqlx::query("UPDATE audit SET who = $1, previous = $2, hash = $3 WHERE n = $4").bind(who.as_str());
        query
            .bind(previous.to_string())
            .bind(hash.to_string())
            .bind(i64::try_from(*n).unwrap())
            .execute(&tables)
            .await
            .unwrap();
    }
    sqlx::query("UPDATE audit_head SET hash = $1").bind(before.to_string()).execute(&tables).await.unwrap();
    world.operator.verify_audit(None).await.unwrap();
    let found = world.operator.verify_audit(Some(head.hash)).await.unwrap_err();
    assert!(found.to_string().contains("written anew"), "{found}");
}

/// Many at once: the chain has no gap and no fork.
#[tokio::test(flavor = "multi_thread")]
async fn acts_at_the_same_time_follow_each_other() {
    let world = World::new().await;
    let made = (0..40).map(|_| world.operator.enrolment_token());
    for token in futures_util::future::join_all(made).await {
        token.unwrap();
    }
    assert_eq!(world.operator.verify_audit(None).await.unwrap().n, 40);
}

/// The same on PostgreSQL, where transactions do not wait for each other unless they lock the same row; and tokens, roles and sizes with it.
/// `TITER_TEST_POSTGRES` names a server (`postgres://user@host:port/database`) in which databases may be made; without it nothing is tried.
#[tokio::test(flavor = "multi_thread")]
async fn acts_at_the_same_time_follow_each_other_on_postgres() {
    let Ok(server) = std::env::var("TITER_TEST_POSTGRES") else { return };
    let mut admin = PgConnection::connect(&server).await.unwrap();
    let name = format!("titer_audit_{}", std::process::id());
    admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    let mut url: url::Url = server.parse().unwrap();
    url.set_path(&name);
    let world = World::with(|config| Config { database: Some(Database::Postgres(url.into())), ..config }).await;
    let alice = world.operator.add_operator(&"alice".parse().unwrap(), Role::Viewer).await.unwrap();
    let made = (0..40).map(|_| world.operator.enrolment_token());
    for token in futures_util::future::join_all(made).await {
        token.unwrap();
    }
    let alice = updater::operator::Operator::new(&world.url, &alice.token).unwrap();
    assert_eq!(alice.verify_audit(None).await.unwrap().n, 41);
    assert!(alice.operators().await.unwrap()[0].last_used.is_some());
    let metrics = Web::to(&world).with_token(Method::GET, "/metrics", world.token(), "").await.text();
    assert!(metrics.contains("titer_rows{kind=\"audit\"} 41"), "{metrics}");
    assert_eq!(Web::to(&world).get("/v1/ready").await.status, 200);
    world.operator.revoke_operator(&"alice".parse().unwrap()).await.unwrap();
    assert_eq!(alice.terminals().await.unwrap_err().code(), "operator_token_revoked");
}

/// Where the log cannot be written, nothing is done: what an operator changes and its row are one transaction.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_logged_is_not_done() {
    let world = busy().await;
    let operator = &world.operator;
    let terminal = operator.terminals().await.unwrap()[0].terminal.clone();
    let one = at("acme/stable", 1);
    let blocked = Blocked { at: one.clone(), words: String::new() };
    let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let stays = OneOff { channel: one.channel.clone(), release: Some(1), until, why: "w".to_owned() };
    let policy = Policy { minimum_stay_days: 3, ..Policy::default() };
    let start = RolloutStart { at: one.clone(), rings: vec![Ring::percent(100)], gate: None };
    let (tokens, rows) = (operator.tokens().await.unwrap().len(), json!(operator.terminals().await.unwrap()));

    world.sql("ALTER TABLE audit RENAME TO audit_away").await;
    let codes = [
        operator.block(&blocked).await.unwrap_err(),
        operator.put_policy(DEFAULT_POLICY, &policy).await.unwrap_err(),
        operator.put_needs(&one.channel, &Needs { preference: 3, ..Needs::default() }).await.unwrap_err(),
        operator.put_group(&terminal, Some("lab")).await.unwrap_err(),
        operator.start_rollout(&start).await.unwrap_err(),
        operator.give(&terminal, &stays).await.unwrap_err(),
        operator.enrolment_token().await.unwrap_err(),
        operator.revoke_terminal(&terminal).await.unwrap_err(),
        operator.remove_terminal(&terminal).await.unwrap_err(),
    ];
    assert!(codes.iter().all(|error| error.code() == "internal"), "{codes:?}");
    world.sql("ALTER TABLE audit_away RENAME TO audit").await;
    assert_eq!(operator.blocked().await.unwrap(), []);
    assert_eq!(operator.policies().await.unwrap(), Policies::default());
    assert_eq!(operator.needs().await.unwrap(), []);
    assert_eq!(operator.rollouts().await.unwrap().len(), 0);
    assert_eq!(operator.one_offs().await.unwrap(), []);
    assert_eq!(operator.tokens().await.unwrap().len(), tokens);
    assert_eq!(json!(operator.terminals().await.unwrap()), rows);

    operator.block(&blocked).await.unwrap();
    operator.unblock(&one).await.unwrap();
    operator.unblock(&one).await.unwrap_err();
    let page = operator.audit(7, 0).await.unwrap();
    assert_eq!(page.rows.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["release-blocked", "release-unblocked"]);
    operator.verify_audit(None).await.unwrap();
}
