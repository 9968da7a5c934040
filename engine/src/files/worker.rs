//! What one worker does with one file.
//!
//! A small file is read into a buffer, a large one mapped; where the one ends and the other begins hardly matters. The body signatures are
//! found at once. A digest that needs the whole file anyway is not: MD5s are computed for many files side by side (`digest::lanes`), so
//! the bytes of a file that needs one stay where they are until enough of them have come together.

use super::open::{Opened, key_of, open_entry, open_given};
use super::walk::Found;
use super::{FileError, FileScanner, Verdict};
use crate::cache::{FileKey, Known};
use crate::database::SignatureId;
use crate::digest::md5_of_each;
use crate::mapping::{Buffer, MAP_MIN, Mapping, WATCHED_MAX};
use crate::scanner::{Match, Scanner, Scratch};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;

/// Reusable memory of one worker.
#[derive(Debug, Default)]
pub struct FileScratch {
    scratch: Scratch,
    /// Files are read into it one behind the other as long as their bytes are still needed, else to its start.
    buffer: Buffer,
    held: usize,
    /// For large files where they are not mapped.
    whole: Vec<u8>,
    /// Scanned but for their MD5s.
    pending: Vec<Job>,
    /// Maps among those pending.
    mapped: usize,
    /// Files taken since the first of those pending.
    waited: usize,
    /// Verdicts that are settled, with the numbers of their files.
    pub(super) done: Vec<(usize, Verdict)>,
    /// Bytes scanned; who watches them sets them to zero.
    pub(super) bytes: u64,
}

/// A file, its bytes at hand.
#[derive(Debug)]
struct Job {
    index: usize,
    found: Found,
    bytes: Bytes,
    /// As it was before the bytes were read.
    key: Option<FileKey>,
    /// What the clean cache knows of it.
    known: Known,
    matches: Vec<Match>,
    /// The signature on which the scan ran out of steps.
    exceeded: Option<SignatureId>,
    /// The entry of an allow list for whose sake nothing of this counts.
    allowed: Option<SignatureId>,
}

/// The bytes of a file.
#[derive(Debug)]
enum Bytes {
    /// In the buffer.
    Buffer(Range<usize>),
    /// In the vector for files read whole.
    Whole,
    Mapped(Mapping),
}

/// Files from this size on are shared out among the workers.
const SHARE_MIN: usize = 8 << 20;
/// The buffer: all that is ever read into it, and room for many small files to be pending together.
const BUFFER: usize = 16 << 20;
/// Files from this size on that need an MD5 are mapped, however small other mapped files may be: a lane that still has a long file when
/// the others are through costs as much as all of them, so long files wait for others of their kind, outside the buffer.
const LONG_MIN: u64 = 1 << 20;
/// What is pending is settled when it is so many files, when so many of it are mapped, or when the first of it has waited for so many other
/// files: enough to keep all lanes busy, and bounds for memory, for maps and for how late a verdict may be.
const PENDING_MAX: usize = 2048;
const MAPPED_MAX: usize = 48;
const WAIT_MAX: usize = 4096;

/// How many files may be mapped by this worker: half of what is watched is left to others.
fn mapped_max() -> usize {
    MAPPED_MAX.min(WATCHED_MAX / 2 / rayon::current_num_threads()).max(1)
}

impl FileScratch {
    fn bytes<'s>(buffer: &'s Buffer, whole: &'s [u8], bytes: &'s Bytes) -> &'s [u8] {
        match bytes {
            Bytes::Buffer(range) => &buffer[range.clone()],
            Bytes::Whole => whole,
            Bytes::Mapped(mapping) => mapping,
        }
    }
}

