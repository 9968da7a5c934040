//! Ed25519 keys: of the service's roles, of makers, of terminals; and random tokens.
//!
//! A private key lives in one file (PKCS#8, 0600) and in memory while it signs; it is never printed, logged or sent.

use crate::disk::{Access, Disk, DiskError};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use tough::schema::key::{Ed25519Key, Ed25519Scheme, Key};

/// Longest file of a private key, in bytes; those that are made here have 83.
const KEY_LEN_MAX: u64 = 4096;

/// A key could not be made, read or understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key file could not be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file is there and holds no Ed25519 key in PKCS#8.
    #[error("`{path}` holds no Ed25519 private key")]
    Damaged {
        /// The key file.
        path: String,
    },
    /// A public key is 32 bytes, written as 64 hexadecimal digits.
    #[error("a public key is 64 hexadecimal digits, found {found} characters")]
    NotAPublicKey {
        /// Length of what was found.
        found: usize,
    },
    /// A public key whose signatures anybody can make.
    #[error("{key} is no key that somebody can hold alone: anybody can sign for it")]
    Weak {
        /// The key, as it was given.
        key: String,
    },
    /// The system's random source failed.
    #[error("the random source of this machine failed")]
    NoRandomness,
}

/// An Ed25519 private key in memory.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads the key at `path`, or makes one there when the file is missing.
    ///
    /// # Errors
    /// [`KeyError`]; a damaged file is never replaced.
    pub fn load_or_create(disk: &Disk, path: &Path) -> Result<Self, KeyError> {
        match Self::load(disk, path) {
            Err(KeyError::Disk(e)) if e.is_not_found() => {
                let document =
                    Ed25519KeyPair::generate_pkcs8(&rand::SystemRandom::new()).map_err(|_| KeyError::NoRandomness)?;
                // Whoever is first makes it, and everybody who comes at the same time has the same key.
                disk.create_new(path, document.as_ref(), Access::Private)?;
                Self::load(disk, path)
            }
            other => other,
        }
    }

    /// Reads the key at `path`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(disk: &Disk, path: &Path) -> Result<Self, KeyError> {
        let document = disk.read_at_most(path, KEY_LEN_MAX)?;
        let pair = Ed25519KeyPair::from_pkcs8(&document);
        pair.map(SigningKey).map_err(|_| KeyError::Damaged { path: path.display().to_string() })
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let bytes = self.0.public_key().as_ref();
        PublicKey(bytes.try_into().expect("an Ed25519 public key has 32 bytes"))
    }

    /// The 64-byte signature of `message`.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, secret)", self.public())
    }
}

/// An Ed25519 public key; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-fA-F]{64}$")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(PublicKey)
    }

    /// Whether `signature` over `message` was made by this key's private half.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    pub(crate) fn tuf(&self) -> Key {
        Key::Ed25519 {
            keyval: Ed25519Key { public: self.0.to_vec().into(), _extra: HashMap::new() },
            scheme: Ed25519Scheme::Ed25519,
            _extra: HashMap::new(),
        }
    }
}

/// Whether these 32 bytes are a point of small order: one of eight, of which some can be written in two ways. A signature by such a key
/// holds for one message in so many, whoever made it up, so that a list of holders with one of them has a holder whom everybody can play.
/// No key that is made as keys are made is one.
pub(crate) fn is_weak(key: &[u8; 32]) -> bool {
    /// The ordinates, least byte first, without the sign of the abscissa: 0, 1, -1, the two of order eight, and p and p + 1, which are other
    /// ways to write 0 and 1.
    const ORDINATES: [&str; 7] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let mut ordinate = *key;
    ordinate[31] &= 0x7f;
    ORDINATES.contains(&hex::encode(ordinate).as_str())
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::NotAPublicKey { found: text.len() })?;
        if is_weak(&bytes) {
            return Err(KeyError::Weak { key: hex::encode(bytes) });
        }
        Ok(PublicKey(bytes))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// `bytes` random bytes as hexadecimal digits.
pub(crate) fn random_hex(bytes: usize) -> Result<String, KeyError> {
    let mut buffer = vec![0; bytes];
    rand::fill(&mut buffer).map_err(|_| KeyError::NoRandomness)?;
    Ok(hex::encode(buffer))
}

/// Whether two secrets are equal, in time that does not tell where they differ.
pub(crate) fn same_secret(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::digest::{SHA512, digest};

    /// A signature that nobody made: R is the neutral point and S is 0. It holds for every message whose hash is a multiple of the order
    /// of the key, one in eight or more.
    fn holds_for_what_nobody_signed(key: &str) -> bool {
        let mut bytes = [0; 32];
        hex::decode_to_slice(key, &mut bytes).unwrap();
        let mut signature = [0; 64];
        signature[0] = 1;
        (0_u32..256).any(|message| PublicKey(bytes).verifies(&message.to_le_bytes(), &signature))
    }

    #[test]
    fn keys_that_anybody_can_sign_for_are_refused() {
        let neutral = format!("01{}", "00".repeat(31));
        assert!(holds_for_what_nobody_signed(&neutral) && holds_for_what_nobody_signed(&"00".repeat(32)), "why they are");
        for weak in [
            neutral.as_str(),
            &"00".repeat(32),
            &format!("{}80", "00".repeat(31)),
            &format!("ec{}7f", "ff".repeat(30)),
            &format!("ec{}", "ff".repeat(31)),
            &format!("ed{}7f", "ff".repeat(30)),
            "26E8958FC2B227B045C3F489F2EF98F0D5DFAC05D3C63339B13802886D53FC85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        ] {
            assert!(matches!(weak.parse::<PublicKey>(), Err(KeyError::Weak { .. })), "{weak}");
            assert!(serde_json::from_str::<PublicKey>(&format!("\"{weak}\"")).is_err(), "{weak}");
        }
        let seed = digest(&SHA512, b"any");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed.as_ref()[..32]).unwrap();
        hex::encode(pair.public_key()).parse::<PublicKey>().unwrap();
    }
}
