//! What a signature means, as a number.

use crate::database::Database;
use crate::digest::each_digest;
use crate::layout::{DigestOf, PROGRAM_TARGET_MASK, PROGRAM_TARGET_SHIFT};
use crate::logical::meaning;
use crate::matcher::{Literal, Program};
use crate::normalise::NORMALISED;
use sha2::{Digest as _, Sha256};

/// The fingerprint of what finds nothing: an entry of an allow list makes no clean file anything else.
pub(super) const NOTHING: u64 = 0;

/// The fingerprint of each signature, by its index: 64 bits of a SHA-256 over its body, where that may stand and in which kind of files, or over its digest,
/// what that is of, and its size. Not over its name, nor over how the linker chose to find it, so what was only renamed or linked anew is not new.
///
/// Two signatures of the same fingerprint and another meaning would make the newer one be taken for known in files of the cache. Among a
/// million signatures that is a chance of one in thirty million. O(bytes of programs and digests).
pub(super) fn fingerprints(database: &Database<'_>) -> Vec<u64> {
    let normalises = database.targets() & NORMALISED != 0;
    let mut fingerprints: Vec<u64> = (0..database.len() as u32).map(|id| of_body(database, id, normalises)).collect();
    for of in DigestOf::ALL {
        each_digest(database, of, |id, kind, size, digest| {
            let mut hasher = Sha256::new();
            hasher.update([b'd', of as u8, kind as u8, u8::from(size.is_some())]);
            hasher.update(size.unwrap_or(0).to_le_bytes());
            hasher.update(digest);
            if let Some(fingerprint) = fingerprints.get_mut(id as usize) {
                *fingerprint = if of == DigestOf::CleanFile { NOTHING } else { first_bits(hasher) };
            }
        });
    }
    fingerprints
}

/// A signature for any file is another one where files are normalised: it is looked for in their forms too.
fn of_body(database: &Database<'_>, id: u32, normalises: bool) -> u64 {
    let mut hasher = Sha256::new();
    if let Some(logical) = database.logical(id) {
        // The parts by what they mean, so that their numbers make no difference.
        hasher.update([b'c', logical.target, u8::from(normalises && logical.target == 0)]);
        let mut parts = Vec::new();
        meaning(database.conditions, database.condition(logical), &mut |part| hasher.update(part), &mut |part| {
            parts.push(part);
        });
        for part in parts {
            let place = database.len() as u32 + part;
            hasher.update(of_body(database, place, normalises).to_le_bytes());
        }
        return first_bits(hasher);
    }
    let program = database.program(id);
    let target = (program >> PROGRAM_TARGET_SHIFT & PROGRAM_TARGET_MASK) as u8;
    hasher.update([target, u8::from(normalises && target == 0)]);
    if let Some(literal) = Literal::read(database.programs, program) {
        hasher.update(b"l");
        hasher.update(literal.bytes());
    } else if let Some(program) = Program::read(database.programs, program).filter(Program::is_sound) {
        hasher.update(b"p");
        program.meaning(&mut |part| hasher.update(part));
    } else {
        // Damaged, or by its digest: as new as the database.
        hasher.update(b"?");
        hasher.update(database.identity());
        hasher.update(id.to_le_bytes());
    }
    first_bits(hasher)
}

fn first_bits(hasher: Sha256) -> u64 {
    let digest: [u8; 32] = hasher.finalize().into();
    digest.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
