//! Both ends of a worker: the process that is asked, and what asks it.

use super::{Limits, READ, read_literals};
use crate::engines::{Aho, Daachorse, Engine, Titer};
use crate::literals::Literals;
use crate::record::cpu_seconds;
use anyhow::{Context, Result, bail, ensure};
use engine::Database;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write, stdin, stdout};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Bytes that an engine is given at a time: Hyperscan takes less than 4 GiB, and no engine shall have to keep more in its caches.
const PIECE: usize = 16 << 20;
/// How often it is looked how much memory a worker has.
const LOOK: Duration = Duration::from_millis(100);

/// Is a worker: builds `engine`, then scans whenever it is asked to, until its standard input ends.
///
/// # Errors
/// When the engine is not one of this build, or cannot be built.
pub fn work(engine: &str, literals: &Path, haystack: &Path) -> Result<()> {
    let literals = read_literals(literals)?;
    let began = cpu_seconds()?;
    let mut built = build(engine, literals)?;
    println!("built {}", cpu_seconds()? - began);
    // Read only now, so that the peak of memory before is that of building.
    let haystack = std::fs::read(haystack)?;
    for line in stdin().lock().lines() {
        line?;
        let began = cpu_seconds()?;
        let matches: usize = haystack.chunks(PIECE).map(|piece| built.count(black_box(piece))).sum();
        println!("{matches} {}", cpu_seconds()? - began);
        stdout().flush()?;
    }
    Ok(())
}

fn build(engine: &str, literals: Vec<Vec<u8>>) -> Result<Box<dyn Engine>> {
    Ok(match engine {
        READ => Box::new(Read),
        "titer" | "titer-portable" => {
            // Leaked: it is in use until the process ends.
            let database: &'static [u8] = Literals::of(literals).database.leak();
            let database = Database::open(database)?;
            Box::new(if engine == "titer" { Titer::new(&database) } else { Titer::portable(&database) })
        }
        "daachorse" => Box::new(Daachorse::new(&literals)),
        "aho-corasick-nfa" => Box::new(Aho::nfa(&literals)),
        "aho-corasick-dfa" => Box::new(Aho::dfa(&literals)),
        #[cfg(feature = "hyperscan")]
        "hyperscan" => Box::new(crate::hyperscan::Hyperscan::new(&literals)?),
        #[cfg(feature = "yara-x")]
        "yara-x" => Box::new(crate::yara_x::YaraX::new(&literals)),
        _ => bail!("no engine `{engine}` in this build"),
    })
}

/// Adds up the haystack: as fast as the compiler makes it, which is faster than memory.
struct Read;

impl Engine for Read {
    fn name(&self) -> &'static str {
        READ
    }

    fn count(&mut self, haystack: &[u8]) -> usize {
        let mut sums = [0_u64; 32];
        for chunk in haystack.chunks_exact(256) {
            for (sum, word) in sums.iter_mut().zip(chunk.chunks_exact(8)) {
                *sum = sum.wrapping_add(u64::from_le_bytes(word.try_into().expect("eight bytes")));
            }
        }
        black_box(sums);
        0
    }
}

/// A worker that has been built.
pub(super) struct Worker {
    pub(super) engine: String,
    pub(super) build_seconds: f64,
    pub(super) build_mib: u64,
    /// None for the engine that finds nothing.
    pub(super) matches: Option<u64>,
    /// Of each scan.
    pub(super) seconds: Vec<f64>,
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Worker {
    /// A worker for `engine`, or the reason why there is none.
    pub(super) fn start(engine: &str, literals: &Path, haystack: &Path, limits: Limits) -> Result<Result<Worker, String>> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--worker", engine, "--literals"])
            .arg(literals)
            .arg("--haystack")
            .arg(haystack)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("it was asked for")?;
        let lines = lines_of(BufReader::new(child.stdout.take().context("it was asked for")?));
        let (build_seconds, build_mib, matches) = (0.0, 0, None);
        let engine = engine.to_owned();
        let mut worker = Worker { engine, build_seconds, build_mib, matches, seconds: Vec::new(), child, input, lines };
        Ok(worker.wait_until_built(limits)?.map_or(Ok(worker), Err))
    }

    /// The reason why it was not built, if it was not.
    fn wait_until_built(&mut self, limits: Limits) -> Result<Option<String>> {
        let began = Instant::now();
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => {
                    let seconds = line.strip_prefix("built ").with_context(|| format!("{} says `{line}`", self.engine))?;
                    self.build_seconds = seconds.parse()?;
                    self.build_mib = self.peak_mib();
                    return Ok(None);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Ok(Some("it cannot be built".to_owned()));
                }
                Err(RecvTimeoutError::Timeout) if began.elapsed().as_secs() >= limits.build_seconds => {
                    return Ok(Some(format!("more than {} s to build", limits.build_seconds)));
                }
                Err(RecvTimeoutError::Timeout) if self.peak_mib() > limits.build_mib => {
                    return Ok(Some(format!("more than {} MiB to build", limits.build_mib)));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Most memory that it has had; 0 where the system does not tell.
    fn peak_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kib =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or(0) / 1024
    }

    pub(super) fn scanned_seconds(&self) -> f64 {
        self.seconds.iter().sum()
    }

    /// Has it scan once.
    pub(super) fn scan(&mut self) -> Result<()> {
        writeln!(self.input, "scan")?;
        let line = self.lines.recv().with_context(|| format!("{} ended while it scanned", self.engine))?;
        let (matches, seconds) = line.split_once(' ').with_context(|| format!("{} says `{line}`", self.engine))?;
        let matches: u64 = matches.parse()?;
        if self.engine != READ {
            ensure!(self.matches.is_none_or(|before| before == matches), "{} finds another number each time", self.engine);
            self.matches = Some(matches);
        }
        self.seconds.push(seconds.parse()?);
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself, and nobody waits for what it would still do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of `output` as they come, until it ends.
fn lines_of(output: impl BufRead + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
