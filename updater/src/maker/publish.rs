//! Sending what was signed, and coming back from the service after a restore.

use super::{Maker, MakerError, RoleFile, distinct, lock_soon};
use crate::disk::Access;
use crate::http::{Client, Proof};
use crate::statement::KeyStatement;
use crate::tuf::{self, MAKER_LIFETIME, METADATA_LEN_MAX, MakerKeys, MakerRole, SignedModule, SignedRelease, TufError};
use crate::wire::{MakerView, Sha256Hex};
use jiff::Timestamp as Time;
use reqwest::Method;
use std::path::PathBuf;
use tough::schema::{Signed, Targets};
use url::Url;

impl Maker {
    /// Sends the signed role and every blob and module that the service lacks, or had and lost, and a change of keys that waits. Returns what the
    /// service then holds; what is still `lost` in that is not in this folder either.
    ///
    /// A role of which half of its lifetime is over is signed anew first.
    ///
    /// # Errors
    /// [`MakerError`]; the service publishes all of it or nothing. [`MakerError::SignerBehind`] when the service has what was never
    /// signed here: then nothing is signed.
    pub async fn publish(&self, service: &Url) -> Result<MakerView, MakerError> {
        let _lock = lock_soon(&self.folder).await?;
        let client = Client::with(service, &self.network)?;
        let held = self.view(&client).await?;
        let mut statement = self.next_keys()?;
        if statement.as_ref().is_some_and(|statement| statement.keys == held.keys) {
            // It was taken, and the answer was lost.
            self.finish_rotation(&held.keys)?;
            statement = None;
        }
        let role = self.role_to_publish(&held)?;
        Self::check_signed(&role.1, statement.as_ref(), &self.keys()?)?;
        let mut body = Vec::new();
        let mut path = format!("/v1/makers/{}/releases", self.name);
        if let Some(statement) = &statement {
            path = format!("/v1/makers/{}/keys", self.name);
            part(&mut body, &serde_json::to_vec(statement).expect("a statement is plain JSON"))?;
        }
        part(&mut body, &role.0)?;
        let read = tuf::read_maker_role(&self.name, &role.1.signed)?;
        for release in &read.releases {
            if !held.releases.iter().any(|view| view.sha256 == release.sha256) {
                body.extend_from_slice(&self.disk.read(&self.blob_path(release))?);
            }
        }
        for SignedModule { module, .. } in distinct(&read.modules) {
            if held.modules.binary_search(&module.sha256).is_err() {
                body.extend_from_slice(&self.disk.read(&self.module_path(&module.sha256))?);
            }
        }
        // Where nothing is new, what was lost is all that is asked for.
        let is_only_lost = held.role_sha256 == Some(Sha256Hex::of(&role.0)) && statement.is_none() && !held.lost.is_empty();
        let mut held = if is_only_lost { held } else { client.call(Method::POST, &path, Proof::None, body).await? };
        if let Some(statement) = statement {
            self.finish_rotation(&statement.keys)?;
        }
        // A publication brings so much and no more, so there may be several.
        while !held.lost.is_empty() {
            let lost = held.lost.clone();
            held = match self.send_lost(&client, &role.0, &read, &lost).await {
                // All that is new is published, whatever this folder has lost itself.
                Err(MakerError::Disk(error)) => {
                    tracing::warn!(%error, "the service lost files that are not here either");
                    break;
                }
                sent => sent?,
            };
            if held.lost == lost {
                break;
            }
        }
        Ok(held)
    }

    /// Sends files that the service lost, with the role that it holds: all of them, in the order in which it names them.
    async fn send_lost(
        &self,
        client: &Client,
        role: &[u8],
        read: &MakerRole,
        lost: &[Sha256Hex],
    ) -> Result<MakerView, MakerError> {
        let mut body = Vec::new();
        part(&mut body, role)?;
        for digest in lost {
            let release = read.releases.iter().find(|release| release.sha256 == *digest);
            let path = release.map_or_else(|| self.module_path(digest), |release| self.blob_path(release));
            body.extend_from_slice(&self.disk.read(&path)?);
        }
        let path = format!("/v1/makers/{}/releases", self.name);
        Ok(client.call(Method::POST, &path, Proof::None, body).await?)
    }

