//! What makers say of threats, what of it the service shows, and what terminals report.

use crate::keys::{PublicKey, SigningKey};
use crate::wire::{ChannelRelease, MakerName, Sha256Hex, ShapeError, ThreatNews, ThreatRow};
use crate::words::printable;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Threats that one request or one signed list tells of at most.
pub const NEWS_MAX: usize = 1000;
/// Threats, other names and samples that a service keeps of one maker's news at most. Threats that were taken back count.
pub const TOLD_MAX: u64 = 100_000;
/// Bytes of a threat's name.
const NAME_LEN_MAX: usize = 200;
/// Other names, and samples, of one threat.
const TIES_MAX: usize = 16;
/// What is signed begins with this.
const DOMAIN: &str = "titer-maker-news-v1\n";

/// Another maker's name for a threat, written `maker:name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Alias {
    /// Whose name it is.
    pub maker: MakerName,
    /// The name.
    pub threat: String,
}

impl FromStr for Alias {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let shape = || ShapeError { found: printable(text), expected: "a maker and a name as `maker:name`" };
        let (maker, threat) = text.split_once(':').ok_or_else(shape)?;
        check_name(threat).map_err(|_| shape())?;
        Ok(Alias { maker: maker.parse()?, threat: threat.to_owned() })
    }
}

impl TryFrom<String> for Alias {
    type Error = ShapeError;

    fn try_from(text: String) -> Result<Self, ShapeError> {
        text.parse()
    }
}

impl From<Alias> for String {
    fn from(alias: Alias) -> String {
        alias.to_string()
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.maker, self.threat)
    }
}

/// News of one threat, with what ties it to the names that others have for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct News {
    /// What the maker says.
    #[serde(flatten)]
    pub news: ThreatNews,
    /// What other makers call the same threat; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub aliases: Vec<Alias>,
    /// SHA-256 of files in which the maker finds it; at most 16. Makers who name the same file mean the same threat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sha256Hex>,
    /// The maker takes back what they said of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
}

impl From<ThreatNews> for News {
    fn from(news: ThreatNews) -> Self {
        News { news, aliases: Vec::new(), samples: Vec::new(), withdrawn: false }
    }
}

/// The body of a maker's news: of one threat, or of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum NewsBody {
    /// Of at most 1,000.
    Several(Vec<News>),
    /// Of one.
    One(Box<News>),
}

impl NewsBody {
    /// The items.
    pub fn into_items(self) -> Vec<News> {
        match self {
            NewsBody::Several(items) => items,
            NewsBody::One(item) => vec![*item],
        }
    }
}

/// Why news is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NewsError {
    /// It is not what a list of news looks like.
    #[error("the news cannot be read: {0}")]
    Malformed(String),
    /// None of the maker's keys signed it.
    #[error("the news of {0} is not signed by their key")]
    Unsigned(MakerName),
    /// Too many at once.
    #[error("{0} threats at once, {NEWS_MAX} are allowed")]
    TooMany(usize),
    /// More of one maker than a service keeps.
    #[error("{0} would have told {TOLD_MAX} threats, other names and samples and more, which are not kept")]
    Full(MakerName),
    /// One threat twice.
    #[error("`{0}` is told of twice")]
    Repeated(String),
    /// A name has no or too many bytes.
    #[error("a threat's name has 1 to {NAME_LEN_MAX} bytes")]
    NameLength,
    /// A name holds what a screen or a log would obey.
    #[error("the name `{0}` holds control characters")]
    NameMalformed(String),
    /// A cure in somebody else's channel, a list of somebody else, or a name that is the maker's own.
    #[error("{0}")]
    OtherMaker(String),
    /// More aliases or samples than are kept.
    #[error("`{threat}` has {found} {what}, {TIES_MAX} are allowed")]
    TooManyTies {
        /// The threat.
        threat: String,
        /// Aliases or samples.
        what: &'static str,
        /// How many.
        found: usize,
    },
}

impl NewsError {
    /// Stable name of the fault.
    pub fn code(&self) -> &'static str {
        match self {
            NewsError::Malformed(_) => "news_malformed",
            NewsError::Unsigned(_) => "news_unsigned",
            NewsError::TooMany(_) => "news_too_many",
            NewsError::Full(_) => "news_full",
            NewsError::Repeated(_) => "news_repeated",
            NewsError::NameLength => "threat_name_length",
            NewsError::NameMalformed(_) => "threat_name_malformed",
            NewsError::OtherMaker(_) => "news_of_another_maker",
            NewsError::TooManyTies { .. } => "news_ties_too_many",
        }
    }
}

