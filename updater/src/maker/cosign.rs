//! The second signature: another holder of a maker's key signs a file that one of them made, on a machine of their own.

use super::MakerError;
use crate::disk::{Access, Disk};
use crate::keys::{PublicKey, SigningKey};
use crate::statement::KeyStatement;
use crate::tuf::{self, MakerKeys, SignedModule};
use crate::wire::{MakerName, Registration};
use std::path::Path;
use tough::schema::Targets;

/// Refuses a key that speaks for the maker neither now nor by a change that waits, as far as the file and those beside it tell.
fn check_listed(disk: &Disk, file: &Path, bytes: &[u8], key: &PublicKey) -> Result<(), MakerError> {
    let beside = |name: &str| disk.read(&file.with_file_name(name)).ok();
    let registered = beside("registration.json").and_then(|text| serde_json::from_slice::<Registration>(&text).ok());
    // A file that was carried here alone does not tell whose keys it had before.
    let Some(registered) = registered else { return Ok(()) };
    let held = beside("keys.json").and_then(|text| serde_json::from_slice::<MakerKeys>(&text).ok());
    let held = held.unwrap_or_else(|| MakerKeys::single(registered.public_key));
    let next = [Some(bytes.to_vec()), beside("next-keys.json")].into_iter().flatten();
    let next = next.filter_map(|text| serde_json::from_slice::<KeyStatement>(&text).ok());
    let listed = next.flat_map(|statement| statement.keys.keys).chain(held.keys).any(|listed| listed == *key);
    if listed { Ok(()) } else { Err(MakerError::KeyNotListed(*key)) }
}

/// Adds a signature to a role or to a change of keys, in place, and returns what was signed, a fact a line.
///
/// # Errors
/// [`MakerError::KeyNotListed`] when the maker's folder around the file shows that the signature would count for nothing;
/// [`MakerError::Damaged`] when the file is neither; [`MakerError::Role`] when it is no role of one maker.
pub fn cosign(file: &Path, key: &SigningKey) -> Result<Vec<String>, MakerError> {
    let disk = Disk::default();
    let bytes = disk.read_at_most(file, tuf::METADATA_LEN_MAX)?;
    check_listed(&disk, file, &bytes, &key.public())?;
    if let Ok(mut statement) = serde_json::from_slice::<KeyStatement>(&bytes) {
        statement.sign(key);
        let text = serde_json::to_vec_pretty(&statement).expect("a statement is plain JSON");
        disk.replace(file, &text, Access::Public)?;
        let keys = &statement.keys;
        let head =
            format!("maker {}: keys version {}, {} of these must sign:", statement.maker, keys.version, keys.threshold);
        return Ok([head].into_iter().chain(keys.keys.iter().map(ToString::to_string)).collect());
    }
    let damaged = |reason: String| MakerError::Damaged { path: file.to_owned(), reason };
    let mut role = tuf::read::<Targets>(&bytes).map_err(|e| damaged(format!("neither a role nor a change of keys: {e}")))?;
    let first = role.signed.targets.keys().next().map(|name| name.raw().split('/').nth(1).unwrap_or_default().to_owned());
    let maker = first.as_deref().unwrap_or_default().parse::<MakerName>();
    let maker = maker.map_err(|_| damaged("it offers nothing, so it does not say whose it is".to_owned()))?;
    let read = tuf::read_maker_role(&maker, &role.signed)?;
    let signature = tuf::signature(key, &tuf::canonical(&role.signed)?)?;
    role.signatures.retain(|held| held.keyid != signature.keyid);
    role.signatures.push(signature);
    disk.replace(file, &tuf::write(&role)?, Access::Public)?;
    let mut words = vec![format!("maker {maker}: role version {}, valid until {}", read.version, role.signed.expires)];
    for release in &read.releases {
        words.push(format!(
            "offers {} release {}, {} bytes, sha256 {}",
            release.channel, release.release, release.length, release.sha256
        ));
    }
    for SignedModule { of, module } in &read.modules {
        words.push(format!(
            "with it, {} release {}: {} `{}`, {} bytes, sha256 {}",
            of.channel, of.release, module.kind, module.name, module.length, module.sha256
        ));
    }
    for old in &read.withdrawn {
        let back = old.back_to.map_or_else(|| "no way back".to_owned(), |least| format!("back to {least} or newer"));
        words.push(format!("withdraws {} release {}, {back}", old.at.channel, old.at.release));
    }
    Ok(words)
}
