//! A change of a maker's keys: signed here, carried to other holders where there are some, put in force by a publication.

use super::{Maker, MakerError, lock};
use crate::keys::{KeyError, PublicKey, SigningKey};
use crate::statement::KeyStatement;
use crate::tuf::MakerKeys;
use std::num::NonZeroU64;
use std::path::PathBuf;

/// What a maker's keys are to become.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// Replace the key of this folder by a new one.
    pub renew: bool,
    /// Keys of others that speak for the maker from now on.
    pub add: Vec<PublicKey>,
    /// Keys that do no longer.
    pub remove: Vec<PublicKey>,
    /// How many of the keys must sign; as before when absent.
    pub threshold: Option<NonZeroU64>,
}

impl Maker {
    /// Signs a change of the maker's keys, and the role anew by the keys to come. [`Maker::publish`] puts both in force when enough keys
    /// signed them.
    ///
    /// # Errors
    /// [`MakerError::ChangeWaits`] when there is one already; [`MakerError::Role`] when the keys cannot be.
    pub fn rotate(&self, change: &KeyChange) -> Result<KeyStatement, MakerError> {
        let _lock = lock(&self.folder)?;
        let path = self.folder.join("next-keys.json");
        if self.next_keys()?.is_some() {
            return Err(MakerError::ChangeWaits(path));
        }
        let (key, held) = (self.key()?, self.keys()?);
        let own = key.public();
        let mut keys = held.keys.iter().copied().filter(|key| !change.remove.contains(key)).collect::<Vec<_>>();
        keys.extend(&change.add);
        let next = if change.renew { Some(SigningKey::load_or_create(&self.disk, &self.next_key_path())?) } else { None };
        if let Some(next) = &next {
            keys.retain(|key| *key != own);
            keys.insert(0, next.public());
        }
        let threshold = change.threshold.unwrap_or(held.threshold);
        let mut statement = KeyStatement::next(&self.name, &held, keys, threshold)?;
        for key in [Some(&key), next.as_ref()].into_iter().flatten() {
            statement.sign(key);
        }
        self.write_json("next-keys.json", &statement)?;
        self.offer(&self.offered()?)?;
        Ok(statement)
    }

    /// Who must sign the role that is published next, and the keys that are here.
    pub(super) fn signing_keys(&self) -> Result<(MakerKeys, Vec<SigningKey>), MakerError> {
        let keys = match self.next_keys()? {
            Some(statement) => statement.keys,
            None => self.keys()?,
        };
        let mut held = vec![self.key()?];
        match SigningKey::load(&self.disk, &self.next_key_path()) {
            Err(KeyError::Disk(e)) if e.is_not_found() => {}
            next => held.push(next?),
        }
        Ok((keys, held))
    }

    pub(super) fn next_keys(&self) -> Result<Option<KeyStatement>, MakerError> {
        self.read_json("next-keys.json")
    }

    pub(super) fn next_key_path(&self) -> PathBuf {
        self.folder.join("next-key.pk8")
    }

    /// Makes the change of keys that was published the one in force here. Can be repeated: the statement goes last.
    pub(super) fn finish_rotation(&self, keys: &MakerKeys) -> Result<(), MakerError> {
        self.write_json("keys.json", keys)?;
        if self.next_key_path().exists() {
            self.disk.rename(&self.next_key_path(), &self.folder.join("key.pk8"))?;
        }
        Ok(self.disk.remove(&self.folder.join("next-keys.json"))?)
    }
}