/// Refuses names that are empty, too long, or hold what a screen or a log would obey. Letters of every script, and what only a web page would
/// obey, are for whoever shows them.
///
/// # Errors
/// [`NewsError::NameLength`], [`NewsError::NameMalformed`].
pub fn check_name(name: &str) -> Result<(), NewsError> {
    if name.is_empty() || name.len() > NAME_LEN_MAX {
        return Err(NewsError::NameLength);
    }
    let shown = printable(name);
    if shown == name { Ok(()) } else { Err(NewsError::NameMalformed(shown)) }
}

/// Checks what `maker` says, all of it.
///
/// # Errors
/// [`NewsError`], of the first fault.
pub fn check_news(maker: &MakerName, items: &[News]) -> Result<(), NewsError> {
    if items.len() > NEWS_MAX {
        return Err(NewsError::TooMany(items.len()));
    }
    let mut seen = HashSet::new();
    for News { news, aliases, samples, .. } in items {
        check_name(&news.threat)?;
        let threat = || news.threat.clone();
        if !seen.insert(&news.threat) {
            return Err(NewsError::Repeated(threat()));
        }
        for (what, found) in [("aliases", aliases.len()), ("samples", samples.len())] {
            if found > TIES_MAX {
                return Err(NewsError::TooManyTies { threat: threat(), what, found });
            }
        }
        if news.vaccine.as_ref().is_some_and(|vaccine| vaccine.since.channel.maker() != maker.as_str()) {
            return Err(NewsError::OtherMaker("the cure is in a channel of another maker".to_owned()));
        }
        if aliases.iter().any(|alias| alias.maker == *maker) {
            return Err(NewsError::OtherMaker(format!("an alias of `{}` is a name of {maker}'s own", news.threat)));
        }
    }
    Ok(())
}

/// A maker's list of news as it lies on their web site, or as they answer a question: signed by one of their keys.
///
/// ```text
/// signed bytes = "titer-maker-news-v1\n" NEWS        NEWS is the JSON text of a NewsList
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedNews {
    /// The text that is signed: a [`NewsList`] in JSON. A text, so that there is one way to write what is signed.
    pub news: String,
    /// Ed25519, 64 bytes in hexadecimal.
    pub signature: String,
}

/// What a maker says of threats, at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewsList {
    /// Who says so.
    #[schema(value_type = String)]
    pub maker: MakerName,
    /// Grows with each list and each signed request of the maker. What is known of a threat by a higher one stays.
    pub counter: u64,
    /// At most 1,000.
    pub news: Vec<News>,
}

impl SignedNews {
    /// Signs a list.
    ///
    /// # Panics
    /// Never: a list is plain JSON.
    pub fn sign(list: &NewsList, key: &SigningKey) -> Self {
        let news = serde_json::to_string(list).expect("a list of news is plain JSON");
        let signature = hex::encode(key.sign(&message(&news)));
        SignedNews { news, signature }
    }

    /// The list in `bytes`, when one of `keys` signed it and it is `maker`'s.
    ///
    /// # Errors
    /// [`NewsError`].
    pub fn verify(bytes: &[u8], maker: &MakerName, keys: &[PublicKey]) -> Result<NewsList, NewsError> {
        let malformed = |e: serde_json::Error| NewsError::Malformed(printable(&e.to_string()));
        let signed: SignedNews = serde_json::from_slice(bytes).map_err(malformed)?;
        let signature = hex::decode(&signed.signature).unwrap_or_default();
        let message = message(&signed.news);
        if !keys.iter().any(|key| key.verifies(&message, &signature)) {
            return Err(NewsError::Unsigned(maker.clone()));
        }
        let list: NewsList = serde_json::from_str(&signed.news).map_err(malformed)?;
        if list.maker != *maker {
            return Err(NewsError::OtherMaker(format!("the list is of maker {}", list.maker)));
        }
        check_news(maker, &list.news)?;
        Ok(list)
    }
}

fn message(news: &str) -> Vec<u8> {
    [DOMAIN, news].concat().into_bytes()
}

/// Where the date and release of a cure are known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CureFrom {
    /// The maker said so.
    News,
    /// A release of the maker has a record of that name.
    Records,
}

/// What became of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewsTaken {
    /// Rows of the countering table that it changed.
    pub taken: u64,
}

/// Releases of one channel that have a record of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordSpan {
    /// The channel, and the first release that has it.
    #[serde(flatten)]
    pub since: ChannelRelease,
    /// The last one; absent while the newest has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

/// A row of the countering table with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThreatView {
    /// Who says what.
    #[serde(flatten)]
    pub row: ThreatRow,
    /// One name for all rows that mean the same threat.
    pub threat_id: String,
    /// Where the cure is known from; absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure_from: Option<CureFrom>,
    /// The promised day has passed without a cure.
    pub missed: bool,
    /// What the maker says that others call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub aliases: Vec<Alias>,
    /// Files in which the maker finds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sha256Hex>,
    /// Channels of the maker whose releases have, or had, a record of this name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RecordSpan>,
}

