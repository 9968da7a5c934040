//! The two digital signatures that ClamAV puts into a container.
//!
//! Both write a number in digits of 64, the least first, with the alphabet `a-z A-Z 0-9 + /`, and both are RSA: the number to the
//! power of the key's exponent, modulo its modulus, tells what was signed.
//!
//! - That in the header, under 1,024 bits, gives the MD5 in the header itself: a number below 2^128, with nothing around it.
//! - That of the list of members, under 2,047 bits, gives an encoded message of RFC 8017, section 9.1.2 (EMSA-PSS) with SHA-256, MGF1
//!   and 32 bytes of salt, over what stands in the list above the line `DSIG:`. One thing departs from the RFC: the encoded
//!   message has 2,047 bits, where the RFC gives a key of 2,047 bits one of 2,046.
//!
//! This follows from the signatures in genuine containers and the keys in an installed product, and `sigtool --info` agrees. It
//! accepts more: numbers as large as the modulus or larger, and zeros after the last digit. No maker writes these, and two ways
//! to write one signature serve nobody, so they are refused.

use std::sync::LazyLock;

use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};

/// A key that RSA signatures are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    modulus: BigUint,
    exponent: BigUint,
}

/// The keys that containers are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Checks the digest in the header.
    pub header: PublicKey,
    /// Checks the list of members.
    pub list: PublicKey,
}

/// Why a container does not count as signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// There is no signature.
    #[error("{of} bears no digital signature")]
    Absent {
        /// What should be signed.
        of: Part,
    },
    /// There is one, and it is not one that the key made for this content.
    #[error("the digital signature of {of} is not ClamAV's")]
    Failed {
        /// What is signed.
        of: Part,
    },
}

/// What of a container is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The digest in its header.
    Header,
    /// Its list of members.
    List,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Part::Header => "the container's header",
            Part::List => "the container's list of members",
        })
    }
}

pub(crate) const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

const HEADER_MODULUS: &str = "11864099555164534260307000165845318975152777441202774374659940574324314260746414476736106\
    0640655844749760788890022283424922762488917565551002467771109669598189410434699034532232228621591089508178591428456\
    220796841621637175567590476666928698770143328137383952820383197532047771780196576957695822641224262693037";
const HEADER_EXPONENT: u32 = 100_001_027;

const LIST_MODULUS: &str = "1108889498304854547365955610662719492392894179179504762059165869741358104332271591217249680\
    6525381055880964520618400224333320534660299233983755341740679502866829909679955734391392668378361221524205396631090\
    1051516412708572770803107343209516537005089417174191687239425078907029047027075874516216910507543078503833998653464\
    8720379846417853739221140278648135982446119723110289541509377039421666632448459393576240846851682663319214082666792\
    3494822045805347809932848454845886971706424360558667862775876072059437703365380209101697738577515476935085469455279\
    994113145977994084618328482151013142393373316337519977244732747977";
const LIST_EXPONENT: u32 = 100_002_049;

impl Keys {
    /// The keys that every copy of ClamAV checks with.
    pub fn clamav() -> &'static Keys {
        static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
            header: PublicKey::new(HEADER_MODULUS, HEADER_EXPONENT).expect("the constant is an odd number"),
            list: PublicKey::new(LIST_MODULUS, LIST_EXPONENT).expect("the constant is an odd number"),
        });
        &KEYS
    }
}

impl PublicKey {
    /// A key of an odd modulus above 1, in decimal digits; `None` for any other.
    pub fn new(modulus: &str, exponent: u32) -> Option<PublicKey> {
        let modulus = BigUint::parse_bytes(modulus.as_bytes(), 10)?;
        let is_usable = modulus.bit(0) && modulus.bits() > 1;
        is_usable.then(|| PublicKey { modulus, exponent: exponent.into() })
    }

    /// Whether `signature` is that of this MD5, as headers are signed. One exponentiation at most, whatever its length.
    pub fn signed_md5(&self, md5: &[u8; 16], signature: &str) -> bool {
        self.open(signature).is_some_and(|message| message == BigUint::from_bytes_be(md5))
    }

    /// Whether `signature` is that of a text with this SHA-256, as lists of members are signed. One exponentiation at most.
    pub fn signed_sha256(&self, sha256: &[u8; 32], signature: &str) -> bool {
        // Where the RFC has one bit less: see above.
        let bits = self.modulus.bits();
        let Ok(len) = usize::try_from(bits.div_ceil(8)) else { return false };
        let Some(message) = self.open(signature) else { return false };
        let message = message.to_bytes_be();
        let Some(zeros) = len.checked_sub(message.len()) else { return false };
        let mut encoded = vec![0; zeros];
        encoded.extend(message);
        verify_pss(sha256, encoded, bits)
    }

    /// What was signed; `None` when the text is not a number below the modulus in as many digits as that has at most.
    fn open(&self, signature: &str) -> Option<BigUint> {
        if signature.is_empty() || signature.len() as u64 > self.modulus.bits().div_ceil(6) {
            return None;
        }
        let digit = |byte: u8| ALPHABET.iter().position(|known| *known == byte).map(|digit| digit as u8);
        let digits = signature.bytes().map(digit).collect::<Option<Vec<u8>>>()?;
        let number = BigUint::from_radix_le(&digits, 64).filter(|number| *number < self.modulus)?;
        Some(number.modpow(&self.exponent, &self.modulus))
    }
}

/// RFC 8017, section 9.1.2, from step 3 on, with 32 bytes of salt.
fn verify_pss(sha256: &[u8; 32], mut encoded: Vec<u8>, bits: u64) -> bool {
    const HASH_LEN: usize = 32;
    const SALT_LEN: usize = 32;
    // Steps 3 and 4.
    if encoded.len() < HASH_LEN + SALT_LEN + 2 || encoded.pop() != Some(0xbc) {
        return false;
    }
    // Step 5.
    let hash = encoded.split_off(encoded.len() - HASH_LEN);
    // Step 6: the bits above those of the message.
    let unused = 8 * (encoded.len() + HASH_LEN + 1) as u64 - bits;
    let kept = 0xff_u8 >> unused;
    if encoded[0] & !kept != 0 {
        return false;
    }
    // Steps 7 to 9.
    for (byte, mask) in encoded.iter_mut().zip(mgf1(&hash)) {
        *byte ^= mask;
    }
    encoded[0] &= kept;
    // Steps 10 and 11.
    let salt = encoded.split_off(encoded.len() - SALT_LEN);
    let Some((one, zeros)) = encoded.split_last() else { return false };
    if *one != 1 || zeros.iter().any(|byte| *byte != 0) {
        return false;
    }
    // Steps 12 to 14.
    let mut message = Sha256::new();
    message.update([0; 8]);
    message.update(sha256);
    message.update(&salt);
    message.finalize()[..] == hash[..]
}

/// RFC 8017, section B.2.1, without an end.
pub(crate) fn mgf1(seed: &[u8]) -> impl Iterator<Item = u8> + '_ {
    (0_u32..).flat_map(move |counter| {
        let mut block = Sha256::new();
        block.update(seed);
        block.update(counter.to_be_bytes());
        <[u8; 32]>::from(block.finalize())
    })
}

#[cfg(test)]
mod tests;
