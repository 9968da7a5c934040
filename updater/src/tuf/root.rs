//! Root: who holds which role, and how one version follows another.

use super::{ROOT_LIFETIME, SPEC_VERSION, TufError, check_root, expiry, keyid};
use crate::keys::PublicKey;
use crate::root::RootRole;
use jiff::Timestamp as Time;
use std::collections::HashMap;
use std::num::NonZeroU64;
use tough::schema::key::Key;
use tough::schema::{RoleKeys, RoleType, Root, Signed};

/// Root version 1: these keys for each role, each with threshold 1.
pub(crate) fn first_root(keys: &[(RootRole, PublicKey)], now: Time) -> Result<Root, TufError> {
    let mut root = Root {
        spec_version: SPEC_VERSION.to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: expiry(now, ROOT_LIFETIME),
        keys: HashMap::new(),
        roles: HashMap::new(),
        _extra: HashMap::new(),
    };
    for role in RootRole::ALL {
        let held = keys.iter().filter(|(of, _)| *of == role).map(|(_, key)| *key).collect::<Vec<_>>();
        role.give(&mut root, &held, NonZeroU64::MIN)?;
    }
    check_root(&root)?;
    Ok(root)
}

/// Keys of a role, in the order listed, and its threshold; none when root has no such role. Keys of other kinds than ours are left out.
pub(crate) fn role_keys(root: &Root, role: RoleType) -> (Vec<PublicKey>, u64) {
    let keys = root.keys(role).filter_map(|key| match key {
        Key::Ed25519 { keyval, .. } => PublicKey::from_bytes(&keyval.public),
        _ => None,
    });
    (keys.collect(), root.roles.get(&role).map_or(0, |listed| listed.threshold.get()))
}

/// Gives a role to these keys, and drops keys that no role has any more.
pub(crate) fn set_role_keys(
    root: &mut Root,
    role: RoleType,
    keys: &[PublicKey],
    threshold: NonZeroU64,
) -> Result<(), TufError> {
    let mut keyids = Vec::new();
    for key in keys {
        let id = keyid(key)?;
        root.keys.insert(id.clone(), key.tuf());
        keyids.push(id);
    }
    root.roles.insert(role, RoleKeys { keyids, threshold, _extra: HashMap::new() });
    let roles = &root.roles;
    root.keys.retain(|id, _| roles.values().any(|listed| listed.keyids.contains(id)));
    Ok(())
}

/// Checks a root that nothing came before: version 1, signed by enough of its own keys, and valid.
pub(crate) fn verify_first_root(root: &Signed<Root>, now: Time) -> Result<(), TufError> {
    check_root(&root.signed)?;
    if root.signed.version != NonZeroU64::MIN {
        return Err(TufError::refused("root", format!("version {} is not the first", root.signed.version)));
    }
    let signed = root.signed.verify_role(root);
    signed.map_err(|e| TufError::Unsigned { role: "root".to_owned(), reason: e.to_string() })?;
    check_valid(root, now)
}

/// Checks that `next` may take the place of `trusted`: the next version, signed by enough keys of both, and still valid.
pub(crate) fn verify_next_root(trusted: &Signed<Root>, next: &Signed<Root>, now: Time) -> Result<(), TufError> {
    check_root(&next.signed)?;
    let (held, found) = (trusted.signed.version.get(), next.signed.version.get());
    if held.checked_add(1) != Some(found) {
        return Err(TufError::refused("root", format!("version {found} does not follow version {held}")));
    }
    for (by, root) in [(held, trusted), (found, next)] {
        let reason = |e| format!("by the keys of version {by}: {e}");
        let signed = root.signed.verify_role(next);
        signed.map_err(|e| TufError::Unsigned { role: "root".to_owned(), reason: reason(e) })?;
    }
    check_valid(next, now)
}

fn check_valid(root: &Signed<Root>, now: Time) -> Result<(), TufError> {
    if root.signed.expires <= now {
        return Err(TufError::Expired { role: "root".to_owned(), at: root.signed.expires });
    }
    Ok(())
}
