//! Who is protected against what.

use super::{ChannelRelease, Danger, MakerName, TerminalRow, Vaccine};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a terminal is unprotected against a threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// It wishes no updates.
    OptedOut,
    /// A cure that it accepts is published and not in force here yet.
    NotUpdated,
    /// Only makers that it does not accept have the cure.
    OthersNotAllowed,
    /// No maker has published a cure.
    NoCure,
}

impl Gap {
    /// All of them, in the order of who can do something about it: the terminal's owner, the operator, the makers.
    pub const ALL: [Gap; 4] = [Gap::NotUpdated, Gap::OptedOut, Gap::OthersNotAllowed, Gap::NoCure];

    /// The stable code, as in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Gap::OptedOut => "opted_out",
            Gap::NotUpdated => "not_updated",
            Gap::OthersNotAllowed => "others_not_allowed",
            Gap::NoCure => "no_cure",
        }
    }

    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Gap::OptedOut => "wish no updates",
            Gap::NotUpdated => "have not installed the published cure yet",
            Gap::OthersNotAllowed => "accept no maker who has the cure",
            Gap::NoCure => "wait: no maker has a cure",
        }
    }
}

/// How many terminals are unprotected for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapCount {
    /// Why.
    pub reason: Gap,
    /// How many.
    pub terminals: u64,
}

/// What one maker says of the threat, and how many terminals that protects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MakerCover {
    /// The maker.
    #[schema(value_type = String)]
    pub maker: MakerName,
    /// What they call it.
    pub threat: String,
    /// How harmful they hold it to be: `low`, `medium` or `high`.
    #[schema(value_type = String)]
    pub danger: Danger,
    /// The day they found it.
    #[schema(value_type = String, format = Date)]
    pub discovered: Date,
    /// The day they promised a cure for; never counts as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub expected: Option<Date>,
    /// The cure; absent while they have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub vaccine: Option<Vaccine>,
    /// Other channels of theirs that have it, by their records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub also: Vec<ChannelRelease>,
    /// Terminals that run a release of this maker's which has the cure.
    pub terminals: u64,
}

/// Who is protected against a threat. `protected + unprotected + unknown + revoked` is the whole fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// The threat.
    pub threat: String,
    /// The one maker whose cures count, if only theirs do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub maker: Option<MakerName>,
    /// Terminals that run a release with the cure, which its maker has not withdrawn.
    pub protected: u64,
    /// Terminals that do not.
    pub unprotected: u64,
    /// Terminals that have not said what they run.
    pub unknown: u64,
    /// Terminals that the operator revoked: they are served nothing, so nobody waits for them.
    #[serde(default)]
    pub revoked: u64,
    /// Why the unprotected are; only reasons that some have.
    pub reasons: Vec<GapCount>,
    /// What makers say of it, by maker, and by what they call it.
    pub makers: Vec<MakerCover>,
    /// The next day for which a maker without a cure promised one; absent when no promise lies ahead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub next: Option<Date>,
}

/// Some of the terminals that are unprotected.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CoverageTerminals {
    /// Their rows of the user table, each with why.
    pub terminals: Vec<UnprotectedTerminal>,
    /// Where the list goes on; absent at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A terminal that is unprotected.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UnprotectedTerminal {
    /// Why.
    pub gap: Gap,
    /// Its row.
    #[serde(flatten)]
    pub row: TerminalRow,
}

/// How many were protected at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoverageAt {
    /// Seconds since 1970.
    pub at: i64,
    /// Terminals that ran a release with the cure.
    pub protected: u64,
    /// Terminals that did not.
    pub unprotected: u64,
    /// Terminals that had not said what they run, or were not told apart in the census.
    pub unknown: u64,
}

/// Coverage over time, ascending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoverageHistory {
    /// The threat.
    pub threat: String,
    /// At most 400 points; cures and withdrawals as they are known today, terminals as they were.
    pub points: Vec<CoverageAt>,
}
