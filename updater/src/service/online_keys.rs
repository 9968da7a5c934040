//! Keys of the roles that the service signs by itself, and which of them root counts.
//!
//! Every file `keys/<role>.pk8` or `keys/<role>.<anything>.pk8` is a key of that role; which of them readers count is in root, so a file's
//! name decides nothing. A role is signed with every key of it that is held. So while root changes, what is published is good by the
//! old root and by the new one, and readers need not change at the same moment as the service.

use crate::disk::Disk;
use crate::keys::{KeyError, PublicKey, SigningKey, random_hex};
use crate::root::RootRole;
use std::path::Path;
use std::sync::Arc;
use tough::schema::Root;

/// Random bytes in the name of a key that is made later.
const NAME_BYTES: usize = 4;

#[derive(Debug)]
pub(crate) struct OnlineKeys {
    held: Vec<(RootRole, Arc<SigningKey>)>,
}

impl OnlineKeys {
    /// Reads every key in the folder.
    pub(crate) fn load(disk: &Disk, folder: &Path) -> Result<Self, KeyError> {
        let mut held = Vec::new();
        for name in disk.names(folder)? {
            let role = name.strip_suffix(".pk8").and_then(|stem| RootRole::named(stem.split('.').next().unwrap_or(stem)));
            if let Some(role) = role {
                held.push((role, Arc::new(SigningKey::load(disk, &folder.join(name))?)));
            }
        }
        Ok(OnlineKeys { held })
    }

    /// Keys of a role.
    pub(crate) fn of(&self, role: RootRole) -> impl Iterator<Item = &Arc<SigningKey>> {
        self.held.iter().filter(move |(of, _)| *of == role).map(|(_, key)| key)
    }

    /// Keys of a role that are held and that `root` counts.
    pub(crate) fn counted(&self, root: &Root, role: RootRole) -> impl Iterator<Item = &Arc<SigningKey>> {
        let (listed, _) = role.keys_in(root);
        self.of(role).filter(move |key| listed.contains(&key.public()))
    }

    /// Whether those are enough for what `root` asks for; never for a role that it does not name.
    pub(crate) fn meet(&self, root: &Root, role: RootRole) -> bool {
        let (_, threshold) = role.keys_in(root);
        threshold > 0 && self.counted(root, role).count() as u64 >= threshold
    }

    /// The same for every role that the service signs.
    pub(crate) fn meet_all(&self, root: &Root) -> bool {
        RootRole::ONLINE.into_iter().all(|role| self.meet(root, role))
    }

    /// Public half of a key for the next root: one that is held and that `root` does not list, else a new one.
    pub(crate) fn spare(&mut self, disk: &Disk, folder: &Path, role: RootRole, root: &Root) -> Result<PublicKey, KeyError> {
        let (listed, _) = role.keys_in(root);
        let unlisted = self.of(role).map(|key| key.public()).find(|key| !listed.contains(key));
        if let Some(key) = unlisted {
            return Ok(key);
        }
        let name = format!("{role}.{}.pk8", random_hex(NAME_BYTES)?);
        let key = SigningKey::load_or_create(disk, &folder.join(name))?;
        let public = key.public();
        self.held.push((role, Arc::new(key)));
        Ok(public)
    }
}