/// Which rows of the countering table are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
pub struct ThreatQuery {
    /// Names with this in them, whatever the case of ASCII letters; also of aliases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Rows after this one, `maker:name` of the last row of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub after: Option<Alias>,
    /// At most so many rows: 1 to 1,000, which is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// A terminal's word that it met a threat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThreatReport {
    /// What it is called.
    pub threat: String,
    /// SHA-256 of a file that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub sample: Option<Sha256Hex>,
}

/// Answer to a [`ThreatReport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ThreatReported {
    /// Whether makers are asked about it now.
    pub asked: bool,
}

/// A threat that terminals reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportedThreat {
    /// What they call it.
    pub threat: String,
    /// How many terminals.
    pub terminals: u64,
    /// Seconds since 1970.
    pub first_at: i64,
    /// Seconds since 1970.
    pub last_at: i64,
    /// When makers were last asked, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;
    use crate::wire::Danger;

    fn item(threat: &str) -> News {
        let discovered = jiff::civil::date(2026, 1, 2);
        ThreatNews { threat: threat.to_owned(), danger: Danger::High, discovered, expected: None, vaccine: None }.into()
    }

    #[test]
    fn names_that_a_screen_would_obey_are_refused() {
        for good in ["Win.Worm-1", "Вирус", "a:b c", "<script>alert(1)</script>", &"x".repeat(200)] {
            check_name(good).unwrap();
        }
        for (bad, code) in [
            ("", "threat_name_length"),
            (&*"x".repeat(201), "threat_name_length"),
            ("a\u{1b}[2J", "threat_name_malformed"),
            ("a\nb", "threat_name_malformed"),
            ("a\u{202e}b", "threat_name_malformed"),
        ] {
            let error = check_name(bad).unwrap_err();
            assert_eq!(error.code(), code, "{bad:?}");
            assert!(!error.to_string().contains(char::is_control), "{bad:?}");
        }
    }

    #[test]
    fn lists_are_bounded_and_of_one_maker() {
        let maker: MakerName = "acme".parse().unwrap();
        let check = |items: &[News]| check_news(&maker, items).map_err(|e| e.code());
        assert_eq!(check(&[item("x"), item("y")]), Ok(()));
        assert_eq!(check(&[item("x"), item("x")]), Err("news_repeated"));
        let many: Vec<_> = (0..=NEWS_MAX).map(|n| item(&n.to_string())).collect();
        assert_eq!((check(&many[..NEWS_MAX]), check(&many)), (Ok(()), Err("news_too_many")));
        let samples = vec![Sha256Hex::of(b"x"); 17];
        assert_eq!(check(&[News { samples, ..item("x") }]), Err("news_ties_too_many"));
        let aliases = vec!["acme:y".parse().unwrap()];
        assert_eq!(check(&[News { aliases, ..item("x") }]), Err("news_of_another_maker"));
    }

    #[test]
    fn aliases_are_read_as_they_are_written() {
        let alias: Alias = "best:Trojan:a b".parse().unwrap();
        assert_eq!(
            (alias.maker.as_str(), &*alias.threat, alias.to_string()),
            ("best", "Trojan:a b", "best:Trojan:a b".to_owned())
        );
        for odd in ["", "best", "best:", ":x", "B:x", "best:a\nb"] {
            assert!(odd.parse::<Alias>().is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_list_is_believed_by_its_makers_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        let key = |name: &str| SigningKey::load_or_create(&Disk::default(), &dir.path().join(name)).unwrap();
        let (ours, other) = (key("a"), key("b"));
        let maker: MakerName = "acme".parse().unwrap();
        let list = NewsList { maker: maker.clone(), counter: 7, news: vec![item("x")] };
        let signed = SignedNews::sign(&list, &ours);
        let verify = |signed: &SignedNews, maker: &str| {
            let bytes = serde_json::to_vec(signed).unwrap();
            SignedNews::verify(&bytes, &maker.parse().unwrap(), &[ours.public()]).map_err(|e| e.code())
        };
        assert_eq!(verify(&signed, "acme"), Ok(list.clone()));
        assert_eq!(verify(&SignedNews::sign(&list, &other), "acme"), Err("news_unsigned"));
        assert_eq!(verify(&signed, "best"), Err("news_of_another_maker"));
        let changed = SignedNews { news: signed.news.replace('7', "8"), ..signed.clone() };
        assert_eq!(verify(&changed, "acme"), Err("news_unsigned"));
        assert_eq!(SignedNews::verify(b"[]", &maker, &[]).unwrap_err().code(), "news_malformed");
    }
}
