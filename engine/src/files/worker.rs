//! What one worker does with one file.
//!
//! A small file is read into a buffer, a large one mapped; where the one ends and the other begins hardly matters. The body signatures are
//! found at once. A digest that needs the whole file anyway is not: MD5s are computed for many files side by side (`digest::lanes`), so
//! the bytes of a file that needs one stay where they are until enough of them have come together.

use super::open::{Opened, open_entry, open_given};
use super::walk::Found;
use super::{FileError, FileScanner, Verdict};
use crate::digest::md5_of_each;
use crate::mapping::{Buffer, MAP_MIN, Mapping};
use crate::scanner::{Match, Scratch};
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
    pending: Vec<Pending>,
    /// Maps among those pending.
    mapped: usize,
    /// Files taken since the first of those pending.
    waited: usize,
    /// Verdicts that are settled, with the numbers of their files.
    pub(super) done: Vec<(usize, Verdict)>,
    /// Bytes scanned; who watches them sets them to zero.
    pub(super) bytes: u64,
}

/// A file that is scanned but for its MD5.
#[derive(Debug)]
struct Pending {
    index: usize,
    found: Found,
    bytes: Bytes,
    matches: Vec<Match>,
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

impl FileScratch {
    fn bytes<'s>(buffer: &'s Buffer, whole: &'s [u8], bytes: &'s Bytes) -> &'s [u8] {
        match bytes {
            Bytes::Buffer(range) => &buffer[range.clone()],
            Bytes::Whole => whole,
            Bytes::Mapped(mapping) => mapping,
        }
    }
}

impl FileScanner<'_> {
    /// Scans what a walk found. Its verdict is in `memory.done` with the number `index`, at the latest after [`FileScanner::settle`].
    pub(super) fn take(&self, memory: &mut FileScratch, index: usize, found: Found, together: bool) {
        let opened = match &found {
            Found::Given(path) => open_given(path),
            Found::File(entry) => open_entry(entry),
            Found::Other(_) | Found::Failed(_) => Ok(Opened::NotRegular),
        };
        let verdict = match (opened, found) {
            (Ok(Opened::File(file, len)), found) => match self.read(memory, &file, len) {
                Ok(bytes) => return self.scan(memory, index, found, bytes, together),
                Err(error) => Verdict::Failed(FileError::new(&found.path(), &error)),
            },
            (Err(error), found) => Verdict::Failed(FileError::new(&found.path(), &error)),
            (Ok(_), Found::Failed(error)) => Verdict::Failed(error),
            (Ok(Opened::NotRegular), Found::Given(path)) => Verdict::Failed(FileError::not_regular(&path)),
            (Ok(_), found) => Verdict::Skipped { path: found.path() },
        };
        memory.done.push((index, verdict));
    }

    /// Scans the bytes of a file; leaves its MD5 for later where one is needed and others may come to be computed beside it.
    fn scan(&self, memory: &mut FileScratch, index: usize, found: Found, bytes: Bytes, together: bool) {
        let FileScratch { scratch, buffer, whole, .. } = memory;
        let haystack = FileScratch::bytes(buffer, whole, &bytes);
        let wants_md5 = self.scanner.wants_md5(haystack.len());
        let later = wants_md5 && !matches!(bytes, Bytes::Whole);
        let share = haystack.len() >= SHARE_MIN && together;
        let matches = match (later, share) {
            (true, true) => self.scanner.signatures_but_md5_in_parallel(scratch, haystack),
            (true, false) => self.scanner.signatures_but_md5(scratch, haystack),
            (false, true) => self.scanner.signatures_in_parallel(scratch, haystack),
            (false, false) => self.scanner.signatures(scratch, haystack),
        };
        let matches = matches.to_vec();
        let len = haystack.len();
        memory.bytes += len as u64;
        memory.waited += 1;
        if later {
            match &bytes {
                Bytes::Buffer(range) => memory.held = range.end,
                Bytes::Mapped(_) => memory.mapped += 1,
                Bytes::Whole => {}
            }
            memory.pending.push(Pending { index, found, bytes, matches });
        } else {
            memory.done.push((index, verdict(&found, &bytes, len, matches)));
        }
        if memory.pending.len() >= PENDING_MAX || memory.mapped >= MAPPED_MAX || memory.waited >= WAIT_MAX {
            self.settle(memory);
        }
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

    fn settle_these(&self, memory: &mut FileScratch, files: Vec<Pending>) {
        let FileScratch { buffer, whole, done, .. } = memory;
        let haystacks: Vec<&[u8]> = files.iter().map(|file| FileScratch::bytes(buffer, whole, &file.bytes)).collect();
        let digests = md5_of_each(&haystacks);
        for (mut file, digest) in files.into_iter().zip(digests) {
            let len = FileScratch::bytes(buffer, whole, &file.bytes).len();
            self.scanner.signatures_by_md5(digest, len, &mut file.matches);
            done.push((file.index, verdict(&file.found, &file.bytes, len, file.matches)));
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
            memory.whole.extend_from_slice(if self.map { &[] } else { room });
        }
        if self.map {
            return Ok(Bytes::Mapped(Mapping::sequential(file)?));
        }
        (&*file).read_to_end(&mut memory.whole)?;
        Ok(Bytes::Whole)
    }
}

fn verdict(found: &Found, bytes: &Bytes, len: usize, matches: Vec<Match>) -> Verdict {
    if !matches.is_empty() {
        return Verdict::Found { path: found.path(), bytes: len as u64, matches };
    }
    // Zeros were scanned in the place of bytes, so nothing was found in vain, but not everything was looked at.
    match bytes {
        Bytes::Mapped(mapping) if mapping.was_cut_short() => Verdict::Failed(FileError::cut_short(&found.path())),
        _ => Verdict::Clean { bytes: len as u64 },
    }
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
