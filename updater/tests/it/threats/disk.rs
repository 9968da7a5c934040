//! Disks that are full, over quota or read-only (row 34). Loss of power and sudden death are in `crash.rs`, and under `strace` in
//! `cli/tests/it/crash.rs`.

use super::Stage;
use crate::support::FakeEngine;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use updater::agent::Agent;
use updater::disk::Checkpoint;

/// Lets so many steps pass; each after that fails as the disk would.
struct Fails(AtomicI64, io::ErrorKind);

impl Checkpoint for Fails {
    fn reached(&self, _: &'static str) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 0 { Ok(()) } else { Err(io::Error::from(self.1)) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_at_every_step() {
    let stage = Stage::new().await;
    let clean = stage.template();
    // Every other step for the one that happens, and some for those that are like it.
    for (kind, code, stride) in [
        (io::ErrorKind::StorageFull, "disk_space", 2),
        (io::ErrorKind::QuotaExceeded, "disk_space", 9),
        (io::ErrorKind::ReadOnlyFilesystem, "disk_failed", 9),
    ] {
        let mut refused = 0;
        for steps in (0..).step_by(stride) {
            let disk = Arc::new(Fails(AtomicI64::new(steps), kind));
            let agent = Agent::new(&stage.terminal.folder, FakeEngine::default()).checkpoint(disk.clone());
            let Err(error) = agent.update().await else { break };
            if super::Safe::of(&stage.terminal) == stage.before {
                // A key that cannot be read for the disk's sake is the one other name for it.
                assert!(
                    [code, "key_failed"].contains(&error.code()),
                    "{kind} after {steps} steps: {} {error}",
                    error.code()
                );
                refused += 1;
            }
            // Room again: the next cycle needs no help.
            stage.honest_cycle().await;
            stage.restore(&clean);
        }
        assert!(refused > 40 / stride, "{kind}: {refused}");
        stage.restore(&clean);
    }
    stage.honest_cycle().await;
}

/// A limit of the system's own: no file may grow beyond 512 bytes. Only where a shell can set one.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_real() {
    let stage = Stage::new().await;
    let update = stage.terminal.update_by_child();
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]).arg(update.get_program()).args(update.get_args());
    limited.envs(update.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = limited.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(!ended.status.success() && said.contains("File too large"), "{said}");
    stage.still_safe("a quota");
    stage.honest_cycle().await;
}
