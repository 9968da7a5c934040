//! The canonical encoding of a record.
//!
//! Decoding reads a record, encodes it again and compares: whatever is spelled in another way than [`encode`] spells it (a
//! pattern not in normal form, a long number, runs cut elsewhere) is refused without a rule for each case.

use engine::pattern::{Boundary, Element, MaskedByte, Offset, Pattern};

mod logical;
mod skip;
pub(crate) mod tags;

pub(crate) use skip::skip;

use super::{Body, Digest, DigestOf, Hash, Kind, Record, Target};
use crate::wire::{Reader, WireError, put_varint};
use tags::{
    ALTERNATIVES, BODY, BOUNDARY, BYTES, GAP, HASH, LOGICAL, MD5, NEGATED, OFFSET_ANY, OFFSET_BEFORE_ENTRY, OFFSET_END,
    OFFSET_ENTRY, OFFSET_LAST_SECTION, OFFSET_SECTION, OFFSET_START, OFFSET_VERSION_INFO, OFFSET_WITHIN, OPEN_GAP, SHA1,
    SHA256, SIZE_ANY, SIZE_EXACT,
};

/// Kind of the record that `encoded` holds; `None` when its first byte names none.
pub(crate) fn kind_of(encoded: &[u8]) -> Option<Kind> {
    match *encoded.first()? {
        BODY => Some(Kind::Body),
        LOGICAL => Some(Kind::Logical),
        tag => digest_of(tag).map(Kind::of_digest),
    }
}

/// What the digest of a record that begins with `tag` is of; `None` when it has none.
fn digest_of(tag: u8) -> Option<DigestOf> {
    DigestOf::ALL.into_iter().find(|of| HASH + *of as u8 == tag)
}

pub(super) fn encode(record: &Record, out: &mut Vec<u8>) {
    match record {
        Record::Body(body) => {
            out.push(BODY);
            put_name(out, &body.name);
            out.push(body.target.number());
            put_offset(out, body.offset);
            put_pattern(out, &body.pattern);
        }
        Record::Logical(signature) => {
            out.push(LOGICAL);
            logical::put(out, signature);
        }
        Record::Hash(hash) => {
            out.push(HASH + hash.of as u8);
            put_name(out, &hash.name);
            out.push(match hash.digest {
                Digest::Md5(_) => MD5,
                Digest::Sha1(_) => SHA1,
                Digest::Sha256(_) => SHA256,
            });
            out.extend_from_slice(hash.digest.as_bytes());
            match hash.size {
                None => out.push(SIZE_ANY),
                Some(size) => {
                    out.push(SIZE_EXACT);
                    put_varint(out, size);
                }
            }
        }
    }
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    put_varint(out, name.len() as u64);
    out.extend_from_slice(name.as_bytes());
}

fn put_offset(out: &mut Vec<u8>, offset: Offset) {
    let (tag, distance, shift) = match offset {
        Offset::Any => return out.push(OFFSET_ANY),
        Offset::VersionInfo => return out.push(OFFSET_VERSION_INFO),
        Offset::Start { from, shift } => (OFFSET_START, from, shift),
        Offset::End { back, shift } => (OFFSET_END, back, shift),
        Offset::Entry { delta, shift } if delta < 0 => (OFFSET_BEFORE_ENTRY, delta.unsigned_abs(), shift),
        Offset::Entry { delta, shift } => (OFFSET_ENTRY, delta.unsigned_abs(), shift),
        Offset::Section { index, from, shift } => {
            out.extend([OFFSET_SECTION, index]);
            put_varint(out, from);
            return put_varint(out, shift);
        }
        Offset::LastSection { from, shift } => (OFFSET_LAST_SECTION, from, shift),
        Offset::Within { index, shift } => {
            out.extend([OFFSET_WITHIN, index]);
            return put_varint(out, shift);
        }
    };
    out.push(tag);
    put_varint(out, distance);
    put_varint(out, shift);
}

fn put_pattern(out: &mut Vec<u8>, pattern: &Pattern) {
    put_varint(out, pattern.elements().len() as u64);
    for element in pattern.elements() {
        match element {
            Element::Bytes(bytes) => {
                out.push(BYTES);
                put_string(out, bytes);
            }
            Element::Alternatives { strings, negated } => {
                out.push(if *negated { NEGATED } else { ALTERNATIVES });
                put_varint(out, strings.len() as u64);
                for string in strings {
                    put_string(out, string);
                }
            }
            Element::Gap { min, max } => {
                out.push(if max.is_some() { GAP } else { OPEN_GAP });
                put_varint(out, u64::from(*min));
                if let Some(max) = max {
                    put_varint(out, u64::from(*max));
                }
            }
            Element::Boundary(boundary) => out.extend([BOUNDARY, boundary.number()]),
        }
    }
}

