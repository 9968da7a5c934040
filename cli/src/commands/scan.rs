//! `titer scan`.

mod cache;
mod installed;

use crate::args::ScanArgs;
use crate::exit::Exit;
use crate::output::{Hint, coded, is_obeyed, json_about, remark, size, with_hint, write_json};
use crate::progress::Progress;
use crate::{commands, sources, starter};
use anyhow::Context;
use cache::CacheFolder;
use engine::{Database, DatabaseFile, FileScanner, Match, Scanner, SignatureId, Verdict};
use serde_json::{Map, Value, json};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};
use updater::wire::ChannelRelease;

/// Runs `titer scan`.
pub(crate) fn run(args: &ScanArgs) -> anyhow::Result<Exit> {
    let (signatures, paths) = split(&args.signatures, &args.paths)?;
    let uses_installed = args.db.is_none() && signatures.is_empty();
    let watch = if uses_installed { installed::begin(args)? } else { None };
    let loaded = load(args, &signatures)?;
    let database = loaded.database()?;
    if database.is_empty() {
        remark!("warning: the database holds no signature; nothing can be found with it");
    }
    // Before the first file is opened: what changes from here on is not taken for what was scanned.
    let began = SystemTime::now();
    let cache = args.cache.as_deref().map(CacheFolder::open);
    let known = cache.as_ref().map(|cache| cache.load().begin(&database, began));
    let scanner = FileScanner::new(Scanner::new(&database)).map(!args.no_mmap);
    let scanner = match &known {
        Some(known) => scanner.cache(known),
        None => scanner,
    };
    let pool = threads(args.jobs)?;
    let mut report = Report::new(&database, args, loaded.releases());
    let mut failed = None;
    scanner.scan_paths(&pool, &paths, |verdict| match report.verdict(&verdict) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    });
    // Also after a scan that was broken off: what it found clean is clean.
    if let Some((cache, known)) = cache.zip(known) {
        cache.save(known);
    }
    // Whatever was found: the engine came to the end with these signatures.
    watch.into_iter().for_each(installed::Watch::end);
    match failed {
        // Nobody reads on; what was found so far still decides.
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(report.exit()),
        Some(error) => Ok(report.cut_short(&error)),
        None => Ok(report.finish()),
    }
}

/// The threads to scan with. A single one is this one, which then walks, scans and reports by itself.
fn threads(jobs: Option<u16>) -> anyhow::Result<rayon::ThreadPool> {
    let threads = jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, Into::into), usize::from);
    let mut pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    if threads == 1 {
        pool = pool.use_current_thread();
    }
    pool.build().context("cannot start worker threads")
}

/// Where signature files end and paths to scan begin: after one `--signatures`, at the first name that is not a signature file's.
pub(crate) fn split(signatures: &[PathBuf], paths: &[PathBuf]) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let others = signatures.iter().skip(1).position(|path| !sources::is_named_as_signatures(path));
    let end = others.map_or(signatures.len(), |index| index + 1);
    let (signatures, first_paths) = signatures.split_at(end);
    let paths: Vec<PathBuf> = first_paths.iter().chain(paths).cloned().collect();
    if paths.is_empty() {
        let hint =
            "name files or folders after the options; put `--` before them if they are named as signature files or folders";
        return Err(with_hint("no path to scan".to_owned(), hint));
    }
    Ok((signatures.to_vec(), paths))
}

/// A database, mapped or made just now.
enum Loaded {
    File(DatabaseFile, PathBuf),
    Made(Vec<u8>),
}

impl Loaded {
    fn database(&self) -> anyhow::Result<Database<'_>> {
        match self {
            Loaded::Made(bytes) => Ok(Database::open(bytes)?),
            Loaded::File(file, path) => file.database().with_context(|| format!("cannot use {}", path.display())),
        }
    }
}

impl Loaded {
    /// The releases that it is made of, where that is told beside it.
    fn releases(&self) -> Vec<ChannelRelease> {
        match self {
            Loaded::File(_, path) => updater::agent::releases_of(path),
            Loaded::Made(_) => Vec::new(),
        }
    }
}

