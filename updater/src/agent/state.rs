//! The state folder's small files. What each is for, and what a crash may do to it, is told in the parent module.

use crate::agent::backoff::BackOffs;
use crate::agent::clock::{self, Clock};
use crate::agent::director::Numbers;
use crate::agent::generation::MANIFEST_FILE;
use crate::agent::generation::Manifest;
use crate::agent::journal::Journal;
use crate::agent::poll::Seen;
use crate::agent::probation::Trial;
use crate::agent::{AgentError, CleanFile};
use crate::disk::{Access, Disk};
use crate::maker::{next_counter, next_counter_after};
use crate::wire::{Assignment, ChannelRelease, Sha256Hex, TerminalFacts};
use jiff::Timestamp as Time;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use url::Url;

/// Who this terminal is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) service: Url,
    pub(crate) terminal: String,
    pub(crate) facts: TerminalFacts,
}

/// The last answer of the service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Contact {
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) assignment: Assignment,
    /// What is to be said at the next check-in.
    #[serde(default)]
    pub(crate) freshness: String,
}

/// A delta that is not tried again on the way to a release.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) channel: String,
    /// The blob that it was to lead to; once another is wanted, this is forgotten.
    pub(crate) to: Sha256Hex,
    /// Its digest; for `None`, the index is what was refused.
    pub(crate) delta: Option<Sha256Hex>,
    pub(crate) code: String,
}

/// Verified metadata: file name to content.
pub(crate) type Trusted = BTreeMap<String, String>;

/// A generation that is tested and waits to be put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StagedMark {
    pub(crate) generation: u64,
    /// Seconds since 1970.
    pub(crate) at: i64,
    /// What the assignment said of time.
    #[serde(default)]
    pub(crate) timing: Timing,
}

/// What an assignment says of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// It should not wait for the window.
    pub(crate) urgent: bool,
    /// Seconds since 1970 before which it is not to be put in force.
    pub(crate) earliest: Option<i64>,
}

impl Timing {
    pub(crate) fn of(assignment: &Assignment) -> Self {
        Timing { urgent: assignment.urgent, earliest: assignment.earliest }
    }
}

/// Something the service has to hear of and could not be told when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) step: String,
    pub(crate) code: String,
    pub(crate) words: String,
}

/// Faults that are kept for the next contact; the oldest go first.
const FAULTS_MAX: usize = 16;

#[derive(Clone)]
pub(crate) struct State {
    folder: PathBuf,
    pub(crate) disk: Disk,
    clock: Clock,
}

impl State {
    pub(crate) fn new(folder: impl Into<PathBuf>, disk: Disk) -> Self {
        State { folder: folder.into(), disk, clock: clock::system() }
    }

    /// The same state by another clock.
    pub(crate) fn with_clock(self, clock: Clock) -> Self {
        State { clock, ..self }
    }

