//! What a mirror, a relay or a bad line can do (rows 21 to 24, 31, 32). Downloads alone are in `resume.rs`, refusals in `back_off.rs`.

use super::{Safe, Stage};
use crate::support::fault::Fault;
use crate::support::{FakeEngine, at};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use updater::Network;
use updater::agent::Agent;

/// Parts of every kind that an update asks for.
const PARTS: [&str; 6] =
    ["/check-in", "/metadata/timestamp.json", ".snapshot.json", ".targets.json", ".m-acme.json", "/targets/m/acme/"];

#[tokio::test(flavor = "multi_thread")]
async fn a_malicious_mirror() {
    let stage = Stage::new().await;
    let clean = stage.template();
    for part in PARTS {
        let myself = stage.proxy.url.join("/again").unwrap().to_string();
        for (fault, codes) in [
            (Fault::Answer(404, Vec::new(), ""), &["http_404"][..]),
            (Fault::Answer(500, Vec::new(), "<html>"), &["http_500"]),
            (Fault::Answer(302, vec![("location", myself)], ""), &["redirect_refused"]),
            (Fault::Answer(308, vec![("location", "file:///etc/passwd".to_owned())], ""), &["redirect_refused"]),
            (
                Fault::Answer(200, Vec::new(), "<html>Please log in</html>"),
                &["answer_unreadable", "metadata_malformed", "metadata_refused", "service_unreachable"],
            ),
            (
                Fault::FlipBit(40),
                &[
                    "answer_unreadable",
                    "metadata_malformed",
                    "metadata_unsigned",
                    "metadata_refused",
                    "blob_refused",
                    "assignment_unsigned",
                    "release_not_listed",
                ],
            ),
            (Fault::Longer(5), &["answer_unreadable", "metadata_malformed", "metadata_refused", "answer_too_long"]),
        ] {
            stage.proxy.forget();
            stage.proxy.always(part, fault);
            stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
            stage.refuses_any(codes, part).await;
            assert!(stage.proxy.seen("/again").is_empty() && stage.proxy.seen(part).len() <= 2, "nobody goes in circles");
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    stage.honest_cycle().await;
}

/// 1 byte at a time, or silence, at every kind of answer.
#[tokio::test(flavor = "multi_thread")]
async fn slow_retrieval() {
    let stage = Stage::new().await;
    let quick = Network { speed_window: Duration::from_millis(300), least_speed: 2000, resumes: 0, ..Network::default() };
    let clean = stage.template();
    for part in PARTS {
        for fault in [Fault::StallAt(0), Fault::StallAt(30), Fault::Drip(1, Duration::from_millis(10))] {
            stage.proxy.always(part, fault);
            stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
            let agent = Agent::new(&stage.terminal.folder, FakeEngine::default()).network(quick.clone());
            assert_eq!(agent.update().await.unwrap_err().code(), "answer_too_slow", "{part}");
            stage.still_safe(part);
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    stage.honest_cycle().await;
}

/// The connection is lost before any answer, at its first byte, and later.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_requests_and_cut_connections() {
    let stage = Stage::new().await;
    let clean = stage.template();
    for part in PARTS {
        for fault in [Fault::NoAnswer, Fault::CutAt(0), Fault::CutAt(1), Fault::CutAt(100)] {
            stage.proxy.always(part, fault);
            stage.proxy.always("/v1/deltas/", Fault::Answer(404, Vec::new(), ""));
            let once = Network { resumes: 0, ..Network::default() };
            let agent = Agent::new(&stage.terminal.folder, FakeEngine::default()).network(once);
            assert_eq!(agent.update().await.unwrap_err().code(), "service_unreachable", "{part}");
            stage.still_safe(part);
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    // Everything at once, over and over, and then an honest line.
    for _ in 0..3 {
        stage.proxy.once("/check-in", Fault::NoAnswer);
        assert_eq!(stage.terminal.agent.update().await.unwrap_err().code(), "service_unreachable");
    }
    stage.honest_cycle().await;
}

/// Nobody is there: every file of the terminal but its counters is what it was.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_mirror_leaves_all_files_alone() {
    let mut stage = Stage::new().await;
    stage.honest_cycle().await;
    stage.before = Safe::of(&stage.terminal);
    let files = files_of(&stage.terminal.folder);
    assert!(files.len() > 6, "{files:?}");
    stage.world.stop().await;
    for _ in 0..3 {
        stage.refuses("service_unreachable", "no service").await;
    }
    assert_eq!(files_of(&stage.terminal.folder), files);
    stage.world.start().await;
    stage.proxy.turn_to(&stage.world.url);
    stage.honest_cycle().await;
}

/// Content of all files below `folder` that hold what is trusted or in force.
fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !["counter", "backoff.json", "lock", "poll.json", "journal.jsonl"]
                .iter()
                .any(|name| path.ends_with(name))
            {
                files.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// 403 and 429 of one source: no other waits.
#[tokio::test(flavor = "multi_thread")]
async fn one_source_refuses_for_an_hour() {
    let stage = Stage::with(&["acme/stable", "best/stable"], updater::wire::Designation::Own).await;
    let clean = stage.template();
    for status in [403, 429] {
        stage.proxy.always(".m-best.json", Fault::Answer(status, vec![("retry-after", "3600".to_owned())], ""));
        let report = stage.terminal.agent.update().await.unwrap();
        assert_eq!((report.faults.len(), report.faults[0].code.clone()), (1, format!("http_{status}")));
        let again = stage.terminal.agent.update().await.unwrap();
        assert_eq!(again.faults[0].code, "backing_off");
        assert_eq!(stage.terminal.runs(), [at("acme/stable", 2), at("best/stable", 1)]);
        stage.proxy.heal();
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}
