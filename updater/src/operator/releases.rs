//! Releases as they were published, and the stored objects.

use super::Operator;
use crate::Channel;
use crate::http::HttpError;
use crate::wire::{KeptRelease, Sha256Hex, Swept};
use crate::words::query;
use reqwest::Method;

impl Operator {
    /// Every release that was ever published, ascending by channel and number; of one channel if that is given.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn releases(&self, channel: Option<&Channel>) -> Result<Vec<KeptRelease>, HttpError> {
        let channel = channel.map(ToString::to_string).unwrap_or_default();
        let path = query("/v1/releases", &[("channel", &channel)]);
        self.client.call(Method::GET, &path, self.proof(), Vec::new()).await
    }

    /// The blob of a release, to the byte as it was published: its length and digest are those that the table has.
    ///
    /// # Errors
    /// [`HttpError`]; code `answer_unreadable` for bytes that are others.
    pub async fn blob(&self, kept: &KeptRelease) -> Result<Vec<u8>, HttpError> {
        let channel = &kept.release.channel;
        let (maker, name, release) = (channel.maker(), channel.name(), kept.release.release);
        let path = format!("/targets/m/{maker}/{name}/{}.{release}.titer", kept.sha256);
        let bytes = self.client.get(&path, kept.length, &mut |_| {}).await?;
        if Sha256Hex::of(&bytes) == kept.sha256 {
            return Ok(bytes);
        }
        Err(HttpError::Unreadable { url: path, reason: format!("its sha256 is not {}", kept.sha256) })
    }

    /// Has the service remove stored objects that no table names and that are older than its time of grace, and look which are lost; with
    /// `dry_run` nothing is removed.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn sweep(&self, dry_run: bool) -> Result<Swept, HttpError> {
        self.sweep_by(dry_run, false).await
    }

    /// The same, after the service has read every object, to find those whose content changed.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn sweep_and_read(&self, dry_run: bool) -> Result<Swept, HttpError> {
        self.sweep_by(dry_run, true).await
    }

    async fn sweep_by(&self, dry_run: bool, read: bool) -> Result<Swept, HttpError> {
        let word = |yes: bool| if yes { "true" } else { "" };
        let path = query("/v1/objects/sweep", &[("dry_run", word(dry_run)), ("read", word(read))]);
        self.client.call(Method::POST, &path, self.proof(), Vec::new()).await
    }
}
