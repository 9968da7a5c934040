//! Modules as targets of their maker's role: `m/<maker>/<name>/<release>.<module>.<kind>`.
//!
//! A module belongs to one release, and a release has its own list of them, so that who runs release 7 has the documents of release 7
//! whatever came since. Files are fetched by digest, so one that did not change is named again and not sent again.

use super::{TufError, role_name};
use crate::Channel;
use crate::tuf::SignedRelease;
use crate::wire::{
    ChannelRelease, MODULE_LEN_MAX, MODULES_LEN_MAX, MODULES_MAX, MakerName, Module, ModuleKind, ModuleName, Platform,
    Sha256Hex,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use tough::TargetName;
use tough::schema::{Hashes, Target};

/// A module as its maker signed it. Ascending by channel, release, name and kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedModule {
    pub(crate) of: ChannelRelease,
    pub(crate) module: Module,
}

/// The part of a module's target that is ours ("custom" in TUF).
#[derive(Serialize, Deserialize)]
struct Custom {
    channel: String,
    release: u64,
    kind: ModuleKind,
    name: ModuleName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
}

/// Whether a target of this name, without its digest, is a module's: the last part of its path is `<release>.<module>.<kind>`.
pub(crate) fn module_of_file(file: &str) -> Option<(u64, ModuleName, ModuleKind)> {
    let (release, rest) = file.split_once('.')?;
    let (name, kind) = rest.rsplit_once('.')?;
    let number = release.parse::<u64>().ok().filter(|number| number.to_string() == release)?;
    Some((number, name.parse().ok()?, kind.parse().ok()?))
}

impl SignedModule {
    /// Last part of its target's path.
    pub(crate) fn file(&self) -> String {
        format!("{}.{}.{}", self.of.release, self.module.name, self.module.kind)
    }

    pub(crate) fn path(&self) -> String {
        format!("m/{}/{}/{}", self.of.channel.maker(), self.of.channel.name(), self.file())
    }

    /// Where a service has it.
    pub(crate) fn address(&self) -> String {
        let channel = &self.of.channel;
        format!("/targets/m/{}/{}/{}.{}", channel.maker(), channel.name(), self.module.sha256, self.file())
    }

    fn order(&self) -> (&Channel, u64, &ModuleName, ModuleKind) {
        (&self.of.channel, self.of.release, &self.module.name, self.module.kind)
    }

    pub(crate) fn to_target(&self) -> Result<(TargetName, Target), TufError> {
        let path = self.path();
        let Module { name, kind, platform, sha256, length } = self.module.clone();
        let custom = Custom { channel: self.of.channel.to_string(), release: self.of.release, kind, name, platform };
        let name = TargetName::new(&path).map_err(|e| TufError::refused(&path, e))?;
        let custom =
            serde_json::to_value(custom).and_then(serde_json::from_value).map_err(|e| TufError::refused(&path, e))?;
        let hashes = Hashes { sha256: sha256.bytes().to_vec().into(), _extra: HashMap::new() };
        Ok((name, Target { length, hashes, custom, _extra: HashMap::new() }))
    }

    /// Reads one target of `maker`'s role that is no release, and refuses any whose path and custom part disagree, that is too long, or that
    /// is for no platform and should be, or the other way round.
    pub(crate) fn from_target(maker: &MakerName, name: &TargetName, target: &Target) -> Result<Self, TufError> {
        let refused = |reason: &str| TufError::refused(role_name(maker), format!("target `{}`: {reason}", name.raw()));
        let custom = target.custom.clone().into_iter().collect::<serde_json::Map<_, _>>();
        let custom: Custom = serde_json::from_value(custom.into()).map_err(|e| refused(&e.to_string()))?;
        let channel: Channel = custom.channel.parse().map_err(|_| refused("its channel is not a maker/name"))?;
        if channel.maker() != maker.as_str() {
            return Err(refused("it belongs to another maker"));
        }
        let sha256 = Sha256Hex::from_slice(&target.hashes.sha256).ok_or_else(|| refused("its sha256 is not 32 bytes"))?;
        let Custom { release, kind, name: module, platform, .. } = custom;
        if target.length > MODULE_LEN_MAX {
            return Err(refused(&format!("a module has {MODULE_LEN_MAX} bytes at most")));
        }
        if platform.is_some() != (kind == ModuleKind::Engine) {
            return Err(refused("engines have a platform, and nothing else has"));
        }
        let module = Module { name: module, kind, platform, sha256, length: target.length };
        let signed = SignedModule { of: ChannelRelease { channel, release }, module };
        if signed.path() == name.raw() { Ok(signed) } else { Err(refused("its path and what it says of itself differ")) }
    }
}

