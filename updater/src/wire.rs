//! What travels between service, makers and terminals, as JSON. `docs/protocol.md` is the prose of this file.
//!
//! Names from the network are types that cannot leave their folder: a [`MakerName`] or a [`Sha256Hex`] is safe as one part of
//! a path. Unknown fields are ignored, so that an older side understands a newer one.

mod access;
mod coverage;
mod director;
mod enrolment;
mod explain;
mod modules;
mod news;
mod one_off;
mod policy;
mod rollout;
mod sources;

use crate::Channel;
use crate::keys::PublicKey;
pub use crate::tuf::MakerKeys;
use crate::words::{is_code, printable};
pub use access::{NewOperator, OperatorName, OperatorRow, OperatorToken, Role};
pub use coverage::{
    Coverage, CoverageAt, CoverageHistory, CoverageTerminals, Gap, GapCount, MakerCover, UnprotectedTerminal,
};
pub use director::{AssignedBlob, AssignmentDocument, DocumentSignature, Membership, SignedDocument};
pub use enrolment::{EnrolmentToken, GroupName, TOKEN_USES_MAX, TokenRequest, TokenView};
pub use explain::{CandidateView, Explanation, Machine, MakerRecord, Rule, Tried};
use jiff::civil::Date;
pub use modules::{
    KeptRelease, MODULE_LEN_MAX, MODULES_LEN_MAX, MODULES_MAX, Module, ModuleKind, ModuleName, Platform, Swept,
};
pub use news::{
    Alias, CureFrom, NEWS_MAX, News, NewsBody, NewsError, NewsList, NewsTaken, RecordSpan, ReportedThreat, SignedNews,
    TOLD_MAX, ThreatQuery, ThreatReport, ThreatReported, ThreatView, check_name, check_news,
};
pub use one_off::{ONE_OFF_DAYS_MAX, ONE_OFFS_MAX, OneOff, OneOffDocument, OneOffRow};
pub use policy::{
    Blocked, ChannelNeeds, DEFAULT_POLICY, Eagerness, Needs, Pin, Policies, Policy, TerminalGroup, check_group,
};
pub use rollout::{Gate, Progress, Ring, Rollout, RolloutPolicy, RolloutStart, RolloutState, RolloutView, check_rings};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
pub use sources::{NewSource, SourceId, SourceView};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use utoipa::ToSchema;

/// A name or number from outside that does not have its form.
#[derive(Debug, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct ShapeError {
    found: String,
    expected: &'static str,
}

/// Name of a maker: the first part of a channel, 1 to 39 of `a-z 0-9 -`, not beginning with `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,38}$", example = "acme")]
pub struct MakerName(String);

impl MakerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The maker of a channel.
    ///
    /// # Errors
    /// [`ShapeError`] when the channel's maker is no name that the service takes.
    pub fn of(channel: &Channel) -> Result<Self, ShapeError> {
        channel.maker().parse()
    }
}

impl FromStr for MakerName {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        // A channel knows the form of its parts.
        match format!("{text}/x").parse::<Channel>() {
            Ok(channel) => Ok(MakerName(channel.maker().to_owned())),
            Err(_) => Err(ShapeError { found: text.to_owned(), expected: "a maker's name (1 to 39 of a-z 0-9 -)" }),
        }
    }
}

impl TryFrom<String> for MakerName {
    type Error = ShapeError;

    fn try_from(text: String) -> Result<Self, ShapeError> {
        text.parse()
    }
}

impl From<MakerName> for String {
    fn from(name: MakerName) -> String {
        name.0
    }
}

impl fmt::Display for MakerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A SHA-256 digest, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
pub struct Sha256Hex([u8; 32]);

impl Sha256Hex {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Sha256Hex(Sha256::digest(bytes).into())
    }

    /// The digest of a file, read piece by piece. Blocks.
    pub(crate) fn of_file(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Sha256Hex(hasher.finalize().into())),
                length => hasher.update(&buffer[..length]),
            }
        }
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Sha256Hex)
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Sha256Hex {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let mut bytes = [0; 32];
        let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Sha256Hex(bytes)),
            _ => Err(ShapeError { found: text.to_owned(), expected: "a SHA-256 of 64 lower-case hexadecimal digits" }),
        }
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = ShapeError;

    fn try_from(text: String) -> Result<Self, ShapeError> {
        text.parse()
    }
}

impl From<Sha256Hex> for String {
    fn from(digest: Sha256Hex) -> String {
        digest.to_string()
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Hex({self})")
    }
}

/// Channels in JSON: `"maker/name"`.
pub(crate) mod channel_text {
    use crate::Channel;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(channel: &Channel, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(channel)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Channel, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|e| D::Error::custom(format!("`{text}` is not a channel: {e}")))
    }
}