/// How the bytes of a run are spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Fixed bytes: their values.
    Fixed,
    /// Any bytes: nothing.
    Any,
    /// Bytes under other masks: mask and value of each.
    Masked,
}

impl Run {
    const ALL: [Run; 3] = [Run::Fixed, Run::Any, Run::Masked];

    fn of(byte: MaskedByte) -> Run {
        match byte.mask() {
            0xff => Run::Fixed,
            0 => Run::Any,
            _ => Run::Masked,
        }
    }

    /// Longest run of one token.
    ///
    /// Any-bytes are the only ones that cost nothing but the token; 16 of them per token keep what a pattern takes in memory
    /// within 32 times what it takes in the file.
    fn len_max(self) -> usize {
        match self {
            Run::Fixed | Run::Masked => 64,
            Run::Any => 16,
        }
    }
}

/// A masked string: its length, then runs of one spelling, each a token `(len - 1) * 3 + spelling` and its bytes.
fn put_string(out: &mut Vec<u8>, bytes: &[MaskedByte]) {
    put_varint(out, bytes.len() as u64);
    for same in bytes.chunk_by(|&a, &b| Run::of(a) == Run::of(b)) {
        let run = Run::of(same[0]);
        for chunk in same.chunks(run.len_max()) {
            out.push((chunk.len() - 1) as u8 * 3 + run as u8);
            match run {
                Run::Fixed => out.extend(chunk.iter().map(|byte| byte.value())),
                Run::Any => {}
                Run::Masked => chunk.iter().for_each(|byte| out.extend([byte.mask(), byte.value()])),
            }
        }
    }
}

/// Reads one record and gives it with its encoding.
///
/// # Errors
/// [`WireError`] when the bytes are not the canonical encoding of a record.
pub(crate) fn decode_one<'a>(reader: &mut Reader<'a>, scratch: &mut Vec<u8>) -> Result<(Record, &'a [u8]), WireError> {
    let start = reader.at();
    let record = match reader.u8()? {
        BODY => Record::Body(Body {
            name: name(reader)?,
            target: target(reader)?,
            offset: offset(reader)?,
            pattern: pattern(reader)?,
        }),
        LOGICAL => Record::Logical(Box::new(logical::read(reader)?)),
        tag => match digest_of(tag) {
            Some(of) => Record::Hash(Hash { of, name: name(reader)?, digest: digest(reader)?, size: size(reader)? }),
            None => return Err(reader.fault("the kind of a record is unknown")),
        },
    };
    scratch.clear();
    record.encode_into(scratch);
    let encoded = reader.since(start);
    if scratch == encoded {
        Ok((record, encoded))
    } else {
        Err(WireError { at: start, what: "a record is not in canonical form" })
    }
}

fn name(reader: &mut Reader<'_>) -> Result<String, WireError> {
    let len = reader.varint_to(Record::NAME_BYTES_MAX as u64, "a name is too long")?;
    if len == 0 {
        return Err(reader.fault("a name is empty"));
    }
    let bytes = reader.take(len as usize)?;
    let name = str::from_utf8(bytes).map_err(|_| reader.fault("a name is not UTF-8"))?;
    if name.contains(char::is_control) {
        return Err(reader.fault("a name holds a control character"));
    }
    Ok(name.to_owned())
}

fn target(reader: &mut Reader<'_>) -> Result<Target, WireError> {
    Target::from_number(reader.u8()?).ok_or_else(|| reader.fault("the target of a body is unknown"))
}

fn offset(reader: &mut Reader<'_>) -> Result<Offset, WireError> {
    match reader.u8()? {
        OFFSET_ANY => Ok(Offset::Any),
        OFFSET_START => Ok(Offset::Start { from: reader.varint()?, shift: reader.varint()? }),
        OFFSET_END => Ok(Offset::End { back: reader.varint()?, shift: reader.varint()? }),
        OFFSET_ENTRY => Ok(Offset::Entry { delta: distance(reader)?, shift: reader.varint()? }),
        OFFSET_BEFORE_ENTRY => Ok(Offset::Entry { delta: -distance(reader)?, shift: reader.varint()? }),
        OFFSET_SECTION => Ok(Offset::Section { index: reader.u8()?, from: reader.varint()?, shift: reader.varint()? }),
        OFFSET_LAST_SECTION => Ok(Offset::LastSection { from: reader.varint()?, shift: reader.varint()? }),
        OFFSET_VERSION_INFO => Ok(Offset::VersionInfo),
        OFFSET_WITHIN => Ok(Offset::Within { index: reader.u8()?, shift: reader.varint()? }),
        _ => Err(reader.fault("the offset of a body is of an unknown form")),
    }
}

