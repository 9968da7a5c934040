//! The windows that a signature is found by, and how they are kept until the tables are built.

use super::shapes::Shape;
use engine::layout::{NEAR_REACH, window_mask};
use std::ops::Range;

/// Bytes beside a window that an entry keeps, at most.
pub(super) const NEAR_MAX: usize = 4;
/// They end at most this many bytes after the start of the window.
pub(super) const NEAR_END_MAX: usize = 15 - NEAR_REACH + NEAR_MAX;
/// Windows of one anchor, at most.
const WINDOWS_MAX: usize = 8;
/// Bytes that those of one anchor, and what is kept beside them, lie in.
const AROUND_MAX: usize = NEAR_REACH + WINDOWS_MAX - 1 + NEAR_END_MAX;

/// A window to be stored, and what stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// Its bytes, the first lowest.
    pub(super) bytes: u64,
    /// Up to four bytes beside it, the first lowest.
    pub(super) near: u32,
    pub(super) near_len: u8,
    /// Where they begin, counted from [`NEAR_REACH`] bytes before the window.
    pub(super) near_at: u8,
}

/// The windows of one anchor.
///
/// Neighbours have all their bytes but one in common, and those beside one are within the next. So these bytes are kept once: eight windows
/// take 35 bytes and not 144, and of a million signatures all must be there before the first table is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    /// The bytes from [`NEAR_REACH`] before the first window on, or as many as there are; zeros where the run has ended.
    around: [u8; AROUND_MAX],
    /// Where in them the first window begins.
    first: u8,
    /// Of each window, how many bytes beside it are kept, in bits 4 to 6, and where they begin, as in [`Window`].
    near: [u8; WINDOWS_MAX],
}

impl Windows {
    /// The windows that begin at `places` of `run`, of each with the bytes at `near` beside it: within reach, and within the run.
    pub(super) fn of(run: &[u8], places: Range<usize>, near: impl Fn(usize) -> Range<usize>) -> Windows {
        let start = places.start.saturating_sub(NEAR_REACH);
        let reach = &run[start..run.len().min(start + AROUND_MAX)];
        let mut windows = Windows { around: [0; AROUND_MAX], first: (places.start - start) as u8, near: [0; WINDOWS_MAX] };
        windows.around[..reach.len()].copy_from_slice(reach);
        for (kept, at) in windows.near.iter_mut().zip(places) {
            let near = near(at);
            *kept = (near.len() << 4 | (near.start + NEAR_REACH - at)) as u8;
        }
        windows
    }

    /// Each of them, those of `shape`, in their order.
    pub(super) fn each(self, shape: Shape) -> impl Iterator<Item = Window> {
        self.bytes(shape).enumerate().map(move |(shift, bytes)| {
            let near = self.near[shift];
            let (near_len, near_at) = (near >> 4, near & 15);
            let start = usize::from(self.first) + shift + usize::from(near_at) - NEAR_REACH;
            let beside = self.around[start..start + NEAR_MAX].try_into().expect("a range of so many bytes");
            let used = 1_u32.checked_shl(8 * u32::from(near_len)).map_or(u32::MAX, |end| end - 1);
            Window { bytes, near: u32::from_le_bytes(beside) & used, near_len, near_at }
        })
    }

    /// The bytes of each of them, the first lowest.
    pub(super) fn bytes(&self, shape: Shape) -> impl Iterator<Item = u64> + use<> {
        const ALL: usize = size_of::<u128>();
        let first = usize::from(self.first);
        let all = u128::from_le_bytes(self.around[first..first + ALL].try_into().expect("a range of so many bytes"));
        let mask = window_mask(shape.width as u8);
        (0..shape.stride).map(move |shift| (all >> (8 * shift)) as u64 & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::super::shapes::SHAPES;
    use super::*;

    #[test]
    fn windows_come_back_as_they_stand_in_the_run() {
        let run: Vec<u8> = (1..60).collect();
        for shape in SHAPES {
            for first in 0..=run.len() + 1 - shape.width - shape.stride {
                let places = first..first + shape.stride;
                // Every place and every length that are allowed, one after the other.
                let near = |at: usize| {
                    let start = (at + first % 16).saturating_sub(NEAR_REACH).min(run.len());
                    start..run.len().min(start + (first + at) % (NEAR_MAX + 1))
                };
                let stored = Windows::of(&run, places.clone(), near);
                assert_eq!(stored.each(shape).count(), shape.stride);
                for (at, window) in places.zip(stored.each(shape)) {
                    assert_eq!(window.bytes.to_le_bytes()[..shape.width], run[at..at + shape.width]);
                    assert!(window.bytes.to_le_bytes()[shape.width..].iter().all(|&byte| byte == 0));
                    let near = near(at);
                    assert_eq!(usize::from(window.near_len), near.len());
                    assert_eq!(at + usize::from(window.near_at), near.start + NEAR_REACH);
                    assert_eq!(window.near.to_le_bytes()[..near.len()], run[near.clone()]);
                    assert!(window.near.to_le_bytes()[near.len()..].iter().all(|&byte| byte == 0));
                }
            }
        }
    }
}
