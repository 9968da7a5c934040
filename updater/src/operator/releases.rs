//! Releases as they were published, and the stored objects.

use super::Operator;
use crate::Channel;
use crate::http::HttpError;
use crate::wire::{ChannelRelease, KeptRelease, Sha256Hex, Swept};
use crate::words::{query, segment};
use reqwest::Method;

/// As pages of releases and of rollouts are asked for after this one.
pub(super) fn after(at: &ChannelRelease) -> String {
    format!("{}@{}", at.channel, at.release)
}

impl Operator {
    /// Every release that was ever published, ascending by channel and number; of one channel if that is given. All of them, page by page.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn releases(&self, channel: Option<&Channel>) -> Result<Vec<KeptRelease>, HttpError> {
        let mut kept = Vec::new();
        while let Some(more) = self.releases_after(kept.last(), channel).await? {
            kept.extend(more);
        }
        Ok(kept)
    }

    /// The next of them after `last`, or the first; nothing when there are no more.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn releases_after(
        &self,
        last: Option<&KeptRelease>,
        channel: Option<&Channel>,
    ) -> Result<Option<Vec<KeptRelease>>, HttpError> {
        let after = last.map(|last| after(&last.release)).unwrap_or_default();
        let path = query("/v1/releases", &[("after", &after), ("channel", channel.map_or("", Channel::as_str))]);
        let kept: Vec<_> = self.client.call(Method::GET, &path, self.proof(), Vec::new()).await?;
        Ok(Some(kept).filter(|kept| !kept.is_empty()))
    }

    /// One release, if it was ever published.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn release(&self, at: &ChannelRelease) -> Result<Option<KeptRelease>, HttpError> {
        // The first after the one before.
        let before = at.release.checked_sub(1).map(|release| ChannelRelease { release, ..at.clone() });
        let after = before.as_ref().map(after).unwrap_or_default();
        let path = query("/v1/releases", &[("after", &after), ("channel", at.channel.as_str()), ("limit", "1")]);
        let kept: Vec<KeptRelease> = self.client.call(Method::GET, &path, self.proof(), Vec::new()).await?;
        Ok(kept.into_iter().find(|kept| kept.release == *at))
    }

    /// The blob of a release, to the byte as it was published: its length and digest are those that the table has.
    ///
    /// # Errors
    /// [`HttpError`]; code `answer_unreadable` for bytes that are others.
    pub async fn blob(&self, kept: &KeptRelease) -> Result<Vec<u8>, HttpError> {
        let channel = &kept.release.channel;
        let (maker, name, release) = (segment(channel.maker()), segment(channel.name()), kept.release.release);
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