/// Sorts a role's modules, and refuses those of releases that it does not list and those that are too many or too long together.
pub(crate) fn check_modules(
    maker: &MakerName,
    releases: &[SignedRelease],
    mut modules: Vec<SignedModule>,
) -> Result<Vec<SignedModule>, TufError> {
    modules.sort_by(|a, b| a.order().cmp(&b.order()));
    let listed = releases.iter().map(|release| (&release.channel, release.release)).collect::<BTreeSet<_>>();
    for of_release in modules.chunk_by(|a, b| a.of == b.of) {
        let ChannelRelease { channel, release } = &of_release[0].of;
        let refused = |reason: String| TufError::refused(role_name(maker), format!("{channel} release {release}: {reason}"));
        if !listed.contains(&(channel, *release)) {
            return Err(refused("it has modules and is not offered".to_owned()));
        }
        let length = of_release.iter().map(|signed| signed.module.length).sum::<u64>();
        if of_release.len() > MODULES_MAX || length > MODULES_LEN_MAX {
            let found = format!("{} modules of {length} bytes", of_release.len());
            return Err(refused(format!("{found}; at most {MODULES_MAX} of {MODULES_LEN_MAX} bytes are allowed")));
        }
    }
    Ok(modules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, kind: ModuleKind, length: u64) -> SignedModule {
        let platform = (kind == ModuleKind::Engine).then(Platform::here);
        let module = Module { name: name.parse().unwrap(), kind, platform, sha256: Sha256Hex::of(b"x"), length };
        SignedModule { of: ChannelRelease { channel: "acme/main".parse().unwrap(), release: 7 }, module }
    }

    fn release(number: u64) -> SignedRelease {
        let (channel, root) = ("acme/main".parse().unwrap(), "0".repeat(64).parse().unwrap());
        SignedRelease { channel, release: number, root, created: 1, length: 1, sha256: Sha256Hex::of(b"blob") }
    }

    #[test]
    fn a_module_is_read_as_it_was_written() {
        let maker = "acme".parse().unwrap();
        for kind in [ModuleKind::Document, ModuleKind::Samples, ModuleKind::Engine] {
            let signed = module("changes.v2.txt", kind, 9);
            let (name, target) = signed.to_target().unwrap();
            assert_eq!(SignedModule::from_target(&maker, &name, &target).unwrap(), signed);
            assert_eq!(module_of_file(&signed.file()), Some((7, signed.module.name.clone(), kind)));
        }
        for odd in ["7.titer", "7.x.titer", "07.x.document", "+7.x.document", "x.y.document", "7..document", "7.document"] {
            assert_eq!(module_of_file(odd), None, "{odd}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let maker: MakerName = "acme".parse().unwrap();
        let read = |change: &dyn Fn(&mut Target), path: &str| {
            let (_, mut target) = module("x", ModuleKind::Document, 9).to_target().unwrap();
            change(&mut target);
            SignedModule::from_target(&maker, &TargetName::new(path).unwrap(), &target).is_ok()
        };
        let path = "m/acme/main/7.x.document";
        let set = |member: &'static str, value: serde_json::Value| {
            move |target: &mut Target| _ = target.custom.insert(member.to_owned(), value.clone())
        };
        assert!(read(&|_| (), path));
        assert!(!read(&|_| (), "m/acme/main/8.x.document"), "another release");
        assert!(!read(&|_| (), "m/acme/main/7.y.document"), "another name");
        assert!(!read(&|target| target.length = MODULE_LEN_MAX + 1, path), "too long");
        assert!(!read(&set("channel", "best/main".into()), path), "another maker");
        assert!(!read(&set("name", "../x".into()), path), "a name that leaves its folder");
        assert!(!read(&set("kind", "script".into()), path), "another kind");
        assert!(!read(&set("platform", "linux/x86_64".into()), path), "a document for a platform");
        assert!(!read(&set("kind", "engine".into()), "m/acme/main/7.x.engine"), "an engine for none");
    }

    #[test]
    fn a_release_has_so_many_modules_and_no_more() {
        let maker: MakerName = "acme".parse().unwrap();
        let many = |count: usize, length: u64| {
            let modules = (0..count).map(|n| module(&format!("n{n}"), ModuleKind::Document, length)).collect();
            check_modules(&maker, &[release(7)], modules).map(|modules| modules.len())
        };
        assert_eq!(many(MODULES_MAX, 1).unwrap(), MODULES_MAX);
        assert_eq!(many(4, MODULE_LEN_MAX).unwrap(), 4);
        assert_eq!(many(MODULES_MAX + 1, 1).unwrap_err().code(), "metadata_refused");
        assert_eq!(many(5, MODULE_LEN_MAX).unwrap_err().code(), "metadata_refused");
        let stray = check_modules(&maker, &[release(6)], vec![module("x", ModuleKind::Document, 1)]);
        assert_eq!(stray.unwrap_err().code(), "metadata_refused", "of a release that is not offered");
    }
}