/// Lists of channels in JSON.
pub(crate) mod channels_text {
    use crate::Channel;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(channels: &[Channel], serializer: S) -> Result<S::Ok, S::Error> {
        channels.iter().map(ToString::to_string).collect::<Vec<_>>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Channel>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts
            .iter()
            .map(|text| text.parse().map_err(|e| D::Error::custom(format!("`{text}` is not a channel: {e}"))))
            .collect()
    }
}

/// A channel at a release.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct ChannelRelease {
    /// Which channel.
    #[serde(with = "channel_text")]
    #[schema(value_type = String, example = "acme/stable")]
    pub channel: Channel,
    /// Which of its releases; the number only grows.
    pub release: u64,
}

/// A maker's word that a release is not to be run any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Withdrawn {
    /// What is withdrawn.
    #[serde(flatten)]
    pub at: ChannelRelease,
    /// Terminals that run it may go back to a release that is listed and not below this number. Without it they run on until there is a
    /// newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<u64>,
}

impl Withdrawn {
    /// Whether who runs `from` may go back to release `to` by this.
    pub fn allows(&self, from: &ChannelRelease, to: u64) -> bool {
        self.at == *from && to < from.release && self.back_to.is_some_and(|least| least <= to)
    }
}

/// Which makers a terminal accepts ("designation of applied vaccine").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Designation {
    /// No updates: keep what is installed.
    None,
    /// Updates of the channels subscribed to, nothing else.
    Own,
    /// Also channels of any other maker.
    Any,
    /// Also channels of these makers.
    List(Vec<MakerName>),
}

impl Designation {
    /// Which makers it lets in, in words.
    pub fn words(&self) -> String {
        match self {
            Designation::None => "it wishes no updates".to_owned(),
            Designation::Own => "it accepts its own makers alone".to_owned(),
            Designation::Any => "it accepts any maker".to_owned(),
            Designation::List(makers) => {
                let makers = makers.iter().map(MakerName::as_str).collect::<Vec<_>>();
                format!("besides its own makers it accepts {}", makers.join(", "))
            }
        }
    }

    /// Whether the terminal wishes to be kept current at all.
    pub fn wishes_updates(&self) -> bool {
        *self != Designation::None
    }

    /// Whether a channel of `maker`, to which the terminal did not subscribe, may be installed.
    pub fn allows_other(&self, maker: &str) -> bool {
        match self {
            Designation::None | Designation::Own => false,
            Designation::Any => true,
            Designation::List(makers) => makers.iter().any(|listed| listed.as_str() == maker),
        }
    }
}

/// As people type it after `--accept`.
impl fmt::Display for Designation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Designation::None => f.pad("none"),
            Designation::Own => f.pad("own"),
            Designation::Any => f.pad("any"),
            Designation::List(makers) => f.pad(&makers.iter().map(MakerName::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}

/// How much harm a threat does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Danger {
    /// A nuisance.
    Low,
    /// Harm to some.
    Medium,
    /// Large damage to systems: reason enough to switch makers.
    High,
}

/// As people type it.
impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Danger::Low => "low",
            Danger::Medium => "medium",
            Danger::High => "high",
        })
    }
}

/// A maker's cure for a threat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Vaccine {
    /// The day it was made.
    #[schema(value_type = String, format = Date)]
    pub date: Date,
    /// Where it is: every release of this channel from this number on.
    #[serde(flatten)]
    pub since: ChannelRelease,
}

/// A row of the countering table: what one maker says of one threat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThreatNews {
    /// The maker's name for it.
    #[schema(min_length = 1, max_length = 200)]
    pub threat: String,
    /// How harmful it is.
    pub danger: Danger,
    /// The day it was found.
    #[schema(value_type = String, format = Date)]
    pub discovered: Date,
    /// The day a cure is promised for; never counts as a cure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub expected: Option<Date>,
    /// The cure; absent while the maker knows the threat and has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vaccine: Option<Vaccine>,
}

/// A row of the countering table with the maker it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThreatRow {
    /// Who says so.
    pub maker: MakerName,
    /// What they say.
    #[serde(flatten)]
    pub news: ThreatNews,
    /// Other channels of theirs whose records have it, each at the first release that has it and the newest agrees with: news names one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<ChannelRelease>,
}

impl ThreatRow {
    /// What a maker says, and nothing from their records.
    pub fn said(maker: MakerName, news: ThreatNews) -> Self {
        ThreatRow { maker, news, also: Vec::new() }
    }

    /// The first release with the cure, of each channel that has it.
    pub fn cures(&self) -> impl Iterator<Item = &ChannelRelease> {
        self.news.vaccine.iter().map(|cure| &cure.since).chain(&self.also)
    }
}

/// Done; there is nothing to tell.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Empty {}

