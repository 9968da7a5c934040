//! The operator's side of the service's API.

mod access;
mod audit;
mod coverage;
mod decisions;
mod enrolment;
mod one_offs;
mod releases;
mod sources;
mod threats;

pub use self::audit::AuditCheckError;
use crate::http::{Client, HttpError, Network, Proof};
use crate::keys::PublicKey;
use crate::root::RootRole;
use crate::wire::{Registration, RoleKey, RootTaken, TerminalRow};
use crate::words::{query, segment};
use reqwest::Method;
use serde_json::Value;
use url::Url;

/// Calls the service with an operator's token.
#[derive(Clone)]
pub struct Operator {
    client: Client,
    token: String,
}

impl Operator {
    /// `token` is one that a key-holder made, or the content of the service's `operator-token` file.
    ///
    /// # Errors
    /// [`HttpError`] when no client can be made for the address.
    pub fn new(service: &Url, token: &str) -> Result<Self, HttpError> {
        Operator::with(service, token, &Network::default())
    }

    /// The same, reached in a particular way.
    ///
    /// # Errors
    /// [`HttpError`] when no client can be made for the address.
    pub fn with(service: &Url, token: &str, network: &Network) -> Result<Self, HttpError> {
        Ok(Operator { client: Client::with(service, network)?, token: token.to_owned() })
    }

    /// Enters a maker and their public key; entering the same again changes nothing.
    ///
    /// # Errors
    /// [`HttpError`], with code `maker_taken` when the name has another key.
    pub async fn register_maker(&self, registration: &Registration) -> Result<(), HttpError> {
        let body = serde_json::to_vec(registration).expect("a registration is plain JSON");
        self.client.call::<Value>(Method::POST, "/v1/makers", self.proof(), body).await.map(|_| ())
    }

    /// Hands the service the next root, signed by enough keys of the one before and of its own. Returns its version.
    ///
    /// # Errors
    /// [`HttpError`], with the code of what is wrong with it.
    pub async fn put_root(&self, root: Vec<u8>) -> Result<u64, HttpError> {
        let taken = self.client.call::<RootTaken>(Method::POST, "/v1/root", self.proof(), root);
        Ok(taken.await?.version)
    }

    /// Public half of a key of this role that the service holds and that the next root may list; made when there is none.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn role_key(&self, role: RootRole) -> Result<PublicKey, HttpError> {
        let path = format!("/v1/role-keys/{}", segment(role.name()));
        Ok(self.client.call::<RoleKey>(Method::POST, &path, self.proof(), Vec::new()).await?.public_key)
    }

    /// The user table by time of enrolment: all of it, page by page.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn terminals(&self) -> Result<Vec<TerminalRow>, HttpError> {
        let mut rows = Vec::new();
        while let Some(more) = self.terminals_after(rows.last(), "").await? {
            rows.extend(more);
        }
        Ok(rows)
    }

    /// The next rows of the user table after `last`, or the first; nothing when there are no more. With `search`, only those that it finds, as
    /// `docs/protocol.md` says.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn terminals_after(
        &self,
        last: Option<&TerminalRow>,
        search: &str,
    ) -> Result<Option<Vec<TerminalRow>>, HttpError> {
        let after = last.map(|row| format!("{}.{}", row.enrolled_at, row.terminal)).unwrap_or_default();
        let path = query("/v1/terminals", &[("after", &after), ("search", search)]);
        let rows: Vec<_> = self.client.call(Method::GET, &path, self.proof(), Vec::new()).await?;
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }

    /// The next rows of the user table after `last`, or the first, by last contact: those first that were not heard of for longest, those before
    /// all that never were. Nothing when there are no more. A terminal that is heard of meanwhile goes to the end.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn silent_terminals_after(&self, last: Option<&TerminalRow>) -> Result<Option<Vec<TerminalRow>>, HttpError> {
        let after = last.map(|row| format!("{}.{}", row.last_contact.unwrap_or(0), row.terminal)).unwrap_or_default();
        let path = query("/v1/terminals", &[("after", &after), ("sort", "contact")]);
        let rows: Vec<_> = self.client.call(Method::GET, &path, self.proof(), Vec::new()).await?;
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }

    fn proof(&self) -> Proof<'_> {
        Proof::Token(&self.token)
    }
}
