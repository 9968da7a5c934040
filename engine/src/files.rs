//! Scanning files and trees of files.
//!
//! Workers of a thread pool take files as a walker finds them; what they find comes back in the order of the walk, which is sorted
//! by name, so that two runs print the same. One bad file never ends a scan: it is reported, and the scan goes on.

use crate::database::{Database, DatabaseError};
use crate::mapping::{MAP_MIN, Mapping};
use crate::scanner::{Match, Scanner, Scratch};
use ignore::WalkBuilder;
use rayon::iter::{ParallelBridge, ParallelIterator};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A database file, mapped.
#[derive(Debug)]
pub struct DatabaseFile {
    mapping: Mapping,
}

/// Why a database file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be opened or mapped.
    #[error("cannot open the database")]
    Io(#[from] io::Error),
    /// Its bytes are not a database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl DatabaseFile {
    /// Maps the file at `path`. Reads none of it.
    ///
    /// # Errors
    /// [`OpenError::Io`]; an empty file is [`DatabaseError::CutOff`].
    pub fn open(path: &Path) -> Result<DatabaseFile, OpenError> {
        let file = File::open(path)?;
        if file.metadata()?.len() == 0 {
            return Err(DatabaseError::CutOff { found: 0, expected: 1 }.into());
        }
        Ok(DatabaseFile { mapping: Mapping::new(&file)? })
    }

    /// Opens the database in the mapped bytes. O(sections), see [`Database::open`].
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn database(&self) -> Result<Database<'_>, DatabaseError> {
        Database::open(&self.mapping)
    }
}

/// What became of one file.
#[derive(Debug)]
pub enum Verdict {
    /// Scanned, nothing found.
    Clean {
        /// Bytes scanned.
        bytes: u64,
    },
    /// Scanned, signatures found.
    Found {
        /// The file, as the walk named it.
        path: PathBuf,
        /// Bytes scanned.
        bytes: u64,
        /// Each signature once, ascending by end; never empty.
        matches: Vec<Match>,
    },
    /// Could not be scanned, or not wholly.
    Failed(FileError),
    /// Not a regular file, met on a walk: a symbolic link, a socket, a pipe, a device; or a file of the kernel's without a length.
    Skipped {
        /// What was passed by.
        path: PathBuf,
    },
}

/// Why a file was not scanned.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    path: PathBuf,
    code: &'static str,
    message: String,
}

impl FileError {
    fn new(path: &Path, error: &io::Error) -> FileError {
        let (code, message) = match error.kind() {
            io::ErrorKind::NotFound => ("not-found", "no such file or directory".to_owned()),
            io::ErrorKind::PermissionDenied => ("permission-denied", "permission denied".to_owned()),
            _ => ("io", error.to_string()),
        };
        FileError { path: path.to_owned(), code, message }
    }

    fn not_regular(path: &Path) -> FileError {
        let message = "not a regular file or directory".to_owned();
        FileError { path: path.to_owned(), code: "not-regular", message }
    }

    fn limits_exceeded(path: &Path, signature: &str) -> FileError {
        let message = format!(
            "it takes more steps to scan than a file of its size may; the last of them were spent on signature `{signature}`"
        );
        FileError { path: path.to_owned(), code: "limits-exceeded", message }
    }

    fn cut_short(path: &Path) -> FileError {
        let message = "the file was cut short while it was scanned".to_owned();
        FileError { path: path.to_owned(), code: "changed", message }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A stable word for machines: `not-found`, `permission-denied`, `not-regular`, `changed`, `limits-exceeded`, `walk` or `io`.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// Scans files with one [`Scanner`].
#[derive(Clone, Debug)]
pub struct FileScanner<'d> {
    scanner: Scanner<'d>,
    map: bool,
}

/// Reusable memory of one worker.
#[derive(Debug, Default)]
pub struct FileScratch {
    scratch: Scratch,
    buffer: Vec<u8>,
}

/// Results on their way from workers to the caller, at most this many.
const RESULTS_MAX: usize = 1024;
/// Files from this size on are shared out among the workers.
const SHARE_MIN: usize = 8 << 20;

impl<'d> FileScanner<'d> {
    /// Scans with `scanner`.
    pub fn new(scanner: Scanner<'d>) -> FileScanner<'d> {
        FileScanner { scanner, map: true }
    }

    /// Whether large files are mapped; otherwise they are read whole. Default: they are.
    #[must_use]
    pub fn map(self, map: bool) -> FileScanner<'d> {
        FileScanner { map, ..self }
    }

    /// The scanner.
    pub fn scanner(&self) -> &Scanner<'d> {
        &self.scanner
    }

    /// Scans the file at `path`, following a symbolic link.
    pub fn scan_file(&self, scratch: &mut FileScratch, path: &Path) -> Verdict {
        match self.try_scan_file(scratch, path) {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Failed(FileError::new(path, &error)),
        }
    }

    fn try_scan_file(&self, scratch: &mut FileScratch, path: &Path) -> io::Result<Verdict> {
        // Opening a pipe would wait for its writer, so look before.
        let before = fs::metadata(path)?;
        if !before.is_file() {
            return Ok(Verdict::Failed(FileError::not_regular(path)));
        }
        // The kernel's own files: reading one may wait for ever, use up what it holds, or never end.
        if before.len() == 0 && is_kernel_file(path) {
            return Ok(Verdict::Skipped { path: path.to_owned() });
        }
        let file = File::open(path)?;
        let FileScratch { scratch, buffer } = scratch;
        buffer.clear();
        if !self.map {
            (&file).read_to_end(buffer)?;
            return Ok(self.verdict(scratch, path, buffer));
        }
        if file.metadata()?.len() < MAP_MIN {
            // As many bytes as that tell that the file has grown since.
            (&file).take(MAP_MIN).read_to_end(buffer)?;
            if (buffer.len() as u64) < MAP_MIN {
                return Ok(self.verdict(scratch, path, buffer));
            }
        }
        let mapping = Mapping::sequential(&file)?;
        let verdict = self.verdict(scratch, path, &mapping);
        // Zeros were scanned in the place of bytes, so nothing was found in vain, but not everything was looked at.
        let incomplete = mapping.was_cut_short() && matches!(verdict, Verdict::Clean { .. });
        Ok(if incomplete { Verdict::Failed(FileError::cut_short(path)) } else { verdict })
    }

