//! Lines of hash signatures from files.
//!
//! ```
//! use patternc::hashing::{Algorithm, digest, line, safe_name};
//!
//! let (md5, size) = digest(Algorithm::Md5, &b"abc"[..])?;
//! assert_eq!(line(md5, size, &safe_name("my:virus.exe")).unwrap(), "900150983cd24fb0d6963f7d28e17f72:3:my_virus.exe");
//! # Ok::<(), std::io::Error>(())
//! ```

use crate::clamav;
use crate::diagnostic::{Code, Fault, quote};
use crate::record::{Digest, DigestOf};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use std::io::{self, Read};

/// How a file is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5, which `.hdb` and `.fp` files hold as a rule.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256, which `.hsb` and `.sfp` files hold as a rule.
    Sha256,
}

/// The digest of all that `input` gives, and how many bytes that was. Reads 64 KiB at a time.
///
/// # Errors
/// Those of `input`.
pub fn digest(algorithm: Algorithm, input: impl Read) -> io::Result<(Digest, u64)> {
    match algorithm {
        Algorithm::Md5 => of::<Md5>(input).map(|(digest, len)| (Digest::Md5(digest.into()), len)),
        Algorithm::Sha1 => of::<Sha1>(input).map(|(digest, len)| (Digest::Sha1(digest.into()), len)),
        Algorithm::Sha256 => of::<Sha256>(input).map(|(digest, len)| (Digest::Sha256(digest.into()), len)),
    }
}

fn of<H: sha2::Digest>(mut input: impl Read) -> io::Result<(sha2::digest::Output<H>, u64)> {
    let mut hasher = H::new();
    let mut buffer = vec![0; 64 << 10];
    let mut len = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finalize(), len)),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                len += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The line `digest:size:name` of a file of so many bytes.
///
/// # Errors
/// A [`Fault`] when no such line can be: for an empty file, one of 4 GiB, a name with a colon or a control character.
pub fn line(digest: Digest, size: u64, name: &str) -> Result<String, Fault> {
    let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("{hex}:{size}:{name}");
    // What the compiler refuses, or reads as something else, is not this signature.
    let read = clamav::hash(DigestOf::File, &line)?;
    if read.is_none_or(|record| record.name() != name) {
        let message = format!("the name {} would be read as another: it holds a colon or a remark", quote(name));
        return Err(Fault::new(Code::NameInvalid, message));
    }
    Ok(line)
}

/// A name of ASCII letters, digits, `.`, `-` and `_` that is like `name`, every other character a `_`; at most 200 bytes.
pub fn safe_name(name: &str) -> String {
    let safe = |char: char| if char.is_ascii_alphanumeric() || ".-".contains(char) { char } else { '_' };
    let name: String = name.chars().map(safe).take(200).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_digests_in_the_standards() {
        let of = |algorithm| {
            let (digest, size) = digest(algorithm, &b"abc"[..]).unwrap();
            line(digest, size, "N").unwrap()
        };
        assert_eq!(of(Algorithm::Md5), "900150983cd24fb0d6963f7d28e17f72:3:N");
        assert_eq!(of(Algorithm::Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d:3:N");
        assert_eq!(of(Algorithm::Sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad:3:N");
    }

    #[test]
    fn what_would_be_no_signature_is_refused() {
        let (digest, _) = digest(Algorithm::Md5, &b""[..]).unwrap();
        assert_eq!(line(digest, 0, "N").unwrap_err().code, Code::SizeInvalid);
        assert_eq!(line(digest, 1 << 32, "N").unwrap_err().code, Code::SizeInvalid);
        assert_eq!(line(digest, 1, "N\n").unwrap_err().code, Code::NameInvalid);
        assert_eq!(line(digest, 1, "a:73").unwrap_err().code, Code::NameInvalid);
        assert!(line(digest, 1, "a:b:c:d").is_err());
    }

    #[test]
    fn names_are_made_safe() {
        assert_eq!(safe_name("a b:c;\n\u{202e}é.exe"), "a_b_c____.exe");
        assert_eq!(safe_name(""), "_");
        assert_eq!(safe_name(&"x".repeat(1000)).len(), 200);
    }
}
