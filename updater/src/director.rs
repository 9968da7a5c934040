//! The director's documents: which of the makers' releases a terminal shall run. Signed by the service, verified by terminals.
//!
//! ```text
//! {"payload":"<JSON text>","signatures":[{"key":"<hex>","signature":"<hex>"}]}
//! signed bytes = "titer-KIND-v1\n" PAYLOAD, where KIND is assignment, one-off or membership
//! ```
//!
//! An assignment is the same for all terminals that are to be told the same, its cohort, so it is signed once and not for each of them. A
//! membership ties one terminal to it, by one answer to one check-in. Both must hold, so that neither an assignment of others, nor an older
//! one, nor an answer of before is followed. What they say is still no more than a choice among what makers signed.
//!
//! A one-off takes the place of the assignment for one terminal. It names that and the check-in itself, so that no one-off of before can be put
//! beside a membership of today.
//!
//! The text that came is what is verified, and it is read only then. Rejected: canonical JSON, which is one more thing that two sides can do
//! differently.

use crate::Channel;
use crate::keys::{PublicKey, SigningKey};
use crate::wire::{
    AssignedBlob, Assignment, AssignmentDocument, DocumentSignature, Membership, OneOffDocument, SignedDocument,
};
use crate::words::printable;
use jiff::Timestamp as Time;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;

/// Signatures on one document that are looked at.
const SIGNATURES_MAX: usize = 32;

/// What a document is; a signature for one kind is none for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Assignment,
    OneOff,
    Membership,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Assignment => "assignment",
            Kind::OneOff => "one-off",
            Kind::Membership => "membership",
        }
    }

    fn message(self, payload: &str) -> Vec<u8> {
        format!("titer-{}-v1\n{payload}", self.name()).into_bytes()
    }
}

/// Why an assignment is not followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectorError {
    /// Too few signatures by the keys that root gives the director.
    #[error("the {kind} has {have} of {need} signatures by the director's keys in root version {root}")]
    Unsigned {
        /// Which document.
        kind: &'static str,
        /// Good signatures by different keys.
        have: u64,
        /// How many it takes; 0 when root names no director.
        need: u64,
        /// The root that is trusted.
        root: u64,
    },
    /// It is signed and is not what it should be.
    #[error("the {kind} cannot be read: {reason}")]
    Malformed {
        /// Which document.
        kind: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// Its time is over.
    #[error("the {kind} expired at {at}, and this machine's clock says {now}")]
    Expired {
        /// Which document.
        kind: &'static str,
        /// When.
        at: Time,
        /// What time it is here.
        now: Time,
    },
    /// It is meant for another terminal or another cohort.
    #[error("the assignment is for {found}, this is {expected}")]
    OfAnother {
        /// Whose it is.
        found: String,
        /// Who asked.
        expected: String,
    },
    /// It answers another check-in than the one just made.
    #[error("the membership answers check-in {found}, {expected} was asked")]
    Replayed {
        /// The counter in it.
        found: u64,
        /// The counter that was sent.
        expected: u64,
    },
    /// A one-off is meant for another terminal.
    #[error("the one-off is for terminal {found}, this is {expected}")]
    OneOffOfAnother {
        /// Whose it is.
        found: String,
        /// Who asked.
        expected: String,
    },
    /// A one-off answers another check-in than the one just made.
    #[error("the one-off answers check-in {found}, {expected} was asked")]
    OneOffReplayed {
        /// The counter in it.
        found: u64,
        /// The counter that was sent.
        expected: u64,
    },
    /// The time of a one-off is over.
    #[error("the one-off expired at {at}, and this machine's clock says {now}")]
    OneOffExpired {
        /// When.
        at: Time,
        /// What time it is here.
        now: Time,
    },
    /// There was a newer one for this cohort.
    #[error("the assignment of cohort {cohort} has number {found}, {least} or more is expected")]
    RolledBack {
        /// The cohort.
        cohort: String,
        /// Its number.
        found: u64,
        /// The least that is followed.
        least: u64,
    },
    /// Director and maker do not mean the same blob.
    #[error("the assignment names another blob for `{0}` than its maker signed")]
    Disagrees(Channel),
    /// It takes away a channel that the terminal subscribed to and brings none that could replace it.
    #[error("the assignment takes `{0}` away and brings nothing in its place")]
    Drops(Channel),
}