/// A distance from the entry point.
fn distance(reader: &mut Reader<'_>) -> Result<i64, WireError> {
    let distance = reader.varint_to(i64::MAX as u64, "a distance from the entry point is too long")?;
    Ok(distance.cast_signed())
}

fn digest(reader: &mut Reader<'_>) -> Result<Digest, WireError> {
    match reader.u8()? {
        MD5 => Ok(Digest::Md5(reader.array()?)),
        SHA1 => Ok(Digest::Sha1(reader.array()?)),
        SHA256 => Ok(Digest::Sha256(reader.array()?)),
        _ => Err(reader.fault("the algorithm of a digest is unknown")),
    }
}

fn size(reader: &mut Reader<'_>) -> Result<Option<u64>, WireError> {
    match reader.u8()? {
        SIZE_ANY => Ok(None),
        SIZE_EXACT => Ok(Some(reader.varint()?)),
        _ => Err(reader.fault("the size of a digest is of an unknown form")),
    }
}

fn pattern(reader: &mut Reader<'_>) -> Result<Pattern, WireError> {
    let count = reader.varint_to(Pattern::ELEMENTS_MAX as u64, "a pattern has too many elements")?;
    let mut room = Pattern::LEN_MAX;
    // A count is believed only as far as elements follow it.
    let mut elements = Vec::with_capacity(count.min(4) as usize);
    for _ in 0..count {
        elements.push(element(reader, &mut room)?);
    }
    Pattern::new(elements).map_err(|_| reader.fault("the elements do not make a pattern"))
}

fn element(reader: &mut Reader<'_>, room: &mut usize) -> Result<Element, WireError> {
    match reader.u8()? {
        BYTES => Ok(Element::Bytes(string(reader, room)?)),
        tag @ (ALTERNATIVES | NEGATED) => {
            let count = reader.varint_to(*room as u64, "an alternative has too many strings")?;
            let mut strings = Vec::new();
            for _ in 0..count {
                strings.push(string(reader, room)?);
            }
            Ok(Element::Alternatives { strings, negated: tag == NEGATED })
        }
        GAP => Ok(Element::Gap { min: gap_len(reader)?, max: Some(gap_len(reader)?) }),
        OPEN_GAP => Ok(Element::Gap { min: gap_len(reader)?, max: None }),
        BOUNDARY => {
            let boundary = Boundary::from_number(reader.u8()?);
            boundary.map(Element::Boundary).ok_or_else(|| reader.fault("a boundary of a pattern is of an unknown form"))
        }
        _ => Err(reader.fault("an element of a pattern is of an unknown form")),
    }
}

fn gap_len(reader: &mut Reader<'_>) -> Result<u32, WireError> {
    Ok(reader.varint_to(u64::from(u32::MAX), "a gap is too long")? as u32)
}

