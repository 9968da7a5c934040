//! Running a program that may crash, hang or eat memory, and telling which of these it did.
//!
//! The limits of memory and processor time are the process's own first act, as nothing else runs before it in a program that is this
//! one; the time on the clock is kept by the parent, who then ends the whole group, so that nothing the process started is left. Should
//! the parent die, the process is ended by the system (Linux), or by its limit of processor time.
//!
//! Rejected: limits set between fork and exec, which needs `unsafe`; a control group, which needs rights that an agent may not have.

use super::self_test::Verdict;
use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use updater::agent::{SelfTestError, SelfTestPlan};

/// Bytes that are kept of what the process writes to either of its outputs.
const OUTPUT_LEN_MAX: u64 = 64 << 10;

/// How often the process is asked whether it has ended: the delay that this adds to a test.
const POLL: Duration = Duration::from_millis(5);

/// How a process ended.
pub(super) struct Ended {
    status: ExitStatus,
    /// It was ended because its time was over.
    late: bool,
    out: Vec<u8>,
    err: String,
}

/// Runs `command` with `input`, and ends it and all that it started when `time_max` is over.
pub(super) fn run(mut command: Command, input: &[u8], time_max: Duration) -> io::Result<Ended> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let began = Instant::now();
    let mut child = command.spawn()?;
    let [out, err] = [reader(child.stdout.take()), reader(child.stderr.take())];
    let mut stdin = child.stdin.take().expect("it is piped");
    let input = input.to_vec();
    // A process that reads nothing must not keep us from looking at the clock.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let mut late;
    let status = loop {
        late = began.elapsed() >= time_max;
        if late || has_ended(&mut child)? {
            // Also what it started and left behind, which holds the pipes open. The group's number cannot be another's yet, as the
            // process is waited for only after this.
            end(&mut child);
            break child.wait()?;
        }
        thread::sleep(POLL);
    };
    writer.join().expect("writing does not panic");
    let [out, err] = [out, err].map(|reader| reader.join().expect("reading does not panic"));
    Ok(Ended { status, late, out, err: String::from_utf8_lossy(&err).into_owned() })
}

/// Reads the beginning of a pipe and lets the rest go by.
fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut pipe) = pipe {
            drop(pipe.by_ref().take(OUTPUT_LEN_MAX).read_to_end(&mut kept));
            drop(io::copy(&mut pipe, &mut io::sink()));
        }
        kept
    })
}

/// Whether the process has ended; it is not waited for yet.
#[cfg(unix)]
fn has_ended(child: &mut Child) -> io::Result<bool> {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(Pid::from_child(child)), options)?.is_some())
}

#[cfg(not(unix))]
fn has_ended(child: &mut Child) -> io::Result<bool> {
    Ok(child.try_wait()?.is_some())
}

/// Ends the process and, where there are such, its group. One that ended meanwhile is fine.
fn end(child: &mut Child) {
    #[cfg(unix)]
    let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(child), rustix::process::Signal::KILL);
    drop(child.kill());
}

/// Limits the memory and the processor time of this process, and ends it with its parent.
#[cfg(unix)]
pub(super) fn limit_this_process(plan: &SelfTestPlan) -> anyhow::Result<()> {
    use anyhow::Context;
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = |resource, most: u64| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).context("cannot limit the self-test")
    };
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, plan.time_max.as_secs() + 1)?;
    // The one limit of memory that Linux keeps for a single process. macOS knows it and does not keep it.
    limit(Resource::As, plan.memory_bytes_max)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .context("cannot tie the self-test to its parent")?;
    Ok(())
}

/// Elsewhere only the time on the clock is limited.
#[cfg(not(unix))]
pub(super) fn limit_this_process(_: &SelfTestPlan) -> anyhow::Result<()> {
    Ok(())
}

