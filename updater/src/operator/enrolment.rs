//! Tokens and terminals: who may enrol and who may stay.

use super::Operator;
use crate::http::HttpError;
use crate::wire::{EnrolmentToken, TokenRequest, TokenView};
use crate::words::{query, segment};
use reqwest::Method;
use serde_json::Value;

impl Operator {
    /// Makes a token with which one terminal may enrol, at any time.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn enrolment_token(&self) -> Result<String, HttpError> {
        Ok(self.make_token(&TokenRequest::default()).await?.token)
    }

    /// Makes a token as it is asked for. Nobody can ask for its text again.
    ///
    /// # Errors
    /// [`HttpError`], with code `token_uses_out_of_range` for a number of uses that cannot be had.
    pub async fn make_token(&self, wanted: &TokenRequest) -> Result<EnrolmentToken, HttpError> {
        let body = serde_json::to_vec(wanted).expect("a request for a token is plain JSON");
        self.client.call(Method::POST, "/v1/enrolment-tokens", self.proof(), body).await
    }

    /// Every token, without its secret, the newest first.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn tokens(&self) -> Result<Vec<TokenView>, HttpError> {
        let mut tokens = Vec::new();
        while let Some(more) = self.tokens_after(tokens.last()).await? {
            tokens.extend(more);
        }
        Ok(tokens)
    }

    /// The next tokens after `last`, or the first; nothing when there are no more.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn tokens_after(&self, last: Option<&TokenView>) -> Result<Option<Vec<TokenView>>, HttpError> {
        let after = last.map(|token| format!("{}.{}", token.created_at, token.id)).unwrap_or_default();
        let path = query("/v1/enrolment-tokens", &[("after", &after)]);
        let tokens: Vec<_> = self.client.call(Method::GET, &path, self.proof(), Vec::new()).await?;
        Ok(Some(tokens).filter(|tokens| !tokens.is_empty()))
    }

    /// Has nobody enrol with this token any more; terminals that did stay.
    ///
    /// # Errors
    /// [`HttpError`], with code `enrolment_token_unknown` when there is none of this name.
    pub async fn revoke_token(&self, id: &str) -> Result<(), HttpError> {
        self.act(Method::DELETE, &format!("/v1/enrolment-tokens/{}", segment(id))).await
    }

    /// Has all calls of a terminal refused from now on; its key cannot enrol again.
    ///
    /// # Errors
    /// [`HttpError`], with code `terminal_unknown` when there is none of this number.
    pub async fn revoke_terminal(&self, terminal: &str) -> Result<(), HttpError> {
        self.act(Method::POST, &format!("/v1/terminals/{}/revoke", segment(terminal))).await
    }

    /// Lets a terminal that waits for approval go on, and takes back the remark that there are copies of it.
    ///
    /// # Errors
    /// As of [`Operator::revoke_terminal`].
    pub async fn approve_terminal(&self, terminal: &str) -> Result<(), HttpError> {
        self.act(Method::POST, &format!("/v1/terminals/{}/approve", segment(terminal))).await
    }

    /// Forgets a terminal and all that it reported. One whose key was stolen is better revoked: what is forgotten can enrol again.
    ///
    /// # Errors
    /// As of [`Operator::revoke_terminal`].
    pub async fn remove_terminal(&self, terminal: &str) -> Result<(), HttpError> {
        self.act(Method::DELETE, &format!("/v1/terminals/{}", segment(terminal))).await
    }

    async fn act(&self, method: Method, path: &str) -> Result<(), HttpError> {
        self.client.call::<Value>(method, path, self.proof(), Vec::new()).await.map(|_| ())
    }
}