    /// The same state on another disk.
    pub(crate) fn with_disk(self, disk: Disk) -> Self {
        State { disk, ..self }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// What the machine's clock says, right or wrong.
    pub(crate) fn now(&self) -> Time {
        (self.clock)()
    }

    /// The same in seconds since 1970.
    pub(crate) fn seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// Where it is written down, for people, what this terminal does.
    pub(crate) fn journal(&self) -> Journal {
        Journal::new(&self.folder, self.clock.clone())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn key_path(&self) -> PathBuf {
        self.folder.join("key.pk8")
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    pub(crate) fn blob_path(&self, digest: &Sha256Hex) -> PathBuf {
        self.folder.join("store").join(digest.to_string())
    }

    pub(crate) fn module_path(&self, digest: &Sha256Hex) -> PathBuf {
        self.folder.join("modules").join(digest.to_string())
    }

    pub(crate) fn generation_path(&self, number: u64) -> PathBuf {
        self.folder.join("gen").join(number.to_string())
    }

    pub(crate) fn database(&self, number: u64) -> PathBuf {
        self.generation_path(number).join("database.tdb")
    }

    /// Moves small files that cannot be understood out of the way, as `NAME.damaged`, so that they are made anew; the service is told. Who
    /// this terminal is, what it trusts, which assignments it followed and what its owner set are none of these: without them it would
    /// take what it must not. Needs the lock.
    pub(crate) fn set_damaged_aside(&self) -> Result<(), AgentError> {
        self.set_aside_unless(self.faults(), "faults.json")?;
        self.set_aside_unless(self.held(), "held.json")?;
        self.set_aside_unless(self.staged(), "staged.json")?;
        self.set_aside_unless(self.contact(), "contact.json")?;
        self.set_aside_unless(self.clean_files(), "clean.json")?;
        self.set_aside_unless(self.refusals(), "refused-deltas.json")?;
        self.set_aside_unless(self.seen(), "poll.json")?;
        self.set_aside_unless(self.back_offs(), "backoff.json")?;
        if let Some(current) = self.current_if_readable()? {
            self.set_aside_unless(self.trial(current), &format!("gen/{current}/probation.json"))?;
        }
        Ok(())
    }

    fn set_aside_unless<T>(&self, read: Result<T, AgentError>, name: &str) -> Result<(), AgentError> {
        match read {
            Err(AgentError::Damaged { reason, .. }) => self.set_aside(name, &reason),
            Err(AgentError::Disk(e)) if e.is_of_other_kind() => self.set_aside(name, &e.to_string()),
            _ => Ok(()),
        }
    }

    fn set_aside(&self, name: &str, reason: &str) -> Result<(), AgentError> {
        let (path, aside) = (self.folder.join(name), self.folder.join(format!("{name}.damaged")));
        tracing::warn!(name, reason, "{name} could not be read and is made anew");
        self.disk.remove(&aside)?;
        self.disk.rename(&path, &aside)?;
        self.add_fault("state", "state_damaged", format!("{name} could not be read and is made anew: {reason}"))
    }

    pub(crate) fn identity(&self) -> Result<Option<Identity>, AgentError> {
        self.read_json("identity.json")
    }

    pub(crate) fn put_identity(&self, identity: &Identity) -> Result<(), AgentError> {
        self.put_json("identity.json", identity)
    }

    pub(crate) fn contact(&self) -> Result<Option<Contact>, AgentError> {
        self.read_json("contact.json")
    }

    pub(crate) fn put_contact(&self, contact: &Contact) -> Result<(), AgentError> {
        self.put_json("contact.json", contact)
    }

    pub(crate) fn numbers(&self) -> Result<Numbers, AgentError> {
        Ok(self.read_json("assignments.json")?.unwrap_or_default())
    }

    pub(crate) fn put_numbers(&self, numbers: &Numbers) -> Result<(), AgentError> {
        self.put_json("assignments.json", numbers)
    }

    pub(crate) fn held(&self) -> Result<Vec<ChannelRelease>, AgentError> {
        Ok(self.read_json("held.json")?.unwrap_or_default())
    }

    pub(crate) fn put_held(&self, held: &[ChannelRelease]) -> Result<(), AgentError> {
        self.put_json("held.json", &held)
    }

    pub(crate) fn refusals(&self) -> Result<Vec<Refusal>, AgentError> {
        Ok(self.read_json("refused-deltas.json")?.unwrap_or_default())
    }

    pub(crate) fn put_refusals(&self, refusals: &[Refusal]) -> Result<(), AgentError> {
        self.put_json("refused-deltas.json", &refusals)
    }

    /// Files of this machine that are taken to be clean; `None` before they are chosen.
    pub(crate) fn clean_files(&self) -> Result<Option<Vec<CleanFile>>, AgentError> {
        self.read_json("clean.json")
    }

    pub(crate) fn put_clean_files(&self, files: &[CleanFile]) -> Result<(), AgentError> {
        self.put_json("clean.json", &files)
    }

    pub(crate) fn staged(&self) -> Result<Option<StagedMark>, AgentError> {
        self.read_json("staged.json")
    }

    pub(crate) fn put_staged(&self, staged: &StagedMark) -> Result<(), AgentError> {
        self.put_json("staged.json", staged)
    }

    pub(crate) fn drop_staged(&self) -> Result<(), AgentError> {
        Ok(self.disk.remove(&self.folder.join("staged.json"))?)
    }

    pub(crate) fn faults(&self) -> Result<Vec<Fault>, AgentError> {
        Ok(self.read_json("faults.json")?.unwrap_or_default())
    }

    /// Keeps a fault for the next contact.
    pub(crate) fn add_fault(&self, step: &str, code: &str, words: String) -> Result<(), AgentError> {
        let mut faults = self.faults()?;
        faults.push(Fault { at: self.seconds(), step: step.to_owned(), code: code.to_owned(), words });
        let surplus = faults.len().saturating_sub(FAULTS_MAX);
        self.put_json("faults.json", &faults.split_off(surplus))
    }

    pub(crate) fn drop_faults(&self) -> Result<(), AgentError> {
        Ok(self.disk.remove(&self.folder.join("faults.json"))?)
    }

    pub(crate) fn trial(&self, number: u64) -> Result<Option<Trial>, AgentError> {
        self.read_json(&format!("gen/{number}/probation.json"))
    }

    pub(crate) fn put_trial(&self, number: u64, trial: &Trial) -> Result<(), AgentError> {
        self.put_json(&format!("gen/{number}/probation.json"), trial)
    }

    pub(crate) fn drop_trial(&self, number: u64) -> Result<(), AgentError> {
        Ok(self.disk.remove(&self.generation_path(number).join("probation.json"))?)
    }

    pub(crate) fn trusted(&self) -> Result<Trusted, AgentError> {
        Ok(self.read_json("trusted.json")?.unwrap_or_default())
    }

    pub(crate) fn put_trusted(&self, trusted: &Trusted) -> Result<(), AgentError> {
        self.put_json("trusted.json", trusted)
    }

    pub(crate) fn seen(&self) -> Result<Option<Seen>, AgentError> {
        self.read_json("poll.json")
    }

    pub(crate) fn put_seen(&self, seen: &Seen) -> Result<(), AgentError> {
        // With the key of polls in it.
        let text = serde_json::to_vec_pretty(seen).expect("state is plain JSON");
        Ok(self.disk.replace(&self.folder.join("poll.json"), &text, Access::Private)?)
    }

    pub(crate) fn forget_seen(&self) -> Result<(), AgentError> {
        Ok(self.disk.remove(&self.folder.join("poll.json"))?)
    }

    pub(crate) fn back_offs(&self) -> Result<BackOffs, AgentError> {
        Ok(self.read_json("backoff.json")?.unwrap_or_default())
    }

    pub(crate) fn put_back_offs(&self, back_offs: &BackOffs) -> Result<(), AgentError> {
        self.put_json("backoff.json", back_offs)
    }

    pub(crate) fn next_counter(&self) -> Result<u64, AgentError> {
        Ok(next_counter(&self.disk, &self.folder.join("counter"))?)
    }

    /// The same, beyond what the service took last.
    pub(crate) fn next_counter_after(&self, last: u64) -> Result<u64, AgentError> {
        Ok(next_counter_after(&self.disk, &self.folder.join("counter"), last)?)
    }

    /// Number of the generation in force.
    pub(crate) fn current(&self) -> Result<Option<u64>, AgentError> {
        let path = self.folder.join("current");
        let text = match self.disk.read(&path) {
            Err(e) if e.is_not_found() => return Ok(None),
            read => read?,
        };
        let number = String::from_utf8_lossy(&text).trim().parse::<u64>();
        number.map(Some).map_err(|e| AgentError::Damaged { path, reason: e.to_string() })
    }

    /// The same for whoever makes a new generation anyway: a `current` that cannot be understood counts as none.
    pub(crate) fn current_if_readable(&self) -> Result<Option<u64>, AgentError> {
        match self.current() {
            Err(AgentError::Damaged { .. }) => Ok(None),
            read => read,
        }
    }

    /// Puts a generation in force: the one step that a scanner sees.
    pub(crate) fn put_current(&self, number: u64) -> Result<(), AgentError> {
        Ok(self.disk.replace(&self.folder.join("current"), format!("{number}\n").as_bytes(), Access::Public)?)
    }

    pub(crate) fn manifest(&self, number: u64) -> Result<Manifest, AgentError> {
        let path = self.generation_path(number).join(MANIFEST_FILE);
        let text = self.disk.read(&path)?;
        serde_json::from_slice(&text).map_err(|e| AgentError::Damaged { path, reason: e.to_string() })
    }

    /// The manifest in force, when its generation is whole; a damaged one counts as none, so that it is built anew. Blocks: the
    /// whole database is hashed.
    pub(crate) fn installed(&self) -> Result<Option<Manifest>, AgentError> {
        match self.current_if_readable()? {
            Some(number) if self.is_whole(number)? => Ok(Some(self.manifest(number)?)),
            _ => Ok(None),
        }
    }

    /// Whether a generation is all there: its manifest can be read and its database has the length and digest written in it.
    pub(crate) fn is_whole(&self, number: u64) -> Result<bool, AgentError> {
        let manifest = match self.manifest(number) {
            Err(AgentError::Disk(e)) if e.is_not_found() => return Ok(false),
            Err(AgentError::Damaged { .. }) => return Ok(false),
            read => read?,
        };
        self.disk.step("check database")?;
        match self.disk.read(&self.database(number)) {
            Err(e) if e.is_not_found() || e.is_of_other_kind() => Ok(false),
            read => Ok(Sha256Hex::of(&read?) == manifest.database_sha256),
        }
    }

    /// Removes what is needed neither by the generation in force, nor by the one staged, nor by the `kept` ones before, nor by
    /// the one that is gone back to if the one in force fails.
    pub(crate) fn clean(&self, kept: u64) -> Result<(), AgentError> {
        let Some(current) = self.current()? else { return Ok(()) };
        let mut generations = BTreeSet::from([current]);
        generations.extend(self.staged()?.map(|staged| staged.generation));
        generations.extend(self.trial(current)?.and_then(|trial| trial.fallback));
        let mut at = current;
        for _ in 0..kept {
            let Some(previous) = self.manifest(at)?.previous else { break };
            if !self.generation_path(previous).join("manifest.json").is_file() || !generations.insert(previous) {
                break;
            }
            at = previous;
        }
        let (mut blobs, mut modules) = (BTreeSet::new(), BTreeSet::new());
        for &number in &generations {
            match self.manifest(number) {
                Ok(manifest) => {
                    blobs.extend(manifest.channels.iter().map(|at| at.sha256.to_string()));
                    let of = manifest.channels.iter().flat_map(|at| &at.modules);
                    modules.extend(of.map(|module| module.sha256.to_string()));
                }
                // Only the one in force must be there.
                Err(error) if number == current => return Err(error),
                Err(_) => {}
            }
        }
        self.keep("gen", &generations.iter().map(u64::to_string).collect())?;
        self.keep("store", &blobs)?;
        self.keep("modules", &modules)?;
        Ok(self.disk.remove(&self.scratch())?)
    }

    fn keep(&self, folder: &str, kept: &BTreeSet<String>) -> Result<(), AgentError> {
        let folder = self.folder.join(folder);
        for name in self.disk.names(&folder)?.iter().filter(|name| !kept.contains(*name)) {
            self.disk.remove(&folder.join(name))?;
        }
        Ok(())
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, AgentError> {
        let path = self.folder.join(name);
        let text = match self.disk.read(&path) {
            Err(e) if e.is_not_found() => return Ok(None),
            read => read?,
        };
        serde_json::from_slice(&text).map(Some).map_err(|e| AgentError::Damaged { path, reason: e.to_string() })
    }

    fn put_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), AgentError> {
        let text = serde_json::to_vec_pretty(value).expect("state is plain JSON");
        Ok(self.disk.replace(&self.folder.join(name), &text, Access::Public)?)
    }
}
