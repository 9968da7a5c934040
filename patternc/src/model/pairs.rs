//! How likely bytes follow one another: what is known of windows that are not common.

/// Bytes and pairs of bytes over all classes, each class counting alike.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pairs {
    /// Half bits of surprise of each byte by itself.
    first: [u8; 256],
    /// Half bits of surprise of a byte after another: at 256 times the one plus the other.
    next: Vec<u8>,
}

/// Half bits to which a surprise is cut, so that what training never saw stays possible.
const SURPRISE_MAX: u8 = 48;

#[allow(clippy::cast_sign_loss, reason = "a surprise is clamped to what is not negative")]
impl Pairs {
    /// Bytes of its encoding.
    pub(super) const LEN: usize = 256 + 65536;

    /// From the share of each pair, at 256 times its first byte plus its second.
    pub(super) fn of(shares: &[f64]) -> Pairs {
        let surprise = |share: f64| (-2.0 * share.log2()).round().clamp(0.0, f64::from(SURPRISE_MAX)) as u8;
        let mut pairs = Pairs { first: [0; 256], next: Vec::with_capacity(65536) };
        for (first, row) in pairs.first.iter_mut().zip(shares.chunks_exact(256)) {
            let sum: f64 = row.iter().sum();
            *first = surprise(sum);
            pairs.next.extend(row.iter().map(|&share| surprise(share / sum)));
        }
        pairs
    }

    /// The pairs in `bytes`, of which there are [`Pairs::LEN`].
    pub(super) fn decode(bytes: &[u8]) -> Option<Pairs> {
        let (first, next) = bytes.split_first_chunk()?;
        (next.len() == 65536).then(|| Pairs { first: *first, next: next.to_vec() })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.first);
        out.extend(&self.next);
    }

    /// The share that chance would give `window`.
    pub(super) fn share(&self, window: &[u8]) -> f64 {
        let mut share = 1.0;
        self.windows(window, window.len(), |_, estimate| share = estimate);
        share
    }

    /// Calls `found` with the place and the share of each window of `width` bytes of `run`. O(run).
    pub(super) fn windows(&self, run: &[u8], width: usize, mut found: impl FnMut(usize, f64)) {
        if width == 0 || run.len() < width {
            return;
        }
        let next = |at: usize| u32::from(self.next[usize::from(run[at - 1]) << 8 | usize::from(run[at])]);
        let mut surprise: u32 = (1..width).map(next).sum();
        for at in 0..=run.len() - width {
            let half_bits = surprise + u32::from(self.first[usize::from(run[at])]);
            found(at, f64::from(exp2_half(half_bits)));
            if at + width < run.len() {
                surprise += next(at + width);
                if width > 1 {
                    surprise -= next(at + 1);
                } else {
                    surprise = 0;
                }
            }
        }
    }
}

/// 2 to the power of minus half of `half_bits`.
fn exp2_half(half_bits: u32) -> f32 {
    let whole = f32::from_bits((127 - (half_bits / 2).min(126)) << 23);
    if half_bits % 2 == 1 { whole * std::f32::consts::FRAC_1_SQRT_2 } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_sums_are_the_sums_of_each_window() {
        let shares: Vec<f64> = (0..65536_u32).map(|i| f64::from(i.wrapping_mul(2654435761) >> 20) / 1e9).collect();
        let pairs = Pairs::of(&shares);
        let run: Vec<u8> = (0..60_u8).map(|i| i.wrapping_mul(37)).collect();
        for width in 1..=8 {
            let mut seen = 0;
            pairs.windows(&run, width, |at, share| {
                assert!((share - pairs.share(&run[at..at + width])).abs() < f64::EPSILON * share);
                seen += 1;
            });
            assert_eq!(seen, run.len() - width + 1);
        }
    }

    #[test]
    fn frequent_bytes_in_their_usual_order_are_likelier() {
        let mut shares = vec![1e-9; 65536];
        shares[usize::from(b't') << 8 | usize::from(b'h')] = 0.01;
        shares[usize::from(b'h') << 8 | usize::from(b'e')] = 0.01;
        let pairs = Pairs::of(&shares);
        assert!(pairs.share(b"the") > 100.0 * pairs.share(b"eht"));
    }
}
