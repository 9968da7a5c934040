//! What a JPEG file asks of its decoder, told before it is decoded.
//!
//! A JPEG file may hold any number of scans, each of which goes over the whole picture and takes a dozen bytes of the file: 96 KB of
//! them kept a decoder busy for half a minute. The decoder bounds them for progressive pictures only. It also keeps two bytes of each component
//! for each pixel where components come in scans of their own, and nobody's limit counts these. So both are foretold here.
//!
//! Neither trusts a reading of the file, since the decoder may read a file made for the purpose otherwise. Both look at *all* places of the
//! bytes that the decoder is given where it could find a marker: a scan begins at no other than `FF DA`, a frame at `FF C0` to `FF C2`. In the picture itself
//! an `FF` is followed by a zero or a restart marker, so these are seldom there by accident, but remarks (names of cameras, profiles,
//! small previews) and what follows the picture (a film, often) hold any bytes. That is why the decoder is given the file without them, which
//! it would pass over in any case.

use memchr::memchr_iter;
use std::borrow::Cow;

/// Most scans, as many as the decoder allows a progressive picture. Ten are usual.
pub(super) const SCANS_MAX: u64 = 100;
/// Most pixels that all scans together may go over, as a multiple of the most that a picture may have. A picture of full size may so have 16.
pub(super) const SCANS_OF_MOST_PIXELS: u64 = 16;
/// Most bytes for each pixel of the largest picture: those of three components.
pub(super) const BYTES_PER_PIXEL: u64 = 9;

const MARKER: u8 = 0xff;
const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const COMMENT: u8 = 0xfe;

/// A JPEG file without remarks and without what follows the picture. O(bytes).
///
/// Where it is not in order, what is left of it is kept as it stands.
pub(super) fn without_remarks(file: &[u8]) -> Cow<'_, [u8]> {
    let mut kept = Vec::new();
    // Up to where bytes were kept or left out, and where the next marker is looked for.
    let (mut done, mut at) = (0, 2);
    let mut in_scan = false;
    while let Some((start, marker)) = next_marker(file, at) {
        let body = start + 2;
        if marker == END_OF_IMAGE {
            kept.extend_from_slice(&file[done..body]);
            return Cow::Owned(kept);
        }
        let restarts = in_scan && (0xd0..=START_OF_IMAGE).contains(&marker);
        let len = file.get(body..).and_then(|body| body.first_chunk()).map(|len| usize::from(u16::from_be_bytes(*len)));
        let end = if restarts { Some(body) } else { len.filter(|len| *len >= 2).map(|len| body + len) };
        let Some(end) = end.filter(|end| *end <= file.len()) else { break };
        if is_remark(marker, &file[body..end]) {
            kept.extend_from_slice(&file[done..start]);
            done = end;
        }
        in_scan |= marker == START_OF_SCAN;
        at = end;
    }
    if done == 0 {
        return Cow::Borrowed(file);
    }
    kept.extend_from_slice(&file[done..]);
    Cow::Owned(kept)
}

/// Whether a segment says nothing of how the picture is decoded. What Adobe's says of colours and that of a film's frame count.
fn is_remark(marker: u8, segment: &[u8]) -> bool {
    match marker {
        0xe0 => !segment.get(2..).is_some_and(|body| body.starts_with(b"AVI1\0")),
        0xee => !segment.get(2..).is_some_and(|body| body.starts_with(b"Adobe")),
        0xe1..=0xef | COMMENT => true,
        _ => false,
    }
}

/// The next marker from `from` on, and where it is. In scans a zero behind `FF` says that it is none, and further `FF`s may stand before one.
fn next_marker(file: &[u8], from: usize) -> Option<(usize, u8)> {
    let rest = file.get(from..)?;
    let candidates = memchr_iter(MARKER, rest).map(|at| from + at);
    let mut markers = candidates.filter_map(|at| Some((at, *file.get(at + 1)?)));
    markers.find(|(_, marker)| ![0, MARKER].contains(marker))
}

/// Most scans that a decoder can find in these bytes. O(bytes).
pub(super) fn scans_at_most(bytes: &[u8]) -> u64 {
    memchr_iter(MARKER, bytes).filter(|at| bytes.get(at + 1) == Some(&START_OF_SCAN)).count() as u64
}

/// Most bytes that decoding these bytes to a picture of `width` by `height` takes, but for what makes whole blocks of its edges: the components of
/// each pixel in two bytes, and its colour in three. O(bytes).
pub(super) fn memory_at_most(bytes: &[u8], width: u32, height: u32) -> u64 {
    /// Components beyond these are not decoded.
    const COMPONENTS_MAX: u8 = 4;
    let components = |at: usize| match bytes.get(at + 1..)?.first_chunk()? {
        [0xc0..=0xc2, _, _, _, a, b, c, d, components] => {
            let sides = [[*a, *b], [*c, *d]].map(|side| u32::from(u16::from_be_bytes(side)));
            (sides == [height, width]).then_some(*components)
        }
        _ => None,
    };
    let components = memchr_iter(MARKER, bytes).filter_map(components).max().unwrap_or(COMPONENTS_MAX);
    let per_pixel = 2 * u64::from(components.min(COMPONENTS_MAX)) + 3;
    u64::from(width) * u64::from(height) * per_pixel
}
