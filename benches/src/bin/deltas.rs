//! How many bytes does a terminal fetch for a release that changes a little, and what does it cost to apply them and to link the result?
//!
//! Peers run in the same run on the same change: they get the records as a blob holds them, unpacked, which is half the size of the
//! text and suits them better; the line script gets the text. Every delta is applied and compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use benches::releases::{Set, Style, compile, line_script};
use clap::Parser;
use patternc::blob::{self, Blob, EngineRange, Meta};
use patternc::link::{LinkOptions, LinkSource, prepare};
use updater::wire::Sha256Hex;

/// Bytes of deltas, beside those of other tools and the floor
#[derive(Parser)]
struct Arguments {
    /// `.ndb` files to take names, lengths, targets and offsets from; those of `corpus/signatures` otherwise
    #[arg(long, value_name = "FILE")]
    style: Vec<PathBuf>,
    /// Signatures in a release
    #[arg(long, default_value_t = 1_000_000)]
    signatures: usize,
    /// Seed of everything that is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Longest body, in bytes: longer ones are cut
    #[arg(long, default_value_t = usize::MAX, value_name = "BYTES")]
    longest: usize,
    /// Peers to leave out: bsdiff needs minutes for a million signatures
    #[arg(long, value_name = "NAME")]
    without: Vec<String>,
    /// Only apply this delta to this blob and link the result, and print seconds, peak memory and digests: how the program measures
    #[arg(long, num_args = 2, value_names = ["OLD", "DELTA"])]
    apply: Option<Vec<PathBuf>>,
}

struct Release {
    text: String,
    blob: Vec<u8>,
    /// The records, one after the other.
    raw: Vec<u8>,
}

