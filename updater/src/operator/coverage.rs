//! Who is unprotected against X.

use super::Operator;
use crate::http::HttpError;
use crate::wire::{Coverage, CoverageHistory, CoverageTerminals, MakerName};
use crate::words::query;
use reqwest::Method;

impl Operator {
    /// Who is protected against a threat; with `maker`, by that maker's cures alone.
    ///
    /// # Errors
    /// [`HttpError`], with code `threat_unknown` when no maker knows it.
    pub async fn coverage(&self, threat: &str, maker: Option<&MakerName>) -> Result<Coverage, HttpError> {
        self.ask("/v1/coverage", threat, maker, &[]).await
    }

    /// At most `limit` (1,000 at most) terminals that are unprotected, after the place that the page before named.
    ///
    /// # Errors
    /// As [`Operator::coverage`].
    pub async fn coverage_terminals(
        &self,
        threat: &str,
        maker: Option<&MakerName>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<CoverageTerminals, HttpError> {
        let more = [("after", after.unwrap_or_default()), ("limit", &limit.to_string())];
        self.ask("/v1/coverage/terminals", threat, maker, &more).await
    }

    /// Coverage over the last `days`, 800 at most.
    ///
    /// # Errors
    /// As [`Operator::coverage`].
    pub async fn coverage_history(
        &self,
        threat: &str,
        maker: Option<&MakerName>,
        days: u32,
    ) -> Result<CoverageHistory, HttpError> {
        self.ask("/v1/coverage/history", threat, maker, &[("days", &days.to_string())]).await
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        threat: &str,
        maker: Option<&MakerName>,
        more: &[(&str, &str)],
    ) -> Result<T, HttpError> {
        let asked = [("threat", threat), ("maker", maker.map_or("", MakerName::as_str))];
        let path = query(path, &[&asked, more].concat());
        self.client.call(Method::GET, &path, self.proof(), Vec::new()).await
    }
}