fn load(args: &ScanArgs, signatures: &[PathBuf]) -> anyhow::Result<Loaded> {
    if !signatures.is_empty() {
        return compile(args, signatures);
    }
    let installed = if args.db.is_some() { args.db.clone() } else { installed_path(args)? };
    let Some(path) = installed else {
        remark!("note: no signatures are installed here; scanning with the built-in starter set");
        return Ok(Loaded::Made(starter::database()?));
    };
    let hint = "make a database with `titer compile` and `titer link`, or give signature files with --signatures";
    if path.is_dir() {
        return Err(with_hint(format!("{} is a folder, a database is a file", path.display()), hint));
    }
    let file = DatabaseFile::open(&path).map_err(|error| {
        let error = anyhow::Error::new(error);
        anyhow::Error::new(Hint(hint)).context(format!("cannot open {}: {}", path.display(), chain(&error)))
    })?;
    Ok(Loaded::File(file, path))
}

/// The database of the generation in force; an installation that is there and cannot be used is an error, not an absence.
fn installed_path(args: &ScanArgs) -> anyhow::Result<Option<PathBuf>> {
    updater::installed_database(&commands::state_folder(args.state.as_deref())).map_err(|error| {
        let hint = "`titer agent update` installs anew; `--signatures` scans with files of your own meanwhile";
        coded(&format!("what is installed here cannot be used: {error}"), error.code(), Some(hint))
    })
}

fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Compiles and links signature files in memory. Refused lines are said on standard error, one count for each reason.
fn compile(args: &ScanArgs, signatures: &[PathBuf]) -> anyhow::Result<Loaded> {
    let set = commands::compile::load(&sources::expand(signatures)?, commands::compile::unsigned(args.unsigned))?;
    set.warn_of_refused();
    if set.is_empty() {
        return Err(with_hint("no signature to scan with".to_owned(), "every line was refused, or there was none"));
    }
    Ok(Loaded::Made(set.link()?))
}

/// Prints verdicts as they come and counts them.
struct Report<'a> {
    database: &'a Database<'a>,
    args: &'a ScanArgs,
    /// What the database was linked from, where it is one that was installed.
    releases: Vec<ChannelRelease>,
    out: BufWriter<io::Stdout>,
    progress: Progress,
    began: Instant,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    files: u64,
    cached: u64,
    bytes: u64,
    infected: u64,
    allowed: u64,
    matches: u64,
    errors: u64,
    skipped: u64,
}