impl Release {
    fn of(set: &Set<'_>, number: u64) -> Result<Release> {
        let text = set.text();
        let records = compile(&text)?;
        let engine = EngineRange { min: 1, max: 1 };
        let meta = Meta { channel: "acme/stable".parse()?, release: number, created: 1_700_000_000, engine };
        let blob = blob::encode(&meta, &records)?;
        let mut raw = Vec::new();
        for record in &records {
            record.encode_into(&mut raw);
        }
        Ok(Release { text, blob, raw })
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(files) = &arguments.apply {
        return apply(&files[0], &files[1]);
    }
    let mut texts = Vec::new();
    for path in &arguments.style {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    if texts.is_empty() {
        texts = corpus::signatures()
            .into_iter()
            .filter(|(name, _)| Path::new(name).extension().is_some_and(|kind| kind == "ndb"))
            .map(|(_, text)| text.into())
            .collect();
    }
    let style = Style::of(&texts, arguments.longest)?;
    let base = Set::new(&style, arguments.signatures, arguments.seed);
    let old = Release::of(&base, 1)?;
    println!("{} signatures, {} bytes of records, a blob of {} bytes", arguments.signatures, old.raw.len(), old.blob.len());
    let thousandth = (arguments.signatures / 2000).max(1);
    let rows = [
        ("0.1 %, one release", 1, thousandth),
        ("1 %, one release", 1, 10 * thousandth),
        ("0.1 % a release, 30 releases in one step", 30, thousandth),
    ];
    for (name, releases, count) in rows {
        let mut set = base.clone();
        for _ in 0..releases {
            set.change(count);
        }
        let new = Release::of(&set, 1 + releases)?;
        let (gone, came) = set.net();
        println!("\n{name}: {gone} go, {came} come\n");
        measure(&old, &new, set.floor_bytes(), &arguments)?;
    }
    Ok(())
}

fn measure(old: &Release, new: &Release, floor: f64, arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    for (name, bytes) in [("old.blob", &old.blob), ("old", &old.raw), ("new", &new.raw)] {
        fs::write(file(name), bytes)?;
    }
    let start = Instant::now();
    let delta = blob::diff(&old.blob, &new.blob)?;
    let made = start.elapsed();
    fs::write(file("delta"), &delta)?;
    let script = line_script(&old.text, &new.text);
    fs::write(file("script"), &script)?;

    println!("| | bytes | to the floor | to the line script |\n|---|---:|---:|---:|");
    let packed =
        |name: &str| run(folder.path(), "zstd", &["-19", "-q", "-f", name, "-o", "packed"]).map(|()| size(&file("packed")));
    let lines = packed("script").context("the line script is the measure of the others, and zstd packs it")??;
    let row = |name: &str, bytes: u64| {
        println!("| {name} | {bytes} | {:.3} | {:.3} |", bytes as f64 / floor, bytes as f64 / lines as f64);
    };
    println!("| floor | {floor:.0} | 1.000 | {:.3} |", floor / lines as f64);
    row("titer", delta.len() as u64);
    row("line script, zstd -19", lines);
    let peers: [(&str, &str, &[&str]); 3] = [
        ("bsdiff", "bsdiff", &["old", "new", "patch"]),
        ("xdelta3", "xdelta3", &["-9", "-f", "-B", "536870912", "-e", "-s", "old", "new", "patch"]),
        ("zstd -19 --patch-from", "zstd", &["-19", "-q", "-f", "--long=30", "--patch-from=old", "new", "-o", "patch"]),
    ];
    for (name, program, options) in peers {
        if arguments.without.iter().any(|without| without == program) {
            println!("| {name} | left out | | |");
            continue;
        }
        match run(folder.path(), program, options) {
            Ok(()) => row(name, size(&file("patch"))?),
            Err(error) => println!("| {name} | {error} | | |"),
        }
    }
    println!("\nmade in {:.2} s", made.as_secs_f64());
    // Three times: the machine may have others on it, and the least disturbed says what the program costs.
    for _ in 0..3 {
        let program = std::env::current_exe()?;
        let applied = Command::new(program).arg("--apply").args([file("old.blob"), file("delta")]).output()?;
        ensure!(applied.status.success(), "the delta is refused: {}", String::from_utf8_lossy(&applied.stderr));
        print!("{}", String::from_utf8_lossy(&applied.stdout));
    }
    ensure!(blob::patch(&old.blob, &delta)? == new.blob, "the delta makes another blob");
    Ok(())
}

/// Runs a peer; the error says in a few words when it is not there.
fn run(folder: &Path, program: &str, options: &[&str]) -> Result<()> {
    match Command::new(program).args(options).current_dir(folder).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!("not installed"),
        Err(error) => Err(error.into()),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => bail!("failed: {}", String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default()),
    }
}

fn size(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path)?.len())
}

/// Goes the way of a terminal, in this process alone: apply, verify, read the records, link.
fn apply(old: &Path, delta: &Path) -> Result<()> {
    let start = Instant::now();
    let new = blob::patch(&fs::read(old)?, &fs::read(delta)?)?;
    let header = blob::read_header(&new)?;
    report("applied and verified", start, &format!("root {}", header.root));
    let Blob { records, .. } = blob::decode(&new)?;
    drop(new);
    report("its records read", start, &format!("{} of them", records.len()));
    let channel = header.channel.to_string();
    let source = LinkSource { channel: &channel, release: header.release, root: header.root.0, records: &records };
    let prepared = prepare(&[source], &LinkOptions::default())?;
    drop(records);
    let database = prepared.build()?;
    report("linked", start, &format!("{} bytes, sha256 {}", database.len(), Sha256Hex::of(&database)));
    Ok(())
}

/// What the process has used until now.
fn report(done: &str, start: Instant, outcome: &str) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("unknown", str::trim);
    let (seconds, processor) = (start.elapsed().as_secs_f64(), processor_time());
    println!("{done} after {seconds:.2} s, {processor:.2} s of processor time, peak memory {peak}, {outcome}");
}

/// Seconds that this process has had of a processor, in it and in the system; where others use the machine too, this says more than the clock.
fn processor_time() -> f64 {
    #[cfg(unix)]
    {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9
    }
    #[cfg(not(unix))]
    f64::NAN
}
