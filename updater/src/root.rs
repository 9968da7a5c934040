//! The key ceremony: root metadata as a file that its holders hand from one to the next, each signing on a machine of their own.
//!
//! ```text
//! holder: key file ──public key──▶ organiser: next version, unsigned ──file──▶ holder signs ──file──▶ … ──▶ service
//! ```
//!
//! Nothing here reads a clock but for a new expiry, or talks to a network. A file is complete when it has enough signatures by the keys of
//! the version before it and by its own; the service, and every terminal, checks that again. `docs/keys.md` has the ceremony.

use crate::keys::{PublicKey, SigningKey};
use crate::tuf::{self, TufError};
use jiff::{SignedDuration, Timestamp as Time};
use std::fmt;
use std::num::NonZeroU64;
use tough::schema::{RoleType, Root, Signed};

/// A role that root gives to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootRole {
    /// Changes root.
    Root,
    /// Says which keys each maker has.
    Targets,
    /// Says which versions belong together.
    Snapshot,
    /// Says what is newest.
    Timestamp,
    /// Says which releases a terminal shall run. No role of TUF: root names it in a member of its own.
    Director,
}

impl RootRole {
    /// All of them.
    pub const ALL: [RootRole; 5] =
        [RootRole::Root, RootRole::Targets, RootRole::Snapshot, RootRole::Timestamp, RootRole::Director];

    /// Those that a service signs by itself.
    pub const ONLINE: [RootRole; 4] = [RootRole::Targets, RootRole::Snapshot, RootRole::Timestamp, RootRole::Director];

    /// Its name in metadata.
    pub fn name(self) -> &'static str {
        match self {
            RootRole::Root => "root",
            RootRole::Targets => "targets",
            RootRole::Snapshot => "snapshot",
            RootRole::Timestamp => "timestamp",
            RootRole::Director => "director",
        }
    }

    /// The role with this name.
    pub fn named(name: &str) -> Option<Self> {
        RootRole::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Keys that `root` gives this role, in the order listed, and its threshold; none and 0 when it has no such role.
    pub(crate) fn keys_in(self, root: &Root) -> (Vec<PublicKey>, u64) {
        self.tuf().map_or_else(|| tuf::director_keys(root), |role| tuf::role_keys(root, role))
    }

    /// Gives this role to these keys.
    pub(crate) fn give(self, root: &mut Root, keys: &[PublicKey], threshold: NonZeroU64) -> Result<(), TufError> {
        match self.tuf() {
            Some(role) => tuf::set_role_keys(root, role, keys, threshold),
            None => tuf::set_director_keys(root, keys, threshold),
        }
    }

    /// The role of TUF that it is.
    fn tuf(self) -> Option<RoleType> {
        match self {
            RootRole::Root => Some(RoleType::Root),
            RootRole::Targets => Some(RoleType::Targets),
            RootRole::Snapshot => Some(RoleType::Snapshot),
            RootRole::Timestamp => Some(RoleType::Timestamp),
            RootRole::Director => None,
        }
    }
}

impl fmt::Display for RootRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A step of the ceremony was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// The file is no root metadata, or not of the form that terminals take.
    #[error(transparent)]
    Metadata(#[from] TufError),
    /// The key is listed neither by the version before nor by this one, so its signature would count for nothing.
    #[error("key {0} is not among the root keys of this version or of the one before")]
    KeyNotListed(PublicKey),
    /// A key to be removed is not there.
    #[error("{role} has no key {key}")]
    NoSuchKey {
        /// The role.
        role: RootRole,
        /// The key.
        key: PublicKey,
    },
    /// The first root is to list a key of each role, and of these there is none.
    #[error("root lists a key of each role, and none is given of {}", names(.0))]
    NoKeyOf(Vec<RootRole>),
    /// The expiry is beyond the calendar, or not in the future.
    #[error("{0} days is no lifetime for root")]
    Lifetime(u32),
}

impl RootError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            RootError::Metadata(e) => e.code(),
            RootError::KeyNotListed(_) => "key_not_listed",
            RootError::NoSuchKey { .. } => "key_unknown",
            RootError::NoKeyOf(_) => "role_without_key",
            RootError::Lifetime(_) => "lifetime_out_of_range",
        }
    }
}

fn names(roles: &[RootRole]) -> String {
    roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(", ")
}

/// What the next version changes.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Keys that a role gets.
    pub add: Vec<(RootRole, PublicKey)>,
    /// Keys that a role loses.
    pub remove: Vec<(RootRole, PublicKey)>,
    /// How many different keys must sign for a role.
    pub thresholds: Vec<(RootRole, NonZeroU64)>,
}

/// Signatures that a version has and needs, by the keys of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signatures {
    /// The version whose root keys are counted.
    pub of_version: u64,
    /// Good signatures by different keys.
    pub have: u64,
    /// How many it takes.
    pub need: u64,
}

