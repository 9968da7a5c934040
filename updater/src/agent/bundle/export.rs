//! Making a bundle of what a service serves to anybody.
//!
//! Whoever makes one needs no trust and gives none: what comes is written down as it is, within bounds, and every terminal that
//! reads it verifies it. Only digests are compared here, so that a bundle is not found to be harmed where nobody can mend it.

use super::form::{BLOB_LEN_MAX, BundleError, Entry, Index, blob_name, module_name, write_head};
use crate::Channel;
use crate::agent::AgentError;
use crate::disk::DiskError;
use crate::http::{Client, HttpError, Network};
use crate::tuf::{self, METADATA_LEN_MAX, MakerRole, SignedModule, SignedRelease};
use crate::wire::{ChannelRelease, MakerName, Sha256Hex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
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

/// A bundle that is fetched and not written yet: its index, and a file with the bodies.
#[derive(Debug)]
pub struct Gathered {
    head: Vec<u8>,
    bodies: File,
    exported: Exported,
}

impl Gathered {
    /// What it is made of.
    pub fn exported(&self) -> &Exported {
        &self.exported
    }

    /// Writes the bundle. Blocks; may be repeated.
    ///
    /// # Errors
    /// Whatever `out` says, or the file with the bodies.
    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.head)?;
        let mut bodies = &self.bodies;
        bodies.seek(SeekFrom::Start(0))?;
        io::copy(&mut bodies, out).map(|_| ())
    }
}

struct Writer {
    entries: Vec<Entry>,
    releases: Vec<ChannelRelease>,
    bodies: File,
}

impl Writer {
    fn add(&mut self, name: String, bytes: &[u8]) -> Result<(), AgentError> {
        let written = self.bodies.write_all(bytes);
        written.map_err(|e| DiskError::new("write", Path::new("the bundle's bodies"), e))?;
        self.entries.push(Entry { name, length: bytes.len() as u64, sha256: Sha256Hex::of(bytes), offset: 0 });
        Ok(())
    }
}

/// Fetches the newest release of each of `channels`, or of all when none is given, with all metadata. What comes goes into `scratch`, an
/// empty file, as it comes; memory: the largest blob. Blocks while it writes.
///
/// # Errors
/// [`AgentError::Http`], [`AgentError::Maker`] for metadata that cannot be read, [`AgentError::NotListed`] for a channel that is
/// not published, [`AgentError::Disk`].
pub async fn gather(service: &Url, channels: &[Channel], network: &Network, scratch: File) -> Result<Gathered, AgentError> {
    let client = Client::with(service, network)?;
    let mut writer = Writer { entries: Vec::new(), releases: Vec::new(), bodies: scratch };
    let metadata = async |file: &str| client.get(&format!("/metadata/{file}"), METADATA_LEN_MAX, &mut |_| {}).await;
    for version in 1..=ROOTS_MAX {
        let file = format!("{version}.root.json");
        match metadata(&file).await {
            Ok(root) => writer.add(format!("metadata/{file}"), &root)?,
            Err(HttpError::Refused { status: 403 | 404 | 410, .. }) if version > 1 => break,
            Err(error) => return Err(error.into()),
        }
    }
    let bytes = metadata("timestamp.json").await?;
    writer.add("metadata/timestamp.json".to_owned(), &bytes)?;
    let timestamp: Signed<Timestamp> = tuf::read(&bytes)?;
    let unlisted = |file: &str| AgentError::NotListed(file.to_owned());
    let listed = timestamp.signed.meta.get("snapshot.json").ok_or_else(|| unlisted("snapshot.json"))?;
    let file = format!("{}.snapshot.json", listed.version);
    let bytes = metadata(&file).await?;
    writer.add(format!("metadata/{file}"), &bytes)?;
    let snapshot: Signed<Snapshot> = tuf::read(&bytes)?;
    for (role, listed) in &snapshot.signed.meta.iter().collect::<BTreeMap<_, _>>() {
        let maker = role.strip_prefix("m-").and_then(|role| role.strip_suffix(".json"));
        let wanted =
            maker.is_none_or(|maker| channels.is_empty() || channels.iter().any(|channel| channel.maker() == maker));
        if wanted {
            let file = format!("{}.{role}", listed.version);
            let bytes = metadata(&file).await?;
            writer.add(format!("metadata/{file}"), &bytes)?;
            if let Some(maker) = maker {
                newest(&client, &maker.parse()?, &bytes, channels, &mut writer).await?;
            }
        }
    }
    let Writer { entries, releases, bodies } = writer;
    // Whatever was asked for must be there.
    if let Some(missing) = channels.iter().find(|channel| !releases.iter().any(|at| at.channel == **channel)) {
        return Err(AgentError::NotListed(missing.to_string()));
    }
    let bodies_len = entries.iter().map(|entry| entry.length).sum::<u64>();
    let head = write_head(&Index { created: jiff::Timestamp::now().as_second(), service: service.to_string(), entries })?;
    let (length, expires) = (head.len() as u64 + bodies_len, timestamp.signed.expires.as_second());
    Ok(Gathered { head, bodies, exported: Exported { releases, length, expires } })
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
        let described = crate::blob::describe(&blob).map_err(BundleError::new)?;
        writer.add(blob_name(&release.sha256), &blob)?;
        writer.releases.push(ChannelRelease { channel: described.channel, release: described.release });
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
    writer.add(name, &bytes)?;
    Ok(())
}
