//! Counting windows in files.
//!
//! Naively, a table of all windows of a class is as large as its files. But only the common ones are wanted, so files are read twice:
//! once to count windows by a hash of few bits, which cannot count one too low, and once to count exactly those whose hash was seen
//! often. The classes are taken one after the other, the widths of a class together.
//!
//! Files repeat themselves: a font has one window ten thousand times. So within 64 KiB a window counts a few times at most, of a large
//! file only some blocks are read, a file that is equal to another does not count, and a window must be in three files before it is
//! known at all; a model therefore tells nothing of any one file.
//!
//! Memory: for each width 32 MiB and about as much again for the windows that are counted exactly, so at most half a GiB.

use super::pairs::Pairs;
use super::table::{Table, commoner};
use super::{CLASSES, Model, Trained, WIDTHS, Width, level};
use counts::{Exact, Sketch};
use engine::FileClass;
use engine::layout::window_mask;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

mod counts;

/// Windows that are kept of each of [`WIDTHS`]: most of those that large sets are searched with.
const KEPT: [usize; WIDTHS.len()] = [8 << 10, 16 << 10, 48 << 10, 32 << 10, 32 << 10, 80 << 10];
/// How many of the commonest windows of each of [`WIDTHS`] are kept as bytes. A tier of two bytes is passed by most of a file as it is.
const COMMONEST: [usize; WIDTHS.len()] = [0, 2 << 10, 2 << 10, 2 << 10, 2 << 10, 4 << 10];
/// Bytes of a file that are read together, and in which a window counts only a few times.
const BLOCK: usize = 64 << 10;
/// Most bytes of a file that count.
const FILE_MAX: u64 = 2 << 20;
/// Most bytes of a class that count; with more, less of each file does.
const CLASS_MAX: u64 = 256 << 20;
/// A class with fewer bytes is treated as if it had as many: a few files say little about their class.
const CLASS_TRUSTED: u64 = 16 << 20;
/// Fewest files that have a window.
const FILES_MIN: u32 = 3;
/// Fewest times that a window is counted.
const COUNT_MIN: u16 = 8;

/// A model, and what could not be learned from.
#[derive(Debug)]
pub struct Training {
    /// The model.
    pub model: Model,
    /// Files that could not be read.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// Files that are equal to others.
    pub repeated: u64,
}

/// Trains a model on `files`; `on_progress` is told the bytes counted since it was told last, of [`work`] in all.
///
/// The same files give the same model, in whatever order and under whatever names. Time is about a second for each 5 MB on one
/// processor.
pub fn train(files: &[PathBuf], on_progress: &(dyn Fn(u64) + Sync)) -> Training {
    let mut corpus = Corpus::survey(files);
    let mut shares: [Vec<ClassShares>; WIDTHS.len()] = Default::default();
    let mut trained = [Trained::default(); CLASSES];
    let mut pairs = vec![0.0; 65536];
    for class in FileClass::ALL {
        let files = corpus.take(class);
        if files.is_empty() {
            continue;
        }
        let bytes = files.iter().map(Sample::len).sum();
        trained[class as usize] = Trained { files: files.len() as u64, bytes };
        for (sum, share) in pairs.iter_mut().zip(pair_shares(&files)) {
            *sum += share;
        }
        let counted: Vec<ClassShares> = WIDTHS
            .par_iter()
            .zip(KEPT)
            .map(|(&width, kept)| ClassShares::count(class, &files, width, kept, on_progress))
            .collect();
        shares.iter_mut().zip(counted).for_each(|(of_width, of_class)| of_width.push(of_class));
    }
    let total: f64 = pairs.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    // Chance gives every pair something.
    let pairs: Vec<f64> = pairs.into_iter().map(|share| 0.999 * share / total + 0.001 / 65536.0).collect();
    let mut widths: [Width; WIDTHS.len()] = Default::default();
    for (index, width) in widths.iter_mut().enumerate() {
        *width = join(&shares[index], KEPT[index], COMMONEST[index]);
    }
    let model = Model { trained, pairs: Pairs::of(&pairs), widths };
    Training { model, unreadable: corpus.unreadable, repeated: corpus.repeated }
}

