//! Signed requests: who sent this, and is it new?
//!
//! A terminal or a maker signs method, path, counter and body with its Ed25519 key and sends counter and signature as headers.
//! The service takes a counter only once and only upwards, so a recorded request is worth nothing. Rejected: bearer
//! tokens (a proxy that sees one can speak for the terminal ever after) and client certificates (they end where TLS ends).
//!
//! ```text
//! signed bytes = "titer-request-v1\n" METHOD " " PATH "\n" COUNTER "\n" BODY
//! ```

use crate::keys::{PublicKey, SigningKey};

/// Header with the counter, in decimal.
pub(crate) const COUNTER_HEADER: &str = "titer-counter";
/// Header with the signature, in hexadecimal.
pub(crate) const SIGNATURE_HEADER: &str = "titer-signature";

/// Greatest counter that is taken: what a table's integer holds. A sender's clock is nowhere near it before the year 290000.
pub(crate) const COUNTER_MAX: u64 = i64::MAX as u64;
/// Greatest counter that a sender takes from the service's word. What is left above it is more than any sender uses up, so that whoever
/// forges that word locks nobody out.
pub(crate) const COUNTER_TOLD_MAX: u64 = COUNTER_MAX - (1 << 40);

/// What a signature covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) counter: u64,
    pub(crate) body: &'a [u8],
}

impl Request<'_> {
    pub(crate) fn sign(&self, key: &SigningKey) -> String {
        hex::encode(key.sign(&self.message()))
    }

    pub(crate) fn is_signed_by(&self, key: &PublicKey, signature: &str) -> bool {
        hex::decode(signature).is_ok_and(|signature| key.verifies(&self.message(), &signature))
    }

    fn message(&self) -> Vec<u8> {
        let head = format!("titer-request-v1\n{} {}\n{}\n", self.method, self.path, self.counter);
        [head.as_bytes(), self.body].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn every_part_is_covered() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&Disk::default(), &dir.path().join("key")).unwrap();
        let request = Request { method: "POST", path: "/v1/x", counter: 7, body: b"{}" };
        let signature = request.sign(&key);
        assert!(request.is_signed_by(&key.public(), &signature));
        let others = [
            Request { method: "PUT", ..request },
            Request { path: "/v1/y", ..request },
            Request { counter: 8, ..request },
            Request { body: b"[]", ..request },
        ];
        for other in others {
            assert!(!other.is_signed_by(&key.public(), &signature), "{other:?}");
        }
        assert!(!request.is_signed_by(&key.public(), "no hex"));
    }
}