/// One version of root metadata, signed by nobody, by some, or by enough.
#[derive(Clone, Debug)]
pub struct RootFile(Signed<Root>);

impl RootFile {
    /// Reads a file; its signatures are not judged.
    ///
    /// # Errors
    /// [`RootError::Metadata`].
    pub fn read(bytes: &[u8]) -> Result<Self, RootError> {
        let file = tuf::read::<Root>(bytes)?;
        tuf::check_root(&file.signed)?;
        Ok(RootFile(file))
    }

    /// Version 1, unsigned: of each role one of `keys` or several, any of which may sign. `lifetime_days` is how long it is valid from now.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn first(keys: &[(RootRole, PublicKey)], lifetime_days: u32) -> Result<Self, RootError> {
        let without = RootRole::ALL.into_iter().filter(|role| !keys.iter().any(|(of, _)| of == role)).collect::<Vec<_>>();
        if !without.is_empty() {
            return Err(RootError::NoKeyOf(without));
        }
        let mut root = tuf::first_root(keys, Time::now())?;
        root.expires = in_days(lifetime_days)?;
        Ok(RootFile(Signed { signed: root, signatures: Vec::new() }))
    }

    /// The version after this one, unsigned, valid for `lifetime_days` from now.
    ///
    /// # Errors
    /// [`RootError`]: a key that is not there, or a role with fewer keys than its threshold.
    pub fn next(&self, changes: &Changes, lifetime_days: u32) -> Result<Self, RootError> {
        let mut root = self.0.signed.clone();
        root.version = root.version.saturating_add(1);
        root.expires = in_days(lifetime_days)?;
        for role in RootRole::ALL {
            let (mut keys, mut threshold) = role.keys_in(&root);
            for (_, key) in changes.remove.iter().filter(|(of, _)| *of == role) {
                let at = keys.iter().position(|held| held == key).ok_or(RootError::NoSuchKey { role, key: *key })?;
                keys.remove(at);
            }
            let added = changes.add.iter().filter(|(of, _)| *of == role).map(|(_, key)| *key);
            keys.extend(added);
            let wanted = changes.thresholds.iter().filter(|(of, _)| *of == role).map(|(_, wanted)| wanted.get());
            threshold = wanted.fold(threshold, |_, wanted| wanted);
            role.give(&mut root, &keys, NonZeroU64::new(threshold).unwrap_or(NonZeroU64::MIN))?;
        }
        tuf::check_root(&root)?;
        Ok(RootFile(Signed { signed: root, signatures: Vec::new() }))
    }

    /// Adds a signature; one by the same key is replaced.
    ///
    /// # Errors
    /// [`RootError::KeyNotListed`]; [`RootError::Metadata`] when this version does not follow `before`.
    pub fn sign(&mut self, before: Option<&RootFile>, key: &SigningKey) -> Result<(), RootError> {
        if let Some(before) = before
            && before.version().checked_add(1) != Some(self.version())
        {
            let reason = format!("version {} does not follow version {}", self.version(), before.version());
            return Err(TufError::refused("root", reason).into());
        }
        let public = key.public();
        let lists = |file: &RootFile| file.keys(RootRole::Root).0.contains(&public);
        if !lists(self) && !before.is_some_and(lists) {
            return Err(RootError::KeyNotListed(public));
        }
        let signature = tuf::signature(key, &tuf::canonical(&self.0.signed)?)?;
        self.0.signatures.retain(|held| held.keyid != signature.keyid);
        self.0.signatures.push(signature);
        Ok(())
    }

    /// The file, to be handed on.
    ///
    /// # Errors
    /// [`RootError::Metadata`] when it cannot be written as JSON.
    pub fn bytes(&self) -> Result<Vec<u8>, RootError> {
        Ok(tuf::write(&self.0)?)
    }

    /// Its number.
    pub fn version(&self) -> u64 {
        self.0.signed.version.get()
    }

    /// Until when it is valid.
    pub fn expires(&self) -> Time {
        self.0.signed.expires
    }

    /// Keys of a role and its threshold.
    pub fn keys(&self, role: RootRole) -> (Vec<PublicKey>, u64) {
        role.keys_in(&self.0.signed)
    }

    /// Signatures that this version has and needs: by its own keys, and by those of the version before it when that is given.
    ///
    /// # Errors
    /// [`RootError::Metadata`].
    pub fn signatures(&self, before: Option<&RootFile>) -> Result<Vec<Signatures>, RootError> {
        let message = tuf::canonical(&self.0.signed)?;
        let mut counted = Vec::new();
        for file in before.into_iter().chain([self]) {
            let (keys, need) = file.keys(RootRole::Root);
            let mut have = 0;
            for key in keys {
                let id = tuf::keyid(&key)?;
                let good = |held: &tough::schema::Signature| held.keyid == id && key.verifies(&message, &held.sig);
                have += u64::from(self.0.signatures.iter().any(good));
            }
            counted.push(Signatures { of_version: file.version(), have, need });
        }
        Ok(counted)
    }

    /// Whether it may take the place of `before` now.
    ///
    /// # Errors
    /// [`RootError::Metadata`] with the reason why not.
    pub fn check_follows(&self, before: &RootFile) -> Result<(), RootError> {
        Ok(tuf::verify_next_root(&before.0, &self.0, Time::now())?)
    }

    /// What a holder must have read before they sign: each change since `before` in a sentence.
    pub fn changes(&self, before: &RootFile) -> Vec<String> {
        let mut words = vec![format!("version {} follows version {}", self.version(), before.version())];
        for role in RootRole::ALL {
            let ((old, was), (new, is)) = (before.keys(role), self.keys(role));
            words.extend(new.iter().filter(|key| !old.contains(key)).map(|key| format!("{role} gets key {key}")));
            words.extend(old.iter().filter(|key| !new.contains(key)).map(|key| format!("{role} loses key {key}")));
            if (was, old.len()) != (is, new.len()) {
                words.push(format!("{role} takes {is} of {} signatures; it was {was} of {}", new.len(), old.len()));
            }
        }
        words.push(format!("it expires at {}; before it was {}", self.expires(), before.expires()));
        words
    }
}