impl<'d> FileScanner<'d> {
    /// Scans what a walk found. Its verdict is in `memory.done` with the number `index`, at the latest after [`FileScanner::settle`].
    pub(super) fn take(&self, memory: &mut FileScratch, index: usize, found: Found, together: bool) {
        let (known, key) = self.look_up(&found);
        if known == Known::Clean {
            memory.done.push((index, Verdict::Cached { bytes: key.map_or(0, |key| key.len) }));
            return;
        }
        let opened = match &found {
            Found::Given(path) => open_given(path),
            Found::File(entry) => open_entry(entry),
            Found::Other(_) | Found::Failed(_) => Ok(Opened::NotRegular),
        };
        let verdict = match (opened, found) {
            (Ok(Opened::File(file, len, opened)), found) => match self.read(memory, &file, len) {
                Ok(bytes) => {
                    // What is known is known of the file that was looked up.
                    let known = if opened == key { known } else { Known::Nothing };
                    let job =
                        Job { index, found, bytes, key: opened, known, matches: Vec::new(), exceeded: None, allowed: None };
                    return self.scan(memory, job, together);
                }
                Err(error) => Verdict::Failed(FileError::new(&found.path(), &error)),
            },
            (Err(error), found) => Verdict::Failed(FileError::new(&found.path(), &error)),
            (Ok(_), Found::Failed(error)) => Verdict::Failed(error),
            (Ok(Opened::NotRegular), Found::Given(path)) => Verdict::Failed(FileError::not_regular(&path)),
            (Ok(_), found) => Verdict::Skipped { path: found.path() },
        };
        memory.done.push((index, verdict));
    }

    /// What the clean cache knows of a file, and by which key.
    fn look_up(&self, found: &Found) -> (Known, Option<FileKey>) {
        let key = self.cache.and_then(|_| key_of(found));
        let known = self.cache.zip(key).map_or(Known::Nothing, |(cache, key)| cache.known(&key));
        (known, key)
    }

    /// The scanner for what is not known yet.
    fn scanner_for(&self, known: Known) -> &Scanner<'d> {
        match (known, self.cache) {
            (Known::But(number), Some(cache)) => cache.scanner(number).unwrap_or(&self.scanner),
            _ => &self.scanner,
        }
    }

    /// Scans the bytes of a file; leaves its MD5 for later where one is needed and others may come to be computed beside it.
    fn scan(&self, memory: &mut FileScratch, mut job: Job, together: bool) {
        let FileScratch { scratch, buffer, whole, .. } = memory;
        let scanner = self.scanner_for(job.known);
        let haystack = FileScratch::bytes(buffer, whole, &job.bytes);
        let later = !matches!(job.bytes, Bytes::Whole) && scanner.wants_md5(haystack.len());
        let share = haystack.len() >= SHARE_MIN && together;
        let matches = match (later, share) {
            (true, true) => scanner.signatures_but_md5_in_parallel(scratch, haystack),
            (true, false) => scanner.signatures_but_md5(scratch, haystack),
            (false, true) => scanner.signatures_before_allowing_in_parallel(scratch, haystack),
            (false, false) => scanner.signatures_before_allowing(scratch, haystack),
        };
        job.matches = matches.to_vec();
        job.exceeded = scratch.exceeded();
        let len = haystack.len() as u64;
        memory.bytes += len;
        memory.waited += 1;
        if later {
            match &job.bytes {
                Bytes::Buffer(range) => memory.held = range.end,
                Bytes::Mapped(_) => memory.mapped += 1,
                Bytes::Whole => {}
            }
            memory.pending.push(job);
        } else {
            job.allowed = self.allowed_by(&job, haystack);
            memory.done.push((job.index, self.verdict(job, len)));
        }
        if memory.pending.len() >= PENDING_MAX || memory.mapped >= mapped_max() || memory.waited >= WAIT_MAX {
            self.settle(memory);
        }
    }

    /// The entry of an allow list that a file of these bytes is on; asked where something was found, or some of the file was not searched.
    fn allowed_by(&self, job: &Job, haystack: &[u8]) -> Option<SignatureId> {
        let suspect = !job.matches.is_empty() || job.exceeded.is_some();
        suspect.then(|| self.scanner.allowed_by(haystack)).flatten()
    }

    /// What a file whose `len` bytes are scanned comes to; remembers it where it is clean, whatever allow lists say.
    fn verdict(&self, job: Job, len: u64) -> Verdict {
        if let Some(by) = job.allowed {
            return Verdict::Allowed { path: job.found.path(), bytes: len, by };
        }
        if !job.matches.is_empty() {
            return Verdict::Found { path: job.found.path(), bytes: len, matches: job.matches };
        }
        // Zeros were scanned in the place of bytes, so nothing was found in vain, but not everything was looked at.
        if matches!(&job.bytes, Bytes::Mapped(mapping) if mapping.was_cut_short()) {
            return Verdict::Failed(FileError::cut_short(&job.found.path()));
        }
        if let Some(signature) = job.exceeded {
            let name = self.scanner.database().name(signature);
            return Verdict::Failed(FileError::limits_exceeded(&job.found.path(), &name));
        }
        if let (Some(cache), Some(key)) = (self.cache, job.key.filter(|key| key.len == len)) {
            cache.remember(key);
        }
        Verdict::Clean { bytes: len }
    }

    /// Computes the MD5s that are pending, all beside each other, and settles their verdicts.
    pub(super) fn settle(&self, memory: &mut FileScratch) {
        let files = std::mem::take(&mut memory.pending);
        self.settle_these(memory, files);
        (memory.held, memory.mapped, memory.waited) = (0, 0, 0);
    }

    /// Makes room in the buffer; long files go on waiting.
    fn settle_buffer(&self, memory: &mut FileScratch) {
        let files = std::mem::take(&mut memory.pending);
        let (in_buffer, mapped) = files.into_iter().partition(|file| matches!(file.bytes, Bytes::Buffer(_)));
        self.settle_these(memory, in_buffer);
        (memory.held, memory.pending) = (0, mapped);
    }

    fn settle_these(&self, memory: &mut FileScratch, files: Vec<Job>) {
        let FileScratch { buffer, whole, done, .. } = memory;
        let haystacks: Vec<&[u8]> = files.iter().map(|file| FileScratch::bytes(buffer, whole, &file.bytes)).collect();
        let digests = md5_of_each(&haystacks);
        for (mut job, digest) in files.into_iter().zip(digests) {
            let haystack = FileScratch::bytes(buffer, whole, &job.bytes);
            self.scanner_for(job.known).signatures_by_md5(digest, haystack.len(), &mut job.matches);
            job.allowed = self.allowed_by(&job, haystack);
            let len = haystack.len() as u64;
            done.push((job.index, self.verdict(job, len)));
        }
    }

    fn read(&self, memory: &mut FileScratch, file: &File, stated: u64) -> io::Result<Bytes> {
        memory.whole.clear();
        let is_long = self.map && stated >= LONG_MIN && self.scanner.wants_md5(stated as usize);
        if stated < MAP_MIN && !is_long {
            if memory.held + stated as usize + PAGE > BUFFER {
                self.settle_buffer(memory);
            }
            let held = memory.held;
            let room = &mut memory.buffer.at_least(BUFFER)?[held..];
            let len = read_up_to(file, room, stated as usize)?;
            if len < room.len() {
                return Ok(Bytes::Buffer(held..held + len));
            }
            // It has grown to more than there is room for.
            if self.map {
                return mapped(file, len);
            }
            memory.whole.extend_from_slice(room);
        }
        if self.map {
            return mapped(file, 0);
        }
        (&*file).read_to_end(&mut memory.whole)?;
        Ok(Bytes::Whole)
    }
}

