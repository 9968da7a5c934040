//! Where makers' releases are fetched from.

use super::Operator;
use crate::http::HttpError;
use crate::wire::{NewSource, SourceId, SourceView};
use crate::words::segment;
use reqwest::Method;
use serde_json::Value;

impl Operator {
    /// Every source and how it fares, by maker and address.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn sources(&self) -> Result<Vec<SourceView>, HttpError> {
        self.client.call(Method::GET, "/v1/sources", self.proof(), Vec::new()).await
    }

    /// Enters a source, or changes the one of the same maker and address; it is fetched from at once.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn add_source(&self, source: &NewSource) -> Result<SourceView, HttpError> {
        let body = serde_json::to_vec(source).expect("a source is plain JSON");
        self.client.call(Method::POST, "/v1/sources", self.proof(), body).await
    }

    /// Takes a source out.
    ///
    /// # Errors
    /// [`HttpError`], with code `source_unknown` when there is none of this number.
    pub async fn remove_source(&self, id: &SourceId) -> Result<(), HttpError> {
        let path = format!("/v1/sources/{}", segment(&id.to_string()));
        self.client.call::<Value>(Method::DELETE, &path, self.proof(), Vec::new()).await.map(|_| ())
    }

    /// Fetches from a source now, and says how it fares after at most 20 seconds.
    ///
    /// # Errors
    /// [`HttpError`]; a fault of the source is in its [`SourceView`].
    pub async fn fetch_source(&self, id: &SourceId) -> Result<SourceView, HttpError> {
        let path = format!("/v1/sources/{}/now", segment(&id.to_string()));
        self.client.call(Method::POST, &path, self.proof(), Vec::new()).await
    }
}
