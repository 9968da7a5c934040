//! Where every line went.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::diagnostic::Code;

/// Where every line went: `accepted + refused == lines`, in all and for each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Lines that are neither comments nor empty.
    pub lines: u64,
    /// Lines that were understood: those that became a record, duplicates and ignored ones among them, and those of kinds that
    /// make no records.
    pub accepted: u64,
    /// Lines that became a diagnostic.
    pub refused: u64,
    /// Accepted lines whose record an ignore rule took away.
    pub ignored: u64,
    /// Accepted lines whose record another line had made.
    pub duplicates: u64,
    /// Refused lines by code; a file that is refused as a whole counts with all its lines.
    pub by_code: BTreeMap<Code, u64>,
    /// Lines by the kind of their source: its usual extension.
    pub by_kind: BTreeMap<String, KindAccount>,
}

/// The account of one kind of source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindAccount {
    /// Lines that are neither comments nor empty.
    pub lines: u64,
    /// Lines that were understood.
    pub accepted: u64,
    /// Lines that became a diagnostic.
    pub refused: u64,
    /// Accepted lines whose record an ignore rule took away.
    pub ignored: u64,
    /// Refused lines by code.
    pub by_code: BTreeMap<Code, u64>,
}

impl KindAccount {
    /// One more accepted line.
    pub(super) fn accept(&mut self) {
        self.lines += 1;
        self.accepted += 1;
    }

    /// `lines` more lines that were refused by `code`.
    pub(super) fn refuse(&mut self, code: Code, lines: u64) {
        self.lines += lines;
        self.refused += lines;
        *self.by_code.entry(code).or_default() += lines;
    }
}

impl AddAssign<&KindAccount> for KindAccount {
    fn add_assign(&mut self, other: &KindAccount) {
        self.lines += other.lines;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.ignored += other.ignored;
        add_codes(&mut self.by_code, &other.by_code);
    }
}

impl Account {
    /// Adds what lines of `kind` came to.
    pub(super) fn add(&mut self, kind: &str, account: &KindAccount) {
        self.lines += account.lines;
        self.accepted += account.accepted;
        self.refused += account.refused;
        self.ignored += account.ignored;
        add_codes(&mut self.by_code, &account.by_code);
        *self.by_kind.entry(kind.to_owned()).or_default() += account;
    }
}

fn add_codes(codes: &mut BTreeMap<Code, u64>, others: &BTreeMap<Code, u64>) {
    for (code, lines) in others {
        *codes.entry(*code).or_default() += lines;
    }
}
