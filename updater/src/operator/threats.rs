//! The countering table, as the operator sees it.

use super::Operator;
use crate::http::HttpError;
use crate::wire::{Alias, ReportedThreat, ThreatQuery, ThreatRow, ThreatView};
use reqwest::Method;

impl Operator {
    /// The countering table.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn threats(&self) -> Result<Vec<ThreatRow>, HttpError> {
        Ok(self.threat_views(None).await?.into_iter().map(|view| view.row).collect())
    }

    /// Rows of the countering table with all that is known of them: those with `name` in their names, or all. Page by page.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn threat_views(&self, name: Option<&str>) -> Result<Vec<ThreatView>, HttpError> {
        let mut query = ThreatQuery { name: name.map(str::to_owned), after: None, limit: None };
        let mut views = Vec::new();
        loop {
            let page = self.threat_page(&query).await?;
            let Some(last) = page.last() else { return Ok(views) };
            query.after = Some(Alias { maker: last.row.maker.clone(), threat: last.row.news.threat.clone() });
            views.extend(page);
        }
    }

    /// One page of the same.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn threat_page(&self, query: &ThreatQuery) -> Result<Vec<ThreatView>, HttpError> {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        let after = query.after.as_ref().map(ToString::to_string);
        let limit = query.limit.map(|limit| limit.to_string());
        for (key, value) in [("name", query.name.as_ref()), ("after", after.as_ref()), ("limit", limit.as_ref())] {
            if let Some(value) = value {
                text.append_pair(key, value);
            }
        }
        self.client.call(Method::GET, &format!("/v1/threats?{}", text.finish()), self.proof(), Vec::new()).await
    }

    /// Threats that terminals reported, the latest first.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn reported_threats(&self) -> Result<Vec<ReportedThreat>, HttpError> {
        self.client.call(Method::GET, "/v1/threats/reported", self.proof(), Vec::new()).await
    }
}
