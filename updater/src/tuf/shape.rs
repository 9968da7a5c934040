//! What the repository's metadata must look like beyond its signatures.
//!
//! `tough` counts signatures by key id. A key id is a digest of a key's whole JSON, so one public key with one more member is another id,
//! and one holder could sign as two. And it follows any delegation it is given. Here a file is looked at before `tough` sees it: the keys
//! of a role are different Ed25519 keys, enough for its threshold, and targets delegate to makers in the one way that there is.

use super::maker_role::{delegated_paths, maker_of_role};
use super::{SPEC_MAJOR, TufError, check_director, read};
use crate::keys::is_weak;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::Key;
use tough::schema::{Delegations, RoleType, Root, Snapshot, Targets, Timestamp};

/// The four roles that root lists.
pub(crate) const TOP_ROLES: [RoleType; 4] = [RoleType::Root, RoleType::Targets, RoleType::Snapshot, RoleType::Timestamp];

/// The top role whose file has this name.
pub(crate) fn top_role(file: &str) -> Option<RoleType> {
    if file == "timestamp.json" {
        return Some(RoleType::Timestamp);
    }
    let (version, role) = file.strip_suffix(".json")?.split_once('.')?;
    version.parse::<u64>().ok()?;
    [("root", RoleType::Root), ("targets", RoleType::Targets), ("snapshot", RoleType::Snapshot)]
        .into_iter()
        .find_map(|(name, of)| (name == role).then_some(of))
}

/// Refuses a file of one of the four top roles that does not have the form which this repository gives it.
pub(crate) fn check_file(role: RoleType, bytes: &[u8]) -> Result<(), TufError> {
    match role {
        RoleType::Root => check_root(&read::<Root>(bytes)?.signed),
        RoleType::Targets => {
            let targets = read::<Targets>(bytes)?.signed;
            check_spec("targets", &targets.spec_version)?;
            targets.delegations.as_ref().map_or(Ok(()), check_delegations)
        }
        RoleType::Snapshot => check_spec("snapshot", &read::<Snapshot>(bytes)?.signed.spec_version),
        RoleType::Timestamp => check_spec("timestamp", &read::<Timestamp>(bytes)?.signed.spec_version),
        RoleType::DelegatedTargets => Ok(()),
    }
}

pub(crate) fn check_spec(role: &str, version: &str) -> Result<(), TufError> {
    if version.split('.').next() == Some(SPEC_MAJOR) {
        return Ok(());
    }
    Err(TufError::refused(role, format!("specification {version}, this build reads {SPEC_MAJOR}.x")))
}

/// Root: consistent snapshots, and for each role, also the director, different keys, enough for its threshold.
pub(crate) fn check_root(root: &Root) -> Result<(), TufError> {
    check_spec("root", &root.spec_version)?;
    if !root.consistent_snapshot {
        return Err(TufError::refused("root", "consistent snapshots are off"));
    }
    for role in TOP_ROLES {
        let listed = root.roles.get(&role).ok_or_else(|| TufError::refused("root", format!("it names no {role} role")))?;
        check_keys(&role.to_string(), &listed.keyids, listed.threshold, &root.keys)?;
    }
    check_director(root)
}

/// Targets: each maker once, by the name that is theirs, for their own paths, and no other role.
pub(crate) fn check_delegations(delegations: &Delegations) -> Result<(), TufError> {
    let mut names = HashSet::new();
    for role in &delegations.roles {
        let refused = |reason: &str| TufError::refused("targets", format!("delegation {:?}: {reason}", role.name));
        let maker = maker_of_role(&role.name).ok_or_else(|| refused("this is not the name of a maker's role"))?;
        if !names.insert(&role.name) {
            return Err(refused("it stands twice"));
        }
        if role.paths != delegated_paths(&maker)? || !role.terminating {
            return Err(refused("it is not the one for its maker's paths"));
        }
        check_keys(&role.name, &role.keyids, role.threshold, &delegations.keys)?;
    }
    Ok(())
}

fn check_keys(
    role: &str,
    keyids: &[Decoded<Hex>],
    threshold: NonZeroU64,
    keys: &HashMap<Decoded<Hex>, Key>,
) -> Result<(), TufError> {
    let refused = |reason: String| TufError::refused(role, reason);
    let mut public_keys = HashSet::new();
    for keyid in keyids {
        let key = keys.get(keyid).ok_or_else(|| refused(format!("key {} is not there", hex::encode(keyid))))?;
        let Key::Ed25519 { keyval, .. } = key else {
            return Err(refused(format!("key {} is not an Ed25519 key", hex::encode(keyid))));
        };
        let public: Result<&[u8; 32], _> = keyval.public[..].try_into();
        if public.is_ok_and(is_weak) {
            return Err(refused(format!("anybody can sign for key {}", hex::encode(keyid))));
        }
        if !public_keys.insert(keyval.public.to_vec()) {
            return Err(refused(format!("one key is listed twice, the second time as {}", hex::encode(keyid))));
        }
    }
    if (public_keys.len() as u64) < threshold.get() {
        return Err(refused(format!("{threshold} signatures are asked for and {} keys are there", public_keys.len())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::keys::{PublicKey, SigningKey};
    use crate::tuf::{MakerKeys, delegations};

    fn key(name: &str) -> PublicKey {
        let dir = tempfile::tempdir().unwrap();
        SigningKey::load_or_create(&Disk::default(), &dir.path().join(name)).unwrap().public()
    }

    fn one(maker: &str) -> Delegations {
        delegations(&[(maker.parse().unwrap(), MakerKeys::single(key(maker)))]).unwrap()
    }

    #[test]
    fn one_key_under_two_ids_is_refused() {
        let mut delegations = one("acme");
        check_delegations(&delegations).unwrap();
        let (_, key) = delegations.keys.iter().next().map(|(id, key)| (id.clone(), key.clone())).unwrap();
        let mut json = serde_json::to_value(&key).unwrap();
        json["note"] = "the same key".into();
        let disguised: Key = serde_json::from_value(json).unwrap();
        let second = disguised.key_id().unwrap();
        delegations.keys.insert(second.clone(), disguised);
        delegations.roles[0].keyids.push(second);
        delegations.roles[0].threshold = NonZeroU64::new(2).unwrap();
        let error = check_delegations(&delegations).unwrap_err().to_string();
        assert!(error.contains("listed twice"), "{error}");
    }

    #[test]
    fn odd_delegations_are_refused() {
        for name in ["acme", "m-", "m-ACME", "m-../x", "m-a/b", "m-a\0", "root", "", "m-a.b", "m-é"] {
            let mut odd = one("acme");
            odd.roles[0].name = name.to_owned();
            check_delegations(&odd).unwrap_err();
        }
        let mut twice = one("acme");
        twice.roles.push(twice.roles[0].clone());
        check_delegations(&twice).unwrap_err();
        let mut foreign = one("acme");
        foreign.roles[0].paths = one("best").roles[0].paths.clone();
        check_delegations(&foreign).unwrap_err();
        let mut passing = one("acme");
        passing.roles[0].terminating = false;
        check_delegations(&passing).unwrap_err();
        let mut unmet = one("acme");
        unmet.roles[0].threshold = NonZeroU64::new(2).unwrap();
        check_delegations(&unmet).unwrap_err();
    }
}