impl<'a> Report<'a> {
    fn new(database: &'a Database<'a>, args: &'a ScanArgs, releases: Vec<ChannelRelease>) -> Report<'a> {
        let progress = Progress::open_ended("scanning");
        Report {
            database,
            args,
            releases,
            out: BufWriter::new(io::stdout()),
            progress,
            began: Instant::now(),
            totals: Totals::default(),
        }
    }

    fn verdict(&mut self, verdict: &Verdict) -> io::Result<()> {
        match verdict {
            Verdict::Clean { bytes } => self.scanned(*bytes),
            Verdict::Cached { .. } => {
                self.totals.files += 1;
                self.totals.cached += 1;
            }
            Verdict::Skipped { path } => {
                self.totals.skipped += 1;
                if self.args.json {
                    let object = json_about("skipped", path);
                    self.line(|out| write_json(out, &object.into()))?;
                }
            }
            Verdict::Allowed { path, bytes, by } => {
                self.scanned(*bytes);
                self.totals.allowed += 1;
                if self.args.json {
                    let object = self.about_signature("allowed", path, *by);
                    self.line(|out| write_json(out, &object.into()))?;
                }
            }
            Verdict::Failed(error) => {
                self.totals.errors += 1;
                self.error(error)?;
            }
            Verdict::Found { path, bytes, matches } => {
                self.scanned(*bytes);
                self.totals.infected += 1;
                let reported = if self.args.all_matches { matches } else { &matches[..1] };
                self.totals.matches += reported.len() as u64;
                reported.iter().try_for_each(|found| self.found(path, found))?;
            }
        }
        Ok(())
    }

    fn scanned(&mut self, bytes: u64) {
        self.totals.files += 1;
        self.totals.bytes += bytes;
        self.progress.add(bytes);
    }

    fn found(&mut self, path: &Path, found: &Match) -> io::Result<()> {
        if self.args.json {
            let mut object = self.about_signature("match", path, found.signature());
            object.insert("offset".to_owned(), json!(found.range().start));
            object.insert("end".to_owned(), json!(found.range().end));
            return self.line(|out| write_json(out, &object.into()));
        }
        let name = self.database.name(found.signature());
        self.line(|out| {
            write_printable(out, path.as_os_str().as_encoded_bytes())?;
            out.write_all(b": ")?;
            write_printable(out, name.as_bytes())?;
            out.write_all(b" FOUND\n")
        })
    }

    /// An object about what a signature, or an entry of an allow list, says of a file.
    fn about_signature(&self, kind: &'static str, path: &Path, id: SignatureId) -> Map<String, Value> {
        let mut object = json_about(kind, path);
        object.insert("signature".to_owned(), json!(self.database.name(id)));
        object.insert("channel".to_owned(), json!(self.database.channel(id)));
        object
    }

    fn error(&mut self, error: &engine::FileError) -> io::Result<()> {
        if self.args.json {
            let mut object = json_about("error", error.path());
            object.insert("code".to_owned(), json!(error.code()));
            object.insert("message".to_owned(), json!(error.to_string()));
            return self.line(|out| write_json(out, &object.into()));
        }
        self.line(|out| {
            write_printable(out, error.path().as_os_str().as_encoded_bytes())?;
            out.write_all(b": ")?;
            write_printable(out, error.to_string().as_bytes())?;
            out.write_all(b" ERROR\n")
        })
    }

    /// Writes a line that a reader sees at once.
    fn line(&mut self, write: impl FnOnce(&mut BufWriter<io::Stdout>) -> io::Result<()>) -> io::Result<()> {
        let Report { out, progress, .. } = self;
        progress.suspend(|| {
            write(out)?;
            out.flush()
        })
    }

    /// Says the totals, and what they come to.
    fn finish(mut self) -> Exit {
        let exit = self.exit();
        let Totals { files, cached, bytes, infected, allowed, matches, errors, skipped } = self.totals;
        let (signatures, seconds) = (self.database.len(), self.began.elapsed().as_secs_f64());
        let of = &self.releases;
        if self.args.json {
            let summary = json!({
                "type": "summary", "files": files, "bytes": bytes, "matches": matches, "errors": errors, "skipped": skipped,
                "infected": infected, "allowed": allowed, "cached": cached, "signatures": signatures, "releases": of, "seconds": seconds,
            });
            match self.line(|out| write_json(out, &summary)) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return self.cut_short(&error),
                _ => {}
            }
        } else {
            let from_cache = if self.args.cache.is_some() { format!(" ({cached} from the cache)") } else { String::new() };
            let spared = if allowed > 0 { format!(", {allowed} on an allow list") } else { String::new() };
            let of = if of.is_empty() { String::new() } else { format!(" of {}", commands::admin::releases(of)) };
            remark!(
                "{files} files{from_cache}, {}, {infected} infected{spared}, {matches} matches, {errors} errors, {skipped} skipped; \
                 {signatures} signatures{of}; {seconds:.3} s",
                size(bytes)
            );
        }
        exit
    }

    /// Standard output takes no more, as on a full disk. What was found until then still decides: it must not look like a mere failure.
    fn cut_short(&self, error: &io::Error) -> Exit {
        remark!("error: cannot write to standard output: {error}");
        if self.totals.infected > 0 { Exit::Found } else { Exit::Failed }
    }

    fn exit(&self) -> Exit {
        match (self.totals.infected, self.totals.errors) {
            (1.., _) => Exit::Found,
            (0, 1..) => Exit::Failed,
            (0, 0) => Exit::Fine,
        }
    }
}

/// Text byte for byte, but for what a screen would obey, with which a file's or a signature's name could write lines of its own.
fn write_printable(out: &mut impl Write, text: &[u8]) -> io::Result<()> {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\0'..='\u{1f}' | '\u{7f}' => write!(out, "\\x{:02x}", u32::from(c))?,
                _ if is_obeyed(c) => write!(out, "{}", c.escape_unicode())?,
                _ => write!(out, "{c}")?,
            }
        }
        for &byte in chunk.invalid() {
            match byte {
                // Control characters of screens that do not read UTF-8.
                0x80..=0x9f => write!(out, "\\x{byte:02x}")?,
                _ => out.write_all(&[byte])?,
            }
        }
    }
    Ok(())
}
