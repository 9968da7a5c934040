//! The audit log: read, and checked without believing the service.

use super::Operator;
use crate::audit::{AuditChain, AuditFault, AuditHead, AuditPage};
use crate::http::HttpError;
use crate::wire::Sha256Hex;
use reqwest::Method;

/// The audit log could not be checked, or does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditCheckError {
    /// It could not be read.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It was changed.
    #[error("the audit log does not hold: {0}")]
    Fault(#[from] AuditFault),
}

impl AuditCheckError {
    /// Stable name of the fault.
    pub fn code(&self) -> &str {
        match self {
            AuditCheckError::Http(e) => e.code(),
            AuditCheckError::Fault(e) => e.code(),
        }
    }
}

impl Operator {
    /// At most 1,000 rows of the audit log with numbers above `after`, of the time `since` (seconds since 1970) or later.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn audit(&self, after: u64, since: i64) -> Result<AuditPage, HttpError> {
        let path = format!("/v1/audit?after={after}&since={since}");
        self.client.call(Method::GET, &path, self.proof(), Vec::new()).await
    }

    /// Reads the whole log and computes its chain here. `expected` is the hash that an earlier check gave, which the log must hold: that alone
    /// finds a log that was written anew from the beginning. Gives the head, to be kept where nobody who can write the tables can write.
    ///
    /// # Errors
    /// [`AuditCheckError`].
    pub async fn verify_audit(&self, expected: Option<Sha256Hex>) -> Result<AuditHead, AuditCheckError> {
        let mut chain = AuditChain::new(expected);
        loop {
            let page = self.audit(chain.head().n, 0).await?;
            if page.rows.is_empty() {
                return Ok(chain.finish(page.head)?);
            }
            page.rows.iter().try_for_each(|row| chain.follow(row))?;
        }
    }
}
