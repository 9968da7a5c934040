//! Files as bytes in memory, by mapping them.
//!
//! Mapping a file is a promise nobody can fully keep: another process may change the bytes while they are read, or cut the file
//! short, and then reading past the new end raises SIGBUS, which by itself ends the process. So what is done, and risked:
//!
//! - *Scanned files* are mapped only above [`MAP_MIN`] bytes; the others are read. Where there are signals, a handler puts a page of zeros
//!   in the place of one that is gone and notes it (`guard`): the scan goes on, and ends in the error that the file was cut short.
//! - *Databases* are written beside their place and renamed into it by everything that Titer ships, and never changed in place; one cut
//!   short by hand under a running scanner reads as zeros there, and a database may miss but not crash.
//!
//! `unsafe` code of this crate is here, in `guard`, and in the loops for single processors of `matcher::filter` and
//! `digest::lanes`.
#![allow(unsafe_code)]

#[cfg(unix)]
mod guard;

use memmap2::{Advice, Mmap, MmapMut, MmapOptions};
use std::fs::File;
use std::io;
use std::ops::Deref;

/// Files from this many bytes on are mapped; reading a smaller one costs less than setting up its pages.
pub const MAP_MIN: u64 = 4 << 20;

/// Maps that are watched at a time. A file cut short under a further one ends the process.
#[cfg(unix)]
pub(crate) const WATCHED_MAX: usize = guard::SLOTS;
/// Maps that are watched at a time: elsewhere nobody has to.
#[cfg(not(unix))]
pub(crate) const WATCHED_MAX: usize = usize::MAX;

/// A file mapped for reading.
#[derive(Debug)]
pub struct Mapping {
    // Dropped before the map, so that the guard never watches addresses that something else has.
    #[cfg(unix)]
    watch: Option<guard::Watch>,
    map: Mmap,
}

impl Mapping {
    /// Maps all of `file`, to be read from front to back.
    ///
    /// # Errors
    /// What the system says; among others for files that are not regular.
    pub fn sequential(file: &File) -> io::Result<Mapping> {
        let mapping = Mapping::new(file)?;
        // Advice that is refused costs speed only.
        drop(mapping.map.advise(Advice::Sequential));
        Ok(mapping)
    }

    /// Maps all of `file`, to be read here and there.
    ///
    /// # Errors
    /// What the system says; among others for files that are not regular.
    pub fn new(file: &File) -> io::Result<Mapping> {
        // SAFETY: the map is private to this value and only lent as `&[u8]`. That nobody changes the file meanwhile cannot be proven
        // from here; the module says what is risked. Every reader of the bytes treats them as hostile and checks each index
        // against the length of the slice, which never changes, so changing bytes can give wrong answers only.
        let map = unsafe { MmapOptions::new().map(file) }?;
        Ok(Mapping {
            #[cfg(unix)]
            watch: guard::Watch::new(&map),
            map,
        })
    }

    /// Whether a page was found gone since the file was mapped: it was cut short, and zeros were read in its place.
    pub fn was_cut_short(&self) -> bool {
        #[cfg(unix)]
        return self.watch.as_ref().is_some_and(guard::Watch::was_hit);
        #[cfg(not(unix))]
        false
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

/// Memory that files are read into, zeroed once and reused; on large pages where the system lends some.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    map: Option<MmapMut>,
}

impl Buffer {
    /// The buffer, of at least `len` bytes. What was in it may be lost.
    ///
    /// # Errors
    /// When there is no memory.
    pub(crate) fn at_least(&mut self, len: usize) -> io::Result<&mut [u8]> {
        if self.len() < len {
            // An anonymous map instead of a vector: the pages of a large buffer cost nothing until they are used.
            let map = MmapMut::map_anon(len)?;
            #[cfg(target_os = "linux")]
            drop(map.advise(Advice::HugePage));
            self.map = Some(map);
        }
        Ok(&mut self.map.as_mut().expect("made above where there was none")[..])
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_deref().unwrap_or_default()
    }
}
