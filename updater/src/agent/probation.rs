//! What happens to a generation after the switch: it is watched until it has proven itself, and taken out of force by itself if
//! scanners die with it.
//!
//! A self-test sees a few files; a scanner sees all of them. So a new generation stays on probation for some hours or some
//! scans. Meanwhile each scan leaves a mark while it runs:
//!
//! ```text
//! <state>/gen/<n>/probation.json    since when, until when, and which generation to go back to; gone once it is proven
//! <state>/scans/<n>-<pid>-<count>   a scan with generation n, locked while its process lives
//! <state>/scans/<n>.ended           one byte for each scan with it that ended well
//! ```
//!
//! A mark that nobody has locked is a scan that died: a crash, or somebody who killed it, which is why several are asked for.
//! Whoever comes next, a scan or the agent, counts those marks before anything opens the database; so a scanner that dies at
//! its first file cannot go on dying (a boot loop) and needs neither the network nor a running agent to be saved.
//!
//! Rejected: a number in a file, up at the start and down at the end, which two scans at once would write over each other and
//! which a lost "down" would leave wrong for ever; a supervisor for each scan, which costs a process each.

use crate::agent::state::State;
use crate::agent::{AgentError, Probation, Rollback};
use crate::disk::{Disk, Lock};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds by which a clock may run past the end of a probation before it counts as wild and the probation begins anew.
const WILD: i64 = 365 * 24 * 3600;

/// A generation's probation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// Seconds since 1970.
    since: i64,
    /// Seconds it lasts.
    seconds: i64,
    /// Scans that end well and with which it is over.
    scans: u64,
    /// Scans that die and with which the generation is taken out of force.
    crashes: u64,
    /// The last generation that is proven.
    pub(crate) fallback: Option<u64>,
}

/// How a probation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbationStatus {
    /// Seconds since 1970 at which it ends, if not by scans before.
    pub until: i64,
    /// Scans that ended well.
    pub scans: u64,
    /// Scans that died.
    pub crashes: u64,
    /// Scans that may die, less one.
    pub crashes_max: u64,
    /// The generation that is gone back to if they do; `None` for a first installation.
    pub fallback: Option<u64>,
}

/// Puts generation `to` on probation, in the place of `from`, before it is put in force.
pub(crate) fn begin(state: &State, to: u64, from: Option<u64>, settings: &Probation) -> Result<(), AgentError> {
    if settings.hours == 0 {
        return Ok(());
    }
    // One that is itself on probation is nothing to go back to; what it would have gone back to is.
    let fallback = match from {
        Some(from) => state.trial(from)?.map_or(Some(from), |trial| trial.fallback),
        None => None,
    };
    let seconds = i64::try_from(settings.hours * 3600).unwrap_or(i64::MAX);
    let Probation { scans, crashes, .. } = *settings;
    state.put_trial(to, &Trial { since: state.seconds(), seconds, scans, crashes, fallback })
}

/// How the generation in force stands; `None` when it is proven, or when there is none.
pub(crate) fn status(state: &State) -> Result<Option<ProbationStatus>, AgentError> {
    let Some(current) = state.current_if_readable()? else { return Ok(None) };
    let Some(trial) = state.trial(current)? else { return Ok(None) };
    let marks = Marks::of(state, current);
    Ok(Some(ProbationStatus {
        until: trial.since.saturating_add(trial.seconds),
        scans: marks.ended(),
        crashes: marks.dead()?.len() as u64,
        crashes_max: trial.crashes,
        fallback: trial.fallback,
    }))
}

