//! What is chosen where a pattern leaves a choice.

use crate::regex::set::ByteSet;

/// More repetitions than these are drawn seldom.
const FEW: u32 = 3;
const MANY: u32 = 48;

/// Choices of one turn: the first and the least of everything on turn 0, drawn at random on others, the same ones each time.
pub(super) struct Chooser {
    turn: u32,
    random: u64,
}

impl Chooser {
    pub(super) fn new(turn: u32) -> Chooser {
        Chooser { turn, random: u64::from(turn).wrapping_mul(0x9e37_79b9_7f4a_7c15) }
    }

    /// A number below `end`, which is not 0.
    fn draw(&mut self, end: u32) -> u32 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.random >> 33) % u64::from(end)) as u32
    }

    /// One of `branches`, of which there is at least one.
    pub(super) fn branch(&mut self, branches: usize) -> usize {
        if self.turn == 0 { 0 } else { self.draw(branches.min(u32::MAX as usize) as u32) as usize }
    }

    /// How often something is repeated that may be from `min` to `max` times: few more than the least, mostly.
    pub(super) fn repetitions(&mut self, min: u32, max: Option<u32>) -> u32 {
        let room = max.map_or(u32::MAX, |max| max - min);
        if self.turn == 0 || room == 0 {
            return min;
        }
        let more = match self.draw(8) {
            0 | 1 => 0,
            2..7 => self.draw(FEW + 1),
            _ => self.draw(MANY + 1),
        };
        min.saturating_add(more.min(room))
    }
}

/// One of the bytes of a set that is not empty: what is `there` already, or what tools for text leave alone, small letters above all.
pub(super) fn byte_of(set: ByteSet, there: Option<u8>, choose: &mut Chooser) -> u8 {
    if let Some(there) = there.filter(|there| set.has(*there)) {
        return there;
    }
    let liked = b"~abcdefghijklmnopqrstuvwxyz0123456789 -.,:_";
    let liked_at = if choose.turn == 0 { 0 } else { choose.draw(liked.len() as u32) as usize };
    let (behind, first) = liked.split_at(liked_at);
    let visible = (0x21..=0x7e).chain([b'\n', b'\t', b'\r']).chain(0..=255);
    first.iter().chain(behind).copied().chain(visible).find(|byte| set.has(*byte)).unwrap_or_default()
}
