//! What one worker does with one file.

use super::open::{Opened, open_entry, open_given};
use super::walk::Found;
use super::{FileError, FileScanner, Verdict};
use crate::mapping::{Buffer, MAP_MIN, Mapping};
use crate::scanner::Scratch;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;

/// Reusable memory of one worker.
#[derive(Debug, Default)]
pub struct FileScratch {
    scratch: Scratch,
    buffer: Buffer,
    whole: Vec<u8>,
    /// Verdicts that are settled, with the numbers of their files.
    pub(super) done: Vec<(usize, Verdict)>,
    /// Bytes scanned; who watches them sets them to zero.
    pub(super) bytes: u64,
}

/// Files from this size on are shared out among the workers.
const SHARE_MIN: usize = 8 << 20;

/// The bytes of a file.
enum Bytes {
    /// So many at the start of the buffer.
    Buffer(usize),
    /// The vector for files read whole.
    Whole,
    Mapped(Mapping),
}

impl FileScanner<'_> {
    /// Scans what a walk found. Its verdict is in `memory.done` with the number `index`.
    pub(super) fn take(&self, memory: &mut FileScratch, index: usize, found: Found, together: bool) {
        let opened = match &found {
            Found::Given(path) => open_given(path),
            Found::File(entry) => open_entry(entry),
            Found::Other(_) | Found::Failed(_) => Ok(Opened::NotRegular),
        };
        let verdict = match (opened, found) {
            (Ok(Opened::File(file, len)), found) => match self.scan(memory, &file, len, together, &found) {
                Ok(verdict) => verdict,
                Err(error) => Verdict::Failed(FileError::new(&path(&found), &error)),
            },
            (Err(error), found) => Verdict::Failed(FileError::new(&path(&found), &error)),
            (Ok(_), Found::Failed(error)) => Verdict::Failed(error),
            (Ok(Opened::NotRegular), Found::Given(path)) => Verdict::Failed(FileError::not_regular(&path)),
            (Ok(_), found) => Verdict::Skipped { path: path(&found) },
        };
        memory.done.push((index, verdict));
    }

    fn scan(&self, memory: &mut FileScratch, file: &File, len: u64, together: bool, found: &Found) -> io::Result<Verdict> {
        let bytes = self.read(memory, file, len)?;
        let FileScratch { scratch, buffer, whole, .. } = memory;
        let haystack = match &bytes {
            Bytes::Buffer(len) => &buffer[..*len],
            Bytes::Whole => &whole[..],
            Bytes::Mapped(mapping) => mapping,
        };
        let matches = if haystack.len() >= SHARE_MIN && together {
            self.scanner.signatures_in_parallel(scratch, haystack).to_vec()
        } else {
            self.scanner.signatures(scratch, haystack).to_vec()
        };
        let len = haystack.len() as u64;
        memory.bytes += len;
        if !matches.is_empty() {
            return Ok(Verdict::Found { path: path(found), bytes: len, matches });
        }
        // Zeros were scanned in the place of bytes, so nothing was found in vain, but not everything was looked at.
        let cut_short = matches!(&bytes, Bytes::Mapped(mapping) if mapping.was_cut_short());
        Ok(if cut_short { Verdict::Failed(FileError::cut_short(&path(found))) } else { Verdict::Clean { bytes: len } })
    }

    fn read(&self, memory: &mut FileScratch, file: &File, stated: u64) -> io::Result<Bytes> {
        if stated < MAP_MIN {
            let buffer = memory.buffer.at_least(MAP_MIN as usize)?;
            let len = read_up_to(file, buffer, stated as usize)?;
            if len < buffer.len() {
                return Ok(Bytes::Buffer(len));
            }
            // It has grown beyond what is read.
        }
        if self.map {
            return Ok(Bytes::Mapped(Mapping::sequential(file)?));
        }
        memory.whole.clear();
        if stated < MAP_MIN {
            memory.whole.extend_from_slice(&memory.buffer[..MAP_MIN as usize]);
        }
        (&*file).read_to_end(&mut memory.whole)?;
        Ok(Bytes::Whole)
    }
}

/// Fills `buffer` from `file`, which is expected to have `stated` bytes; returns how many there are, the buffer's length if
/// that is not all.
///
/// Where the file has what it stated, one call that asks for more tells both, the bytes and that there are no others.
fn read_up_to(mut file: &File, buffer: &mut [u8], stated: usize) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        // No more than a page beyond what is expected, so that what lies in the cache stays there.
        let end = buffer.len().min(len.max(stated) + 4096);
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

fn path(found: &Found) -> PathBuf {
    match found {
        Found::Given(path) | Found::Other(path) => path.clone(),
        Found::File(entry) => entry.path(),
        Found::Failed(error) => error.path().to_owned(),
    }
}
