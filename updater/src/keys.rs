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
        let document = disk.read(path)?;
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

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyError::NotAPublicKey { found: text.len() })?;
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