impl DirectorError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            DirectorError::Unsigned { .. } => "assignment_unsigned",
            DirectorError::Malformed { .. } => "assignment_malformed",
            DirectorError::Expired { .. } => "assignment_expired",
            DirectorError::OfAnother { .. } => "assignment_of_another",
            DirectorError::Replayed { .. } => "assignment_replayed",
            DirectorError::OneOffOfAnother { .. } => "one_off_of_another",
            DirectorError::OneOffReplayed { .. } => "one_off_replayed",
            DirectorError::OneOffExpired { .. } => "one_off_expired",
            DirectorError::RolledBack { .. } => "assignment_rolled_back",
            DirectorError::Disagrees(_) => "assignment_disagrees",
            DirectorError::Drops(_) => "assignment_drops_product",
        }
    }
}

/// The document with one signature by each key.
pub(crate) fn sign<K: Borrow<SigningKey>>(kind: Kind, payload: String, keys: &[K]) -> SignedDocument {
    let message = kind.message(&payload);
    let signature = |key: &SigningKey| DocumentSignature { key: key.public(), signature: hex::encode(key.sign(&message)) };
    let signatures = keys.iter().map(|key| signature(key.borrow())).collect();
    SignedDocument { payload, signatures }
}

/// Who may sign, by the root that is trusted.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) root: u64,
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) threshold: u64,
}

impl Trust {
    /// Reads a document that enough of the director's keys signed. At most one check of a signature for each of the first 32.
    fn open<T: DeserializeOwned>(&self, kind: Kind, document: &SignedDocument) -> Result<T, DirectorError> {
        let message = kind.message(&document.payload);
        let mut good = Vec::new();
        for DocumentSignature { key, signature } in document.signatures.iter().take(SIGNATURES_MAX) {
            let counts = self.keys.contains(key) && !good.contains(key);
            if counts && hex::decode(signature).is_ok_and(|signature| key.verifies(&message, &signature)) {
                good.push(*key);
            }
        }
        let (have, need) = (good.len() as u64, self.threshold);
        if need == 0 || have < need {
            return Err(DirectorError::Unsigned { kind: kind.name(), have, need, root: self.root });
        }
        serde_json::from_str(&document.payload)
            .map_err(|e| DirectorError::Malformed { kind: kind.name(), reason: printable(&e.to_string()) })
    }
}

/// What the terminal asked, and what it knows already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inquiry<'a> {
    pub(crate) terminal: &'a str,
    /// Counter of its check-in.
    pub(crate) counter: u64,
    pub(crate) now: Time,
}

/// What a terminal is told, whichever document says so.
#[derive(Debug)]
pub(crate) struct Verified {
    pub(crate) assignment: Assignment,
    pub(crate) blobs: Vec<AssignedBlob>,
    pub(crate) member: Membership,
    /// Cohort and number of an assignment; `None` for a one-off, which nothing can come before or after.
    pub(crate) number: Option<(String, u64)>,
}

/// Verifies both documents of an answer. Whether an assignment's number is behind what was seen of its cohort is left to the caller, who
/// keeps those.
pub(crate) fn verify(
    trust: &Trust,
    told: &SignedDocument,
    membership: &SignedDocument,
    inquiry: &Inquiry<'_>,
) -> Result<Verified, DirectorError> {
    let member: Membership = trust.open(Kind::Membership, membership)?;
    if member.cohort == member.terminal {
        return verify_one_off(trust, told, member, inquiry);
    }
    let told: AssignmentDocument = trust.open(Kind::Assignment, told)?;
    check_member(&member, inquiry)?;
    if told.cohort != member.cohort {
        return Err(of_another(&told.cohort, &member.cohort));
    }
    check_expiry(Kind::Membership, member.expires, inquiry.now)?;
    check_expiry(Kind::Assignment, told.expires, inquiry.now)?;
    check_number(&told.cohort, told.number, member.number)?;
    let AssignmentDocument { cohort, number, assignment, blobs, .. } = told;
    Ok(Verified { assignment, blobs, member, number: Some((cohort, number)) })
}

