//! What real files have in common: the shares of windows of bytes in each class of file.
//!
//! A scanner is as fast as the windows that its database stores are rare in the files it scans. Byte frequencies alone do not know
//! that a prologue, a table of a common library or the boilerplate of a licence is in every second file; counts of whole windows do.
//! The linker prices anchors with them, chooses its hash key by them, and [`price`](crate::price()) says what a database will cost.
//!
//! A model holds, for each width that a tier may have, the windows that are common in at least one class, with the share of positions
//! at which each stands there. Everything else is rare: what a product of byte pairs makes likely, but never more than the least
//! common window that is stored. Windows are kept as hashes, so a rare one may be taken for a common one (one in 256 at most), which
//! moves an anchor for nothing and does no other harm.
//!
//! ```
//! use patternc::model::Model;
//! use engine::FileClass;
//!
//! let model = Model::shipped();
//! assert!(model.share(&[0; 8], FileClass::Pe) > 1e-4);
//! assert!(model.share(b"\x8d\xd3\x15\x9a\xe7\xb2\xf1\xc6", FileClass::Pe) < 1e-6);
//! ```

mod format;
mod pairs;
mod table;
pub mod train;

use engine::FileClass;
pub use format::ModelError;
use pairs::Pairs;
use std::sync::OnceLock;
use table::Table;

/// Widths of the windows that are counted: those that tiers test.
pub const WIDTHS: [usize; 6] = [2, 3, 4, 5, 6, 8];
/// Number of classes.
pub(crate) const CLASSES: usize = FileClass::ALL.len();

/// The shares of windows in each class of file.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    trained: [Trained; CLASSES],
    pairs: Pairs,
    /// One for each of [`WIDTHS`].
    widths: [Width; WIDTHS.len()],
}

/// What a model was trained on, of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trained {
    /// Distinct files.
    pub files: u64,
    /// Bytes counted: of a large file a part.
    pub bytes: u64,
}

/// The windows of one width.
#[derive(Clone, Debug, Default, PartialEq)]
struct Width {
    table: Table,
    /// The commonest of all, as bytes: ascending as little-endian numbers.
    commonest: Vec<u64>,
}

/// The model this build ships.
static SHIPPED: &[u8] = include_bytes!("model/shipped.titermodel");

