//! Modules of releases: files that travel beside the blob.
//!
//! A new release has those of the newest before it, except where it brings others; so what did not change is never sent again. Which modules a
//! release has can be changed after it was published, and then only those travel.

use super::{Maker, MakerError, Offered};
use crate::Channel;
use crate::disk::Access;
use crate::tuf::SignedModule;
use crate::wire::{ChannelRelease, MODULE_LEN_MAX, Module, ModuleKind, ModuleName, Platform, Sha256Hex};
use std::path::{Path, PathBuf};

/// A file that is to be a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewModule {
    /// Where it is.
    pub path: PathBuf,
    /// Its name among those of its kind.
    pub name: ModuleName,
    /// What it is for.
    pub kind: ModuleKind,
    /// What it runs on; engines must have one, and only they.
    pub platform: Option<Platform>,
}

/// A change of a release's modules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleChange {
    /// What comes, in the place of what has the same kind and name.
    pub add: Vec<NewModule>,
    /// What goes.
    pub remove: Vec<(ModuleKind, ModuleName)>,
}

impl Maker {
    /// Signs a role in which a release has other modules; without a number, the newest of its channel. Returns the release and its modules.
    ///
    /// # Errors
    /// [`MakerError::NotListed`] for a release that is not on offer; [`MakerError::Module`] for a file that cannot be one, or one to remove
    /// that is not there; [`MakerError::Role`] for more of them than a release may have. Nothing is signed then.
    pub fn change_modules(
        &self,
        channel: &Channel,
        release: Option<u64>,
        change: &ModuleChange,
    ) -> Result<(ChannelRelease, Vec<Module>), MakerError> {
        let _lock = super::lock(&self.folder)?;
        let mut offered = self.offered()?;
        let newest = offered.newest(channel);
        let number = release.or(newest).ok_or(MakerError::NothingReleased)?;
        let of = ChannelRelease { channel: channel.clone(), release: number };
        if !offered.lists(&of) {
            return Err(MakerError::NotListed { channel: channel.to_string(), release: number });
        }
        self.put_modules(&mut offered, &of, change)?;
        self.offer(&offered)?;
        let modules = offered.modules.into_iter().filter(|signed| signed.of == of);
        let modules = modules.map(|signed| signed.module).collect();
        Ok((of, modules))
    }

    /// Modules of a release on offer.
    ///
    /// # Errors
    /// [`MakerError`].
    pub fn modules(&self, of: &ChannelRelease) -> Result<Vec<Module>, MakerError> {
        let modules = self.offered()?.modules.into_iter().filter(|signed| signed.of == *of);
        Ok(modules.map(|signed| signed.module).collect())
    }

    /// Changes the modules of one release in what is to be offered, and keeps the files that come.
    pub(super) fn put_modules(
        &self,
        offered: &mut Offered,
        of: &ChannelRelease,
        change: &ModuleChange,
    ) -> Result<(), MakerError> {
        for (kind, name) in &change.remove {
            let before = offered.modules.len();
            offered.modules.retain(|old| old.of != *of || old.module.kind != *kind || old.module.name != *name);
            if offered.modules.len() == before {
                let reason = format!("{} release {} has no {kind} of this name", of.channel, of.release);
                return Err(MakerError::Module { name: name.to_string(), reason });
            }
        }
        for new in &change.add {
            let module = self.keep_module(new)?;
            offered
                .modules
                .retain(|old| old.of != *of || (old.module.kind, &old.module.name) != (module.kind, &module.name));
            offered.modules.push(SignedModule { of: of.clone(), module });
        }
        Ok(())
    }

    fn keep_module(&self, new: &NewModule) -> Result<Module, MakerError> {
        let refused = |reason: String| MakerError::Module { name: new.path.display().to_string(), reason };
        if new.platform.is_some() != (new.kind == ModuleKind::Engine) {
            return Err(refused("an engine has a platform, and nothing else has".to_owned()));
        }
        let found = std::fs::metadata(&new.path).map_err(|e| refused(e.to_string()))?;
        if found.is_dir() {
            return Err(refused("it is a folder".to_owned()));
        }
        if found.len() > MODULE_LEN_MAX {
            let length = found.len();
            return Err(refused(format!("it has {length} bytes, a module has {MODULE_LEN_MAX} at most")));
        }
        // What is no file tells no length.
        let bytes = self.disk.read_at_most(&new.path, MODULE_LEN_MAX)?;
        let sha256 = Sha256Hex::of(&bytes);
        let path = self.module_path(&sha256);
        self.disk.create_dir(path.parent().expect("modules lie in a folder"))?;
        self.disk.replace(&path, &bytes, Access::Public)?;
        let (name, kind, platform) = (new.name.clone(), new.kind, new.platform.clone());
        Ok(Module { name, kind, platform, sha256, length: bytes.len() as u64 })
    }

    pub(super) fn module_path(&self, sha256: &Sha256Hex) -> PathBuf {
        self.folder.join("modules").join(sha256.to_string())
    }
}

/// The modules that come with a publication or lie on a site: each content once, in the order of the role.
pub(crate) fn distinct(modules: &[SignedModule]) -> impl Iterator<Item = &SignedModule> {
    let mut seen = std::collections::BTreeSet::new();
    modules.iter().filter(move |signed| seen.insert(signed.module.sha256))
}

/// A module's name made of that of a file: in lower case. `None` where that is no name.
pub fn module_name_of(path: &Path) -> Option<ModuleName> {
    path.file_name()?.to_str()?.to_lowercase().parse().ok()
}
