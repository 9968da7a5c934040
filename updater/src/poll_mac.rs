//! Proof of an idle poll: a code (HMAC-SHA256) by a key that the service gives with its answer to a check-in.
//!
//! ```text
//! poll key = HMAC(secret of the service, "titer-poll-key-v1\n" TERMINAL)
//! mac      = HMAC(poll key, "titer-poll-v1\n" TERMINAL "\n" TAG "\n" COUNTER)
//! ```
//!
//! The key follows from the terminal's number, so the service keeps none and checks a poll without looking anything up. It proves "I am here,
//! and this is what I was told", and nothing else is done for it. Rejected: the terminal's signature, which costs the service 50 µs and
//! a look at the key; no proof at all, with which whoever saw a number could keep a dead terminal alive in the operator's table.

use aws_lc_rs::hmac;

/// Header with the code, in hexadecimal.
pub(crate) const MAC_HEADER: &str = "titer-mac";

/// Makes the keys of all terminals.
pub(crate) struct PollSecret(hmac::Key);

impl PollSecret {
    pub(crate) fn new(secret: &[u8]) -> Self {
        PollSecret(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub(crate) fn key_of(&self, terminal: &str) -> PollKey {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"titer-poll-key-v1\n");
        context.update(terminal.as_bytes());
        PollKey(context.sign().as_ref().try_into().expect("a code of SHA-256 has 32 bytes"))
    }
}

/// The key of one terminal.
pub(crate) struct PollKey([u8; 32]);

impl PollKey {
    /// As it travels.
    pub(crate) fn to_hex(&self) -> String {
        hex::encode(self.0)
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; 32];
        hex::decode_to_slice(text, &mut key).ok()?;
        Some(PollKey(key))
    }

    /// The code of a poll, in hexadecimal.
    pub(crate) fn mac(&self, terminal: &str, tag: &str, counter: &str) -> String {
        hex::encode(self.code(terminal, tag, counter))
    }

    /// Whether the code is that of this poll; takes the same time wherever the two part.
    pub(crate) fn is_mac(&self, terminal: &str, tag: &str, counter: &str, mac: &str) -> bool {
        let mut told = [0; 32];
        hex::decode_to_slice(mac, &mut told).is_ok()
            && aws_lc_rs::constant_time::verify_slices_are_equal(self.code(terminal, tag, counter).as_ref(), &told).is_ok()
    }

    fn code(&self, terminal: &str, tag: &str, counter: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        for part in ["titer-poll-v1\n", terminal, "\n", tag, "\n", counter] {
            context.update(part.as_bytes());
        }
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_covered() {
        let secret = PollSecret::new(b"secret");
        let key = secret.key_of("t");
        let mac = key.mac("t", "\"a\"", "7");
        assert!(PollKey::from_hex(&key.to_hex()).unwrap().is_mac("t", "\"a\"", "7", &mac));
        for (terminal, tag, counter) in
            [("u", "\"a\"", "7"), ("t", "\"b\"", "7"), ("t", "\"a\"", "8"), ("t", "\"a\"\n7", "")]
        {
            assert!(!key.is_mac(terminal, tag, counter, &mac), "{terminal} {tag} {counter}");
        }
        assert!(!secret.key_of("u").is_mac("t", "\"a\"", "7", &mac), "another terminal's key");
        assert!(!PollSecret::new(b"other").key_of("t").is_mac("t", "\"a\"", "7", &mac), "another service's");
        for other in ["", "00", "no hex", &mac[2..], &format!("{mac}00")] {
            assert!(!key.is_mac("t", "\"a\"", "7", other), "{other}");
        }
        assert!(PollKey::from_hex("").is_none() && PollKey::from_hex(&mac[..62]).is_none());
    }
}
