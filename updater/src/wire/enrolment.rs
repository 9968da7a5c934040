//! Rights to enrol, and what the operator sees of them.

use super::ShapeError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Most terminals that one token may enrol.
pub const TOKEN_USES_MAX: u64 = 1_000_000;

/// Name of a group of terminals, as [`check_group`](super::check_group) has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(String);

impl FromStr for GroupName {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        match super::check_group(text) {
            Ok(()) => Ok(GroupName(text.to_owned())),
            Err(_) => {
                Err(ShapeError { found: text.to_owned(), expected: "a group's name (1 to 39 of a-z 0-9 -, not `default`)" })
            }
        }
    }
}

impl TryFrom<String> for GroupName {
    type Error = ShapeError;

    fn try_from(text: String) -> Result<Self, ShapeError> {
        text.parse()
    }
}

impl From<GroupName> for String {
    fn from(name: GroupName) -> String {
        name.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a new enrolment token allows. What is not said has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRequest {
    /// Terminals that may enrol with it, 1 to 1,000,000. Default: 1.
    pub uses: u64,
    /// Seconds after which nobody enrols with it any more. Default: never.
    pub expires_in_seconds: Option<u64>,
    /// Group of the terminals that enrol with it. Default: none.
    #[schema(value_type = Option<String>)]
    pub group: Option<GroupName>,
    /// Whether they are told nothing until the operator approves them. Default: false.
    pub approval: bool,
}

impl Default for TokenRequest {
    fn default() -> Self {
        TokenRequest { uses: 1, expires_in_seconds: None, group: None, approval: false }
    }
}

/// A right to enrol.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentToken {
    /// `te1.SECRET.ROOT`: the secret, and the digest of root version 1 that the terminal shall trust. Told this once; the service keeps a digest.
    pub token: String,
    /// Name by which it can be revoked: the first 16 digits of its SHA-256.
    pub id: String,
}

/// An enrolment token as the operator sees it: all but the secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Name by which it can be revoked.
    pub id: String,
    /// Group of the terminals that enrol with it.
    pub group: Option<String>,
    /// Terminals that enrolled with it.
    pub uses: u64,
    /// Terminals that may.
    pub uses_max: u64,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Seconds since 1970; absent for one that does not expire.
    pub expires_at: Option<i64>,
    /// Seconds since 1970; absent while it is not revoked.
    pub revoked_at: Option<i64>,
    /// Whether terminals that enrol with it wait for the operator's approval.
    pub approval: bool,
}