impl Model {
    /// The model that the linker uses unless it is given another; decoded at the first call, in a few milliseconds.
    pub fn shipped() -> &'static Model {
        static MODEL: OnceLock<Model> = OnceLock::new();
        MODEL.get_or_init(|| Model::decode(SHIPPED).expect("a test decodes the shipped model"))
    }

    /// Reads a model. O(bytes), and at most a few MiB of memory whatever the bytes say.
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn decode(bytes: &[u8]) -> Result<Model, ModelError> {
        format::decode(bytes)
    }

    /// The bytes of this model (`docs/model.md`).
    pub fn encode(&self) -> Vec<u8> {
        format::encode(self)
    }

    /// Share of positions in files of `class` at which `window` stands, from 0 to 1.
    ///
    /// Exact to a factor of 1.5 for common windows; for others an estimate that is no larger than the share of the least common window
    /// that is known. Widths other than [`WIDTHS`] are always estimated.
    pub fn share(&self, window: &[u8], class: FileClass) -> f64 {
        let Some(width) = self.width(window.len()) else { return self.pairs.share(window) };
        let stored = width.table.shares(window).map_or(0.0, |shares| shares[class as usize]);
        if stored > 0.0 { f64::from(stored) } else { self.pairs.share(window).min(width.table.floor()) }
    }

    /// Its share in each class, in the order of [`FileClass::ALL`], when it is common in any; 0 where it is not.
    pub fn known(&self, window: &[u8]) -> Option<[f64; CLASSES]> {
        let shares = self.width(window.len())?.table.shares(window)?;
        Some(shares.map(f64::from))
    }

    /// What storing `window` costs: the mean of its mean share over the classes and its share in the worst of them.
    ///
    /// A mean alone would let one class of files be slow; the worst alone would treat a window that is common everywhere as no worse
    /// than one that is common in disk images.
    pub fn cost(&self, window: &[u8]) -> f64 {
        let mut cost = 0.0;
        self.costs(window, window.len(), |_, of_window| cost = of_window);
        cost
    }

    /// Calls `found` with the place and [`Model::cost`] of each window of `width` bytes of `run`, in order.
    ///
    /// O(run): what is estimated is estimated from running sums.
    pub(crate) fn costs(&self, run: &[u8], width: usize, mut found: impl FnMut(usize, f64)) {
        let Some(Width { table, .. }) = self.width(width) else {
            self.pairs.windows(run, width, &mut found);
            return;
        };
        let mut windows = numbers(run, width);
        let floor = table.floor();
        self.pairs.windows(run, width, |at, estimate| {
            let stored = windows.next().and_then(|window| table.cost(window));
            found(at, stored.map_or(estimate.min(floor), f64::from));
        });
    }

    /// The commonest windows of `width` bytes, their first byte lowest: what a filter is audited with. Empty for widths not in [`WIDTHS`].
    pub fn commonest(&self, width: usize) -> &[u64] {
        self.width(width).map_or(&[], |width| &width.commonest)
    }

    /// How many windows of `width` bytes are known.
    pub fn len(&self, width: usize) -> usize {
        self.width(width).map_or(0, |width| width.table.len())
    }

    /// The largest share that a window of `width` bytes which is not known may have in any class.
    pub fn floor(&self, width: usize) -> f64 {
        self.width(width).map_or(1.0, |width| width.table.floor())
    }

    /// What it was trained on, by class.
    pub fn trained(&self) -> impl Iterator<Item = (FileClass, Trained)> + '_ {
        FileClass::ALL.into_iter().zip(self.trained)
    }

    fn width(&self, width: usize) -> Option<&Width> {
        let index = WIDTHS.iter().position(|&known| known == width)?;
        Some(&self.widths[index])
    }
}

/// Shares are kept as the number of times that 1 is halved to come to them.
#[allow(clippy::cast_sign_loss, reason = "a level is at least 1")]
fn level(share: f64) -> u8 {
    (-share.log2()).round().clamp(1.0, LEVEL_MAX as f64) as u8
}

/// The share that a level stands for; 0 stands for none.
fn share_of(level: u8) -> f32 {
    // A power of two is its exponent.
    if level == 0 { 0.0 } else { f32::from_bits((127 - u32::from(level.min(LEVEL_MAX))) << 23) }
}

/// The rarest that is told apart.
const LEVEL_MAX: u8 = 40;

/// The windows of `width` bytes, 1 to 8, of `run` as numbers, the first byte of each lowest.
pub(crate) fn numbers(run: &[u8], width: usize) -> impl ExactSizeIterator<Item = u64> + '_ {
    let highest = 8 * (width as u32 - 1);
    let shift_in = move |window: u64, byte: u8| window >> 8 | u64::from(byte) << highest;
    let (first, rest) = run.split_at(run.len().min(width - 1));
    let mut window = first.iter().fold(0, |window, &byte| shift_in(window, byte));
    // Unlike `scan`, `map` says how many there will be, so that whoever collects them allocates once.
    rest.iter().map(move |&byte| {
        window = shift_in(window, byte);
        window
    })
}

/// A window as a number, its first byte lowest.
fn number(window: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..window.len()].copy_from_slice(window);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_each_window() {
        let run: Vec<u8> = (1..20_u8).map(|i| i.wrapping_mul(83)).collect();
        for width in 1..=8 {
            for len in 0..run.len() {
                let want: Vec<u64> = run[..len].windows(width).map(number).collect();
                assert_eq!(numbers(&run[..len], width).collect::<Vec<u64>>(), want, "{width} of {len}");
            }
        }
    }
}
