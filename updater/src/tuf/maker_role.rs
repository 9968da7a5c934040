//! What is delegated to a maker, and what a maker's role says: releases on offer, and releases withdrawn.

use super::{MAKER_LIFETIME, SPEC_VERSION, SignedModule, TufError, check_modules, expiry, keyid, read, shape};
use crate::keys::PublicKey;
use crate::wire::{MakerName, Sha256Hex, Withdrawn};
use crate::{Channel, Root as BlobRoot};
use jiff::Timestamp as Time;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use tough::TargetName;
use tough::schema::{DelegatedRole, Delegations, Hashes, PathPattern, PathSet, Signed, Target, Targets};

/// Keys that speak for a maker, and how many of them must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MakerKeys {
    /// Grows by one with each change.
    pub version: u64,
    /// Signatures by different keys that a role must have; at least 1.
    #[schema(value_type = u64, minimum = 1)]
    pub threshold: NonZeroU64,
    /// Different keys, at least `threshold` of them.
    pub keys: Vec<PublicKey>,
}

impl MakerKeys {
    /// Those of a maker who begins with one key.
    pub fn single(key: PublicKey) -> Self {
        MakerKeys { version: 1, threshold: NonZeroU64::MIN, keys: vec![key] }
    }
}

/// The one delegation of each maker.
pub(crate) fn delegations(makers: &[(MakerName, MakerKeys)]) -> Result<Delegations, TufError> {
    let mut delegations = Delegations::new();
    for (maker, held) in makers {
        let mut keyids = Vec::new();
        for key in &held.keys {
            let id = keyid(key)?;
            delegations.keys.insert(id.clone(), key.tuf());
            keyids.push(id);
        }
        delegations.roles.push(DelegatedRole {
            name: role_name(maker),
            keyids,
            threshold: held.threshold,
            paths: delegated_paths(maker)?,
            terminating: true,
            targets: None,
        });
    }
    Ok(delegations)
}

/// The paths that a maker signs for.
pub(super) fn delegated_paths(maker: &MakerName) -> Result<PathSet, TufError> {
    let pattern = PathPattern::new(format!("m/{maker}/*/*")).map_err(|e| TufError::refused(role_name(maker), e))?;
    Ok(PathSet::Paths(vec![pattern]))
}

/// Name of a maker's role.
pub(crate) fn role_name(maker: &MakerName) -> String {
    format!("m-{maker}")
}

/// The maker whose role has this name.
pub(super) fn maker_of_role(name: &str) -> Option<MakerName> {
    name.strip_prefix("m-")?.parse().ok()
}

/// What tells the target of a release from that of a module.
const RELEASE_SUFFIX: &str = ".titer";

/// Where a release lies in the repository: `m/<maker>/<name>/<release>.titer`.
pub(crate) fn target_path(channel: &Channel, release: u64) -> String {
    format!("m/{}/{}/{release}{RELEASE_SUFFIX}", channel.maker(), channel.name())
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
    /// Files that they have besides their blobs, ascending too.
    pub(crate) modules: Vec<SignedModule>,
    pub(crate) withdrawn: Vec<Withdrawn>,
}

/// Member of a maker's role that is ours: readers that do not know it pass it by.
const EXTENSION: &str = "titer";

/// What stands there.
#[derive(Default, Serialize, Deserialize)]
struct Extension {
    #[serde(default)]
    withdrawn: Vec<Withdrawn>,
}

/// A maker's role, unsigned.
pub(crate) fn maker_role(
    version: NonZeroU64,
    releases: &[SignedRelease],
    modules: &[SignedModule],
    withdrawn: &[Withdrawn],
    now: Time,
) -> Result<Targets, TufError> {
    let mut role = Targets::new(SPEC_VERSION.to_owned(), version, expiry(now, MAKER_LIFETIME));
    role.delegations = None;
    for release in releases {
        let (name, target) = release.to_target()?;
        role.add_target(name, target);
    }
    for module in modules {
        let (name, target) = module.to_target()?;
        role.add_target(name, target);
    }
    if !withdrawn.is_empty() {
        let extension = serde_json::to_value(Extension { withdrawn: withdrawn.to_vec() });
        let extension = extension.map_err(|e| TufError::refused("maker", e))?;
        role._extra.insert(EXTENSION.to_owned(), extension);
    }
    Ok(role)
}