/// The same where the membership says that what comes with it is for its terminal alone.
fn verify_one_off(
    trust: &Trust,
    told: &SignedDocument,
    member: Membership,
    inquiry: &Inquiry<'_>,
) -> Result<Verified, DirectorError> {
    let told: OneOffDocument = trust.open(Kind::OneOff, told)?;
    check_member(&member, inquiry)?;
    if told.terminal != inquiry.terminal {
        let (found, expected) = (printable(&told.terminal), printable(inquiry.terminal));
        return Err(DirectorError::OneOffOfAnother { found, expected });
    }
    if told.counter != inquiry.counter {
        return Err(DirectorError::OneOffReplayed { found: told.counter, expected: inquiry.counter });
    }
    check_expiry(Kind::Membership, member.expires, inquiry.now)?;
    check_expiry(Kind::OneOff, told.expires, inquiry.now)?;
    Ok(Verified { assignment: told.assignment, blobs: told.blobs, member, number: None })
}

fn check_member(member: &Membership, inquiry: &Inquiry<'_>) -> Result<(), DirectorError> {
    if member.terminal != inquiry.terminal {
        return Err(of_another(&member.terminal, inquiry.terminal));
    }
    if member.counter != inquiry.counter {
        return Err(DirectorError::Replayed { found: member.counter, expected: inquiry.counter });
    }
    Ok(())
}

/// Refuses an assignment of `cohort` that is older than the one with number `least`.
pub(crate) fn check_number(cohort: &str, found: u64, least: u64) -> Result<(), DirectorError> {
    if found >= least {
        return Ok(());
    }
    Err(DirectorError::RolledBack { cohort: printable(cohort), found, least })
}

fn of_another(found: &str, expected: &str) -> DirectorError {
    DirectorError::OfAnother { found: printable(found), expected: printable(expected) }
}

