//! Pictures that have a wanted image hash.
//!
//! Bits of the hash tell which of the 64 lowest coefficients of the cosine transform of the picture, made 32 by 32, are above their median.
//! A picture that is 32 by 32 already is not resized, so one with these coefficients is written down at once: a wave for each bit, up
//! where it is set and down where it is not.

use std::f64::consts::PI;

/// Pixels of a side.
const SIDE: usize = 32;
/// Coefficients of a side that bits stand for.
const BITS_SIDE: usize = 8;
/// The middle grey, and how far from it pixels may be.
const GREY: f64 = 128.0;
const SWING: f64 = 120.0;

/// A picture with this hash, in the format BMP.
///
/// `None` for hashes that no such picture has: of a picture that is no riddle, the mean is the largest coefficient, so the highest bit is set, and
/// half of all bits are.
pub(super) fn of_hash(hash: u64) -> Option<Vec<u8>> {
    let waves: Vec<(usize, usize, f64)> = (1..BITS_SIDE * BITS_SIDE)
        .map(|index| {
            let up = hash >> (63 - index) & 1 == 1;
            (index % BITS_SIDE, index / BITS_SIDE, if up { 1.0 } else { -1.0 })
        })
        .collect();
    let wave = |at: usize, frequency: usize| (PI * (2 * at + 1) as f64 * frequency as f64 / (2 * SIDE) as f64).cos();
    // The transform of a wave that does not change along a side is twice as high there.
    let height = |frequency: usize| if frequency == 0 { 0.5 } else { 1.0 };
    let shade = |x: usize, y: usize| -> f64 {
        waves.iter().map(|&(u, v, sign)| sign * height(u) * height(v) * wave(x, u) * wave(y, v)).sum()
    };
    let shades: Vec<f64> = (0..SIDE * SIDE).map(|at| shade(at % SIDE, at / SIDE)).collect();
    let most = shades.iter().fold(0.0_f64, |most, shade| most.max(shade.abs()));
    let pixel = |shade: &f64| {
        let grey = (GREY + SWING * shade / most).round();
        (0..=u8::MAX).find(|pixel| f64::from(*pixel) >= grey)
    };
    let pixels: Option<Vec<u8>> = shades.iter().map(pixel).collect();
    let picture = bmp(&pixels?);
    (engine::image_hash(&picture) == Ok(hash)).then_some(picture)
}

/// A picture of [`SIDE`] rows of as many shades.
fn bmp(pixels: &[u8]) -> Vec<u8> {
    const HEADERS: u32 = 54;
    let side = SIDE as u32;
    let size = 3 * side * side;
    let mut out = b"BM".to_vec();
    for number in [HEADERS + size, 0, HEADERS, 40, side, side] {
        out.extend(number.to_le_bytes());
    }
    out.extend([1, 0, 24, 0]);
    for number in [0, size, 2835, 2835, 0, 0_u32] {
        out.extend(number.to_le_bytes());
    }
    // The last row comes first.
    for row in pixels.chunks(SIDE).rev() {
        out.extend(row.iter().flat_map(|shade| [*shade; 3]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_of_which_half_of_the_bits_are_set_have_pictures() {
        let mut random = 1_u64;
        for _ in 0..200 {
            let mut hash = 1_u64 << 63;
            while hash.count_ones() < 32 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                hash |= 1 << (random >> 58);
            }
            let picture = of_hash(hash).unwrap_or_else(|| panic!("{hash:016x}"));
            assert_eq!(engine::image_hash(&picture), Ok(hash));
        }
    }

    #[test]
    fn other_hashes_have_none() {
        assert_eq!(of_hash(0), None);
        assert_eq!(of_hash(u64::MAX), None);
        assert_eq!(of_hash(0x0000_0000_ffff_ffff), None);
    }
}