/// What a maker's role offers and withdraws, whoever signed it: releases ascending.
pub(crate) fn read_maker_role(maker: &MakerName, role: &Targets) -> Result<MakerRole, TufError> {
    let name = role_name(maker);
    let (mut releases, mut modules) = (Vec::new(), Vec::new());
    for (path, target) in &role.targets {
        if path.raw().ends_with(RELEASE_SUFFIX) {
            releases.push(SignedRelease::from_target(maker, path, target)?);
        } else {
            modules.push(SignedModule::from_target(maker, path, target)?);
        }
    }
    releases.sort_by(|a, b| (&a.channel, a.release).cmp(&(&b.channel, b.release)));
    let modules = check_modules(maker, &releases, modules)?;
    let extension = role._extra.get(EXTENSION).cloned();
    let extension = extension.map_or(Ok(Extension::default()), serde_json::from_value);
    let Extension { withdrawn } = extension.map_err(|e| TufError::refused(&name, e))?;
    let mut seen = HashSet::new();
    for Withdrawn { at, back_to } in &withdrawn {
        let again = !seen.insert((at.channel.as_str(), at.release));
        let listed = releases.iter().any(|release| release.channel == at.channel && release.release == at.release);
        if at.channel.maker() != maker.as_str() || listed || again || back_to.is_some_and(|back_to| back_to >= at.release) {
            let reason = format!("what it says of {} release {} cannot be", at.channel, at.release);
            return Err(TufError::refused(&name, reason));
        }
    }
    Ok(MakerRole { version: role.version, releases, modules, withdrawn })
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
    shape::check_spec(&name, &role.spec_version)?;
    if role.expires <= now {
        return Err(TufError::Expired { role: name, at: role.expires });
    }
    if role.delegations.as_ref().is_some_and(|d| !d.roles.is_empty()) {
        return Err(TufError::refused(&name, "a maker may not delegate further"));
    }
    read_maker_role(maker, &role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ChannelRelease;

    fn release(number: u64) -> SignedRelease {
        SignedRelease {
            channel: "acme/main".parse().unwrap(),
            release: number,
            root: "0".repeat(64).parse().unwrap(),
            created: 1,
            length: 1,
            sha256: Sha256Hex::of(b"blob"),
        }
    }

    #[test]
    fn what_a_role_says_of_withdrawn_releases_must_make_sense() {
        let maker: MakerName = "acme".parse().unwrap();
        let read = |channel: &str, release: u64, back_to| {
            let at = ChannelRelease { channel: channel.parse().unwrap(), release };
            let role = maker_role(
                NonZeroU64::MIN,
                &[self::release(1), self::release(2)],
                &[],
                &[Withdrawn { at, back_to }],
                Time::now(),
            );
            read_maker_role(&maker, &role.unwrap())
        };
        let role = read("acme/main", 3, Some(2)).unwrap();
        assert_eq!((role.releases.len(), role.withdrawn.len()), (2, 1));
        read("acme/main", 3, None).unwrap();
        for (channel, release, back_to) in
            [("acme/main", 2, None), ("acme/main", 3, Some(3)), ("acme/main", 3, Some(4)), ("best/main", 3, Some(1))]
        {
            assert_eq!(read(channel, release, back_to).unwrap_err().code(), "metadata_refused", "{channel} {release}");
        }
    }

    #[test]
    fn a_release_is_withdrawn_once() {
        let withdrawn = |release, back_to| {
            let at = ChannelRelease { channel: "acme/main".parse().unwrap(), release };
            Withdrawn { at, back_to }
        };
        let read = |withdrawn: &[Withdrawn]| {
            let role = maker_role(NonZeroU64::MIN, &[release(1)], &[], withdrawn, Time::now());
            read_maker_role(&"acme".parse().unwrap(), &role.unwrap())
        };
        assert_eq!(read(&[withdrawn(2, None), withdrawn(3, Some(1))]).unwrap().withdrawn.len(), 2);
        let refused = read(&[withdrawn(2, None), withdrawn(2, Some(1))]).unwrap_err();
        assert_eq!(refused.code(), "metadata_refused");
    }

    #[test]
    fn a_role_whose_own_member_has_another_form_is_refused() {
        let mut role = maker_role(NonZeroU64::MIN, &[release(1)], &[], &[], Time::now()).unwrap();
        read_maker_role(&"acme".parse().unwrap(), &role).unwrap();
        role._extra.insert(EXTENSION.to_owned(), serde_json::json!({"withdrawn": 7}));
        assert_eq!(read_maker_role(&"acme".parse().unwrap(), &role).unwrap_err().code(), "metadata_refused");
    }
}
