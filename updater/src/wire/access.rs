//! Operators: their names, roles and tokens.

use super::ShapeError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// What an operator may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Look at everything: tables, audit log, metrics.
    Viewer,
    /// Run the fleet: enrolment, terminals, releases, policy.
    Operator,
    /// Decide whose keys and tokens count: makers, root, operators.
    KeyHolder,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Role; 3] = [Role::Viewer, Role::Operator, Role::KeyHolder];

    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::KeyHolder => "key-holder",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Role {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let found = Role::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| ShapeError { found: text.to_owned(), expected: "a role (viewer, operator, key-holder)" })
    }
}

/// Name of an operator: 1 to 39 of `a-z 0-9 -`, not beginning with `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,38}$", example = "alice")]
pub struct OperatorName(String);

impl OperatorName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OperatorName {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=39).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-') {
            return Ok(OperatorName(text.to_owned()));
        }
        Err(ShapeError { found: crate::words::printable(text), expected: "an operator's name (1 to 39 of a-z 0-9 -)" })
    }
}

impl TryFrom<String> for OperatorName {
    type Error = ShapeError;

    fn try_from(text: String) -> Result<Self, ShapeError> {
        text.parse()
    }
}

impl From<OperatorName> for String {
    fn from(name: OperatorName) -> String {
        name.0
    }
}

impl fmt::Display for OperatorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A request for another operator's token.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewOperator {
    /// Whose token it is.
    pub name: OperatorName,
    /// What it allows.
    pub role: Role,
}

/// A token, shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct OperatorToken {
    /// Whose token it is.
    pub name: OperatorName,
    /// What it allows.
    pub role: Role,
    /// The token. The service keeps its digest alone.
    pub token: String,
}

impl fmt::Debug for OperatorToken {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorToken").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// An operator, as the tables have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperatorRow {
    /// Whose token it is.
    pub name: OperatorName,
    /// What it allows.
    pub role: Role,
    /// Seconds since 1970.
    pub created_at: i64,
    /// Who made it.
    pub created_by: String,
    /// Seconds since 1970, to the minute; absent before the first use.
    pub last_used: Option<i64>,
    /// Seconds since 1970; absent while the token counts.
    pub revoked_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_roles() {
        for good in ["a", "alice", "on-call-2", &"a".repeat(39)] {
            assert_eq!(good.parse::<OperatorName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "Alice", "a b", "a\n", "ä", &"a".repeat(40)] {
            assert!(bad.parse::<OperatorName>().is_err(), "{bad:?}");
        }
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>().unwrap(), role);
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::KeyHolder && "root".parse::<Role>().is_err());
    }
}
