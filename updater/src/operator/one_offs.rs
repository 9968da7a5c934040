//! What single terminals are given.

use super::Operator;
use crate::Channel;
use crate::http::HttpError;
use crate::wire::{OneOff, OneOffRow};
use crate::words::{query, segment};
use reqwest::Method;
use serde_json::Value;

impl Operator {
    /// Gives one terminal a channel for a time, in the place of what it was given of it before.
    ///
    /// # Errors
    /// [`HttpError`], with code `terminal_unknown`, `one_off_refused`, or `one_off_not_accepted` where the terminal's owner does not let the
    /// channel in or wishes no updates.
    pub async fn give(&self, terminal: &str, one_off: &OneOff) -> Result<(), HttpError> {
        let body = serde_json::to_vec(one_off).expect("a one-off is plain JSON");
        let path = format!("/v1/terminals/{}/one-off", segment(terminal));
        self.client.call::<Value>(Method::PUT, &path, self.proof(), body).await.map(|_| ())
    }

    /// Takes from a terminal what it was given of a channel, or all that it was given.
    ///
    /// # Errors
    /// [`HttpError`], with code `terminal_unknown`, or `one_off_unknown` when there is nothing to take.
    pub async fn take_back(&self, terminal: &str, channel: Option<&Channel>) -> Result<(), HttpError> {
        let path = format!("/v1/terminals/{}/one-off", segment(terminal));
        let path = query(&path, &[("channel", channel.map_or("", Channel::as_str))]);
        self.client.call::<Value>(Method::DELETE, &path, self.proof(), Vec::new()).await.map(|_| ())
    }

    /// Everything that is given to single terminals now, by terminal and channel.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn one_offs(&self) -> Result<Vec<OneOffRow>, HttpError> {
        let mut rows = Vec::<OneOffRow>::new();
        loop {
            let after = rows.last().map(|row| format!("{}/{}", row.terminal, row.channel)).unwrap_or_default();
            let path = query("/v1/one-offs", &[("after", &after)]);
            let more: Vec<_> = self.client.call(Method::GET, &path, self.proof(), Vec::new()).await?;
            if more.is_empty() {
                return Ok(rows);
            }
            rows.extend(more);
        }
    }
}
