//! A maker's change of keys, signed by the keys before and by the new ones.
//!
//! ```text
//! {"maker":"acme","version":2,"threshold":2,"keys":["<hex>",…],"signatures":[{"key":"<hex>","signature":"<hex>"},…]}
//! signed bytes = "titer-maker-keys-v1\n" MAKER "\n" VERSION "\n" THRESHOLD "\n" (KEY "\n")…
//! ```
//!
//! Like root, version N + 1 is good when enough keys of version N signed it, so that nobody else can take a maker over, and enough of its
//! own did, so that no maker locks themselves out with keys that nobody has. The signed bytes are made of the fields and not of the JSON,
//! so that there is one way to write them.

use crate::keys::{PublicKey, SigningKey};
use crate::tuf::{MakerKeys, TufError};
use crate::wire::MakerName;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::num::NonZeroU64;

/// Keys that one maker may have.
pub(crate) const KEYS_MAX: usize = 16;

/// A maker's next keys, and who signed them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatement {
    /// Whose keys.
    pub maker: MakerName,
    /// The keys.
    #[serde(flatten)]
    pub keys: MakerKeys,
    /// Signatures so far.
    pub signatures: Vec<KeySignature>,
}

/// One signature of a [`KeyStatement`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySignature {
    /// Whose.
    pub key: PublicKey,
    /// Ed25519, 64 bytes in hexadecimal.
    pub signature: String,
}

impl KeyStatement {
    /// The unsigned statement that follows `held`.
    ///
    /// # Errors
    /// [`TufError::Refused`] when there are no keys, more than 16, one twice, or fewer than the threshold.
    pub fn next(maker: &MakerName, held: &MakerKeys, keys: Vec<PublicKey>, threshold: NonZeroU64) -> Result<Self, TufError> {
        let keys = MakerKeys { version: held.version.saturating_add(1), threshold, keys };
        let statement = KeyStatement { maker: maker.clone(), keys, signatures: Vec::new() };
        statement.check()?;
        Ok(statement)
    }

    /// Adds a signature; one by the same key is replaced. Whether it counts is for [`KeyStatement::lacking`] to say.
    pub fn sign(&mut self, key: &SigningKey) {
        let public = key.public();
        self.signatures.retain(|held| held.key != public);
        self.signatures.push(KeySignature { key: public, signature: hex::encode(key.sign(&self.message())) });
    }

    /// Signatures that are missing by the keys of `held` and by its own.
    pub fn lacking(&self, held: &MakerKeys) -> (u64, u64) {
        let missing = |by: &MakerKeys| by.threshold.get().saturating_sub(self.good_by(by));
        (missing(held), missing(&self.keys))
    }

    /// The keys after this statement, when it follows `held` or is what led to it.
    pub(crate) fn verify_after(&self, maker: &MakerName, held: &MakerKeys) -> Result<MakerKeys, TufError> {
        let refused = |reason: String| TufError::refused("keys", reason);
        self.check()?;
        if self.maker != *maker {
            return Err(refused(format!("the statement is of maker {}", self.maker)));
        }
        if self.keys == *held {
            return Ok(held.clone());
        }
        if held.version.checked_add(1) != Some(self.keys.version) {
            return Err(refused(format!("version {} does not follow version {}", self.keys.version, held.version)));
        }
        match self.lacking(held) {
            (0, 0) => Ok(self.keys.clone()),
            (by_old, by_new) => {
                let reason = format!("{by_old} signatures by the keys before and {by_new} by the new ones are missing");
                Err(TufError::Unsigned { role: "keys".to_owned(), reason })
            }
        }
    }

    fn check(&self) -> Result<(), TufError> {
        let MakerKeys { threshold, keys, .. } = &self.keys;
        let different = keys.iter().collect::<HashSet<_>>().len();
        if different != keys.len() || keys.len() > KEYS_MAX || (keys.len() as u64) < threshold.get() {
            let reason =
                format!("{threshold} of {} keys, {different} of them different; 1 to {KEYS_MAX} are taken", keys.len());
            return Err(TufError::refused("keys", reason));
        }
        Ok(())
    }

    fn good_by(&self, by: &MakerKeys) -> u64 {
        let message = self.message();
        let signed = |key: &PublicKey| {
            let mut by_key = self.signatures.iter().filter(|held| held.key == *key);
            by_key.any(|held| hex::decode(&held.signature).is_ok_and(|signature| key.verifies(&message, &signature)))
        };
        by.keys.iter().filter(|key| signed(key)).count() as u64
    }

    fn message(&self) -> Vec<u8> {
        let MakerKeys { version, threshold, keys } = &self.keys;
        let mut text = format!("titer-maker-keys-v1\n{}\n{version}\n{threshold}\n", self.maker);
        for key in keys {
            writeln!(text, "{key}").expect("text grows");
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn old_and_new_keys_must_sign() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, c] =
            ["a", "b", "c"].map(|name| SigningKey::load_or_create(&Disk::default(), &dir.path().join(name)).unwrap());
        let maker: MakerName = "acme".parse().unwrap();
        let held = MakerKeys::single(a.public());
        let two = NonZeroU64::new(2).unwrap();
        let mut next = KeyStatement::next(&maker, &held, vec![b.public(), c.public()], two).unwrap();
        next.sign(&b);
        next.sign(&c);
        assert_eq!(next.verify_after(&maker, &held).unwrap_err().code(), "metadata_unsigned");
        next.sign(&a);
        let keys = next.verify_after(&maker, &held).unwrap();
        assert_eq!(next.verify_after(&maker, &keys).unwrap(), keys);
        assert_eq!(next.verify_after(&"best".parse().unwrap(), &held).unwrap_err().code(), "metadata_refused");

        let mut changed = next.clone();
        changed.keys.threshold = NonZeroU64::MIN;
        assert_eq!(changed.verify_after(&maker, &held).unwrap_err().code(), "metadata_unsigned");
        let mut skipped = next.clone();
        skipped.keys.version = 3;
        assert_eq!(skipped.verify_after(&maker, &held).unwrap_err().code(), "metadata_refused");
        let mut once = next.clone();
        once.signatures.remove(0);
        once.signatures.push(once.signatures[0].clone());
        assert_eq!(once.verify_after(&maker, &held).unwrap_err().code(), "metadata_unsigned");
    }

    #[test]
    fn keys_that_cannot_sign_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&Disk::default(), &dir.path().join("key")).unwrap().public();
        let maker: MakerName = "acme".parse().unwrap();
        let held = MakerKeys::single(key);
        for (keys, threshold) in [(vec![], 1), (vec![key, key], 1), (vec![key], 2)] {
            KeyStatement::next(&maker, &held, keys, NonZeroU64::new(threshold).unwrap()).unwrap_err();
        }
    }
}
