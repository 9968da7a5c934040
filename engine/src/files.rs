//! Scanning files and trees of files.
//!
//! Workers take files from a walk (`walk`), a few at a time, open them (`open`) and scan them (`worker`); what they find comes back in
//! the order of the walk, which is sorted by name, so that two runs print the same (`order`). One thread does all of it by itself.
//! One bad file never ends a scan: it is reported, and the scan goes on.

mod open;
mod order;
mod walk;
mod worker;

use crate::cache::CleanScan;
use crate::database::{Database, DatabaseError, SignatureId};
use crate::mapping::Mapping;
use crate::scanner::{Match, Scanner};
use order::{Order, Queue};
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use walk::{Found, Reader, Walk};
pub use worker::FileScratch;

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
    /// Not opened, because the clean cache knows it: it had nothing, and neither it nor the signatures changed since.
    Cached {
        /// Its length in bytes.
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
    /// Scanned, signatures found, and clean all the same: an allow list names the file by its digest.
    Allowed {
        /// The file, as the walk named it.
        path: PathBuf,
        /// Bytes scanned.
        bytes: u64,
        /// The entry of the list.
        by: SignatureId,
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
            "it takes more work to scan than a file of its size may, or is a picture above the limits; signature `{signature}` was not settled"
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

    /// A stable word for machines: `not-found`, `permission-denied`, `not-regular`, `changed`, `limits-exceeded` or `io`.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// Scans files with one [`Scanner`].
#[derive(Clone, Debug)]
pub struct FileScanner<'d> {
    scanner: Scanner<'d>,
    map: bool,
    cache: Option<&'d CleanScan<'d>>,
}

/// Messages on their way from workers to the caller, at most this many.
const MESSAGES_MAX: usize = 64;

impl<'d> FileScanner<'d> {
    /// Scans with `scanner`.
    pub fn new(scanner: Scanner<'d>) -> FileScanner<'d> {
        FileScanner { scanner, map: true, cache: None }
    }

    /// Whether large files are mapped; otherwise they are read whole. Default: they are.
    #[must_use]
    pub fn map(self, map: bool) -> FileScanner<'d> {
        FileScanner { map, ..self }
    }

    /// Passes by what a cache knows to be clean, searches only what is new in what was clean before, and lets the cache know what else is
    /// clean. The cache must have been begun with the database of the scanner. Default: there is none.
    #[must_use]
    pub fn cache(self, cache: &'d CleanScan<'d>) -> FileScanner<'d> {
        FileScanner { cache: Some(cache), ..self }
    }

    /// The scanner.
    pub fn scanner(&self) -> &Scanner<'d> {
        &self.scanner
    }

    /// Scans the file at `path`, following a symbolic link.
    pub fn scan_file(&self, scratch: &mut FileScratch, path: &Path) -> Verdict {
        self.take(scratch, 0, Found::Given(path.to_owned()), rayon::current_num_threads() > 1);
        self.settle(scratch);
        let verdict = scratch.done.pop().map(|(_, verdict)| verdict);
        verdict.expect("what is settled has a verdict")
    }

    /// Scans `paths`, files and trees, with the threads of `pool`; calls `sink` with each verdict, in the order of the walk, until
    /// it breaks off.
    ///
    /// `paths` are taken in their order, each tree sorted by name. Symbolic links are followed in `paths`, not below them. A pool of
    /// one thread, which is the calling one, does it all there; otherwise one more thread than the pool has waits for it.
    pub fn scan_paths(&self, pool: &rayon::ThreadPool, paths: &[PathBuf], mut sink: impl FnMut(Verdict) -> ControlFlow<()>) {
        let reader = Reader::default();
        let walk = paths.iter().flat_map(move |path| Walk::new(path, reader.clone()));
        let mut order = Order::default();
        if pool.current_num_threads() == 1 && pool.current_thread_index().is_some() {
            // What a sink breaks off needs no further telling.
            let _: ControlFlow<()> = self.scan_here(walk, |index, verdict| order.add(index, verdict, &mut sink));
            return;
        }
        let queue = Mutex::new(Queue::new(walk));
        let (sender, receiver) = sync_channel(MESSAGES_MAX);
        let (queue, stop) = (&queue, &AtomicBool::new(false));
        std::thread::scope(move |scope| {
            scope.spawn(move || pool.broadcast(|_| self.work(queue, stop, sender.clone())));
            // The receiver goes with this closure, so that workers end when `sink` panics, too.
            for (index, verdict) in receiver.iter().flatten() {
                if order.add(index, verdict, &mut sink).is_break() {
                    stop.store(true, Ordering::Relaxed);
                    return;
                }
            }
        });
    }

    /// Scans what `walk` finds, in its order, on this thread.
    fn scan_here(
        &self,
        walk: impl Iterator<Item = Found>,
        mut tell: impl FnMut(usize, Verdict) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut scratch = FileScratch::default();
        for (index, found) in walk.enumerate() {
            self.take(&mut scratch, index, found, false);
            for (index, verdict) in scratch.done.drain(..) {
                tell(index, verdict)?;
            }
        }
        self.settle(&mut scratch);
        scratch.done.into_iter().try_for_each(|(index, verdict)| tell(index, verdict))
    }

    /// Scans what is in the queue, beside others that do the same.
    fn work(
        &self,
        queue: &Mutex<Queue<impl Iterator<Item = Found>>>,
        stop: &AtomicBool,
        sender: SyncSender<Vec<(usize, Verdict)>>,
    ) {
        let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
        let together = rayon::current_num_threads() > 1;
        let mut scratch = FileScratch::default();
        loop {
            let batch = if stop.load(Ordering::Relaxed) { None } else { lock().take() };
            let Some((first, batch)) = batch else { break };
            let mut batch = batch.into_iter().enumerate();
            scratch.bytes = 0;
            while let Some((place, found)) = batch.next() {
                self.take(&mut scratch, first + place, found, together);
                if scratch.bytes > BATCH_BYTES_MAX && batch.len() > 0 {
                    let rest = batch.map(|(_, found)| found).collect();
                    lock().put_back(first + place + 1, rest);
                    break;
                }
            }
            // Without a receiver nobody is left to tell: the caller broke off or panicked.
            if !scratch.done.is_empty() && sender.send(std::mem::take(&mut scratch.done)).is_err() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        self.settle(&mut scratch);
        drop(sender.send(scratch.done));
    }
}

/// After this many bytes a worker leaves the rest of its batch to others, so that one with many large files does not outlast them.
const BATCH_BYTES_MAX: u64 = 4 << 20;