/// A maker's public key on its way to the service.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Registration {
    /// The maker.
    pub maker: MakerName,
    /// Their Ed25519 public key.
    pub public_key: PublicKey,
}

/// What the service holds of a maker.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MakerView {
    /// The maker.
    pub maker: MakerName,
    /// Who speaks for them.
    pub keys: MakerKeys,
    /// Version of their role; 0 before the first publication.
    pub role_version: u64,
    /// Digest of the role's file; absent before the first publication.
    pub role_sha256: Option<Sha256Hex>,
    /// Every release held, ascending; also those that are not on offer any more.
    pub releases: Vec<ReleaseView>,
    /// Digest of every module held, of whatever release, ascending: none of these has to be sent again.
    #[serde(default)]
    pub modules: Vec<Sha256Hex>,
    /// Blobs and modules of the role that is held which the service lost, in the order in which they may come again with that role.
    #[serde(default)]
    pub lost: Vec<Sha256Hex>,
}

/// One release that the service holds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReleaseView {
    /// Channel and number.
    #[serde(flatten)]
    pub release: ChannelRelease,
    /// Digest of the blob.
    pub sha256: Sha256Hex,
    /// Bytes of the blob.
    pub length: u64,
    /// Whether the maker's newest role offers it.
    pub listed: bool,
    /// Whether the maker withdrew it: it is not to be run any more.
    pub withdrawn: bool,
}

/// What a terminal says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TerminalFacts {
    /// Hardware class, for example `x86_64`.
    pub hardware: String,
    /// Operating system.
    pub os: String,
    /// Version of its scanner.
    pub engine_version: String,
    /// Which makers it accepts.
    pub designation: Designation,
    /// Channels it subscribed to: its own product.
    #[serde(with = "channels_text")]
    #[schema(value_type = Vec<String>, example = json!(["acme/stable"]))]
    pub subscribed: Vec<Channel>,
    /// Main memory, in bytes; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Features of its processor and other hardware that channels may ask for, such as `avx2`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The group that it would like to be in; the operator's word goes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A terminal's request to be entered in the user table.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Enrol {
    /// The enrolment token, whole.
    pub token: String,
    /// Key that the terminal made; the request is signed with it.
    pub public_key: PublicKey,
    /// What it is.
    pub facts: TerminalFacts,
}

/// Answer to [`Enrol`].
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Enrolled {
    /// The terminal's identification number.
    pub terminal: String,
}

/// A terminal's report of its state.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CheckIn {
    /// What it is.
    pub facts: TerminalFacts,
    /// What it runs.
    pub applied: Vec<ChannelRelease>,
    /// What the last answer that it followed told it to say; empty before the first.
    #[serde(default)]
    pub freshness: String,
}

/// What a terminal shall run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Assignment {
    /// Everything it shall run; what is installed and not listed goes.
    pub channels: Vec<ChannelRelease>,
    /// Why, as a stable code.
    pub reason: Reason,
    /// Why, in words for people.
    pub words: String,
    /// It cures what should not wait: a terminal whose owner allows that installs it outside its window.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
    /// Seconds since 1970 before which it is not to be put in force; absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earliest: Option<i64>,
    /// Seconds since 1970 until which the operator gives this terminal alone some of it; absent where it is told what others are told too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl Assignment {
    /// One that may be followed at once and need not be.
    pub fn new(channels: Vec<ChannelRelease>, reason: Reason, words: impl Into<String>) -> Self {
        Assignment { channels, reason, words: words.into(), urgent: false, earliest: None, until: None }
    }
}

/// Answer to [`CheckIn`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedIn {
    /// What the terminal shall run, signed by the director: the [`AssignmentDocument`] of its cohort, or a [`OneOffDocument`] where the membership
    /// names the terminal itself as its cohort.
    pub assignment: SignedDocument,
    /// That this is meant for it: a [`Membership`] that the director signed.
    pub membership: SignedDocument,
    /// Entity tag of that, with its quotes: while the beacon has it, nothing has changed. Absent from services without beacons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beacon: Option<String>,
    /// Seconds after which the terminal shall ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_seconds: Option<u64>,
    /// Key of the codes that prove its polls, in hexadecimal. Who has it can say that the terminal is there, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_key: Option<String>,
}

