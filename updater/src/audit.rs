//! The audit log's rows and the check of their chain, which needs nothing of the service but the rows.
//!
//! The hash of a row is the SHA-256 of
//!
//! ```text
//! titer-audit-v1 LF PREVIOUS LF N LF AT LF WHO LF WHAT LF DETAIL LF
//! ```
//!
//! where PREVIOUS is the hash of row N - 1, or 64 zeros for the first. No field holds a line feed, so no two rows have one text. Who can
//! write the tables can also write a whole new chain; that is found by comparing with a hash that was kept elsewhere.

use crate::wire::Sha256Hex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditRow {
    /// Its number: 1 and up, without gaps.
    pub n: u64,
    /// Seconds since 1970.
    pub at: i64,
    /// Who did it: `operator:NAME`, `maker:NAME`, `terminal:ID` or `service`.
    pub who: String,
    /// What, as a stable word.
    pub what: String,
    /// The rest, as JSON text: exactly what was hashed.
    pub detail: String,
    /// Hash of the row before.
    pub previous: Sha256Hex,
    /// Hash of this row.
    pub hash: Sha256Hex,
}

impl AuditRow {
    /// The hash that the row should have.
    pub fn computed_hash(&self) -> Sha256Hex {
        let AuditRow { n, at, who, what, detail, previous, .. } = self;
        Sha256Hex::of(format!("titer-audit-v1\n{previous}\n{n}\n{at}\n{who}\n{what}\n{detail}\n").as_bytes())
    }
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditHead {
    /// Number of the last row; 0 when there is none.
    pub n: u64,
    /// Its hash.
    pub hash: Sha256Hex,
}

/// Some rows of the log and where it ends.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// Rows, ascending.
    pub rows: Vec<AuditRow>,
    /// Where the log ended when they were read.
    pub head: AuditHead,
}

/// The log was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditFault {
    /// A row is missing, or there twice.
    #[error("row {expected} should follow and row {found} does: rows were taken out or put in")]
    Gap {
        /// The number that should come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A row does not name the hash of the one before it.
    #[error("row {0} does not follow the row before it: one of the two was changed")]
    Link(u64),
    /// A row's content is not what was hashed.
    #[error("row {0} was changed")]
    Content(u64),
    /// The last rows are missing, or the log goes on beyond its end.
    #[error("the log ends at row {found} and should end at row {expected}: its last rows were taken out or changed")]
    End {
        /// Where it should end.
        expected: u64,
        /// Where it ends.
        found: u64,
    },
    /// The whole chain is another than the one that was seen before.
    #[error("no row has the hash {0}, which was kept from an earlier check: the log was written anew")]
    NotTheSame(Sha256Hex),
}

impl AuditFault {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        "audit_log_changed"
    }
}

/// A walk along the chain, row by row: constant memory.
#[derive(Clone, Debug)]
pub struct AuditChain {
    head: AuditHead,
    expected: Option<Sha256Hex>,
    seen: bool,
}

impl AuditChain {
    /// Hash before the first row.
    pub fn origin() -> Sha256Hex {
        "0".repeat(64).parse().expect("64 zeros are a digest")
    }

    /// A walk from the beginning. `expected` is the hash of a row as an earlier check gave it: the chain must hold it.
    pub fn new(expected: Option<Sha256Hex>) -> Self {
        let seen = expected.is_none_or(|expected| expected == Self::origin());
        AuditChain { head: AuditHead { n: 0, hash: Self::origin() }, expected, seen }
    }