fn in_days(days: u32) -> Result<Time, RootError> {
    let lifetime = SignedDuration::from_hours(i64::from(days) * 24);
    let end = Time::now().checked_add(lifetime).ok().filter(|_| days > 0);
    end.and_then(|end| Time::from_second(end.as_second() + 1).ok()).ok_or(RootError::Lifetime(days))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    fn keys<const N: usize>() -> [SigningKey; N] {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        std::array::from_fn(|at| SigningKey::load_or_create(&disk, &dir.path().join(at.to_string())).unwrap())
    }

    fn first(root: &SigningKey, online: &SigningKey) -> RootFile {
        let online = RootRole::ONLINE.map(|role| (role, online.public()));
        let all = [&[(RootRole::Root, root.public())], &online[..]].concat();
        let mut file = RootFile::first(&all, 365).unwrap();
        file.sign(None, root).unwrap();
        file
    }

    #[test]
    fn one_of_one_becomes_two_of_three() {
        let [a, b, c, online, stranger] = keys();
        let one = first(&a, &online);
        assert_eq!(one.signatures(None).unwrap(), [Signatures { of_version: 1, have: 1, need: 1 }]);
        let two = NonZeroU64::new(2).unwrap();
        let changes = Changes {
            add: vec![(RootRole::Root, b.public()), (RootRole::Root, c.public())],
            thresholds: vec![(RootRole::Root, two)],
            ..Changes::default()
        };
        let mut next = one.next(&changes, 365).unwrap();
        assert!(next.changes(&one).contains(&"root takes 2 of 3 signatures; it was 1 of 1".to_owned()));
        assert_eq!(next.sign(Some(&one), &stranger).unwrap_err().code(), "key_not_listed");
        next.sign(Some(&one), &b).unwrap();
        next.sign(Some(&one), &c).unwrap();
        // Enough by its own keys, none by those before.
        assert_eq!(next.check_follows(&one).unwrap_err().code(), "metadata_unsigned");
        let handed_on = RootFile::read(&next.bytes().unwrap()).unwrap();
        next = handed_on;
        next.sign(Some(&one), &a).unwrap();
        next.sign(Some(&one), &a).unwrap();
        next.check_follows(&one).unwrap();

        // From here on one holder is not enough, whoever it is.
        let swap = Changes {
            add: vec![(RootRole::Timestamp, stranger.public())],
            remove: vec![(RootRole::Timestamp, online.public())],
            ..Changes::default()
        };
        let mut third = next.next(&swap, 30).unwrap();
        third.sign(Some(&next), &c).unwrap();
        assert_eq!(third.check_follows(&next).unwrap_err().code(), "metadata_unsigned");
        third.sign(Some(&next), &b).unwrap();
        third.check_follows(&next).unwrap();
        assert_eq!(third.check_follows(&one).unwrap_err().code(), "metadata_refused");
    }

    #[test]
    fn impossible_changes_are_refused() {
        let [a, b, online] = keys();
        let one = first(&a, &online);
        let remove = |key| Changes { remove: vec![(RootRole::Root, key)], ..Changes::default() };
        assert_eq!(one.next(&remove(b.public()), 365).unwrap_err().code(), "key_unknown");
        assert_eq!(one.next(&remove(a.public()), 365).unwrap_err().code(), "metadata_refused");
        let again = Changes { add: vec![(RootRole::Root, a.public())], ..Changes::default() };
        assert_eq!(one.next(&again, 365).unwrap_err().code(), "metadata_refused");
        for days in [0, u32::MAX] {
            assert_eq!(one.next(&Changes::default(), days).unwrap_err().code(), "lifetime_out_of_range");
        }
    }
}