/// Ends a probation that was passed, and goes back from a generation that failed it. Needs the lock. Costs one small read when
/// there is no probation.
pub(crate) fn settle(state: &State) -> Result<Option<Rollback>, AgentError> {
    let Some(current) = state.current_if_readable()? else { return Ok(None) };
    let Some(trial) = state.trial(current)? else { return Ok(None) };
    let marks = Marks::of(state, current);
    let dead = marks.dead()?.len() as u64;
    if dead >= trial.crashes {
        let words = format!("{dead} scans with generation {current} did not end");
        return fall_back(state, current, "generation_crashes", &words);
    }
    let (now, until) = (state.seconds(), trial.since.saturating_add(trial.seconds));
    if marks.ended() >= trial.scans || (until..until.saturating_add(WILD)).contains(&now) {
        tracing::info!(generation = current, "generation {current} has proven itself");
        state.drop_trial(current)?;
        marks.clear(state)?;
    } else if now < trial.since || now >= until {
        // The clock jumped; how long it has been is not known.
        state.put_trial(current, &Trial { since: now, ..trial })?;
    }
    Ok(None)
}

/// Takes generation `from`, which is on probation, out of force, and has the service told at the next contact. `None` when
/// there is nothing whole to go back to: then it stays in force, as anything is better than nothing.
pub(crate) fn fall_back(state: &State, from: u64, code: &str, words: &str) -> Result<Option<Rollback>, AgentError> {
    let marks = Marks::of(state, from);
    let fallback = state.trial(from)?.and_then(|trial| trial.fallback);
    let to = match fallback {
        Some(to) if state.is_whole(to)? => Some(to),
        _ => None,
    };
    let outcome = match to {
        Some(to) => format!("; generation {to} is in force again"),
        None => "; there is none to go back to".to_owned(),
    };
    tracing::error!(generation = from, code, "{words}{outcome}");
    // Before the switch, so that a crash in between tells it twice rather than never.
    state.add_fault("probation", code, format!("{words}{outcome}"))?;
    let rollback = to.map(|to| switch_back(state, from, to)).transpose()?;
    marks.clear(state)?;
    Ok(rollback)
}

/// Puts generation `to` in force in the place of `from`, and holds back the releases of the latter that the former does not
/// run.
pub(crate) fn switch_back(state: &State, from: u64, to: u64) -> Result<Rollback, AgentError> {
    let good = state.manifest(to)?;
    let kept = good.releases();
    hold(state, state.manifest(from)?.releases().into_iter().filter(|at| !kept.contains(at)))?;
    state.drop_staged()?;
    state.put_current(to)?;
    state.journal().did(format!("roll back to generation {to}"));
    Ok(Rollback { from, to, channels: good.channels })
}

/// Holds releases back: they are not installed, now or later.
pub(crate) fn hold(state: &State, bad: impl Iterator<Item = crate::wire::ChannelRelease>) -> Result<(), AgentError> {
    let mut held = state.held()?;
    for at in bad {
        if !held.contains(&at) {
            held.push(at);
        }
    }
    state.put_held(&held)
}

/// The marks that scans with one generation leave.
struct Marks {
    folder: PathBuf,
    prefix: String,
    generation: u64,
}

impl Marks {
    fn of(state: &State, generation: u64) -> Marks {
        Marks { folder: state.folder().join("scans"), prefix: format!("{generation}-"), generation }
    }

    fn ended_path(&self) -> PathBuf {
        self.folder.join(format!("{}.ended", self.generation))
    }

    /// Scans that ended well.
    fn ended(&self) -> u64 {
        fs::metadata(self.ended_path()).map_or(0, |found| found.len())
    }

    /// Marks of scans whose process is gone.
    fn dead(&self) -> Result<Vec<PathBuf>, AgentError> {
        let names = Disk::default().names(&self.folder)?;
        let own = names.iter().filter(|name| name.starts_with(&self.prefix)).map(|name| self.folder.join(name));
        // Where locks do not work, nothing is known, and nobody is accused.
        let is_dead = |path: &PathBuf| File::open(path).is_ok_and(|mark| mark.try_lock().is_ok());
        Ok(own.filter(is_dead).collect())
    }

