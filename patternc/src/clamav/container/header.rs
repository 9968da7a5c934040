//! The first 512 bytes of a container.

use super::ContainerError;
use super::signature::{Part, PublicKey, SignatureError};
use crate::clamav::{digits, hash};

/// Length of the header, in bytes.
pub const HEADER_LEN: usize = 512;

/// What a container says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// When it was made, as its maker wrote it.
    pub built: String,
    /// Its version; it only grows.
    pub version: u64,
    /// How many signatures it is said to hold.
    pub signatures: u64,
    /// The functionality level that it is meant for. Each signature may ask for a higher one.
    pub flevel: u64,
    /// MD5 of everything after the header.
    pub md5: Option<[u8; 16]>,
    /// ClamAV's digital signature of that digest, as it stands.
    pub signature: Option<String>,
    /// Who made it.
    pub builder: String,
    /// When it was made, in seconds since 1970.
    pub built_at: Option<u64>,
}

impl Header {
    /// Checks the digital signature of the digest that the header states. It covers nothing else of the header.
    ///
    /// # Errors
    /// [`SignatureError`], which a header without a digest or without a signature ends in too.
    pub fn verify(&self, key: &PublicKey) -> Result<(), SignatureError> {
        let of = Part::Header;
        let (Some(md5), Some(signature)) = (&self.md5, &self.signature) else { return Err(SignatureError::Absent { of }) };
        if key.signed_md5(md5, signature) { Ok(()) } else { Err(SignatureError::Failed { of }) }
    }

    /// Whether `other` tells of the same release, as clamscan demands of the header and its copy in the list of members.
    pub(super) fn is_release_of(&self, other: &Header) -> bool {
        let release = |header: &Header| (header.version, header.signatures, header.flevel, header.built_at);
        release(self) == release(other)
    }

    /// Reads a header, with whatever it is padded with.
    pub(super) fn parse(bytes: &[u8]) -> Result<Header, ContainerError> {
        let is_text = |text: &&str| text.bytes().all(|byte| matches!(byte, b' '..=b'~' | 0 | b'\n'));
        let text = str::from_utf8(bytes).ok().filter(is_text);
        let text = text.ok_or(ContainerError::Header("it is not ASCII text"))?.trim_end_matches([' ', '\0', '\n']);
        let fields: Vec<&str> = text.split(':').collect();
        let (magic, fields) = fields.split_first().expect("splitting gives at least one field");
        if *magic != "ClamAV-VDB" {
            return Err(ContainerError::Header("it does not begin with `ClamAV-VDB:`"));
        }
        let (fields, built_at) = match fields {
            [fields @ .., built_at] if fields.len() == 7 => (fields, Some(*built_at)),
            fields => (fields, None),
        };
        let [built, version, signatures, flevel, md5, signature, builder] = *fields else {
            return Err(ContainerError::Header("it has not 8 or 9 fields"));
        };
        let number = |text: &str, error| digits(text).filter(|_| !text.is_empty()).ok_or(ContainerError::Header(error));
        let md5 = match md5 {
            "X" => None,
            md5 if md5.len() == 32 => Some(hash::hex_bytes(md5).map_err(|_| ContainerError::Header("its MD5 is not hex"))?),
            _ => return Err(ContainerError::Header("its MD5 has not 32 digits")),
        };
        Ok(Header {
            built: built.to_owned(),
            version: number(version, "its version is not a number")?,
            signatures: number(signatures, "its number of signatures is not a number")?,
            flevel: number(flevel, "its functionality level is not a number")?,
            md5,
            signature: (!matches!(signature, "" | "X")).then(|| signature.to_owned()),
            builder: builder.to_owned(),
            built_at: built_at.map(|text| number(text, "its time in seconds is not a number")).transpose()?,
        })
    }
}
