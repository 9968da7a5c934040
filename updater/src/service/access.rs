//! Who calls: operators by their tokens, with the role that each has.
//!
//! A token is 256 random bits. The tables hold its SHA-256, which is as good as the token for comparing and no good for calling; a slow hash,
//! as for passwords, would protect nothing here, as there is nothing to guess. The holder of the file `operator-token` in the service's data
//! is a key-holder without a row: whoever can read that file can do everything anyway, and a way in must stay when the last row is revoked.

use crate::service::App;
use crate::service::problem::Problem;
use crate::wire::{Role, Sha256Hex};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

/// Name under which the holder of the file is in the audit log; no row can have it.
const FILE_HOLDER: &str = "operator:(operator-token)";

/// An operator whose token is good. A handler that takes one is only reached through a route that asks for a role.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// As in the audit log: `operator:NAME`.
    pub(crate) who: String,
    pub(crate) role: Role,
}

impl Caller {
    /// The same, if the role suffices.
    pub(crate) fn at_least(self, least: Role) -> Result<Caller, Problem> {
        if self.role >= least {
            return Ok(self);
        }
        let detail = format!("this call needs the role {least}, and this token has {}", self.role);
        Err(Problem::forbidden("operator_role_too_low", detail))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Problem::unauthorized("operator_token_refused", "this call needs an operator's token"))
    }
}

impl App {
    /// The operator who sends these headers.
    pub(crate) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        // The scheme's case does not matter (RFC 9110, 11.1).
        let token = sent.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let refused = || Problem::unauthorized("operator_token_refused", "this call needs an operator's token");
        self.caller_with(token.ok_or_else(refused)?.1.trim()).await
    }

    /// The operator with this token.
    pub(crate) async fn caller_with(&self, token: &str) -> Result<Caller, Problem> {
        let digest = Sha256Hex::of(token.as_bytes());
        if digest == self.operator_token {
            return Ok(Caller { who: FILE_HOLDER.to_owned(), role: Role::KeyHolder });
        }
        match self.store.operator_with(&digest).await? {
            Some(row) if row.revoked_at.is_none() => Ok(Caller { who: format!("operator:{}", row.name), role: row.role }),
            Some(_) => {
                Err(Problem::unauthorized("operator_token_revoked", "this token was revoked; ask a key-holder for another"))
            }
            None => Err(Problem::unauthorized("operator_token_refused", "this call needs an operator's token")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_do_what_lower_ones_may() {
        for has in Role::ALL {
            for needs in Role::ALL {
                let caller = Caller { who: "operator:x".to_owned(), role: has };
                assert_eq!(caller.at_least(needs).is_ok(), has >= needs);
            }
        }
        // No operator's name has a bracket.
        assert!(FILE_HOLDER.trim_start_matches("operator:").parse::<crate::wire::OperatorName>().is_err());
    }
}
