//! The repository's metadata: names, lifetimes, building, signing and reading of TUF roles.
//!
//! Format and checks are those of the TUF specification 1.0, as `tough` implements them. What is ours is the shape:
//!
//! ```text
//! root ── targets ──┬── m-<maker>   terminating, paths m/<maker>/*/*, signed by the maker alone
//!   │               └── m-<maker>   …
//!   ├──── snapshot      versions, lengths and hashes of targets and of every m-<maker>
//!   └──── timestamp     version, length and hash of snapshot; the only file whose content changes
//! ```
//!
//! The path pattern has one `*` a level, because readers differ on whether `*` crosses a slash.

use crate::keys::{PublicKey, SigningKey};
use crate::wire::{MakerName, Sha256Hex};
use crate::{Channel, Root as BlobRoot};
use jiff::{SignedDuration, Timestamp as Time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::num::NonZeroU64;
use tough::TargetName;
use tough::schema::{
    DelegatedRole, Delegations, Hashes, Metafile, PathPattern, PathSet, Role, RoleKeys, RoleType, Root, Signature, Signed,
    Snapshot, Target, Targets, Timestamp,
};

/// TUF version that the metadata follows.
pub(crate) const SPEC_VERSION: &str = "1.0.31";

/// Member of the signed timestamp that says when it was signed, in seconds since 1970. Readers that do not know it pass it over.
pub(crate) const SIGNED_AT: &str = "signed_at";

/// Largest metadata file, in bytes, that any side accepts.
pub(crate) const METADATA_LEN_MAX: u64 = 1 << 20;

/// Root is renewed by hand, once a year.
pub(crate) const ROOT_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Targets hold only delegations and are re-signed by the service at half of this.
pub(crate) const TARGETS_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Re-signed at half of this.
pub(crate) const SNAPSHOT_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// A maker who is silent for longer must sign again.
pub(crate) const MAKER_LIFETIME: SignedDuration = SignedDuration::from_hours(180 * 24);

/// When metadata signed now expires. The specification's times have whole seconds, and its other readers insist; rounding up
/// keeps the shortest lifetime from being none.
pub(crate) fn expiry(now: Time, lifetime: SignedDuration) -> Time {
    let exact = now + lifetime;
    Time::from_second(exact.as_second() + 1).unwrap_or(exact)
}

/// Metadata could not be built, read or trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TufError {
    /// A role's document does not parse, or a role cannot be written.
    #[error("{role} metadata cannot be read: {source}")]
    Malformed {
        /// Which role.
        role: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// Too few signatures by the keys that the role must be signed with.
    #[error("{role} metadata is not signed as it must be: {reason}")]
    Unsigned {
        /// Which role.
        role: String,
        /// What the verifier says.
        reason: String,
    },
    /// Its time is over: nobody may rely on it any more.
    #[error("{role} metadata expired at {at}")]
    Expired {
        /// Which role.
        role: String,
        /// When it expired.
        at: Time,
    },
    /// A role, key or name does not fit the scheme.
    #[error("{role} metadata is refused: {reason}")]
    Refused {
        /// Which role.
        role: String,
        /// Why.
        reason: String,
    },
}

impl TufError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            TufError::Malformed { .. } => "metadata_malformed",
            TufError::Unsigned { .. } => "metadata_unsigned",
            TufError::Expired { .. } => "metadata_expired",
            TufError::Refused { .. } => "metadata_refused",
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers pass what they have: text or an error")]
    pub(crate) fn refused(role: impl Into<String>, reason: impl ToString) -> Self {
        TufError::Refused { role: role.into(), reason: reason.to_string() }
    }
}

/// Signs a role with one key.
pub(crate) fn sign<T: Role>(role: T, key: &SigningKey) -> Result<Signed<T>, TufError> {
    let name = T::TYPE.to_string();
    let message = role.canonical_form().map_err(|e| TufError::refused(&name, e))?;
    let keyid = key.public().tuf().key_id().map_err(|e| TufError::refused(&name, e))?;
    Ok(Signed { signed: role, signatures: vec![Signature { keyid, sig: key.sign(&message).into() }] })
}

