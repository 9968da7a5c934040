//! Texts for regular expressions, and where they are put.

use super::mould::Mould;
use engine::pattern::Offset;
use engine::regex::{Specimen, Specimens};
use patternc::record::RegexSubsignature;

/// The texts of a subsignature; `None` for an expression that does not compile.
pub(super) fn specimens(regex: &RegexSubsignature) -> Option<Specimens> {
    Specimens::new(&regex.pattern, regex.flags).ok()
}

/// A text for this turn, and where it belongs, in a file made from `carrier`.
pub(super) fn planted(
    regex: &RegexSubsignature,
    specimens: &Specimens,
    turn: u32,
    carrier: &[u8],
) -> Option<(Offset, Mould)> {
    // What the text is written over: only at a place that is known before the text is.
    let under = match regex.offset {
        Offset::Start { from, .. } => usize::try_from(from).ok().and_then(|from| carrier.get(from..)),
        Offset::Any => Some(carrier),
        _ => None,
    };
    let free = specimens.draw(turn, &[])?;
    let bound = free.at_start || regex.offset != Offset::Any;
    let specimen = if bound { specimens.draw(turn, under.unwrap_or_default())? } else { free };
    let offset = offset(regex, &specimen);
    let bytes = specimen.text.iter().copied().map(Some).collect();
    Some((offset, Mould::new(specimen.before, bytes, specimen.after).telling(&specimen.telling)))
}

/// Where a text is put so that the expression finds it.
fn offset(regex: &RegexSubsignature, specimen: &Specimen) -> Offset {
    let len = specimen.text.len() as u64;
    // Matches after the first may be anywhere behind it; so may all when the place is only the first one allowed.
    let room = |shift: u64| if regex.global || regex.rolling { u64::from(u32::MAX) } else { shift };
    match regex.offset {
        // The file ends behind the text, for the expression, where its range ends.
        Offset::Start { from, shift } if specimen.at_end && regex.encompass && shift >= len => {
            Offset::Start { from: from + (shift - len), shift: 0 }
        }
        _ if specimen.at_end => Offset::End { back: len, shift: 0 },
        Offset::Any if specimen.at_start => Offset::Start { from: 0, shift: 0 },
        Offset::Start { from, shift } => Offset::Start { from, shift: room(shift) },
        Offset::End { back, shift } => Offset::End { back, shift: room(shift) },
        Offset::Entry { delta, shift } => Offset::Entry { delta, shift: room(shift) },
        Offset::Section { index, from, shift } => Offset::Section { index, from, shift: room(shift) },
        Offset::LastSection { from, shift } => Offset::LastSection { from, shift: room(shift) },
        other => other,
    }
}
