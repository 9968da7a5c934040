//! Telling the service of a threat that was met here.

use crate::agent::backoff::{BackOffs, SERVICE};
use crate::agent::{Agent, AgentError, Settings};
use crate::http::Proof;
use crate::keys::SigningKey;
use crate::wire::{Sha256Hex, ThreatReport, ThreatReported};
use reqwest::Method;
use std::path::Path;

impl Agent {
    /// Tells the service that a threat was met here, with the SHA-256 of a file that has it if there is one; the file stays here. What no
    /// maker has told of yet the service asks every maker about.
    ///
    /// # Errors
    /// [`AgentError`]; with code `reports_too_many` for more than 32 threats in a day.
    pub async fn report_threat(&self, threat: &str, sample: Option<Sha256Hex>) -> Result<ThreatReported, AgentError> {
        let not_enrolled = || AgentError::NotEnrolled(self.state.folder().to_owned());
        if !self.state.folder().is_dir() {
            return Err(not_enrolled());
        }
        let _lock = self.lock()?;
        let identity = self.state.identity()?.ok_or_else(not_enrolled)?;
        BackOffs::read(&self.state).check(SERVICE, self.state.seconds())?;
        let client = self.client(&identity.service, &Settings::load(self.state.folder())?)?;
        let key = SigningKey::load(&self.state.disk, &self.state.key_path())?;
        let path = format!("/v1/terminals/{}/threats", identity.terminal);
        let report = ThreatReport { threat: threat.to_owned(), sample };
        let body = serde_json::to_vec(&report).expect("a report is plain JSON");
        let proof = Proof::Key(&key, self.state.next_counter()?);
        let told = client.call(Method::POST, &path, proof, body).await.map_err(AgentError::from);
        self.noting(SERVICE, told)
    }
}

/// SHA-256 of a file, read piece by piece. Blocks.
///
/// # Errors
/// When the file cannot be read.
pub fn sample_digest(path: &Path) -> std::io::Result<Sha256Hex> {
    Sha256Hex::of_file(path)
}
