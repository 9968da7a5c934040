//! What the next byte of a record is, told from the bytes before it.
//!
//! A model foresees a byte better when it knows that it is the length of a string, or a letter of a name. This follows the
//! encoding of [`crate::record`] without believing it: what is read is decoded in full afterwards. Of logical records only the
//! kind and the name are followed; the rest has a length that is written down.

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
        let name = [varint(Role::NameLen)];
        match (role, byte) {
            (Role::Kind, 0) => {
                self.wants.extend([varint(Role::Elements), Want::Byte(Role::OffsetKind), Want::Byte(Role::Target)]);
                self.wants.extend(name);
            }
            (Role::Kind, 1..8) => {
                self.wants.extend([Want::Byte(Role::SizeKind), Want::Byte(Role::DigestKind)]);
                self.wants.extend(name);
            }
            (Role::Kind, _) => {
                self.wants.push(Want::Length);
                self.wants.extend(name);
            }
            (Role::OffsetKind, 1..=6) => {
                self.wants.extend([varint(Role::OffsetNumber); 2]);
                if byte == 5 {
                    self.wants.push(Want::Byte(Role::OffsetNumber));
                }
            }
            (Role::OffsetKind, 7) => self.wants.extend([varint(Role::OffsetNumber), Want::Byte(Role::OffsetNumber)]),
            (Role::ElementKind, 0) => self.wants.push(varint(Role::StringLen)),
            (Role::ElementKind, 1 | 2) => self.wants.push(varint(Role::Alternatives)),
            (Role::ElementKind, 3) => self.wants.extend([varint(Role::Gap); 2]),
            (Role::ElementKind, 4) => self.wants.push(varint(Role::Gap)),
            (Role::ElementKind, 5) => self.wants.push(Want::Byte(Role::Boundary)),
            (Role::DigestKind, 0..3) => {
                self.wants.push(Want::Raw { role: Role::Digest, left: [16, 20, 32][usize::from(byte)], at: 0 });
            }
            (Role::SizeKind, 1) => self.wants.push(varint(Role::Size)),
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
