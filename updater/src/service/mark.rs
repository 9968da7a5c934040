//! How far the service has signed, told outside of its tables.
//!
//! Tables that were restored from an old backup would sign versions once more that readers have seen with other content, or publish less
//! than readers have, and every reader would refuse it from then on. So the newest versions are also written beside the objects, and on
//! request to a file on another disk, before readers can see the timestamp that names them. A service whose tables are behind either mark
//! refuses to sign. Of replicas that write it one after the other the greater version of each role stays, whoever was late.
//!
//! ```text
//! mark.json   {"root":2,"targets":3,"snapshot":14,"timestamp":60,"m-acme":9}
//! ```

use crate::disk::{Access, Disk};
use crate::service::objects::Objects;
use crate::service::publisher::PublishError;
use crate::service::store::Store;
use crate::tuf;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Newest version of each role.
pub(crate) type Versions = BTreeMap<String, u64>;

pub(crate) struct Mark {
    objects: Objects,
    disk: Disk,
    file: Option<PathBuf>,
}

impl Mark {
    pub(crate) fn new(objects: Objects, disk: Disk, file: Option<PathBuf>) -> Self {
        Mark { objects, disk, file }
    }

    /// Refuses when the tables hold an older version of anything than was signed once.
    pub(crate) async fn check(&self, store: &Store) -> Result<(), PublishError> {
        let signed = self.read().await?;
        if signed.is_empty() {
            return Ok(());
        }
        let makers = store.published_makers().await?;
        for (role, signed) in signed {
            let maker = makers.iter().find(|maker| tuf::role_name(&maker.name) == role);
            let held = match maker {
                Some(maker) => maker.role_version,
                None => store.newest_metadata(&role).await?.map_or(0, |(version, _)| version),
            };
            if held < signed {
                return Err(PublishError::SignerBehind { role, held, signed });
            }
        }
        Ok(())
    }

    /// Writes that these versions are signed; what the mark says of other roles stays.
    pub(crate) async fn raise(&self, signed: Versions) -> Result<(), PublishError> {
        let versions = greater(self.read().await?, signed);
        let text = |versions: &Versions| serde_json::to_vec(versions).expect("a mark is plain JSON");
        if let Some(file) = &self.file {
            self.disk.replace(file, &text(&versions), Access::Public)?;
        }
        // What cannot be read was refused above, and is replaced if it was harmed since.
        let change = |held: Option<&[u8]>| {
            text(&greater(held.and_then(|held| parse(held).ok()).unwrap_or_default(), versions.clone()))
        };
        Ok(self.objects.change_mark(change).await?)
    }

    /// The greater of the two marks for each role.
    async fn read(&self) -> Result<Versions, PublishError> {
        let versions = match self.objects.mark().await? {
            Some(text) => parse(&text)?,
            None => Versions::new(),
        };
        let elsewhere = match &self.file {
            None => None,
            Some(file) => match self.disk.read(file) {
                Err(e) if e.is_not_found() => None,
                read => Some(read?),
            },
        };
        Ok(greater(versions, elsewhere.map(|text| parse(&text)).transpose()?.unwrap_or_default()))
    }
}

/// The greater version of each role.
fn greater(mut versions: Versions, others: Versions) -> Versions {
    for (role, version) in others {
        let held = versions.entry(role).or_default();
        *held = version.max(*held);
    }
    versions
}

fn parse(text: &[u8]) -> Result<Versions, PublishError> {
    serde_json::from_slice(text).map_err(|e| PublishError::MarkUnreadable(e.to_string()))
}