fn check_expiry(kind: Kind, expires: i64, now: Time) -> Result<(), DirectorError> {
    // A time beyond the calendar is no time.
    let at = Time::from_second(expires).unwrap_or(Time::MIN);
    match kind {
        _ if at > now => Ok(()),
        Kind::OneOff => Err(DirectorError::OneOffExpired { at, now }),
        Kind::Assignment | Kind::Membership => Err(DirectorError::Expired { kind: kind.name(), at, now }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::wire::Reason;

    const NOW: i64 = 1_800_000_000;

    fn keys<const N: usize>() -> [SigningKey; N] {
        let dir = tempfile::tempdir().unwrap();
        std::array::from_fn(|at| SigningKey::load_or_create(&Disk::default(), &dir.path().join(at.to_string())).unwrap())
    }

    fn told() -> AssignmentDocument {
        let assignment = Assignment::new(Vec::new(), Reason::Current, "");
        let (cohort, blobs) = ("c".to_owned(), Vec::new());
        AssignmentDocument { cohort, number: 5, signed_at: NOW, expires: NOW + 9, root: 1, assignment, blobs }
    }

    fn member() -> Membership {
        let (terminal, cohort, freshness) = ("t".to_owned(), "c".to_owned(), "f".to_owned());
        Membership { terminal, cohort, number: 5, counter: 7, freshness, expires: NOW + 9 }
    }

    fn signed(key: &SigningKey, told: &AssignmentDocument, member: &Membership) -> (SignedDocument, SignedDocument) {
        let told = sign(Kind::Assignment, serde_json::to_string(told).unwrap(), &[key]);
        (told, sign(Kind::Membership, serde_json::to_string(member).unwrap(), &[key]))
    }

    #[test]
    fn each_part_of_both_documents_is_checked() {
        let [key] = keys();
        let trust = Trust { root: 1, keys: vec![key.public()], threshold: 1 };
        let code = |told: &AssignmentDocument, member: &Membership| {
            let (told, member) = signed(&key, told, member);
            let inquiry = Inquiry { terminal: "t", counter: 7, now: Time::from_second(NOW).unwrap() };
            verify(&trust, &told, &member, &inquiry).map_or_else(|e| e.code(), |_| "good")
        };
        assert_eq!(code(&told(), &member()), "good");
        assert_eq!(code(&AssignmentDocument { number: 6, ..told() }, &member()), "good", "a newer one is as good");
        assert_eq!(code(&AssignmentDocument { number: 4, ..told() }, &member()), "assignment_rolled_back");
        assert_eq!(code(&AssignmentDocument { cohort: "d".to_owned(), ..told() }, &member()), "assignment_of_another");
        assert_eq!(code(&told(), &Membership { terminal: "u".to_owned(), ..member() }), "assignment_of_another");
        for counter in [6, 8] {
            assert_eq!(code(&told(), &Membership { counter, ..member() }), "assignment_replayed");
        }
        for expires in [NOW, i64::MIN, i64::MAX] {
            assert_eq!(code(&AssignmentDocument { expires, ..told() }, &member()), "assignment_expired");
            assert_eq!(code(&told(), &Membership { expires, ..member() }), "assignment_expired");
        }
    }

    #[test]
    fn a_one_off_is_for_one_terminal_and_one_check_in() {
        let [key] = keys();
        let trust = Trust { root: 1, keys: vec![key.public()], threshold: 1 };
        let (assignment, blobs) = (Assignment::new(Vec::new(), Reason::OneOff, ""), Vec::new());
        let terminal = "t".to_owned();
        let good = OneOffDocument { terminal, counter: 7, signed_at: NOW, expires: NOW + 9, root: 1, assignment, blobs };
        let alone = Membership { cohort: "t".to_owned(), ..member() };
        let code_of = |kind, told: &OneOffDocument, member: &Membership| {
            let told = sign(kind, serde_json::to_string(told).unwrap(), &[&key]);
            let member = sign(Kind::Membership, serde_json::to_string(member).unwrap(), &[&key]);
            let inquiry = Inquiry { terminal: "t", counter: 7, now: Time::from_second(NOW).unwrap() };
            verify(&trust, &told, &member, &inquiry).map_or_else(|e| e.code(), |_| "good")
        };
        let code = |told: &OneOffDocument, member: &Membership| code_of(Kind::OneOff, told, member);
        assert_eq!(code(&good, &alone), "good");
        assert_eq!(code(&OneOffDocument { terminal: "u".to_owned(), ..good.clone() }, &alone), "one_off_of_another");
        for counter in [6, 8] {
            assert_eq!(code(&OneOffDocument { counter, ..good.clone() }, &alone), "one_off_replayed");
            assert_eq!(code(&good, &Membership { counter, ..alone.clone() }), "assignment_replayed");
        }
        for expires in [NOW, i64::MIN, i64::MAX] {
            assert_eq!(code(&OneOffDocument { expires, ..good.clone() }, &alone), "one_off_expired");
        }
        // A membership of a cohort asks for the cohort's assignment, one of the terminal alone for a one-off.
        assert_eq!(code(&good, &member()), "assignment_unsigned");
        assert_eq!(code_of(Kind::Assignment, &good, &alone), "assignment_unsigned");
        let both = Membership { terminal: "u".to_owned(), cohort: "u".to_owned(), ..alone };
        assert_eq!(code(&OneOffDocument { terminal: "u".to_owned(), ..good }, &both), "assignment_of_another");
    }

    #[test]
    fn different_keys_of_root_must_sign_this_kind() {
        let [a, b, stranger] = keys();
        let open = |threshold, document: &SignedDocument| {
            let trust = Trust { root: 1, keys: vec![a.public(), b.public()], threshold };
            trust.open::<serde_json::Value>(Kind::Assignment, document).map_or_else(|e| e.code(), |_| "good")
        };
        let by = |keys: &[&SigningKey]| sign(Kind::Assignment, "{}".to_owned(), keys);
        assert_eq!(open(1, &by(&[&a])), "good");
        assert_eq!(open(2, &by(&[&a, &stranger, &b])), "good");
        assert_eq!(open(2, &by(&[&a, &a])), "assignment_unsigned", "one key counts once");
        assert_eq!(open(1, &by(&[&stranger])), "assignment_unsigned");
        assert_eq!(open(1, &by(&[])), "assignment_unsigned");
        assert_eq!(open(0, &by(&[&a])), "assignment_unsigned", "root names no director");
        assert_eq!(open(1, &sign(Kind::Membership, "{}".to_owned(), &[&a])), "assignment_unsigned", "of the other kind");
        assert_eq!(open(1, &SignedDocument { payload: "{ }".to_owned(), ..by(&[&a]) }), "assignment_unsigned");
        assert_eq!(open(1, &sign(Kind::Assignment, "{".to_owned(), &[&a])), "assignment_malformed");
        let mut garbage = by(&[&a]);
        garbage.signatures[0].signature = "no hex".to_owned();
        assert_eq!(open(1, &garbage), "assignment_unsigned");
        let mut crowd = by(&[&stranger; SIGNATURES_MAX]);
        crowd.signatures.extend(by(&[&a]).signatures);
        assert_eq!(open(1, &crowd), "assignment_unsigned", "only so many are looked at");
    }
}
