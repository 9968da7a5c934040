//! Where the service fetches makers' releases.

use crate::wire::{MakerName, ShapeError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;
use url::Url;
use utoipa::ToSchema;

/// Number of a source: 16 hexadecimal digits that follow from maker and address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceId(String);

impl SourceId {
    /// Of this maker at this address.
    pub fn of(maker: &MakerName, url: &Url) -> Self {
        SourceId(hex::encode(&Sha256::digest(format!("{maker}\n{url}"))[..8]))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SourceId {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 16 && text.bytes().all(digit) {
            return Ok(SourceId(text.to_owned()));
        }
        Err(ShapeError { found: text.to_owned(), expected: "a source's number of 16 hexadecimal digits" })
    }
}

impl TryFrom<String> for SourceId {
    type Error = ShapeError;

    fn try_from(text: String) -> Result<Self, ShapeError> {
        text.parse()
    }
}

impl From<SourceId> for String {
    fn from(id: SourceId) -> String {
        id.0
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A source, as the operator names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewSource {
    /// Whose releases lie there.
    #[schema(value_type = String)]
    pub maker: MakerName,
    /// The folder of `m-<maker>.json`.
    #[schema(value_type = String)]
    pub url: Url,
    /// How often it is looked at, in seconds: 10 or more. Default: 600.
    #[serde(default = "ten_minutes")]
    pub every_seconds: u64,
    /// Where the maker answers questions about a threat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ask: Option<Url>,
    /// Whether `http` is allowed though the host is not this one. What is fetched is signed either way; who fetches what can be seen.
    #[serde(default)]
    pub allow_plain: bool,
}

fn ten_minutes() -> u64 {
    600
}

/// A source and how it fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    /// Its number.
    #[schema(value_type = String)]
    pub id: SourceId,
    /// What the operator said.
    #[serde(flatten)]
    pub source: NewSource,
    /// Whether it is being fetched from at this moment.
    pub running: bool,
    /// When it was last tried, in seconds since 1970.
    pub last_tried: Option<i64>,
    /// When it last had what it should, in seconds since 1970.
    pub last_success: Option<i64>,
    /// What the last attempt came to: `ok`, `unchanged`, or the code of its fault.
    pub last_code: Option<String>,
    /// The fault in words.
    pub last_words: Option<String>,
    /// Faults in a row.
    pub failures: u64,
    /// Not tried before, in seconds since 1970.
    pub next_at: i64,
}
