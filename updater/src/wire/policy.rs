//! What the operator decides of decisions: the policy, and what channels need. `docs/decisions.md` is the prose of this file.

use super::rollout::{RolloutPolicy, check_rings};
use super::{ChannelRelease, Danger, ShapeError, channel_text};
use crate::Channel;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Name of the policy of all who are in no group that has one of its own.
pub const DEFAULT_POLICY: &str = "default";

/// What is done when another maker has a cure that a terminal's product lacks, and the terminal accepts that maker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Eagerness {
    /// Its channel takes the place of the product, if it cures all that the product cures besides.
    #[default]
    Switch,
    /// Its channel is put beside the product; both are linked into one database.
    Add,
    /// Nothing foreign is installed; the terminal is told.
    Notify,
}

/// As it stands in a policy.
impl fmt::Display for Eagerness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Eagerness::Switch => "switch",
            Eagerness::Add => "add",
            Eagerness::Notify => "notify",
        })
    }
}

/// How decisions are made, for all terminals or for those of one group. What is not said has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Least danger of a threat for which a terminal is given another maker's channel. Default: high.
    #[schema(value_type = String)]
    pub danger: Danger,
    /// What that is. Default: `switch`.
    pub eagerness: Eagerness,
    /// Days for which a foreign channel stays at least, 0 to 365. Default: 7.
    pub minimum_stay_days: u16,
    /// Whether a terminal goes back to its product once that cures all that the foreign channels cure. Default: true.
    pub back_when_caught_up: bool,
    /// Most channels that a terminal runs by `add`, its own included, 1 to 16. Default: 4.
    pub channels_max: u8,
    /// Least danger of a newly cured threat that makes an assignment urgent: a terminal whose owner allows that installs it outside its
    /// window; none, or in TOML `"none"`: no assignment is. Default: high.
    #[serde(deserialize_with = "danger_or_none")]
    #[schema(value_type = Option<String>)]
    pub urgent: Option<Danger>,
    /// Until then nothing new is put in force, but for what is urgent, blocked or a first installation. Default: none.
    #[schema(value_type = Option<String>)]
    pub freeze_until: Option<Timestamp>,
    /// Channels that stay at one release: `"acme/stable@7"`. Default: none.
    #[schema(value_type = Vec<String>)]
    pub pins: Vec<Pin>,
    /// How new releases reach the fleet; only in the default policy. Default: all at once.
    pub rollout: RolloutPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            danger: Danger::High,
            eagerness: Eagerness::Switch,
            minimum_stay_days: 7,
            back_when_caught_up: true,
            channels_max: 4,
            urgent: Some(Danger::High),
            freeze_until: None,
            pins: Vec::new(),
            rollout: RolloutPolicy::default(),
        }
    }
}

impl Policy {
    /// A policy as people write it; what is not said has its default.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let policy: Policy = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        policy.check().map(|()| policy)
    }

    /// The policy as people write it, every value said: [`Policy::from_toml`] reads the same policy from it.
    pub fn to_toml(&self) -> String {
        let mut table = toml::Table::try_from(self).expect("a policy that can be put is plain TOML");
        let none = || toml::Value::from(NO_DANGER);
        if self.urgent.is_none() {
            table.insert("urgent".to_owned(), none());
        }
        if self.rollout.gate.urgent.is_none() {
            table["rollout"]["gate"].as_table_mut().expect("a gate is a table").insert("urgent".to_owned(), none());
        }
        table.to_string()
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    /// Which is not, in words.
    pub fn check(&self) -> Result<(), String> {
        in_range("policy.minimum_stay_days", u64::from(self.minimum_stay_days), 0, 365)?;
        in_range("policy.channels_max", u64::from(self.channels_max), 1, 16)?;
        in_range("pins", self.pins.len() as u64, 0, 1000)?;
        let mut pinned = BTreeSet::new();
        if let Some(twice) = self.pins.iter().find(|pin| !pinned.insert(&pin.0.channel)) {
            return Err(format!("`{}` is pinned twice", twice.0.channel));
        }
        self.rollout.gate.check()?;
        check_rings(&self.rollout.rings)
    }
}