/// The regular files that are or lie below `paths`, sorted; symbolic links below them are passed by.
///
/// # Errors
/// When a folder cannot be read.
pub fn files_below(paths: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = paths.to_vec();
    while let Some(path) = waiting.pop() {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        for entry in path.read_dir()? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() || kind.is_file() {
                waiting.push(entry.path());
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// What [`train`] reports in all for files of so many bytes each: less than they have when they are large, and each byte several times.
pub fn work(lens: impl Iterator<Item = u64>) -> u64 {
    lens.map(|len| len.min(FILE_MAX)).sum::<u64>() * 2 * WIDTHS.len() as u64
}

/// The files by class.
#[derive(Default)]
struct Corpus {
    classes: BTreeMap<FileClass, Vec<Sample>>,
    unreadable: Vec<(PathBuf, io::Error)>,
    repeated: u64,
}

/// The part of a file that counts.
struct Sample {
    path: PathBuf,
    file_len: u64,
    /// Most bytes that count.
    max: u64,
    digest: [u8; 32],
}

impl Corpus {
    /// Looks at every file once.
    fn survey(files: &[PathBuf]) -> Corpus {
        let surveyed: Vec<_> = files.par_iter().map(|path| (path, Sample::survey(path))).collect();
        let mut corpus = Corpus::default();
        let mut seen = BTreeSet::new();
        for (path, surveyed) in surveyed {
            match surveyed {
                Ok((class, sample)) if seen.insert(sample.digest) => corpus.classes.entry(class).or_default().push(sample),
                Ok(_) => corpus.repeated += 1,
                Err(error) => corpus.unreadable.push((path.clone(), error)),
            }
        }
        corpus
    }

    /// The files of `class`, in an order that does not depend on their names, each cut so that all together stay within [`CLASS_MAX`].
    fn take(&mut self, class: FileClass) -> Vec<Sample> {
        let mut files = self.classes.remove(&class).unwrap_or_default();
        files.sort_unstable_by_key(|file| file.digest);
        while files.iter().map(Sample::len).sum::<u64>() > CLASS_MAX {
            if files.iter().all(|file| file.max <= BLOCK as u64) {
                files.truncate(files.len() / 2);
            }
            for file in &mut files {
                file.max = (file.max / 2).max(BLOCK as u64);
            }
        }
        files
    }
}

impl Sample {
    fn survey(path: &Path) -> io::Result<(FileClass, Sample)> {
        let file_len = File::open(path)?.metadata()?.len();
        let mut sample = Sample { path: path.to_owned(), file_len, max: FILE_MAX, digest: [0; 32] };
        let mut digest = Sha256::new().chain_update(file_len.to_le_bytes());
        let mut class = None;
        sample.try_blocks(|block| {
            digest.update(block);
            class.get_or_insert(FileClass::of(block));
        })?;
        sample.digest = digest.finalize().into();
        Ok((class.unwrap_or(FileClass::Other), sample))
    }

    /// Bytes that count.
    fn len(&self) -> u64 {
        self.file_len.min(self.max)
    }

    /// Calls `found` with each block that counts: of a large file as many as may, evenly spaced.
    fn try_blocks(&self, mut found: impl FnMut(&[u8])) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let mut block = Vec::with_capacity(BLOCK);
        let count = self.len().div_ceil(BLOCK as u64);
        for index in 0..count {
            let spread = self.file_len.saturating_sub(self.max) / count.max(2).saturating_sub(1);
            file.seek(SeekFrom::Start(index * (BLOCK as u64 + spread)))?;
            block.clear();
            (&mut file).take(BLOCK as u64).read_to_end(&mut block)?;
            found(&block);
        }
        Ok(())
    }

    /// [`Sample::try_blocks`] of a file that could be read before. One that no longer can counts as far as it goes.
    fn blocks(&self, found: impl FnMut(&[u8])) {
        drop(self.try_blocks(found));
    }
}

/// The share of each pair of bytes in `files`.
fn pair_shares(files: &[Sample]) -> Vec<f64> {
    let mut counts = vec![0_u64; 65536];
    for file in files {
        file.blocks(|block| {
            for pair in block.windows(2) {
                counts[usize::from(pair[0]) << 8 | usize::from(pair[1])] += 1;
            }
        });
    }
    let total = counts.iter().sum::<u64>().max(1) as f64;
    counts.into_iter().map(|count| count as f64 / total).collect()
}

/// The common windows of one width in one class.
struct ClassShares {
    class: FileClass,
    /// Each window and the level of its share, the commonest first.
    windows: Vec<(u64, u8)>,
    /// The level of the share that a window which is not among them has at most.
    floor: u8,
}

impl ClassShares {
    fn count(
        class: FileClass,
        files: &[Sample],
        width: usize,
        kept: usize,
        on_progress: &(dyn Fn(u64) + Sync),
    ) -> ClassShares {
        let mut sketch = Sketch::new();
        for file in files {
            file.blocks(|block| for_windows(block, width, |window| sketch.add(window)));
            on_progress(file.len());
        }
        let least = sketch.threshold(4 * kept).max(COUNT_MIN);
        let mut exact = Exact::default();
        for (index, file) in files.iter().enumerate() {
            file.blocks(|block| {
                exact.begin_block(index as u32);
                for_windows(block, width, |window| {
                    if sketch.count(window) >= least {
                        exact.add(window);
                    }
                });
            });
            on_progress(file.len());
        }
        let bytes = files.iter().map(Sample::len).sum::<u64>().max(CLASS_TRUSTED) as f64;
        let mut windows = exact.common(FILES_MIN, u32::from(least));
        windows.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        windows.truncate(2 * kept);
        let windows = windows.into_iter().map(|(window, count)| (window, level(f64::from(count) / bytes))).collect();
        ClassShares { class, windows, floor: level(f64::from(least) / bytes) }
    }
}

/// The `kept` commonest windows of all classes, by the class where each is commonest.
fn join(classes: &[ClassShares], kept: usize, commonest: usize) -> Width {
    let mut joined: BTreeMap<u64, [u8; CLASSES]> = BTreeMap::new();
    for of_class in classes {
        for &(window, level) in &of_class.windows {
            joined.entry(window).or_default()[of_class.class as usize] = level;
        }
    }
    let mut ranked: Vec<(u8, u64, [u8; CLASSES])> =
        joined.into_iter().map(|(window, levels)| (levels.into_iter().fold(0, commoner), window, levels)).collect();
    ranked.sort_unstable();
    let least_kept = ranked.get(kept).map(|window| window.0);
    ranked.truncate(kept);
    let floor = classes.iter().map(|of_class| of_class.floor).chain(least_kept).min().unwrap_or(1);
    let mut common: Vec<u64> = ranked.iter().take(commonest).map(|window| window.1).collect();
    common.sort_unstable();
    let windows: Vec<(u64, [u8; CLASSES])> = ranked.into_iter().map(|(_, window, levels)| (window, levels)).collect();
    Width { table: Table::build(&windows, floor), commonest: common }
}

/// Calls `found` with each window of `width` bytes in `block`, its first byte lowest.
fn for_windows(block: &[u8], width: usize, mut found: impl FnMut(u64)) {
    let mask = window_mask(width as u8);
    for bytes in block.windows(8) {
        found(u64::from_le_bytes(bytes.try_into().expect("eight bytes")) & mask);
    }
    for at in block.len().saturating_sub(7)..(block.len() + 1).saturating_sub(width) {
        found(super::number(&block[at..at + width]));
    }
}
