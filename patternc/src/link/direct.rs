//! Signatures that are found by their offset.

use super::lower::Body;
use super::run::{Fold, runs};
use engine::pattern::{Element, Offset};

/// A signature whose matches begin at one offset, and the key that tells it from others there.
#[derive(Clone, Debug)]
pub(super) struct Direct {
    pub(super) offset: Offset,
    /// Bytes from the start of the match to the key.
    pub(super) key_shift: usize,
    pub(super) key: Vec<u8>,
}

impl Direct {
    const KEY_MAX: usize = 4;

    /// How `body` is found by its offset; `None` when it may begin at several.
    pub(super) fn of(body: &Body<'_>) -> Option<Direct> {
        if !body.offset.is_fixed() {
            return None;
        }
        // Only the first element stands at a known place, boundaries aside.
        let first = body.pattern.elements().iter().position(|element| !matches!(element, Element::Boundary(_)));
        let runs = runs(body.pattern, Fold::Exact).take_while(|run| Some(run.element) == first);
        let longest = runs.max_by_key(|run| run.bytes.len().min(Direct::KEY_MAX));
        let (key_shift, key) = longest.map(|run| (run.shift, run.bytes)).unwrap_or_default();
        Some(Direct { offset: body.offset, key_shift, key: key.into_iter().take(Direct::KEY_MAX).collect() })
    }
}