    /// Takes the newest role from the service, in the place of an older one that is here, when enough of the maker's keys signed it.
    ///
    /// # Errors
    /// [`MakerError::NothingReleased`] when the service has none; [`MakerError::Role`] when it is not what this maker signed.
    pub async fn restore(&self, service: &Url) -> Result<u64, MakerError> {
        let client = Client::with(service, &self.network)?;
        let held = self.view(&client).await?;
        if held.role_version == 0 {
            return Err(MakerError::NothingReleased);
        }
        let name = tuf::role_name(&self.name);
        let file = format!("/metadata/{}.{name}.json", held.role_version);
        let bytes = client.get(&file, METADATA_LEN_MAX, &mut |_| {}).await?;
        let delegations = tuf::delegations(&[(self.name.clone(), self.keys()?)])?;
        // Not the service's word but the maker's own keys say that this is theirs.
        let role = tuf::verify_maker_role(&delegations, &self.name, &bytes, Time::now())?;
        let _lock = lock_soon(&self.folder).await?;
        match self.role() {
            Ok(Some((_, here))) if here.signed.version > role.version => return Ok(here.signed.version.get()),
            // What cannot be read is what this is for.
            Ok(_) | Err(MakerError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        self.disk.replace(&self.role_path(), &bytes, Access::Public)?;
        self.write_json("mark", &role.version.get())?;
        Ok(role.version.get())
    }

    async fn view(&self, client: &Client) -> Result<MakerView, MakerError> {
        let path = format!("/v1/makers/{}", self.name);
        Ok(client.call(Method::GET, &path, Proof::None, Vec::new()).await?)
    }

    /// The newest role, signed anew when it is old, after a look at what the service has.
    fn role_to_publish(&self, held: &MakerView) -> Result<RoleFile, MakerError> {
        let offered = self.offered()?;
        let version = offered.version;
        let (bytes, role) = self.role()?.ok_or(MakerError::NothingReleased)?;
        let other = held.role_version == version && held.role_sha256.is_some_and(|held| held != Sha256Hex::of(&bytes));
        if held.role_version > version || other {
            return Err(MakerError::SignerBehind { here: version, newest: held.role_version, whose: "at the service" });
        }
        if role.signed.expires > Time::now() + MAKER_LIFETIME / 2 {
            return Ok((bytes, role));
        }
        self.offer(&offered)?;
        self.role()?.ok_or(MakerError::NothingReleased)
    }

    /// Refuses what enough of the keys have not signed: `held`, or those that are to take their place.
    pub(super) fn check_signed(
        role: &Signed<Targets>,
        statement: Option<&KeyStatement>,
        held: &MakerKeys,
    ) -> Result<(), MakerError> {
        let keys = statement.map_or(held, |statement| &statement.keys);
        let message = tuf::canonical(&role.signed)?;
        let mut have = 0;
        for key in &keys.keys {
            let id = tuf::keyid(key)?;
            have += u64::from(role.signatures.iter().any(|by| by.keyid == id && key.verifies(&message, &by.sig)));
        }
        let need = keys.threshold.get();
        if have < need {
            return Err(MakerError::SignaturesMissing { what: "role.json", have, need });
        }
        match statement.map(|statement| statement.lacking(held)) {
            None | Some((0, 0)) => Ok(()),
            Some((old, new)) => {
                let need = held.threshold.get() + keys.threshold.get();
                Err(MakerError::SignaturesMissing { what: "next-keys.json", have: need - old - new, need })
            }
        }
    }

    pub(super) fn blob_path(&self, release: &SignedRelease) -> PathBuf {
        self.folder.join("blobs").join(release.channel.name()).join(format!("{}.titer", release.release))
    }
}

/// Appends a part of a body after its length.
fn part(body: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TufError> {
    let length = u32::try_from(bytes.len()).map_err(|_| TufError::refused("maker", "the role is over 4 GiB"))?;
    body.extend_from_slice(&length.to_le_bytes());
    body.extend_from_slice(bytes);
    Ok(())
}