    fn verdict(&self, scratch: &mut Scratch, path: &Path, haystack: &[u8]) -> Verdict {
        let bytes = haystack.len() as u64;
        let matches = if haystack.len() >= SHARE_MIN && rayon::current_num_threads() > 1 {
            self.scanner.signatures_in_parallel(scratch, haystack).to_vec()
        } else {
            self.scanner.signatures(scratch, haystack).to_vec()
        };
        match scratch.exceeded() {
            _ if !matches.is_empty() => Verdict::Found { path: path.to_owned(), bytes, matches },
            Some(signature) => Verdict::Failed(FileError::limits_exceeded(path, self.scanner.database().name(signature))),
            None => Verdict::Clean { bytes },
        }
    }

    /// Scans `paths`, files and trees, with the threads of `pool`; calls `sink` with each verdict, in the order of the walk, until
    /// it breaks off.
    ///
    /// `paths` are taken in their order, each tree sorted by name. Symbolic links are followed in `paths`, not below them. Uses one
    /// more thread than the pool has, to walk.
    pub fn scan_paths(&self, pool: &rayon::ThreadPool, paths: &[PathBuf], mut sink: impl FnMut(Verdict) -> ControlFlow<()>) {
        let (sender, receiver) = sync_channel(RESULTS_MAX);
        let stop = AtomicBool::new(false);
        let stop = &stop;
        std::thread::scope(move |scope| {
            scope.spawn(move || pool.install(|| self.scan_walk(paths, stop, &sender)));
            // The receiver goes with this closure, so that workers end when `sink` panics, too.
            if in_order(&receiver, &mut sink).is_break() {
                stop.store(true, Ordering::Relaxed);
            }
        });
    }

    fn scan_walk(&self, paths: &[PathBuf], stop: &AtomicBool, sender: &SyncSender<(usize, Verdict)>) {
        let found = paths.iter().flat_map(|path| walk(path)).take_while(|_| !stop.load(Ordering::Relaxed)).enumerate();
        let init = || (FileScratch::default(), sender.clone());
        found
            .par_bridge()
            .map_init(init, |(scratch, sender), (index, found)| {
                let verdict = match found {
                    Found::File(path) => self.scan_file(scratch, &path),
                    Found::Other(path) => Verdict::Skipped { path },
                    Found::Failed(error) => Verdict::Failed(error),
                };
                // Without a receiver nobody is left to tell: the caller broke off or panicked.
                if sender.send((index, verdict)).is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
            })
            .for_each(drop);
    }
}

/// Whether `path` lies below `/proc` or `/sys`, where files state no length and reading may have effects.
fn is_kernel_file(path: &Path) -> bool {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    ["/proc", "/sys"].iter().any(|root| absolute.starts_with(root))
}

/// Calls `sink` with the verdicts by ascending index, whatever order they come in, until it breaks off.
///
/// Verdicts that come early wait here; those of clean files are a few words each.
fn in_order(receiver: &Receiver<(usize, Verdict)>, sink: &mut impl FnMut(Verdict) -> ControlFlow<()>) -> ControlFlow<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (index, verdict) in receiver {
        early.insert(index, verdict);
        while let Some(verdict) = early.remove(&next) {
            sink(verdict)?;
            next += 1;
        }
    }
    ControlFlow::Continue(())
}

/// What a walk meets.
enum Found {
    File(PathBuf),
    Other(PathBuf),
    Failed(FileError),
}

/// The files at and below `root`, sorted by name; nothing is left out for being hidden or ignored elsewhere.
fn walk(root: &Path) -> Box<dyn Iterator<Item = Found> + Send> {
    match fs::metadata(root) {
        Err(error) => return Box::new(std::iter::once(Found::Failed(FileError::new(root, &error)))),
        Ok(metadata) if !metadata.is_dir() => return Box::new(std::iter::once(Found::File(root.to_owned()))),
        Ok(_) => {}
    }
    let walker = WalkBuilder::new(root).standard_filters(false).sort_by_file_name(Ord::cmp).build();
    let root = root.to_owned();
    Box::new(walker.filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Found::Failed(walk_error(&root, &error))),
        };
        match entry.file_type() {
            Some(kind) if kind.is_dir() => None,
            // The root itself may be a link to a directory; what is in it follows.
            _ if entry.depth() == 0 => None,
            Some(kind) if kind.is_file() => Some(Found::File(entry.into_path())),
            _ => Some(Found::Other(entry.into_path())),
        }
    }))
}

fn walk_error(root: &Path, error: &ignore::Error) -> FileError {
    let path = error_path(error).unwrap_or(root);
    match error.io_error() {
        Some(error) => FileError::new(path, error),
        None => FileError { path: path.to_owned(), code: "walk", message: error.to_string() },
    }
}

fn error_path(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => error_path(err),
        ignore::Error::Loop { child, .. } => Some(child),
        _ => None,
    }
}
