//! Names and words that try to be paths, commands or escape sequences (rows 16 and 40). Nothing is executed, because nothing that was received
//! is ever given to a shell or a path; and nothing appears outside the state folder, which is looked at.

use super::Stage;
use super::forge::Forge;
use crate::support::fault::Fault;
use crate::support::{EvilDirector, at};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const ODD: [&str; 16] = [
    "../../../../canary",
    "/tmp/titer-canary",
    "..",
    ".",
    "",
    "..\\..\\canary",
    "C:\\canary",
    "con",
    "ACME",
    "a\u{0}b",
    "a\nb: c",
    "\u{1b}[2J\u{1b}]0;owned\u{7}",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary #",
    "\u{202e}lmth",
];

/// Every path below the world's folder that does not belong to the terminal's state or the service.
fn outside(stage: &Stage) -> BTreeSet<PathBuf> {
    let root = stage.world.dir.path();
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path != stage.terminal.folder && path != root.join("service") {
                folders.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// Names of files below the state folder; all are Titer's own.
fn state_files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            names.push(entry.file_name().into_string().unwrap());
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    names
}

impl Stage {
    fn nothing_escaped(&self, before: &BTreeSet<PathBuf>, what: &str) {
        assert_eq!(outside(self), *before, "{what}");
        assert!(!Path::new("/tmp/titer-canary").exists() && !Path::new("canary").exists(), "{what}");
        let names = state_files(&self.terminal.folder);
        assert!(!names.iter().any(|name| name.contains("canary")), "{what}: {names:?}");
    }
}

fn is_printable(text: &str) -> bool {
    !text.contains(char::is_control)
}

/// Target names of a maker's role, and everything in them that is text.
#[tokio::test(flavor = "multi_thread")]
async fn odd_target_names() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let before = outside(&stage);
    let target = Forge::of(&stage.world).roles["m-acme"]["targets"]["m/acme/stable/2.titer"].clone();
    for odd in ODD {
        let paths =
            [odd.to_owned(), format!("m/acme/{odd}/2.titer"), format!("m/acme/stable/{odd}"), format!("{odd}/2.titer")];
        let mut forged = paths.map(|path| json!({path: target})).to_vec();
        for field in ["channel", "root"] {
            let mut target = target.clone();
            target["custom"][field] = odd.into();
            forged.push(json!({"m/acme/stable/2.titer": target}));
        }
        let mut both = target.clone();
        both["custom"]["channel"] = format!("acme/{odd}").into();
        forged.push(json!({format!("m/acme/{odd}/2.titer"): both}));
        for targets in forged {
            let mut forge = Forge::of(&stage.world);
            forge.edit("m-acme", |role| role["targets"] = targets.clone());
            forge.serve(&stage.proxy);
            let what = targets.to_string();
            // `con` is a channel's name like any other; then it is just not the one that was assigned.
            let codes = ["metadata_refused", "metadata_malformed", if odd == "con" { "release_not_listed" } else { "" }];
            let error = stage.refuses_any(&codes, &what).await;
            assert!(is_printable(&error), "{error:?}");
            stage.nothing_escaped(&before, &what);
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    stage.honest_cycle().await;
}

/// Roles with such names, delegated to by whoever has the targets key, before the maker's own.
#[tokio::test(flavor = "multi_thread")]
async fn odd_role_names() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let before = outside(&stage);
    for odd in ODD {
        for name in [odd.to_owned(), format!("m-{odd}")] {
            let mut forge = Forge::of(&stage.world);
            forge.edit("targets", |targets| {
                let roles = targets["delegations"]["roles"].as_array_mut().unwrap();
                let mut again = roles[0].clone();
                again["name"] = name.clone().into();
                again["terminating"] = false.into();
                roles.insert(0, again);
            });
            forge.edit("snapshot", |snapshot| snapshot["meta"][format!("{name}.json")] = json!({"version": 1}));
            stage.proxy.forget();
            forge.serve(&stage.proxy);
            // It is in nobody's way, or the whole is refused; it is never asked for and never written.
            if let Err(error) = stage.terminal.agent.update().await {
                assert!(
                    ["metadata_refused", "metadata_malformed", "metadata_unsigned"].contains(&error.code()),
                    "{name:?}: {error}"
                );
                assert!(is_printable(&error.to_string()), "{error}");
                stage.still_safe(&name);
            }
            assert!(stage.proxy.seen("/metadata/").len() <= 5, "{name:?}: {:?}", stage.proxy.seen("/metadata/"));
            stage.nothing_escaped(&before, &name);
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    stage.honest_cycle().await;
}

/// What the service answers to a check-in, and how it refuses one.
#[tokio::test(flavor = "multi_thread")]
async fn injection_through_answers_of_the_service() {
    let stage = Stage::new().await;
    let evil = EvilDirector::of(&stage.world);
    let told = Arc::new(Mutex::new(Value::Null));
    let telling = told.clone();
    let answer = move |terminal: &str, counter| {
        let mut told = telling.lock().unwrap().clone();
        told["number"] = json!(counter);
        let mut member = EvilDirector::membership(terminal, counter);
        member["freshness"] = told["words"].clone();
        let mut answer = evil.answer(&told, &member);
        answer["beacon"] = told["words"].clone();
        answer["poll_seconds"] = u64::MAX.into();
        answer
    };
    stage.terminal.is_answered(&stage.proxy.url, answer).await;
    let clean = stage.template();
    let before = outside(&stage);
    let honest = EvilDirector::assignment(&[at("acme/stable", 2)], 1);
    for odd in ODD {
        // Where a name is to be, such a text is no answer.
        for (channel, reason) in
            [(odd.to_owned(), "refresh"), (format!("acme/{odd}"), "refresh"), ("acme/stable".to_owned(), odd)]
        {
            let mut answer = honest.clone();
            answer["channels"][0]["channel"] = channel.into();
            answer["reason"] = reason.into();
            if answer["channels"][0]["channel"] == "acme/con" {
                continue;
            }
            *told.lock().unwrap() = answer.clone();
            let error = stage.refuses("assignment_malformed", &answer.to_string()).await;
            assert!(is_printable(&error), "{error:?}");
            stage.nothing_escaped(&before, &answer.to_string());
            stage.restore(&clean);
        }
        // Where words are to be, they are kept as words and without what a screen would obey.
        let mut answer = honest.clone();
        answer["words"] = odd.into();
        *told.lock().unwrap() = answer.clone();
        let report = stage.terminal.agent.update().await.unwrap();
        assert!(is_printable(&report.assignment.words), "{:?}", report.assignment.words);
        assert!(is_printable(&stage.terminal.status().last_assignment.unwrap().words));
        stage.terminal.agent.update().await.unwrap();
        stage.nothing_escaped(&before, odd);
        stage.restore(&clean);
        // And so is a refusal.
        stage.terminal.asks(&stage.proxy.url);
        let problem = json!({"code": odd, "detail": odd}).to_string();
        stage.proxy.always("/check-in", Fault::Refuse(400, problem.into_bytes()));
        let error = stage.terminal.agent.update().await.unwrap_err();
        let plain = |code: &str| code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        assert!(plain(error.code()) && !error.code().is_empty(), "{:?}", error.code());
        assert!(is_printable(&error.to_string()), "{:?}", error.to_string());
        stage.still_safe(odd);
        stage.proxy.heal();
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}

/// Text in the top roles that a terminal reads and does not use, and in those that it does.
#[tokio::test(flavor = "multi_thread")]
async fn injection_through_metadata() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let before = outside(&stage);
    for odd in ODD {
        type Change<'a> = (&'a str, &'a dyn Fn(&mut Value));
        let changes: [Change<'_>; 6] = [
            ("timestamp", &|role| role["_type"] = odd.into()),
            ("timestamp", &|role| role["expires"] = odd.into()),
            ("snapshot", &|role| role["spec_version"] = odd.into()),
            ("targets", &|role| role["delegations"]["roles"][0]["paths"] = json!([odd])),
            ("targets", &|role| role["delegations"]["roles"][0]["keyids"] = json!([odd])),
            ("m-acme", &|role| role["spec_version"] = odd.into()),
        ];
        for (number, (role, change)) in changes.into_iter().enumerate() {
            let mut forge = Forge::of(&stage.world);
            forge.edit(role, change);
            forge.serve(&stage.proxy);
            match stage.terminal.agent.update().await {
                Ok(_) => assert!(number == 2 || number == 3, "{role} {number} {odd:?}"),
                Err(error) => {
                    let code = error.code();
                    assert!(code.starts_with("metadata_"), "{role} {odd:?}: {code}");
                    assert!(is_printable(&error.to_string()), "{role} {odd:?}: {:?}", error.to_string());
                    stage.still_safe(odd);
                }
            }
            stage.nothing_escaped(&before, odd);
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    stage.honest_cycle().await;
}

/// The header of a blob that its maker signed says another name than the one it is listed under.
#[tokio::test(flavor = "multi_thread")]
async fn injection_through_a_blobs_header() {
    let stage = Stage::new().await;
    stage.is_told_of_release_2().await;
    let clean = stage.template();
    let before = outside(&stage);
    for odd in ODD {
        let mut blob = stage.blobs[1].clone();
        let field = odd.bytes().chain(std::iter::repeat(0)).take(80).collect::<Vec<_>>();
        blob[100..180].copy_from_slice(&field);
        let digest = updater::wire::Sha256Hex::of(&blob[..244]);
        blob[244..276].copy_from_slice(digest.bytes());
        let mut forge = Forge::of(&stage.world);
        forge.edit("m-acme", |role| {
            let sha256 = updater::wire::Sha256Hex::of(&blob).to_string();
            role["targets"]["m/acme/stable/2.titer"]["hashes"]["sha256"] = sha256.into();
        });
        forge.serve(&stage.proxy);
        stage.proxy.always("/targets/", Fault::Serve(blob));
        stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
        let error = stage.refuses("blob_refused", odd).await;
        assert!(is_printable(&error), "{error:?}");
        stage.nothing_escaped(&before, odd);
        stage.proxy.heal();
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}