    /// A walk that begins after a row whose number and hash are these.
    pub fn after(head: AuditHead) -> Self {
        AuditChain { head, expected: None, seen: true }
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// [`AuditFault`] when it does not follow.
    pub fn follow(&mut self, row: &AuditRow) -> Result<(), AuditFault> {
        if row.n != self.head.n + 1 {
            return Err(AuditFault::Gap { expected: self.head.n + 1, found: row.n });
        }
        if row.previous != self.head.hash {
            return Err(AuditFault::Link(row.n));
        }
        if row.computed_hash() != row.hash {
            return Err(AuditFault::Content(row.n));
        }
        self.seen |= self.expected == Some(row.hash);
        self.head = AuditHead { n: row.n, hash: row.hash };
        Ok(())
    }

    /// Where the walk is.
    pub fn head(&self) -> AuditHead {
        self.head
    }

    /// Ends the walk where the log says that it ends. Gives the head, to be kept for the next check.
    ///
    /// # Errors
    /// [`AuditFault`].
    pub fn finish(self, head: AuditHead) -> Result<AuditHead, AuditFault> {
        if head != self.head {
            return Err(AuditFault::End { expected: head.n, found: self.head.n });
        }
        match self.expected {
            Some(expected) if !self.seen => Err(AuditFault::NotTheSame(expected)),
            _ => Ok(head),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chain(length: u64) -> Vec<AuditRow> {
        let mut previous = AuditChain::origin();
        let mut rows = Vec::new();
        for n in 1..=length {
            let (who, what) = ("operator:alice".to_owned(), "maker-registered".to_owned());
            let mut row = AuditRow { n, at: 1_700_000_000, who, what, detail: "{}".to_owned(), previous, hash: previous };
            row.hash = row.computed_hash();
            previous = row.hash;
            rows.push(row);
        }
        rows
    }

    fn verify(rows: &[AuditRow], head: AuditHead, expected: Option<Sha256Hex>) -> Result<AuditHead, AuditFault> {
        let mut chain = AuditChain::new(expected);
        rows.iter().try_for_each(|row| chain.follow(row))?;
        chain.finish(head)
    }

    #[test]
    fn the_hash_is_as_the_page_says() {
        let row = &chain(1)[0];
        let text = format!("titer-audit-v1\n{}\n1\n1700000000\noperator:alice\nmaker-registered\n{{}}\n", "0".repeat(64));
        assert_eq!(row.hash, Sha256Hex::of(text.as_bytes()));
    }

    #[test]
    fn a_log_that_was_not_changed_holds() {
        let rows = chain(5);
        let head = AuditHead { n: 5, hash: rows[4].hash };
        for expected in [None, Some(AuditChain::origin()), Some(rows[2].hash), Some(rows[4].hash)] {
            assert_eq!(verify(&rows, head, expected), Ok(head));
        }
        assert_eq!(verify(&[], AuditChain::new(None).head(), None), Ok(AuditChain::new(None).head()));
        assert!(matches!(verify(&rows, head, Some(Sha256Hex::of(b"x"))), Err(AuditFault::NotTheSame(_))));
        assert!(matches!(verify(&rows[..4], head, None), Err(AuditFault::End { .. })));
        let mut tail = AuditChain::after(AuditHead { n: 3, hash: rows[2].hash });
        rows[3..].iter().try_for_each(|row| tail.follow(row)).unwrap();
        assert_eq!(tail.finish(head), Ok(head));
    }

    proptest! {
        /// Whatever is done to one row, or to their order, is seen.
        #[test]
        fn every_change_is_found(length in 2_u64..12, at in 0_usize..12, how in 0_usize..9) {
            let rows = chain(length);
            let head = AuditHead { n: length, hash: rows.last().unwrap().hash };
            let at = at % rows.len();
            let mut changed = rows.clone();
            match how {
                0 => changed[at].at += 1,
                1 => changed[at].who.push('x'),
                2 => changed[at].what = "nothing".to_owned(),
                3 => changed[at].detail = "{\"a\":1}".to_owned(),
                4 => changed[at].hash = Sha256Hex::of(b"x"),
                5 => changed[at].previous = Sha256Hex::of(b"x"),
                6 => { changed.remove(at); }
                7 => { let row = changed[at].clone(); changed.insert(at, row); }
                // A careful hand computes the row's hash anew; the next row or the head still has the old one.
                _ => { changed[at].detail = "[]".to_owned(); changed[at].hash = changed[at].computed_hash(); }
            }
            prop_assert!(verify(&changed, head, None).is_err());
        }
    }
}