    /// Removes the marks of the dead and the count; scans that are running remove theirs.
    fn clear(&self, state: &State) -> Result<(), AgentError> {
        for mark in self.dead()? {
            state.disk.remove(&mark)?;
        }
        for name in state.disk.names(&self.folder)?.iter().filter(|name| name.starts_with('.')) {
            // Of a scan that died while it made its mark; one that makes it just now leaves none.
            state.disk.remove(&self.folder.join(name))?;
        }
        Ok(state.disk.remove(&self.ended_path())?)
    }

    /// Makes a mark that is locked from the moment it has its name.
    fn make(&self) -> std::io::Result<(PathBuf, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        fs::create_dir_all(&self.folder)?;
        let unique = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let beside = self.folder.join(format!(".{unique}"));
        let path = self.folder.join(format!("{}{unique}", self.prefix));
        let mark = File::create(&beside)?;
        match mark.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(e)) => return Err(e),
            Err(TryLockError::WouldBlock) => return Err(std::io::ErrorKind::WouldBlock.into()),
        }
        fs::rename(beside, &path)?;
        Ok((path, mark))
    }
}

/// A scan that is running with a generation on probation.
///
/// Dropped without [`ScanMark::end`], as by an error, it says nothing of the generation; dropped by a panic, or not at all, it
/// is a scan that died.
#[derive(Debug)]
pub struct ScanMark {
    path: PathBuf,
    ended: PathBuf,
    _lock: File,
}

impl ScanMark {
    /// The scan ended well, whatever it found.
    pub fn end(self) {
        let count = OpenOptions::new().create(true).append(true).open(&self.ended);
        // A count that is lost only makes the probation longer.
        drop(count.and_then(|mut count| count.write_all(b".")));
    }

    /// The mark's file, for whoever has to end the process without unwinding and not as a crash: removing it takes the scan back.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScanMark {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// To be called by a scanner before it asks for [`installed_database`](crate::installed_database), and to be kept until its scan
/// ends.
///
/// Goes back from a generation with which scans died. `None` when the generation in force is proven, or when this process may
/// not write in the state folder: then its scans are not counted. Costs two small reads when there is no probation.
///
/// # Errors
/// [`AgentError`] of a state that is damaged.
pub fn begin_scan(state_dir: &Path) -> Result<Option<ScanMark>, AgentError> {
    let state = State::new(state_dir, Disk::default());
    let Some(current) = state.current()? else { return Ok(None) };
    let Some(trial) = state.trial(current)? else { return Ok(None) };
    let mut marks = Marks::of(&state, current);
    if marks.dead()?.len() as u64 >= trial.crashes {
        // Somebody else who holds the lock settles it, or is just installing something newer.
        if let Ok(Some(_lock)) = Lock::try_take(&state_dir.join("lock")) {
            settle(&state)?;
        }
        match state.current()? {
            Some(now) if state.trial(now)?.is_some() => marks = Marks::of(&state, now),
            _ => return Ok(None),
        }
    }
    let made = marks.make().inspect_err(|error| tracing::debug!(%error, "this scan leaves no mark"));
    Ok(made.ok().map(|(path, lock)| ScanMark { path, ended: marks.ended_path(), _lock: lock }))
}

/// Records that a scanner died with the generation in force, for scanners that leave no marks of their own; returns how many
/// have, 0 when it is proven.
///
/// # Errors
/// [`AgentError`].
pub fn report_crash(state_dir: &Path) -> Result<u64, AgentError> {
    let state = State::new(state_dir, Disk::default());
    let Some(current) = state.current()? else { return Ok(0) };
    if state.trial(current)?.is_none() {
        return Ok(0);
    }
    let marks = Marks::of(&state, current);
    marks.make().map_err(|e| crate::disk::DiskError::new("mark", &marks.folder, e))?;
    let dead = marks.dead()?.len() as u64;
    if let Some(_lock) = Lock::try_take(&state_dir.join("lock"))? {
        settle(&state)?;
    }
    Ok(dead)
}
