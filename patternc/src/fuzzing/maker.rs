//! Signing containers, for tests: with keys whose secret halves everybody can read here.

use num_bigint::BigUint;
use sha2::{Digest as _, Sha256};

use crate::clamav::container::signature::{ALPHABET, Keys, PublicKey, mgf1};

/// A private key, with its public half.
pub struct Maker {
    /// What its signatures are checked with.
    pub key: PublicKey,
    modulus: BigUint,
    secret: BigUint,
}

/// The two makers of signed containers.
pub struct Makers {
    /// Signs digests in headers: 1,024 bits, as ClamAV's key.
    pub header: Maker,
    /// Signs lists of members: 2,047 bits, as ClamAV's key.
    pub list: Maker,
}

impl Makers {
    /// Always the same two.
    pub fn for_tests() -> Makers {
        Makers { header: Maker::new(HEADER_PRIMES, 100_001_027), list: Maker::new(LIST_PRIMES, 100_002_049) }
    }

    /// What their containers are checked with.
    pub fn keys(&self) -> Keys {
        Keys { header: self.header.key.clone(), list: self.list.key.clone() }
    }
}

impl Maker {
    fn new(primes: [&str; 2], exponent: u32) -> Maker {
        let [p, q] = primes.map(|text| BigUint::parse_bytes(text.as_bytes(), 10).expect("a constant of digits"));
        let totient = (&p - 1_u32) * (&q - 1_u32);
        let secret = BigUint::from(exponent).modinv(&totient).expect("the primes suit the exponent");
        let modulus = p * q;
        let key = PublicKey::new(&modulus.to_string(), exponent).expect("a product of odd numbers");
        Maker { key, modulus, secret }
    }

    /// The signature of a digest, as headers have it.
    pub fn sign_md5(&self, md5: &[u8; 16]) -> String {
        self.sign(&BigUint::from_bytes_be(md5))
    }

    /// The signature of the digest of a list of members.
    pub fn sign_sha256(&self, sha256: &[u8; 32]) -> String {
        // A message may be above the modulus, which is of as many bits; then another salt is taken.
        let mut messages = (0..=u8::MAX).map(|salt| BigUint::from_bytes_be(&encode_pss(sha256, &[salt; 32])));
        self.sign(&messages.find(|message| *message < self.modulus).expect("one in two is below"))
    }

    /// The signature of a number below the modulus, with nothing around it.
    pub fn sign(&self, message: &BigUint) -> String {
        text(&message.modpow(&self.secret, &self.modulus))
    }

    /// The signature of `md5` written as a number above the modulus.
    pub fn sign_md5_above_the_modulus(&self, md5: &[u8; 16]) -> String {
        let signature = BigUint::from_bytes_be(md5).modpow(&self.secret, &self.modulus);
        text(&(signature + &self.modulus))
    }
}

fn text(number: &BigUint) -> String {
    number.to_radix_le(64).iter().map(|digit| char::from(ALPHABET[usize::from(*digit)])).collect()
}

/// RFC 8017, section 9.1.1, of 2,047 bits.
pub(crate) fn encode_pss(sha256: &[u8; 32], salt: &[u8; 32]) -> Vec<u8> {
    let mut message = vec![0; 8];
    message.extend(sha256);
    message.extend(salt);
    let hash = Sha256::digest(&message);
    let mut block = vec![0; 256 - 32 - 1 - 33];
    block.push(1);
    block.extend(salt);
    let mut encoded: Vec<u8> = block.iter().zip(mgf1(&hash)).map(|(byte, mask)| byte ^ mask).collect();
    encoded[0] &= 0x7f;
    encoded.extend(hash);
    encoded.push(0xbc);
    encoded
}

const HEADER_PRIMES: [&str; 2] = [
    "1190250077333852275945988140252688187643814086441656206836760058743108118811134381987496147003280919\
     1291519671022616219156775815420559994880248707817728377",
    "1008494823946579671475000578344352140649859042798671013515093464098874074315551400181121267976038277\
     7453724380121248974210706059353134008816038726256780817",
];

const LIST_PRIMES: [&str; 2] = [
    "8805951396952608741552582541086843448199467519306165483510752181695734003094794179210211061998815136\
     5828136259048239853073762556049751697132267517865262763711901685344199707724948157333684735256982795\
     8488063715899209039644970784627817077295821394853878928965260033852138212662456610877728842243935812\
     93479441",
    "1471959138430681055623780064244795524456412611216597844810867578491994940317206761738851844367774872\
     6012158312575813630449672462044661843663294371757380429819014205926561523617009469546355213368919825\
     3608031569242336872956093593012711629208069440283518306010107536169483911155043920024732923496918033\
     919781271",
];