/// No danger, in TOML, which has no word for nothing: what is not said there has its default.
const NO_DANGER: &str = "none";

/// Reads a danger, or that there is none.
pub(super) fn danger_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Danger>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Low,
        Medium,
        High,
        None,
    }
    Ok(match Option::<Word>::deserialize(deserializer)? {
        None | Some(Word::None) => None,
        Some(Word::Low) => Some(Danger::Low),
        Some(Word::Medium) => Some(Danger::Medium),
        Some(Word::High) => Some(Danger::High),
    })
}

pub(super) fn in_range(key: &str, value: u64, min: u64, max: u64) -> Result<(), String> {
    let fits = (min..=max).contains(&value);
    if fits { Ok(()) } else { Err(format!("`{key}` is {value}, allowed are {min} to {max}")) }
}

/// A channel that stays at a release, written `maker/name@release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pin(pub ChannelRelease);

impl FromStr for Pin {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let wrong = || ShapeError { found: text.to_owned(), expected: "a channel at a release (maker/name@7)" };
        let (channel, release) = text.split_once('@').ok_or_else(wrong)?;
        let release = release.parse().ok().filter(|release| *release > 0).ok_or_else(wrong)?;
        Ok(Pin(ChannelRelease { channel: channel.parse().map_err(|_| wrong())?, release }))
    }
}

impl TryFrom<String> for Pin {
    type Error = ShapeError;

    fn try_from(text: String) -> Result<Self, ShapeError> {
        text.parse()
    }
}

impl From<Pin> for String {
    fn from(pin: Pin) -> String {
        pin.to_string()
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.0.channel, self.0.release)
    }
}

/// Whether this can be a group's name: 1 to 39 of `a-z 0-9 -`, and not `default`.
///
/// # Errors
/// What is wrong, in words.
pub fn check_group(group: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=39).contains(&group.len()) && group.bytes().all(plain) && group != DEFAULT_POLICY {
        return Ok(());
    }
    Err(format!("`{}` is no group's name (1 to 39 of a-z 0-9 -, not `{DEFAULT_POLICY}`)", crate::words::printable(group)))
}

/// Every policy of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policies {
    /// Of all who are in no group that has one of its own.
    pub default: Policy,
    /// By group.
    pub groups: BTreeMap<String, Policy>,
}

impl Policies {
    /// The policy of a terminal, and its name.
    pub fn of(&self, group: Option<&str>) -> (&str, &Policy) {
        let own = group.and_then(|group| self.groups.get_key_value(group));
        own.map_or((DEFAULT_POLICY, &self.default), |(name, policy)| (name, policy))
    }
}

/// What a channel's releases need of a machine. What is empty is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Needs {
    /// Among variants of a product that fit, the one with the greatest number is taken.
    pub preference: i64,
    /// Hardware classes, any of them: `x86_64`.
    pub hardware: Vec<String>,
    /// Operating systems, any of them: `linux`, or with a version, `linux 6.1`.
    pub os: Vec<String>,
    /// Features of the processor or of other hardware, all of them; `"avx2|neon"` is either.
    pub features: Vec<String>,
    /// Least main memory, in bytes. A terminal that does not say how much it has is taken to have enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Least version of the scanner: numbers with points between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_min: Option<String>,
    /// Greatest version of the scanner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine_max: Option<String>,
}

impl Needs {
    /// Needs as people write them; what is not said is not asked for.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let needs: Needs = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        needs.check().map(|()| needs)
    }

    /// Whether the lists and names are of a sensible length.
    ///
    /// # Errors
    /// What is not, in words.
    pub fn check(&self) -> Result<(), String> {
        for (key, list) in [("hardware", &self.hardware), ("os", &self.os), ("features", &self.features)] {
            in_range(key, list.len() as u64, 0, 100)?;
            if list.iter().any(|text| text.is_empty() || text.len() > 100) {
                return Err(format!("an entry of `{key}` has not 1 to 100 bytes"));
            }
        }
        let names = [("needs.engine_min", &self.engine_min), ("needs.engine_max", &self.engine_max)];
        let odd = names.iter().find(|(_, text)| text.as_ref().is_some_and(|text| text.is_empty() || text.len() > 100));
        odd.map_or(Ok(()), |(key, _)| Err(format!("`{key}` has not 1 to 100 bytes")))
    }
}