/// Why an assignment is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It runs the newest release of its product.
    Current,
    /// It has nothing yet: its product is installed.
    FirstInstall,
    /// A newer release of its product.
    Refresh,
    /// What it runs was withdrawn by its maker, who allows to go back to an earlier release.
    Withdrawn,
    /// Its product has no cure for a dangerous threat; another maker's channel, which it accepts, has.
    Switch,
    /// Its product has no cure, and none that it accepts has one yet.
    NoCureYet,
    /// Another maker has the cure, but the terminal accepts no foreign channel.
    OthersNotAllowed,
    /// It wishes no updates.
    UpdatesNotWished,
    /// No release of the channels it subscribed to is published.
    NothingPublished,
    /// Another maker's channel, which cures what its product does not, is put beside the product.
    Add,
    /// Its product, or part of what runs, cures by now what a foreign channel was there for: that goes.
    Back,
    /// Another maker has the cure; by the policy it is offered and not installed.
    Offered,
    /// The policy keeps a channel at a release that is not the newest.
    Pinned,
    /// The newest release is being rolled out and has not come to this terminal's ring.
    RingWaits,
    /// The rollout of the newest release is halted.
    Halted,
    /// What it runs is blocked by the operator.
    Blocked,
    /// Another variant of its product fits the machine as it is now.
    Variant,
    /// No variant of its product fits the machine.
    NoneFits,
    /// The operator gives this terminal, and no other, a channel or a release for a time.
    OneOff,
}

impl Reason {
    /// The stable code, as in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Reason::Current => "current",
            Reason::FirstInstall => "first_install",
            Reason::Refresh => "refresh",
            Reason::Withdrawn => "withdrawn",
            Reason::Switch => "switch",
            Reason::NoCureYet => "no_cure_yet",
            Reason::OthersNotAllowed => "others_not_allowed",
            Reason::UpdatesNotWished => "updates_not_wished",
            Reason::NothingPublished => "nothing_published",
            Reason::Add => "add",
            Reason::Back => "back",
            Reason::Offered => "offered",
            Reason::Pinned => "pinned",
            Reason::RingWaits => "ring_waits",
            Reason::Halted => "halted",
            Reason::Blocked => "blocked",
            Reason::Variant => "variant",
            Reason::NoneFits => "none_fits",
            Reason::OneOff => "one_off",
        }
    }
}

/// A key that the service holds for the next root to list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RoleKey {
    /// The role.
    pub role: String,
    /// Its public half.
    pub public_key: PublicKey,
}

/// A root that was taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct RootTaken {
    /// Its version.
    pub version: u64,
}

/// A terminal's answer after it tried.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Acknowledge {
    /// The generation is in force.
    Installed {
        /// Its number on the terminal.
        generation: u64,
        /// What runs now.
        applied: Vec<ChannelRelease>,
    },
    /// The generation is tested and waits to be put in force; what ran before still runs.
    Staged {
        /// Its number on the terminal.
        generation: u64,
        /// What will run.
        staged: Vec<ChannelRelease>,
    },
    /// Nothing changed, for this reason.
    Trouble {
        /// The step that failed.
        step: String,
        /// Stable code of the fault.
        code: String,
        /// The fault in words.
        words: String,
    },
}

/// Characters that are kept of the name of a step.
const STEP_LEN_MAX: usize = 100;

impl Acknowledge {
    /// The same with texts that a table can show.
    pub(crate) fn shown(self) -> Self {
        match self {
            Acknowledge::Trouble { step, code, words } => {
                let code = if is_code(&code) { code } else { "code_malformed".to_owned() };
                let step = printable(&step).chars().take(STEP_LEN_MAX).collect();
                Acknowledge::Trouble { step, code, words: printable(&words) }
            }
            other => other,
        }
    }
}

/// A result, with the plan that it is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reported<T> {
    /// What came of it.
    #[serde(flatten)]
    pub result: T,
    /// Id of the plan that was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Steps of it that were done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
}

/// A row of the user table.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TerminalRow {
    /// Identification number.
    pub terminal: String,
    /// What it is.
    #[serde(flatten)]
    pub facts: TerminalFacts,
    /// What it runs, as it last said or acknowledged.
    pub applied: Vec<ChannelRelease>,
    /// Seconds since 1970.
    pub enrolled_at: i64,
    /// Seconds since 1970; absent before the first check-in.
    pub last_contact: Option<i64>,
    /// Code of the last assignment's reason.
    pub reason: Option<String>,
    /// The last assignment's reason in words.
    pub words: Option<String>,
    /// Code of the last trouble since something was installed.
    pub trouble: Option<String>,
    /// Group that it is in: by the operator's word, else that of the token that it enrolled with, else the one that it names itself. The
    /// facts of a row leave theirs out, as the two have one name.
    #[serde(default)]
    pub group: Option<String>,
    /// Whether it waits for the operator's approval.
    #[serde(default)]
    pub pending: bool,
    /// Seconds since 1970 from which its calls are refused.
    #[serde(default)]
    pub revoked_at: Option<i64>,
    /// Seconds since 1970 when it was last seen that there are two copies of it, or that it was put back to an older state.
    #[serde(default)]
    pub cloned_at: Option<i64>,
}
