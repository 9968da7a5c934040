//! Jitter: terminals that were told or cut off together must not come back together.

use aws_lc_rs::rand;

/// A random number from 0 to 1. Half, should the machine have no randomness: nothing secret hangs on it.
pub(crate) fn fraction() -> f64 {
    let mut bytes = [0; 4];
    rand::fill(&mut bytes).map_or(0.5, |()| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}
