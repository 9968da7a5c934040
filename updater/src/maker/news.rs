//! News of threats: sent to a service, and kept to be signed for the maker's own site.

use super::{Maker, MakerError, next_counter, next_counter_after};
use crate::disk::Access;
use crate::http::{Client, HttpError, Proof};
use crate::wire::{NEWS_MAX, News, NewsBody, NewsList, NewsTaken, SignedNews, check_news};
use reqwest::Method;
use url::Url;

/// Every threat that was told of, the latest word of each.
pub(super) const NEWS_FILE: &str = "news.json";

impl Maker {
    /// Keeps news for [`Maker::export`], in place of what was said before of the same threats. Returns how many are kept.
    ///
    /// # Errors
    /// [`MakerError::News`] when a service would refuse it, or when more than 1,000 threats would be kept.
    pub fn keep_news(&self, items: &[News]) -> Result<usize, MakerError> {
        check_news(&self.name, items)?;
        let mut kept = self.kept_news()?;
        kept.retain(|old| !items.iter().any(|item| item.news.threat == old.news.threat));
        kept.extend_from_slice(items);
        check_news(&self.name, &kept)?;
        self.write_json(NEWS_FILE, &kept)?;
        Ok(kept.len())
    }

    /// Sends signed news of at most 1,000 threats for the countering table: all of it is taken or none. Returns how many rows it changed.
    ///
    /// # Errors
    /// [`MakerError`].
    pub async fn send_news(&self, service: &Url, items: &[News]) -> Result<u64, MakerError> {
        check_news(&self.name, items)?;
        let counter = next_counter(&self.disk, &self.folder.join("counter"))?;
        let body = serde_json::to_vec(&NewsBody::Several(items.to_vec())).expect("news is plain JSON");
        let path = format!("/v1/makers/{}/news", self.name);
        let client = Client::with(service, &self.network)?;
        let key = self.key()?;
        let send = async |counter| client.call(Method::POST, &path, Proof::Key(&key, counter), body.clone()).await;
        let taken: NewsTaken = match send(counter).await {
            // The counter here was lost after a time when this machine's clock was ahead: on from where the service stands.
            Err(HttpError::Refused { last_counter: Some(last), .. }) if last >= counter => {
                send(next_counter_after(&self.disk, &self.folder.join("counter"), last)?).await?
            }
            answer => answer?,
        };
        Ok(taken.taken)
    }

    /// A signed list of `items`, to be laid on a site or to answer a question with. It counts as told now: of each threat what a list or a
    /// request with a higher counter said stays.
    ///
    /// # Errors
    /// [`MakerError`].
    pub fn sign_news(&self, items: Vec<News>) -> Result<SignedNews, MakerError> {
        check_news(&self.name, &items)?;
        let counter = next_counter(&self.disk, &self.folder.join("counter"))?;
        Ok(SignedNews::sign(&NewsList { maker: self.name.clone(), counter, news: items }, &self.key()?))
    }

    /// What [`Maker::keep_news`] kept, at most 1,000 threats.
    ///
    /// # Errors
    /// [`MakerError::Damaged`].
    pub fn kept_news(&self) -> Result<Vec<News>, MakerError> {
        let kept: Vec<News> = self.read_json(NEWS_FILE)?.unwrap_or_default();
        debug_assert!(kept.len() <= NEWS_MAX);
        Ok(kept)
    }

    /// Signs what was kept and writes it to a site's folder; nothing, and false, when nothing was kept.
    pub(super) fn export_news(&self, folder: &std::path::Path) -> Result<bool, MakerError> {
        let kept = self.kept_news()?;
        if kept.is_empty() {
            return Ok(false);
        }
        let path = folder.join("news.json");
        if self.is_exported(&path, &kept) {
            return Ok(true);
        }
        let signed = serde_json::to_vec(&self.sign_news(kept)?).expect("signed news is plain JSON");
        self.disk.replace(&path, &signed, Access::Public)?;
        Ok(true)
    }

    /// Whether the file holds this news already: signing it anew would make every reader fetch it again.
    fn is_exported(&self, path: &std::path::Path, kept: &[News]) -> bool {
        let Ok(bytes) = self.disk.read(path) else { return false };
        let Ok(keys) = self.key().map(|key| [key.public()]) else { return false };
        SignedNews::verify(&bytes, &self.name, &keys).is_ok_and(|list| list.news == kept)
    }
}
