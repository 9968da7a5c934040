//! What the next byte of a record is, told from the bytes before it.
//!
//! A model foresees a byte better when it knows that it is the length of a string, or a letter of a name. This follows the
//! encoding of [`crate::record`] without believing it: what is read is decoded in full afterwards. Of logical records only the
//! kind and the name are followed; the rest has a length that is written down.

use crate::record::tags::{
    ALTERNATIVES, BOUNDARY, BYTES, GAP, NEGATED, OFFSET_BEFORE_ENTRY, OFFSET_END, OFFSET_ENTRY, OFFSET_LAST_SECTION,
    OFFSET_SECTION, OFFSET_START, OFFSET_WITHIN, OPEN_GAP, SIZE_EXACT, digest_len,
};
use crate::record::{Kind, kind_of};

/// What a byte of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Role {
    Kind,
    NameLen,
    Name,
    Target,
    OffsetKind,
    OffsetNumber,
    Elements,
    ElementKind,
    StringLen,
    Run,
    Fixed,
    Masked,
    Gap,
    Alternatives,
    Boundary,
    DigestKind,
    Digest,
    SizeKind,
    Size,
    Opaque,
}

impl Role {
    pub(super) const COUNT: usize = Role::Opaque as usize + 1;

    /// Bytes that continue one another: letters of names, content of patterns, and everything that tells where those are.
    pub(super) fn stream(self) -> usize {
        match self {
            Role::Name => 0,
            Role::Fixed | Role::Masked | Role::Digest | Role::Opaque => 1,
            _ => 2,
        }
    }

    pub(super) const STREAMS: usize = 3;
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A byte, and what else is known of it: how many bytes are left of what it is part of, or where in it this one is.
    Byte(Role, u32),
    /// The number of bytes that are left; [`Shape::has`] takes it.
    Length,
    /// The record is complete.
    End,
}

/// What is still to come of a record, the next thing last.
#[derive(Clone, Copy, Debug)]
enum Want {
    Byte(Role),
    Varint { role: Role, value: u64, shift: u32 },
    Raw { role: Role, left: u64, at: u32 },
    Runs(u64),
    Elements(u64),
    Strings(u64),
    Length,
}

fn varint(role: Role) -> Want {
    Want::Varint { role, value: 0, shift: 0 }
}

/// Follows one record.
#[derive(Debug)]
pub(super) struct Shape {
    wants: Vec<Want>,
}

impl Shape {
    pub(super) fn new() -> Shape {
        Shape { wants: vec![Want::Byte(Role::Kind)] }
    }

    pub(super) fn next(&mut self) -> Next {
        while let Some(want) = self.wants.pop() {
            match want {
                Want::Raw { left: 0, .. } | Want::Runs(0) | Want::Elements(0) | Want::Strings(0) => {}
                Want::Elements(left) => self.wants.extend([Want::Elements(left - 1), Want::Byte(Role::ElementKind)]),
                Want::Strings(left) => self.wants.extend([Want::Strings(left - 1), varint(Role::StringLen)]),
                Want::Length => return Next::Length,
                Want::Byte(role) | Want::Varint { role, .. } => return self.byte(want, role, 0),
                Want::Runs(left) => return self.byte(want, Role::Run, left.min(65) as u32),
                Want::Raw { role, at, .. } => return self.byte(want, role, at),
            }
        }
        Next::End
    }

    fn byte(&mut self, want: Want, role: Role, known: u32) -> Next {
        self.wants.push(want);
        Next::Byte(role, known)
    }

    /// Takes the length that [`Next::Length`] asked for.
    pub(super) fn has(&mut self, left: u64) {
        self.wants.push(Want::Raw { role: Role::Opaque, left, at: 0 });
    }

    /// Takes the byte that [`Next::Byte`] asked for.
    pub(super) fn take(&mut self, byte: u8) {
        match self.wants.pop() {
            Some(Want::Byte(role)) => self.begin(role, byte),
            Some(Want::Varint { role, value, shift }) => {
                let value = value | u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
                if byte & 0x80 != 0 && shift < 63 {
                    self.wants.push(Want::Varint { role, value, shift: shift + 7 });
                } else {
                    self.number(role, value);
                }
            }
            Some(Want::Raw { role, left, at }) => {
                self.wants.push(Want::Raw { role, left: left - 1, at: at.saturating_add(1) });
            }
            Some(Want::Runs(left)) => self.run(left, byte),
            _ => {}
        }
    }