/// Maps a file that `read` bytes were read of already.
///
/// A map is as long as the file states. Files of some file systems state less than they hold, and the map of one is not the file.
fn mapped(file: &File, read: usize) -> io::Result<Bytes> {
    let mapping = Mapping::sequential(file)?;
    if mapping.len() < read {
        return Err(io::Error::other(format!("it states {} bytes and holds {read} or more", mapping.len())));
    }
    Ok(Bytes::Mapped(mapping))
}

/// Reading asks for so many bytes more than a file stated.
const PAGE: usize = 4096;

/// Fills `buffer` from `file`, which is expected to have `stated` bytes; returns how many there are, the buffer's length if
/// that is not all.
///
/// Where the file has what it stated, one call that asks for more tells both, the bytes and that there are no others.
fn read_up_to(mut file: &File, buffer: &mut [u8], stated: usize) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        // No more than that beyond what is expected, so that what lies in the cache stays there.
        let end = buffer.len().min(len.max(stated) + PAGE);
        match file.read(&mut buffer[len..end]) {
            Ok(0) => break,
            Ok(count) => {
                len += count;
                if len == stated && len < end {
                    break;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_shorter_than_what_was_read_is_not_the_file() {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"hay").unwrap();
        assert!(matches!(mapped(&file, 3), Ok(Bytes::Mapped(mapping)) if mapping.len() == 3));
        assert_eq!(mapped(&file, 4).unwrap_err().to_string(), "it states 3 bytes and holds 4 or more");
    }

    #[test]
    fn the_maps_of_all_workers_are_watched() {
        for threads in [1, 2, 64, 256] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(mapped_max) * threads < WATCHED_MAX, "{threads} threads");
        }
    }
}
