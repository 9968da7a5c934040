//! Who may call what: every route of the service, with every kind of token.

use crate::support::web::{Answer, Web};
use crate::support::{World, is_on_postgres};
use axum::http::Method;
use serde_json::Value;
use std::fs;
use updater::wire::{OperatorName, Role};

fn name(text: &str) -> OperatorName {
    text.parse().unwrap()
}

/// Every operation of the description: method, path with its gaps filled, least role.
async fn operations(web: &Web) -> Vec<(Method, String, Option<Role>)> {
    let document = web.get("/v1/openapi.json").await.json();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{to}", &"0".repeat(64)).replace("{from}", &"1".repeat(64)).replace("{maker}", "acme");
        let path = path.replace(['{', '}'], "");
        for (method, operation) in methods.as_object().unwrap() {
            let role = operation.get("x-least-role").and_then(Value::as_str).map(|role| role.parse().unwrap());
            operations.push((method.to_uppercase().parse().unwrap(), path.clone(), role));
        }
    }
    operations
}

/// All routes × no token, a wrong one, a revoked one, one of each role. The body is nothing that any of them takes, so nothing changes.
#[tokio::test(flavor = "multi_thread")]
async fn tenant_a_reads_nothing_that_its_role_does_not_allow() {
    let world = World::new().await;
    let web = Web::to(&world);
    let mut tokens = Vec::new();
    for role in Role::ALL {
        tokens.push((role, world.operator.add_operator(&name(&format!("a-{role}")), role).await.unwrap().token));
    }
    tokens.push((Role::KeyHolder, world.token().to_owned()));
    let revoked = world.operator.add_operator(&name("gone"), Role::KeyHolder).await.unwrap().token;
    world.operator.revoke_operator(&name("gone")).await.unwrap();
    let operations = operations(&web).await;
    assert!(operations.len() > 20);
    let mut guarded = 0;
    for (method, path, least) in &operations {
        if path == "/v1/watch" {
            // For anybody, and its answer does not end.
            assert_eq!(*least, None);
            continue;
        }
        let what = format!("{method} {path}");
        let with = async |authorization: &str| {
            let headers = [("authorization", authorization)];
            web.send(method.clone(), path, if authorization.is_empty() { &[] } else { &headers }, "[]").await
        };
        let bare = with("").await;
        let Some(least) = least else {
            // A token opens nothing that is not an operator's.
            for (_, token) in &tokens {
                assert_eq!(with(&format!("Bearer {token}")).await.status, bare.status, "{what}");
            }
            continue;
        };
        guarded += 1;
        let refused = |answer: &Answer| (answer.status, answer.code());
        let token = &tokens[0].1;
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Basic YTpi",
            token,
            &format!("Bearer {token}x"),
            &format!("Bearer  x{token}"),
        ] {
            assert_eq!(refused(&with(wrong).await), (401, "operator_token_refused".to_owned()), "{what}: {wrong}");
        }
        assert_eq!(refused(&with(&format!("Bearer {revoked}")).await), (401, "operator_token_revoked".to_owned()), "{what}");
        for (role, token) in &tokens {
            let answer = with(&format!("bearer {token}")).await;
            if role >= least {
                assert!(!matches!(answer.status, 401 | 403 | 500..), "{what} as {role}: {}", answer.status);
            } else {
                assert_eq!(refused(&answer), (403, "operator_role_too_low".to_owned()), "{what} as {role}");
            }
        }
        if method == Method::GET {
            // What answers GET answers HEAD as well.
            assert_eq!(web.send(Method::HEAD, path, &[], "").await.status, 401, "{what}");
        }
        for odd in
            [format!("{path}/"), format!("/{path}"), path.to_uppercase(), format!("{path}%2f"), format!("/x/..{path}/.")]
        {
            let status = web.send(method.clone(), &odd, &[], "[]").await.status;
            assert!(matches!(status, 400 | 401 | 404 | 405), "{method} {odd}: {status}");
        }
    }
    assert!(guarded >= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_shown_once_and_kept_as_digests() {
    let world = World::new().await;
    let made = world.operator.add_operator(&name("alice"), Role::Viewer).await.unwrap();
    let alice = updater::operator::Operator::new(&world.url, &made.token).unwrap();
    alice.terminals().await.unwrap();
    assert_eq!(alice.add_operator(&name("bob"), Role::Viewer).await.unwrap_err().code(), "operator_role_too_low");
    assert_eq!(alice.enrolment_token().await.unwrap_err().code(), "operator_role_too_low");

    let rows = alice.operators().await.unwrap();
    assert_eq!((rows.len(), rows[0].name.as_str(), rows[0].role), (1, "alice", Role::Viewer));
    assert!(rows[0].last_used.is_some() && rows[0].revoked_at.is_none() && rows[0].created_by.contains("operator-token"));

    world.operator.revoke_operator(&name("alice")).await.unwrap();
    world.operator.revoke_operator(&name("alice")).await.unwrap();
    assert_eq!(alice.terminals().await.unwrap_err().code(), "operator_token_revoked");
    assert_eq!(world.operator.revoke_operator(&name("nobody")).await.unwrap_err().code(), "operator_unknown");
    let again = world.operator.add_operator(&name("alice"), Role::KeyHolder).await.unwrap_err();
    assert_eq!(again.code(), "operator_taken", "the audit log names one person by one name");

    let secret = made.token.trim_start_matches("to1.").as_bytes();
    assert_eq!(secret.len(), 64);
    // PostgreSQL's files are not this test's to read.
    let files = if is_on_postgres() { &[][..] } else { &["titer.sqlite3", "titer.sqlite3-wal"] };
    for file in files {
        let bytes = fs::read(world.dir.path().join("service").join(file)).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{file}");
    }
    assert!(!format!("{made:?}").contains(&made.token));
}
