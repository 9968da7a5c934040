//! Other operators.

use super::Operator;
use crate::http::HttpError;
use crate::wire::{Empty, NewOperator, OperatorName, OperatorRow, OperatorToken, Role};
use crate::words::segment;
use reqwest::Method;

impl Operator {
    /// Makes a token for another operator. It is told this once.
    ///
    /// # Errors
    /// [`HttpError`], with code `operator_taken` when the name was ever used.
    pub async fn add_operator(&self, name: &OperatorName, role: Role) -> Result<OperatorToken, HttpError> {
        let body = serde_json::to_vec(&NewOperator { name: name.clone(), role }).expect("a name and a role are plain JSON");
        self.client.call(Method::POST, "/v1/operators", self.proof(), body).await
    }

    /// Takes an operator's token out of force.
    ///
    /// # Errors
    /// [`HttpError`], with code `operator_unknown`.
    pub async fn revoke_operator(&self, name: &OperatorName) -> Result<(), HttpError> {
        let path = format!("/v1/operators/{}/revoke", segment(name.as_str()));
        self.client.call::<Empty>(Method::POST, &path, self.proof(), Vec::new()).await.map(|_| ())
    }

    /// Every operator there ever was, by name.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn operators(&self) -> Result<Vec<OperatorRow>, HttpError> {
        self.client.call(Method::GET, "/v1/operators", self.proof(), Vec::new()).await
    }
}