fn string(reader: &mut Reader<'_>, room: &mut usize) -> Result<Vec<MaskedByte>, WireError> {
    let len = reader.varint_to(*room as u64, "a pattern is too long")? as usize;
    *room -= len;
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let token = usize::from(reader.u8()?);
        let run_len = token / 3 + 1;
        if run_len > len - bytes.len() {
            return Err(reader.fault("a run is longer than its string"));
        }
        match Run::ALL[token % 3] {
            Run::Fixed => bytes.extend(reader.take(run_len)?.iter().map(|&b| MaskedByte::fixed(b))),
            Run::Any => bytes.resize(bytes.len() + run_len, MaskedByte::ANY),
            Run::Masked => {
                let pairs = reader.take(run_len * 2)?;
                bytes.extend(pairs.chunks_exact(2).map(|pair| MaskedByte::new(pair[1], pair[0])));
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::FileKind;

    const ANY_FILE: u8 = 0;

    fn body(elements: impl IntoIterator<Item = Element>) -> Record {
        Record::Body(Body {
            name: "N".into(),
            target: Target::Any,
            offset: Offset::Any,
            pattern: Pattern::new(elements).unwrap(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Record, WireError> {
        let mut reader = Reader::new(bytes);
        let (record, encoded) = decode_one(&mut reader, &mut Vec::new())?;
        assert_eq!(encoded, bytes);
        Ok(record)
    }

    #[test]
    fn a_body_is_spelled_as_the_format_says() {
        let bytes = [MaskedByte::fixed(0xaa), MaskedByte::ANY, MaskedByte::ANY, MaskedByte::new(0xb0, 0xf0)];
        let record = body([Element::Bytes(bytes.to_vec()), Element::Gap { min: 5, max: None }]);
        let spelled = [BODY, 1, b'N', ANY_FILE, OFFSET_ANY, 2, BYTES, 4, 0, 0xaa, 4, 2, 0xf0, 0xb0, OPEN_GAP, 5];
        assert_eq!(record.encode(), spelled);
        assert_eq!(decode(&spelled), Ok(record));
    }

    #[test]
    fn long_strings_come_back() {
        for len in [1, 16, 17, 64, 65, 1000, Pattern::LEN_MAX - 1] {
            let mut bytes = vec![MaskedByte::ANY; len];
            bytes.push(MaskedByte::fixed(1));
            let record = body([Element::Bytes(bytes)]);
            assert_eq!(decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn targets_and_offsets_come_back() {
        let offsets = [
            Offset::Entry { delta: 0, shift: 0 },
            Offset::Entry { delta: 300, shift: 4 },
            Offset::Entry { delta: -300, shift: 4 },
            Offset::Section { index: 255, from: 300, shift: 2 },
            Offset::LastSection { from: 0, shift: 300 },
            Offset::Within { index: 3, shift: 0 },
            Offset::VersionInfo,
        ];
        for (offset, kind) in offsets.into_iter().cycle().zip(FileKind::ALL) {
            let pattern = Pattern::literal(b"abc").unwrap();
            let record = Record::Body(Body { name: "N".into(), target: Target::Kind(kind), offset, pattern });
            assert_eq!(decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn boundaries_come_back_in_their_order() {
        let boundaries = |numbers: &[u8]| -> Vec<Element> {
            numbers.iter().map(|&number| Element::Boundary(Boundary::from_number(number).unwrap())).collect()
        };
        for number in 0..Boundary::COUNT {
            let record = body(boundaries(&[number]).into_iter().chain([Element::Bytes(vec![MaskedByte::fixed(0xaa); 2])]));
            assert_eq!(decode(&record.encode()), Ok(record));
        }
        let spelled = |numbers: [u8; 2]| {
            let boundaries = numbers.map(|number| [BOUNDARY, number]).concat();
            [&[BODY, 1, b'N', ANY_FILE, OFFSET_ANY, 3][..], &boundaries, &[BYTES, 1, 0, 0xaa]].concat()
        };
        let outcome = |numbers| decode(&spelled(numbers)).map(|_| ()).map_err(|error| error.what);
        assert_eq!(outcome([4, 8]), Err("a record is not in canonical form"), "class before side before negation");
        assert_eq!(outcome([8, 4]), Ok(()));
        assert_eq!(outcome([4, 4]), Err("a record is not in canonical form"));
        assert_eq!(outcome([4, 16]), Err("a boundary of a pattern is of an unknown form"));
    }

    #[test]
    fn unknown_targets_and_a_zero_before_the_entry_point_are_refused() {
        let tail = [1, BYTES, 1, 0, 0xaa];
        let decoded = |head: &[u8]| decode(&[head, &tail].concat()).map(|_| ()).map_err(|error| error.what);
        assert_eq!(decoded(&[BODY, 1, b'N', 1, OFFSET_BEFORE_ENTRY, 1, 0]), Ok(()));
        assert_eq!(decoded(&[BODY, 1, b'N', 1, OFFSET_BEFORE_ENTRY, 0, 0]), Err("a record is not in canonical form"));
        for target in [8, 13, 15, 255] {
            assert_eq!(decoded(&[BODY, 1, b'N', target, OFFSET_ANY]), Err("the target of a body is unknown"));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let head = [BODY, 1, b'N', ANY_FILE, OFFSET_ANY];
        let cases: [(&str, &[u8]); 6] = [
            ("two runs where one does", &[1, BYTES, 2, 0, 0xaa, 0, 0xbb]),
            ("a masked byte that is fixed", &[1, BYTES, 1, 2, 0xff, 0xaa]),
            ("a value outside its mask", &[1, BYTES, 2, 0, 0xaa, 2, 0xf0, 0xbb]),
            ("neighbouring bytes apart", &[2, BYTES, 1, 0, 0xaa, BYTES, 1, 0, 0xbb]),
            ("alternatives out of order", &[1, ALTERNATIVES, 2, 1, 0, 0xbb, 1, 0, 0xaa]),
            ("a short exact gap", &[3, BYTES, 1, 0, 0xaa, GAP, 2, 2, BYTES, 1, 0, 0xbb]),
        ];
        for (what, tail) in cases {
            let bytes = [&head[..], tail].concat();
            assert_eq!(decode(&bytes), Err(WireError { at: 0, what: "a record is not in canonical form" }), "{what}");
        }
    }
}
