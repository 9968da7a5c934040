//! The self-test of a new database, in a process of its own with limited time and memory.
//!
//! A database comes from outside. The engine trusts nothing in it, yet the worst that a fault of the engine may do here is to end this
//! process: the agent sees how it ended and says so. The process is this program again; it is told what to do on standard input and
//! answers on standard output, both JSON.

use super::limited;
use crate::exit::Exit;
use crate::output::{say, with_hint};
use crate::planted::Sample;
use crate::starter;
use engine::{Database, DatabaseFile, Match, OpenError, Scanner, Scratch};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use updater::agent::{SelfTest, SelfTestError, SelfTestPlan};
use updater::wire::Sha256Hex;

/// File of samples beside a database, see [`crate::planted`].
pub(crate) const SAMPLES_FILE: &str = "samples.json";

/// Text in which no signature may match.
const HARMLESS: &[u8] = b"The quick brown fox jumps over the lazy dog, and nothing else happens to it that day.\r\n";

/// Longest request on standard input, in bytes.
const REQUEST_LEN_MAX: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Request {
    /// A path of any bytes.
    database: OsString,
    plan: SelfTestPlan,
}

/// The word of the process, if it comes to one.
pub(crate) type Verdict = Result<SelfTest, SelfTestError>;

/// Tests `database` in a process of its own.
pub(crate) fn in_child(database: &Path, plan: &SelfTestPlan) -> Verdict {
    let length = fs::metadata(database).map_err(SelfTestError::failed)?.len();
    let memory = plan.memory_bytes_max.saturating_add(length.saturating_mul(2));
    let plan = SelfTestPlan { memory_bytes_max: memory, ..plan.clone() };
    let request = Request { database: database.into(), plan: plan.clone() };
    let request = serde_json::to_vec(&request).map_err(SelfTestError::failed)?;
    let mut command = Command::new(this_program().map_err(SelfTestError::failed)?);
    command.args(["agent", "self-test"]);
    let ended = limited::run(command, &request, plan.time_max).map_err(SelfTestError::failed)?;
    limited::judge(&ended, &plan)
}

/// This program, also when its file was replaced since it was started.
fn this_program() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() }
}

/// What the process does: `titer agent self-test`.
pub(crate) fn child() -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    io::stdin().lock().take(REQUEST_LEN_MAX).read_to_end(&mut text)?;
    let request: Request = serde_json::from_slice(&text).map_err(|_| {
        with_hint("this is a part of `titer agent update`".to_owned(), "`titer agent probe` tests what is in force")
    })?;
    limited::limit_this_process(&request.plan)?;
    let verdict = test(Path::new(&request.database), &request.plan);
    say!("{}", serde_json::to_string(&verdict)?);
    Ok(Exit::Fine)
}

/// The database is whole, it detects what it must, and it finds nothing in what is clean.
fn test(path: &Path, plan: &SelfTestPlan) -> Verdict {
    let failed = |e: OpenError| match e {
        OpenError::Io(e) if e.kind() == io::ErrorKind::OutOfMemory => SelfTestError::Memory { bytes: plan.memory_bytes_max },
        e => SelfTestError::failed(e),
    };
    let file = DatabaseFile::open(path).map_err(failed)?;
    let database = file.database().map_err(SelfTestError::failed)?;
    database.verify().map_err(SelfTestError::failed)?;
    let mut trial = Trial { database: &database, scanner: Scanner::new(&database), scratch: Scratch::default(), samples: 0 };
    trial.detects("the EICAR test file", &starter::eicar(), None)?;
    for sample in samples(path)? {
        let bytes = hex::decode(&sample.hex).map_err(SelfTestError::failed)?;
        trial.detects(&format!("a sample of `{}`", sample.name), &bytes, Some(&sample.name))?;
    }
    let (mut system_files, mut changed_files) = (0, 0);
    for harmful in &plan.harmful {
        match fs::read(&harmful.path) {
            Ok(bytes) if Sha256Hex::of(&bytes) == harmful.sha256 => {
                trial.detects(&format!("the sample {}", harmful.name), &bytes, None)?;
            }
            _ => changed_files += 1,
        }
    }
    trial.spares("an empty file", b"")?;
    trial.spares("harmless text", HARMLESS)?;
    for clean in &plan.clean {
        match fs::read(&clean.path) {
            Ok(bytes) if Sha256Hex::of(&bytes) == clean.sha256 => {
                trial.spares(&clean.path.display().to_string(), &bytes)?;
                system_files += 1;
            }
            _ => changed_files += 1,
        }
    }
    Ok(SelfTest { samples: trial.samples, system_files, changed_files, signatures: database.len() as u64 })
}

/// Samples that came with the database; none when there is no such file, as beside one that was linked by an earlier version.
fn samples(database: &Path) -> Result<Vec<Sample>, SelfTestError> {
    match fs::read(database.with_file_name(SAMPLES_FILE)) {
        Ok(text) => serde_json::from_slice(&text).map_err(SelfTestError::failed),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(SelfTestError::failed(e)),
    }
}

struct Trial<'a> {
    database: &'a Database<'a>,
    scanner: Scanner<'a>,
    scratch: Scratch,
    samples: u32,
}

impl Trial<'_> {
    /// `bytes` must bear a signature: the one of this name, if one is given.
    fn detects(&mut self, sample: &str, bytes: &[u8], name: Option<&str>) -> Result<(), SelfTestError> {
        self.samples += 1;
        let found = self.scanner.signatures(&mut self.scratch, bytes);
        let wanted = |found: &Match| name.is_none_or(|name| self.database.name(found.signature()) == name);
        if found.iter().any(wanted) { Ok(()) } else { Err(SelfTestError::Misses { sample: sample.to_owned() }) }
    }

    /// `bytes` must bear none.
    fn spares(&mut self, sample: &str, bytes: &[u8]) -> Result<(), SelfTestError> {
        self.samples += 1;
        let Some(found) = self.scanner.signatures(&mut self.scratch, bytes).first() else { return Ok(()) };
        let signature = self.database.name(found.signature()).into_owned();
        Err(SelfTestError::FlagsClean { sample: sample.to_owned(), signature })
    }
}
