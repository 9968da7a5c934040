//! Gaps: `*`, `{n-m}` and their like, `[n-m]`.

use engine::pattern::Element;

use super::Parser;
use crate::clamav;
use crate::diagnostic::{Code, Fault, quote};

/// Longest `{n}` that is any-bytes of a piece and not a gap between two.
const INLINE_MAX: u32 = 127;
/// Longest gap: clamscan's numbers have 31 bits.
const GAP_MAX: u64 = i32::MAX as u64;
/// Longest `[n-m]`.
const NEAR_MAX: u64 = 32;

/// A distance between two pieces, or beside a single byte.
#[derive(Clone, Copy)]
pub(super) struct Gap {
    min: u32,
    max: Option<u32>,
}

impl Gap {
    pub(super) const UNBOUNDED: Gap = Gap { min: 0, max: None };

    pub(super) fn is_unbounded(self) -> bool {
        self.min == 0 && self.max.is_none()
    }

    pub(super) fn element(self) -> Element {
        Element::Gap { min: self.min, max: self.max }
    }
}

/// What stands in braces.
pub(super) enum Braces {
    Inline(u32),
    Gap(Gap),
}

impl<'a> Parser<'a> {
    /// The text from here to `close`, both included.
    fn enclosed(&mut self, close: u8) -> Result<&'a str, Fault> {
        let rest = &self.text[self.at..];
        let Some(end) = memchr::memchr(close, rest.as_bytes()) else {
            return Err(self.fault(Code::GapInvalid, &format!("a gap without its `{}`", char::from(close))));
        };
        self.at += end + 1;
        Ok(&rest[..=end])
    }

    pub(super) fn braces(&mut self) -> Result<Braces, Fault> {
        let text = self.enclosed(b'}')?;
        let (min, max) = match parse_bounds(text, GAP_MAX)? {
            Bounds::Exactly(n @ 1..=INLINE_MAX) if !self.braced => return Ok(Braces::Inline(n)),
            // clamscan reads over spaces in any-bytes, but not in gaps.
            _ if text.contains(' ') => return Err(gap_fault(Code::GapInvalid, text, "is a gap with spaces")),
            Bounds::None => return Err(gap_fault(Code::GapInvalid, text, "is none of `{n}`, `{n-m}`, `{-m}`, `{n-}`")),
            Bounds::Exactly(0) => (0, None),
            Bounds::Exactly(n) => (n, Some(n)),
            Bounds::Between(min, max) => (min.unwrap_or(0), max.filter(|&max| max != 0)),
        };
        check_bounds(text, min, max)?;
        self.braced = true;
        Ok(Braces::Gap(Gap { min, max }))
    }

    pub(super) fn near(&mut self) -> Result<Gap, Fault> {
        let text = self.enclosed(b']')?;
        let (min, max) = match parse_bounds(text, NEAR_MAX)? {
            Bounds::Exactly(n) => (n, Some(n)),
            Bounds::Between(Some(min), Some(max)) => (min, Some(max)),
            _ => return Err(gap_fault(Code::GapInvalid, text, "is neither `[n]` nor `[n-m]`")),
        };
        check_bounds(text, min, max)?;
        Ok(Gap { min, max })
    }
}

/// Numbers of a gap.
enum Bounds {
    /// None at all, or something else.
    None,
    Exactly(u32),
    Between(Option<u32>, Option<u32>),
}

/// Reads a gap with what encloses it.
fn parse_bounds(enclosed: &str, max: u64) -> Result<Bounds, Fault> {
    let text = &enclosed[1..enclosed.len() - 1];
    let number = |text: &str| -> Result<Option<Option<u32>>, Fault> {
        let digits = text.trim_start_matches(' ');
        if digits.is_empty() {
            return Ok(Some(None));
        }
        match clamav::digits(digits) {
            None => Ok(None),
            Some(value) if value <= max => Ok(Some(Some(value as u32))),
            Some(_) => {
                Err(Fault::new(Code::GapTooLarge, format!("a gap of {} bytes; at most {max} are allowed", quote(digits))))
            }
        }
    };
    Ok(match text.split_once('-') {
        None => match number(text)? {
            Some(Some(n)) => Bounds::Exactly(n),
            Some(None) if text.is_empty() => Bounds::Between(None, None),
            _ => Bounds::None,
        },
        Some((min, most)) => match (number(min)?, number(most)?) {
            (Some(min), Some(most)) => Bounds::Between(min, most),
            _ => Bounds::None,
        },
    })
}

fn check_bounds(enclosed: &str, min: u32, max: Option<u32>) -> Result<(), Fault> {
    if max.is_some_and(|max| max < min) {
        return Err(gap_fault(Code::GapBounds, enclosed, "matches nothing: its least is above its most"));
    }
    Ok(())
}

fn gap_fault(code: Code, enclosed: &str, what: &str) -> Fault {
    Fault::new(code, format!("{} {what}", quote(enclosed)))
}
