//! Strings put where their offsets want them.

use super::carrier::Wanted;
use super::mould::Mould;
use super::oracle::place;
use super::{FILE_BYTES_MAX, FILLER, Unplantable};
use engine::Image;
use engine::pattern::Offset;
use std::ops::RangeInclusive;

/// A string that shall be in a file.
pub(super) struct Piece {
    pub(super) offset: Offset,
    pub(super) mould: Mould,
    /// Which of the strings with this offset it is: each further one begins behind the one before it.
    pub(super) repetition: usize,
    /// Put one byte before the first place that its offset allows; at the start of the file, one byte behind the last.
    pub(super) misplaced: bool,
}

/// A file, and where each of its pieces lies in it.
pub(super) struct Laid {
    pub(super) file: Vec<u8>,
    pub(super) places: Vec<usize>,
}

/// What stands between two strings that may stand anywhere.
const BETWEEN: usize = 2;

/// Lays `pieces` out in a carrier: those with a place in it first, then, behind it, those that may be anywhere, then those that count
/// from the end. The file has a length that `sizes` allows.
pub(super) fn lay(wanted: Wanted, pieces: &[&Piece], sizes: &RangeInclusive<u64>) -> Result<Laid, Unplantable> {
    let mut file = wanted.make()?;
    let image = Image::all_of(&file).into_iter().next();
    let mut places = vec![0; pieces.len()];
    for (piece, place) in pieces.iter().zip(&mut places) {
        if let Some(at) = place_in_carrier(piece, image.as_ref())? {
            piece.mould.press(&mut file, at);
            *place = at;
        }
    }
    for (piece, place) in pieces.iter().zip(&mut places).filter(|(piece, _)| piece.offset == Offset::Any) {
        if file.len() + piece.mould.len() > FILE_BYTES_MAX {
            return Err(Unplantable::FileTooLarge);
        }
        // Room for what boundaries ask for on both sides.
        let end = file.len() + piece.mould.before() + piece.mould.len();
        *place = file.len() + piece.mould.before();
        file.resize(end + BETWEEN.max(piece.mould.after()), FILLER);
        piece.mould.press(&mut file, *place);
    }
    let end = pieces.iter().filter_map(|piece| bytes_at_end(piece)).max().unwrap_or(0);
    let len = (file.len() as u64).saturating_add(end).max(*sizes.start());
    if len > *sizes.end() {
        return Err(Unplantable::FileTooSmall);
    }
    let len = usize::try_from(len).ok().filter(|len| *len <= FILE_BYTES_MAX).ok_or(Unplantable::FileTooLarge)?;
    file.resize(len, FILLER);
    for (piece, place) in pieces.iter().zip(&mut places) {
        if let Offset::End { back, shift } = piece.offset {
            let moved = moved(piece, shift)? as usize;
            let first = (len - back as usize + moved).checked_sub(usize::from(piece.misplaced));
            *place = first.filter(|at| at + piece.mould.len() <= len).ok_or(Unplantable::Places)?;
            piece.mould.press(&mut file, *place);
            file.truncate(len);
        }
    }
    Ok(Laid { file, places })
}

/// How many bytes behind the first place the piece is put, if its offset lets it.
fn moved(piece: &Piece, shift: u64) -> Result<u64, Unplantable> {
    let moved = (piece.mould.len() * piece.repetition) as u64;
    if moved <= shift { Ok(moved) } else { Err(Unplantable::Places) }
}

/// How many bytes at the end of its file a piece is about.
fn bytes_at_end(piece: &Piece) -> Option<u64> {
    match piece.offset {
        Offset::End { back, .. } => Some(back),
        _ => None,
    }
}

/// Where a piece lies whose place depends on nothing but the carrier.
fn place_in_carrier(piece: &Piece, image: Option<&Image>) -> Result<Option<usize>, Unplantable> {
    let (first, shift) = match piece.offset {
        Offset::Any | Offset::End { .. } => return Ok(None),
        Offset::Start { from, shift } => (i128::from(from), shift),
        Offset::Within { index, .. } if !piece.misplaced && piece.repetition == 0 => {
            // The last place in the section; further ones begin at its start.
            let section = image.and_then(|image| *image.sections.get(usize::from(index))?).ok_or(Unplantable::Image)?;
            return at(i128::from(section.start) + i128::from(section.len)).map(Some);
        }
        Offset::VersionInfo => {
            let key = image.and_then(|image| image.version_keys.get(piece.repetition)).ok_or(Unplantable::Image)?;
            return at(i128::from(*key) - i128::from(piece.misplaced)).map(Some);
        }
        offset => image.and_then(|image| place(image, offset)).ok_or(Unplantable::Image)?,
    };
    let first = first + i128::from(moved(piece, shift)?);
    match piece.misplaced {
        false => at(first).map(Some),
        // At the start of the file there is nothing before it.
        true if first == 0 => at(first + i128::from(shift) + 1).map(Some),
        true => at(first - 1).map(Some),
    }
}

/// A place that a file may have.
fn at(place: i128) -> Result<usize, Unplantable> {
    let place = usize::try_from(place).map_err(|_| Unplantable::Image)?;
    if place < FILE_BYTES_MAX { Ok(place) } else { Err(Unplantable::FileTooLarge) }
}