/// What the end of a self-test says of the database.
pub(super) fn judge(ended: &Ended, plan: &SelfTestPlan) -> Verdict {
    if ended.late {
        return Err(SelfTestError::TimedOut { seconds: plan.time_max.as_secs() });
    }
    if ended.status.success() {
        return match serde_json::from_slice(&ended.out) {
            Ok(verdict) => verdict,
            Err(e) => Err(SelfTestError::Crashed { reason: format!("it ended without a verdict: {e}") }),
        };
    }
    let memory = SelfTestError::Memory { bytes: plan.memory_bytes_max };
    // What Rust's allocator says before it aborts.
    if ended.err.contains("memory allocation of") {
        return Err(memory);
    }
    match signal(ended.status) {
        Some(Signal::Xcpu) => Err(SelfTestError::TimedOut { seconds: plan.time_max.as_secs() }),
        // Nobody but the system, short of memory, ends a process of ours like that.
        Some(Signal::Kill) => Err(memory),
        _ => {
            let last = ended.err.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Err(SelfTestError::Crashed { reason: format!("{}; {last}", ended.status) })
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signal {
    Xcpu,
    Kill,
    Other,
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<Signal> {
    use rustix::process::Signal as Raw;
    let raw = std::os::unix::process::ExitStatusExt::signal(&status)?;
    Some(match raw {
        raw if raw == Raw::XCPU.as_raw() => Signal::Xcpu,
        raw if raw == Raw::KILL.as_raw() => Signal::Kill,
        _ => Signal::Other,
    })
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<Signal> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use updater::agent::SelfTest;

    fn plan(seconds: u64) -> SelfTestPlan {
        SelfTestPlan {
            clean: Vec::new(),
            harmful: Vec::new(),
            time_max: Duration::from_secs(seconds),
            memory_bytes_max: 1 << 30,
        }
    }

    fn shell(script: &str, seconds: u64) -> (Verdict, Ended) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let ended = run(command, b"a request", Duration::from_secs(seconds)).unwrap();
        (judge(&ended, &plan(seconds)), ended)
    }

    fn code(script: &str, seconds: u64) -> &'static str {
        shell(script, seconds).0.unwrap_err().code()
    }

    #[test]
    fn each_end_has_its_code() {
        assert_eq!(code("kill -SEGV $$", 60), "self_test_crashed");
        assert_eq!(code("kill -ABRT $$", 60), "self_test_crashed");
        assert_eq!(code("echo 'thread main panicked' >&2; exit 101", 60), "self_test_crashed");
        assert_eq!(code("exit 0", 60), "self_test_crashed");
        assert_eq!(code("echo 'memory allocation of 99 bytes failed' >&2; kill -ABRT $$", 60), "self_test_memory");
        assert_eq!(code("kill -KILL $$", 60), "self_test_memory");
        assert_eq!(code("kill -XCPU $$", 60), "self_test_timed_out");
        assert_eq!(code("sleep 600", 1), "self_test_timed_out");
        assert_eq!(code(r#"echo '{"Err":{"code":"misses","sample":"x"}}'"#, 60), "self_test_misses");
        let passed = r#"echo '{"Ok":{"samples":1,"system_files":2,"changed_files":3,"signatures":4}}'"#;
        let passed = shell(passed, 60).0.unwrap();
        assert_eq!(passed, SelfTest { samples: 1, system_files: 2, changed_files: 3, signatures: 4 });
    }

    /// Also what the process started goes, whether it ends in time or not; else this test does not end, as the pipes stay open.
    #[test]
    fn nothing_that_it_started_is_left() {
        let (verdict, _) = shell("sleep 600 & sleep 600", 1);
        assert_eq!(verdict.unwrap_err().code(), "self_test_timed_out");
        let (_, ended) = shell("sleep 600 & echo $!", 60);
        let left: i32 = String::from_utf8(ended.out).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(left).unwrap();
        // It has been told to go; a busy machine takes its time to let it, and whoever inherited it to take it away.
        let is_left = || {
            let stat = std::fs::read_to_string(format!("/proc/{left}/stat")).unwrap_or_default();
            rustix::process::test_kill_process(pid).is_ok() && !stat.contains(") Z ")
        };
        let began = Instant::now();
        while is_left() {
            assert!(began.elapsed() < Duration::from_mins(1), "it is left");
            thread::sleep(POLL);
        }
    }

    #[test]
    fn endless_output_is_not_kept() {
        let (verdict, ended) = shell("cat; head -c 1000000 /dev/zero", 60);
        assert_eq!(verdict.unwrap_err().code(), "self_test_crashed");
        assert_eq!(ended.out.len() as u64, OUTPUT_LEN_MAX);
    }
}