    fn begin(&mut self, role: Role, byte: u8) {
        match role {
            Role::Kind => {
                match kind_of(&[byte]) {
                    Some(Kind::Body) => {
                        self.wants.extend([varint(Role::Elements), Want::Byte(Role::OffsetKind), Want::Byte(Role::Target)]);
                    }
                    Some(Kind::FileHash | Kind::SectionHash | Kind::ImportHash | Kind::CleanFile) => {
                        self.wants.extend([Want::Byte(Role::SizeKind), Want::Byte(Role::DigestKind)]);
                    }
                    Some(Kind::Logical) | None => self.wants.push(Want::Length),
                }
                self.wants.push(varint(Role::NameLen));
            }
            Role::OffsetKind => self.offset(byte),
            Role::ElementKind => self.element(byte),
            Role::DigestKind => {
                let left = digest_len(byte).unwrap_or(0) as u64;
                self.wants.push(Want::Raw { role: Role::Digest, left, at: 0 });
            }
            Role::SizeKind if byte == SIZE_EXACT => self.wants.push(varint(Role::Size)),
            _ => {}
        }
    }

    fn offset(&mut self, kind: u8) {
        let number = varint(Role::OffsetNumber);
        match kind {
            OFFSET_START | OFFSET_END | OFFSET_ENTRY | OFFSET_BEFORE_ENTRY | OFFSET_LAST_SECTION => {
                self.wants.extend([number; 2]);
            }
            OFFSET_SECTION => self.wants.extend([number, number, Want::Byte(Role::OffsetNumber)]),
            OFFSET_WITHIN => self.wants.extend([number, Want::Byte(Role::OffsetNumber)]),
            _ => {}
        }
    }

    fn element(&mut self, kind: u8) {
        match kind {
            BYTES => self.wants.push(varint(Role::StringLen)),
            ALTERNATIVES | NEGATED => self.wants.push(varint(Role::Alternatives)),
            GAP => self.wants.extend([varint(Role::Gap); 2]),
            OPEN_GAP => self.wants.push(varint(Role::Gap)),
            BOUNDARY => self.wants.push(Want::Byte(Role::Boundary)),
            _ => {}
        }
    }

    fn number(&mut self, role: Role, value: u64) {
        match role {
            Role::NameLen => self.wants.push(Want::Raw { role: Role::Name, left: value, at: 0 }),
            Role::Elements => self.wants.push(Want::Elements(value)),
            Role::Alternatives => self.wants.push(Want::Strings(value)),
            Role::StringLen => self.wants.push(Want::Runs(value)),
            _ => {}
        }
    }

    /// A run of fixed bytes, of any bytes, which have no values, or of masks with values.
    fn run(&mut self, left: u64, head: u8) {
        let len = u64::from(head / 3 + 1);
        self.wants.push(Want::Runs(left.saturating_sub(len)));
        match head % 3 {
            0 => self.wants.push(Want::Raw { role: Role::Fixed, left: len, at: 0 }),
            1 => {}
            _ => self.wants.push(Want::Raw { role: Role::Masked, left: 2 * len, at: 0 }),
        }
    }
}

/// Whether the shape of an encoded record comes to its end where the record does; of a logical one, to the length of what is not followed.
pub(crate) fn is_followed(encoded: &[u8]) -> bool {
    let mut shape = Shape::new();
    for &byte in encoded {
        match shape.next() {
            Next::Byte(..) => shape.take(byte),
            Next::Length => return kind_of(encoded) == Some(Kind::Logical),
            Next::End => return false,
        }
    }
    shape.next() == Next::End
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clamav;
    use crate::record::{DigestOf, Record};

    fn records() -> Vec<Record> {
        let offsets = ["*", "7", "7,300", "EOF-300,2", "EP+0", "EP-300", "S3+300,1", "SL+4", "SE2", "VI"];
        let bodies = [
            "aabbcc",
            "aa??bb??????????????????????????????????????????ccdd",
            "aabb*ccdd{300-400}eeff{5-}a?bbcc",
            "aabb(cc|ddee|)ff!(11|22)3344",
            "(B)aabb(L)",
            "aabb!(W)ccdd",
        ];
        // What has no meaning at a fixed offset is left out.
        let line = |offset: &str, body: &str| clamav::ndb(format!("N:1:{offset}:{body}")).ok().flatten();
        let mut records: Vec<Record> =
            offsets.iter().flat_map(|at| bodies.iter().filter_map(move |body| line(at, body))).collect();
        assert!(records.len() > 40, "{}", records.len());
        for digits in [32, 40, 64] {
            for size in ["*", "300"] {
                let line = format!("{}:{size}:N:73", "ab".repeat(digits / 2));
                records.push(clamav::hash(DigestOf::CleanFile, line).unwrap().unwrap());
            }
        }
        records.push(clamav::ldb("N;Engine:51-255,Target:0;0;aabbcc").unwrap().unwrap());
        records
    }

    #[test]
    fn shapes_end_where_records_end() {
        for record in records() {
            let encoded = record.encode();
            assert!(is_followed(&encoded), "{record:?}");
            // Neither earlier nor later, but for what is not followed.
            if record.kind() != Kind::Logical {
                assert!(!is_followed(&[&encoded[..], &[0]].concat()), "{record:?}");
                assert!((0..encoded.len()).all(|len| !is_followed(&encoded[..len])), "{record:?}");
            }
        }
    }
}
