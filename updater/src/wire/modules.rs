//! Modules: files that a release has besides its blob. `docs/modules.md` is the prose of this file.

use super::{ChannelRelease, Sha256Hex, ShapeError};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::ToSchema;

/// Most bytes of a module.
pub const MODULE_LEN_MAX: u64 = 16 << 20;
/// Most bytes of all modules of a release.
pub const MODULES_LEN_MAX: u64 = 64 << 20;
/// Most modules of a release.
pub const MODULES_MAX: usize = 32;

/// What a module is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModuleKind {
    /// For people: a licence, a list of changes, descriptions of threats.
    Document,
    /// A file in which a database with this release must find something, or the terminal does not put it in force.
    Samples,
    /// A package of the scanner for one platform. It is kept for who installs it, and never run.
    Engine,
}

impl ModuleKind {
    const ALL: [ModuleKind; 3] = [ModuleKind::Document, ModuleKind::Samples, ModuleKind::Engine];

    /// The word for it, which also ends the name of its target.
    pub fn as_str(self) -> &'static str {
        match self {
            ModuleKind::Document => "document",
            ModuleKind::Samples => "samples",
            ModuleKind::Engine => "engine",
        }
    }
}

impl FromStr for ModuleKind {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let found = ModuleKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| ShapeError { found: text.to_owned(), expected: "document, samples or engine" })
    }
}

impl fmt::Display for ModuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Name of a module: 1 to 64 of `a-z 0-9 . _ -`, beginning with a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$", example = "changes.txt")]
pub struct ModuleName(String);

impl ModuleName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModuleName {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let plain = |byte: u8| letter(byte) || b"._-".contains(&byte);
        let is_name = (1..=64).contains(&text.len()) && text.bytes().all(plain) && text.bytes().next().is_some_and(letter);
        let expected = "a module's name (1 to 64 of a-z 0-9 . _ -, a letter or digit first)";
        if is_name { Ok(ModuleName(text.to_owned())) } else { Err(ShapeError { found: text.to_owned(), expected }) }
    }
}

/// What an engine runs on, as `OS/ARCHITECTURE` in the words of Rust: `linux/x86_64`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z0-9_]{1,24}/[a-z0-9_]{1,24}$", example = "linux/x86_64")]
pub struct Platform(String);

impl Platform {
    /// That of this program.
    pub fn here() -> Self {
        Platform(format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH))
    }
}

impl FromStr for Platform {
    type Err = ShapeError;

    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_word = |word: &str| (1..=24).contains(&word.len()) && word.bytes().all(plain);
        match text.split_once('/') {
            Some((os, architecture)) if is_word(os) && is_word(architecture) => Ok(Platform(text.to_owned())),
            _ => Err(ShapeError { found: text.to_owned(), expected: "a platform (OS/ARCHITECTURE, such as linux/x86_64)" }),
        }
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = ShapeError;

            fn try_from(text: String) -> Result<Self, ShapeError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text!(ModuleName, Platform);

/// One file that a release has besides its blob.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Module {
    /// Its name among those of its kind.
    pub name: ModuleName,
    /// What it is for.
    pub kind: ModuleKind,
    /// What it runs on: engines have one, and only they.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Digest of its content.
    pub sha256: Sha256Hex,
    /// Bytes of it.
    pub length: u64,
}

/// A release of a channel with all that belongs to it, as the service keeps it for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeptRelease {
    /// Channel and number.
    #[serde(flatten)]
    pub release: ChannelRelease,
    /// Digest of the blob.
    pub sha256: Sha256Hex,
    /// Bytes of the blob.
    pub length: u64,
    /// When it came to the service, in seconds since 1970.
    pub published_at: i64,
    /// Whether its maker's newest role offers it.
    pub listed: bool,
    /// Whether its maker withdrew it.
    pub withdrawn: bool,
    /// Its modules, by kind and name: those that its maker offers; of a release that is not offered, the last that were.
    pub modules: Vec<Module>,
}

/// What a sweep of the stored objects found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Swept {
    /// Whether it only looked.
    pub dry_run: bool,
    /// Objects that are stored.
    pub objects: u64,
    /// Objects that no table names and that are older than the time of grace.
    pub unnamed: u64,
    /// Bytes of those.
    pub unnamed_bytes: u64,
    /// How many of them were removed.
    pub removed: u64,
    /// Objects that a table names and that are not stored as they were. Their makers can publish them again.
    pub lost: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_a_folder() {
        for good in ["a", "7", "changes.txt", "licence-2.0_en", &"a".repeat(64)] {
            assert_eq!(good.parse::<ModuleName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", ".hidden", "-x", "_x", "a/b", "a\\b", "A", "ä", "a b", "a\0", &"a".repeat(65)] {
            assert!(bad.parse::<ModuleName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn platforms_and_kinds_are_two_words_and_one() {
        assert_eq!("linux/x86_64".parse::<Platform>().unwrap().to_string(), "linux/x86_64");
        for bad in ["linux", "linux/", "/x86_64", "linux/x86_64/musl", "Linux/x86_64", "linux/x86-64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
        Platform::here().to_string().parse::<Platform>().unwrap();
        for kind in ModuleKind::ALL {
            assert_eq!(kind.to_string().parse::<ModuleKind>().unwrap(), kind);
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("titer".parse::<ModuleKind>().is_err());
    }
}
