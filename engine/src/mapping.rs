//! Files as bytes in memory, by mapping them.
//!
//! Mapping a file is a promise nobody can fully keep: another process may change the bytes while they are read, or cut the file
//! short, and then reading past the new end raises SIGBUS, which ends the process. What is risked here:
//!
//! - *Databases* are written beside their place and renamed into it by everything that Titer ships, and never changed in place; who
//!   rewrites one by hand under a running scanner takes the risk.
//! - *Scanned files* are mapped only above [`MAP_MIN`] bytes; the others are read. `--no-mmap` reads all.
//!
//! This is the one module of the crate with `unsafe` code.
#![allow(unsafe_code)]

use memmap2::{Advice, Mmap, MmapOptions};
use std::fs::File;
use std::io;
use std::ops::Deref;

/// Files from this many bytes on are mapped; reading a smaller one costs less than setting up its pages.
pub const MAP_MIN: u64 = 4 << 20;

/// A file mapped for reading.
#[derive(Debug)]
pub struct Mapping {
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
        Ok(Mapping { map })
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}