/// A channel with what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChannelNeeds {
    /// Which channel.
    #[serde(with = "channel_text")]
    #[schema(value_type = String)]
    pub channel: Channel,
    /// What it needs.
    pub needs: Needs,
}

/// The operator's word on a terminal's group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TerminalGroup {
    /// The group; absent: the one that the terminal names.
    pub group: Option<String>,
}

/// A release that no terminal is assigned any more, by the operator's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Blocked {
    /// The release.
    #[serde(flatten)]
    pub at: ChannelRelease,
    /// Why, for those who run it: at most 500 bytes.
    #[serde(default)]
    pub words: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Gate, Ring};

    #[test]
    fn an_empty_file_is_the_default_and_a_mistyped_key_is_refused() {
        assert_eq!(toml::from_str::<Policy>("").unwrap(), Policy::default());
        Policy::default().check().unwrap();
        toml::from_str::<Policy>("eagernes = \"add\"").unwrap_err();
        let text = "danger = \"medium\"\neagerness = \"add\"\npins = [\"acme/stable@7\"]\n[[rollout.rings]]\npercent = 5\n\
                    [[rollout.rings]]\npercent = 100\n[rollout.gate]\ntrouble_percent = 2\n";
        let policy = Policy::from_toml(text).unwrap();
        policy.check().unwrap();
        assert_eq!((policy.danger, policy.pins[0].0.release, policy.rollout.rings[0].reports), (Danger::Medium, 7, 1));
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy);
    }

    #[test]
    fn what_is_shown_can_be_put_as_it_is() {
        let gate = Gate { urgent: None, silent_minutes: 43_200, ..Gate::default() };
        let rings = vec![Ring { soak_minutes: 0, ..Ring::group("lab") }, Ring::percent(5), Ring::percent(100)];
        let full = Policy {
            danger: Danger::Low,
            eagerness: Eagerness::Notify,
            back_when_caught_up: false,
            urgent: None,
            freeze_until: Some("2027-01-02T06:00:00.5Z".parse().unwrap()),
            pins: vec!["a/b@1".parse().unwrap(), "a/c@18446744073709551615".parse().unwrap()],
            rollout: RolloutPolicy { rings, gate },
            ..Policy::default()
        };
        let gate_alone = RolloutPolicy { rings: Vec::new(), gate: Gate { urgent: None, ..Gate::default() } };
        for policy in [Policy::default(), full, Policy { rollout: gate_alone, ..Policy::default() }] {
            let text = policy.to_toml();
            assert_eq!(Policy::from_toml(&text).unwrap(), policy, "{text}");
            let json = serde_json::to_string(&policy).unwrap();
            assert_eq!(serde_json::from_str::<Policy>(&json).unwrap(), policy, "{json}");
        }
        let text = Policy::default().to_toml();
        for key in ["danger", "eagerness", "minimum_stay_days", "back_when_caught_up", "channels_max", "urgent", "pins"] {
            assert!(text.contains(&format!("{key} = ")), "{key} is not said: {text}");
        }
        Policy::from_toml("urgent = \"never\"").unwrap_err();
    }

    #[test]
    fn pins_have_one_form() {
        assert_eq!("acme/stable@7".parse::<Pin>().unwrap().to_string(), "acme/stable@7");
        for text in ["", "acme/stable", "acme/stable@", "acme/stable@0", "acme/stable@-1", "acme@7", "acme/stable@7@8"] {
            text.parse::<Pin>().unwrap_err();
        }
        let twice = Policy { pins: vec!["a/b@1".parse().unwrap(), "a/b@2".parse().unwrap()], ..Policy::default() };
        twice.check().unwrap_err();
    }
}