/// The file of a signed role.
pub(crate) fn write<T: Role>(role: &Signed<T>) -> Result<Vec<u8>, TufError> {
    let mut bytes =
        serde_json::to_vec_pretty(role).map_err(|source| TufError::Malformed { role: T::TYPE.to_string(), source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a role's file; trust is decided by the caller.
pub(crate) fn read<T: Role + DeserializeOwned>(bytes: &[u8]) -> Result<Signed<T>, TufError> {
    serde_json::from_slice(bytes).map_err(|source| TufError::Malformed { role: T::TYPE.to_string(), source })
}

/// Public keys of the four roles that are not a maker's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoleKeySet {
    pub(crate) root: PublicKey,
    pub(crate) targets: PublicKey,
    pub(crate) snapshot: PublicKey,
    pub(crate) timestamp: PublicKey,
}

/// Root version 1: one key for each role, each with threshold 1.
pub(crate) fn first_root(keys: &RoleKeySet, now: Time) -> Result<Root, TufError> {
    let mut root = Root {
        spec_version: SPEC_VERSION.to_owned(),
        consistent_snapshot: true,
        version: NonZeroU64::MIN,
        expires: expiry(now, ROOT_LIFETIME),
        keys: HashMap::new(),
        roles: HashMap::new(),
        _extra: HashMap::new(),
    };
    let roles = [
        (RoleType::Root, keys.root),
        (RoleType::Targets, keys.targets),
        (RoleType::Snapshot, keys.snapshot),
        (RoleType::Timestamp, keys.timestamp),
    ];
    for (role, key) in roles {
        let key = key.tuf();
        let keyid = key.key_id().map_err(|e| TufError::refused("root", e))?;
        let role_keys = RoleKeys { keyids: vec![keyid.clone()], threshold: NonZeroU64::MIN, _extra: HashMap::new() };
        root.keys.insert(keyid, key);
        root.roles.insert(role, role_keys);
    }
    Ok(root)
}

/// Whether root gives a role to this key.
pub(crate) fn is_listed(root: &Root, role: RoleType, key: &PublicKey) -> Result<bool, TufError> {
    let keyid = key.tuf().key_id().map_err(|e| TufError::refused("root", e))?;
    Ok(root.roles.get(&role).is_some_and(|listed| listed.keyids.contains(&keyid)))
}

/// The one delegation of each maker.
pub(crate) fn delegations(makers: &[(MakerName, PublicKey)]) -> Result<Delegations, TufError> {
    let mut delegations = Delegations::new();
    for (maker, key) in makers {
        let key = key.tuf();
        let keyid = key.key_id().map_err(|e| TufError::refused(role_name(maker), e))?;
        let pattern = PathPattern::new(format!("m/{maker}/*/*")).map_err(|e| TufError::refused(role_name(maker), e))?;
        delegations.keys.insert(keyid.clone(), key);
        delegations.roles.push(DelegatedRole {
            name: role_name(maker),
            keyids: vec![keyid],
            threshold: NonZeroU64::MIN,
            paths: PathSet::Paths(vec![pattern]),
            terminating: true,
            targets: None,
        });
    }
    Ok(delegations)
}

pub(crate) fn targets(version: NonZeroU64, delegations: Delegations, now: Time) -> Targets {
    let mut targets = Targets::new(SPEC_VERSION.to_owned(), version, expiry(now, TARGETS_LIFETIME));
    targets.delegations = Some(delegations);
    targets
}

pub(crate) fn snapshot(version: NonZeroU64, meta: HashMap<String, Metafile>, now: Time) -> Snapshot {
    let mut snapshot = Snapshot::new(SPEC_VERSION.to_owned(), version, expiry(now, SNAPSHOT_LIFETIME));
    snapshot.meta = meta;
    snapshot
}

/// The timestamp also says when it was signed, for terminals whose clock is behind.
pub(crate) fn timestamp(version: NonZeroU64, of_snapshot: Metafile, now: Time, expires: Time) -> Timestamp {
    let mut timestamp = Timestamp::new(SPEC_VERSION.to_owned(), version, expires);
    timestamp._extra.insert(SIGNED_AT.to_owned(), now.as_second().into());
    timestamp.meta.insert("snapshot.json".to_owned(), of_snapshot);
    timestamp
}

/// How a parent lists a file of metadata: version, length and hash, so that a reader downloads no byte too many.
pub(crate) fn metafile(version: NonZeroU64, bytes: &[u8]) -> Metafile {
    Metafile { length: Some(bytes.len() as u64), hashes: Some(hashes(bytes)), version, _extra: HashMap::new() }
}

fn hashes(bytes: &[u8]) -> Hashes {
    Hashes { sha256: Sha256::digest(bytes).to_vec().into(), _extra: HashMap::new() }
}

/// Name of a maker's role.
pub(crate) fn role_name(maker: &MakerName) -> String {
    format!("m-{maker}")
}

/// Where a release lies in the repository: `m/<maker>/<name>/<release>.titer`.
pub(crate) fn target_path(channel: &Channel, release: u64) -> String {
    format!("m/{}/{}/{release}.titer", channel.maker(), channel.name())
}

/// One release as its maker signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedRelease {
    pub(crate) channel: Channel,
    pub(crate) release: u64,
    pub(crate) root: BlobRoot,
    /// Seconds since 1970.
    pub(crate) created: i64,
    pub(crate) length: u64,
    pub(crate) sha256: Sha256Hex,
}

/// The part of a target that is ours ("custom" in TUF).
#[derive(Serialize, Deserialize)]
struct Custom {
    channel: String,
    release: u64,
    root: String,
    created: i64,
}

impl SignedRelease {
    pub(crate) fn path(&self) -> String {
        target_path(&self.channel, self.release)
    }

    pub(crate) fn to_target(&self) -> Result<(TargetName, Target), TufError> {
        let path = self.path();
        let custom = Custom {
            channel: self.channel.to_string(),
            release: self.release,
            root: self.root.to_string(),
            created: self.created,
        };
        let name = TargetName::new(&path).map_err(|e| TufError::refused(&path, e))?;
        let custom =
            serde_json::to_value(custom).and_then(serde_json::from_value).map_err(|e| TufError::refused(&path, e))?;
        let hashes = Hashes { sha256: self.sha256.bytes().to_vec().into(), _extra: HashMap::new() };
        Ok((name, Target { length: self.length, hashes, custom, _extra: HashMap::new() }))
    }

    /// Reads one target of `maker`'s role and refuses any whose path and custom part disagree.
    pub(crate) fn from_target(maker: &MakerName, name: &TargetName, target: &Target) -> Result<Self, TufError> {
        let refused = |reason: &str| TufError::refused(role_name(maker), format!("target `{}`: {reason}", name.raw()));
        let custom = target.custom.clone().into_iter().collect::<serde_json::Map<_, _>>();
        let custom: Custom = serde_json::from_value(custom.into()).map_err(|e| refused(&e.to_string()))?;
        let channel: Channel = custom.channel.parse().map_err(|_| refused("its channel is not a maker/name"))?;
        if channel.maker() != maker.as_str() {
            return Err(refused("it belongs to another maker"));
        }
        if target_path(&channel, custom.release) != name.raw() {
            return Err(refused("its path and its channel and release differ"));
        }
        let sha256 = Sha256Hex::from_slice(&target.hashes.sha256).ok_or_else(|| refused("its sha256 is not 32 bytes"))?;
        let root = custom.root.parse::<BlobRoot>().map_err(|e| refused(&e.to_string()))?;
        Ok(SignedRelease { channel, release: custom.release, root, created: custom.created, length: target.length, sha256 })
    }
}

/// A maker's role whose signature, threshold and expiry hold, with its releases in ascending order.
#[derive(Debug)]
pub(crate) struct MakerRole {
    pub(crate) version: NonZeroU64,
    pub(crate) releases: Vec<SignedRelease>,
}

/// Checks a maker's role against the delegation that names its key, then every target in it.
pub(crate) fn verify_maker_role(
    delegations: &Delegations,
    maker: &MakerName,
    bytes: &[u8],
    now: Time,
) -> Result<MakerRole, TufError> {
    let name = role_name(maker);
    let role: Signed<Targets> = read(bytes)?;
    let signed = delegations.verify_role(&role, &name);
    signed.map_err(|e| TufError::Unsigned { role: name.clone(), reason: e.to_string() })?;
    let role = role.signed;
    if !role.spec_version.starts_with("1.") {
        return Err(TufError::refused(&name, format!("specification {}, this build reads 1.x", role.spec_version)));
    }
    if role.expires <= now {
        return Err(TufError::Expired { role: name, at: role.expires });
    }
    if role.delegations.as_ref().is_some_and(|d| !d.roles.is_empty()) {
        return Err(TufError::refused(&name, "a maker may not delegate further"));
    }
    let releases = role.targets.iter().map(|(path, target)| SignedRelease::from_target(maker, path, target));
    let mut releases = releases.collect::<Result<Vec<_>, _>>()?;
    releases.sort_by_key(|release| (release.channel.to_string(), release.release));
    Ok(MakerRole { version: role.version, releases })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_has_whole_seconds_and_is_no_sooner_than_asked() {
        let now: Time = "2026-11-21T22:09:23.694305470Z".parse().unwrap();
        assert_eq!(expiry(now, SignedDuration::from_secs(1)).to_string(), "2026-11-21T22:09:25Z");
    }
}
