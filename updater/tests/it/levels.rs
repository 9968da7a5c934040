//! What a terminal may call, by how it stands with the operator: a matrix of standings and calls.

use crate::support::World;
use crate::support::web::Web;
use axum::http::Method;
use serde_json::{Value, json};
use updater::agent::Enrolment;
use updater::disk::Disk;
use updater::keys::SigningKey;
use updater::wire::{Designation, TokenRequest};

/// Beyond whatever the agents have used.
const COUNTER: u64 = 1 << 60;

/// A key and the number that it speaks for.
struct Caller {
    key: SigningKey,
    number: String,
}

impl Caller {
    /// Status and code of a signed call; the code of what is answered with success is empty.
    async fn post(&self, web: &Web, path: &str, counter: u64, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let signature = self.key.sign(format!("titer-request-v1\nPOST {path}\n{counter}\n{body}").as_bytes());
        let (counter, signature) = (counter.to_string(), hex::encode(signature));
        let headers = [("titer-counter", counter.as_str()), ("titer-signature", &signature)];
        let answer = web.send(Method::POST, path, &headers, &body).await;
        (answer.status, if answer.status == 200 { String::new() } else { answer.code() })
    }
}

async fn token(world: &World, approval: bool) -> String {
    world.operator.make_token(&TokenRequest { approval, ..TokenRequest::default() }).await.unwrap().token
}

/// Everybody reads what is signed; only a terminal that is served is told something or believed; who is shut out hears why.
#[tokio::test(flavor = "multi_thread")]
async fn each_standing_may_call_what_it_may_and_no_more() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let web = Web::to(&world);
    let mut callers = Vec::new();
    for (name, approval) in [("served", false), ("revoked", false), ("pending", true)] {
        let terminal = world.stranger(name);
        let channels = vec!["acme/stable".parse().unwrap()];
        let enrolment = Enrolment::of_this_machine(world.url.clone(), token(&world, approval).await, channels);
        let number = terminal.agent.enroll(&enrolment).await.unwrap();
        let key = SigningKey::load(&Disk::default(), &terminal.folder.join("key.pk8")).unwrap();
        callers.push((name, Caller { key, number }));
    }
    world.operator.revoke_terminal(&callers[1].1.number).await.unwrap();
    let key = SigningKey::load_or_create(&Disk::default(), &world.dir.path().join("stranger.pk8")).unwrap();
    callers.push(("stranger", Caller { key, number: "0".repeat(32) }));

    let facts = json!({"hardware": "x86_64", "os": "linux", "engine_version": "1", "designation": Designation::Own, "subscribed": ["acme/stable"]});
    for (standing, caller) in &callers {
        let refusal = match *standing {
            "served" => (200, ""),
            "pending" => (403, "terminal_pending"),
            "revoked" => (403, "terminal_revoked"),
            _ => (404, "terminal_unknown"),
        };
        for path in ["/metadata/timestamp.json", "/metadata/1.root.json", "/v1/makers/acme"] {
            assert_eq!(web.get(path).await.status, 200, "{standing} {path}");
        }
        let of = |call: &str| format!("/v1/terminals/{}/{call}", caller.number);
        let calls = [
            ("check-in", json!({"facts": facts, "applied": [], "freshness": ""})),
            ("acknowledge", json!({"outcome": "trouble", "step": "test", "code": "test", "words": "x"})),
            ("threats", json!({"threat": "Win.Test.Thing"})),
        ];
        for (number, (call, body)) in (COUNTER..).zip(&calls) {
            let (status, code) = caller.post(&web, &of(call), number, body).await;
            assert_eq!((status, code.as_str()), refusal, "{standing} {call}");
        }
        // With a good token who is shut out stays out, whoever is in stays what it was, and a stranger becomes a terminal.
        let enrol = json!({"token": token(&world, false).await, "public_key": caller.key.public(), "facts": facts});
        let (status, code) = caller.post(&web, "/v1/terminals", COUNTER + 9, &enrol).await;
        let wanted = if *standing == "revoked" { (403, "terminal_revoked") } else { (200, "") };
        assert_eq!((status, code.as_str()), wanted, "{standing} enrols");
    }
    let rows = world.operator.terminals().await.unwrap();
    assert_eq!(rows.len(), 4, "the stranger is the fourth");
    assert_eq!(
        (rows.iter().filter(|row| row.pending).count(), rows.iter().filter(|row| row.revoked_at.is_some()).count()),
        (1, 1)
    );
}
