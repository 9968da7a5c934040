//! Making a bundle of what a service serves to anybody.
//!
//! Whoever makes one needs no trust and gives none: what comes is written down as it is, within bounds, and every terminal that
//! reads it verifies it. Only digests are compared here, so that a bundle is not found to be harmed where nobody can mend it.

use super::form::{BLOB_LEN_MAX, BundleError, Entry, Index, blob_name, module_name, write_head};
use crate::Channel;
use crate::agent::AgentError;
use crate::disk::{Access, Disk};
use crate::http::{Client, HttpError};
use crate::tuf::{self, METADATA_LEN_MAX, MakerRole, SignedModule, SignedRelease};
use crate::wire::{ChannelRelease, MakerName, Sha256Hex};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tough::schema::{Signed, Snapshot, Targets, Timestamp};
use url::Url;

/// Root versions that are looked for.
const ROOTS_MAX: u64 = 1024;

/// What a bundle was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Releases in it: the newest of each channel.
    pub releases: Vec<ChannelRelease>,
    /// Bytes of the file.
    pub length: u64,
    /// Seconds since 1970 from which on terminals refuse it, unless their settings give it grace.
    pub expires: i64,
}

struct Writer {
    entries: Vec<Entry>,
    bodies: Vec<u8>,
}

impl Writer {
    fn add(&mut self, name: String, bytes: &[u8]) {
        self.entries.push(Entry { name, length: bytes.len() as u64, sha256: Sha256Hex::of(bytes), offset: 0 });
        self.bodies.extend_from_slice(bytes);
    }
}

/// Fetches the newest release of each of `channels`, or of all when none is given, with all metadata, and writes it as one
/// file. Memory: the size of the file.
///
/// # Errors
/// [`AgentError::Http`], [`AgentError::Maker`] for metadata that cannot be read, [`AgentError::NotListed`] for a channel that is
/// not published, [`AgentError::Disk`].
pub async fn export(service: &Url, channels: &[Channel], output: &Path) -> Result<Exported, AgentError> {
    let (bytes, exported) = gather(service, channels).await?;
    Disk::default().replace(output, &bytes, Access::Public)?;
    Ok(exported)
}

/// The same as the bytes of the file, for who writes it elsewhere.
///
/// # Errors
/// As [`export`].
pub async fn gather(service: &Url, channels: &[Channel]) -> Result<(Vec<u8>, Exported), AgentError> {
    let client = Client::new(service)?;
    let mut writer = Writer { entries: Vec::new(), bodies: Vec::new() };
    let metadata = async |file: &str| client.get(&format!("/metadata/{file}"), METADATA_LEN_MAX, &mut |_| {}).await;
    for version in 1..=ROOTS_MAX {
        let file = format!("{version}.root.json");
        match metadata(&file).await {
            Ok(root) => writer.add(format!("metadata/{file}"), &root),
            Err(HttpError::Refused { status: 403 | 404 | 410, .. }) if version > 1 => break,
            Err(error) => return Err(error.into()),
        }
    }
    let bytes = metadata("timestamp.json").await?;
    writer.add("metadata/timestamp.json".to_owned(), &bytes);
    let timestamp: Signed<Timestamp> = tuf::read(&bytes)?;
    let unlisted = |file: &str| AgentError::NotListed(file.to_owned());
    let listed = timestamp.signed.meta.get("snapshot.json").ok_or_else(|| unlisted("snapshot.json"))?;
    let file = format!("{}.snapshot.json", listed.version);
    let bytes = metadata(&file).await?;
    writer.add(format!("metadata/{file}"), &bytes);
    let snapshot: Signed<Snapshot> = tuf::read(&bytes)?;
    for (role, listed) in &snapshot.signed.meta.iter().collect::<BTreeMap<_, _>>() {
        let maker = role.strip_prefix("m-").and_then(|role| role.strip_suffix(".json"));
        let wanted =
            maker.is_none_or(|maker| channels.is_empty() || channels.iter().any(|channel| channel.maker() == maker));
        if wanted {
            let file = format!("{}.{role}", listed.version);
            let bytes = metadata(&file).await?;
            writer.add(format!("metadata/{file}"), &bytes);
            if let Some(maker) = maker {
                newest(&client, &maker.parse()?, &bytes, channels, &mut writer).await?;
            }
        }
    }
    let releases = releases(&writer, channels)?;
    let head = Index { created: jiff::Timestamp::now().as_second(), service: service.to_string(), entries: writer.entries };
    let bytes = [write_head(&head)?, writer.bodies].concat();
    let (length, expires) = (bytes.len() as u64, timestamp.signed.expires.as_second());
    Ok((bytes, Exported { releases, length, expires }))
}

/// Adds the newest blob of each wanted channel of a maker, with its modules.
async fn newest(
    client: &Client,
    maker: &MakerName,
    role: &[u8],
    channels: &[Channel],
    writer: &mut Writer,
) -> Result<(), AgentError> {
    let role: Signed<Targets> = tuf::read(role)?;
    let MakerRole { releases, modules, .. } = tuf::read_maker_role(maker, &role.signed)?;
    let mut newest = BTreeMap::<Channel, SignedRelease>::new();
    for release in releases {
        let wanted = channels.is_empty() || channels.contains(&release.channel);
        let is_newer = newest.get(&release.channel).is_none_or(|held| held.release < release.release);
        if wanted && is_newer {
            newest.insert(release.channel.clone(), release);
        }
    }
    for (channel, release) in newest {
        let path = format!("/targets/m/{maker}/{}/{}.{}.titer", channel.name(), release.sha256, release.release);
        let blob = client.get(&path, release.length.min(BLOB_LEN_MAX), &mut |_| {}).await?;
        if Sha256Hex::of(&blob) != release.sha256 {
            return Err(AgentError::Blob { path, reason: "its sha256 is not the one that is signed".to_owned() });
        }
        writer.add(blob_name(&release.sha256), &blob);
        let of = |signed: &&SignedModule| signed.of.channel == channel && signed.of.release == release.release;
        for signed in modules.iter().filter(of) {
            module(client, signed, writer).await?;
        }
    }
    Ok(())
}

/// Adds a module, unless it is there for another release.
async fn module(client: &Client, signed: &SignedModule, writer: &mut Writer) -> Result<(), AgentError> {
    let (name, path) = (module_name(&signed.module.sha256), signed.address());
    if writer.entries.iter().any(|entry| entry.name == name) {
        return Ok(());
    }
    let bytes = client.get(&path, signed.module.length, &mut |_| {}).await?;
    if Sha256Hex::of(&bytes) != signed.module.sha256 {
        return Err(AgentError::Blob { path, reason: "its sha256 is not the one that is signed".to_owned() });
    }
    writer.add(name, &bytes);
    Ok(())
}

/// What is in the bundle, told from the blobs themselves; every channel that was asked for must be.
fn releases(writer: &Writer, channels: &[Channel]) -> Result<Vec<ChannelRelease>, AgentError> {
    let mut at = 0;
    let mut releases = Vec::new();
    for entry in &writer.entries {
        let bytes = &writer.bodies[at..at + entry.length as usize];
        at += entry.length as usize;
        if entry.name.starts_with("blobs/") {
            let blob = crate::blob::describe(bytes).map_err(BundleError::new)?;
            releases.push(ChannelRelease { channel: blob.channel, release: blob.release });
        }
    }
    let found = releases.iter().map(|at| &at.channel).collect::<BTreeSet<_>>();
    match channels.iter().find(|channel| !found.contains(channel)) {
        Some(channel) => Err(AgentError::NotListed(channel.to_string())),
        None => Ok(releases),
    }
}
