//! Kinds of signature files, each known by the extension it usually has.

use std::path::Path;

use crate::record::DigestOf;

macro_rules! kinds {
    ($($name:ident = $extension:literal, $content:ident, $about:literal;)*) => {
        /// Kinds of signature files, by the extension they usually have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum SourceKind {
            $(
                #[doc = concat!("`.", $extension, "`: ", $about, ".")]
                $name,
            )*
        }

        impl SourceKind {
            /// Every kind.
            pub const ALL: &[SourceKind] = &[$(SourceKind::$name),*];

            /// The extension, without its dot.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(SourceKind::$name => $extension,)*
                }
            }

            /// What files of this kind hold, in words.
            pub fn about(self) -> &'static str {
                match self {
                    $(SourceKind::$name => $about,)*
                }
            }

            /// What is done with files of this kind.
            pub fn content(self) -> Content {
                match self {
                    $(SourceKind::$name => Content::$content,)*
                }
            }
        }
    };
}

/// What is done with the files of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Each line is a signature, or an entry of an allow list, which becomes a record.
    Signatures,
    /// Each line is a rule that takes signatures away by their names.
    Ignores,
    /// Each line is checked and has no effect: it is meant for ClamAV's own program, or says what is known without it.
    Notes,
    /// The file holds other files.
    Container,
    /// The kind is known by name only; its files are refused.
    Unsupported,
}

kinds! {
    Db = "db", Signatures, "body signatures of the old form `name=hex`";
    Ndb = "ndb", Signatures, "body signatures";
    Ndu = "ndu", Signatures, "body signatures of potentially unwanted programs";
    Hdb = "hdb", Signatures, "file hashes, MD5 as a rule";
    Hdu = "hdu", Signatures, "file hashes of potentially unwanted programs, MD5 as a rule";
    Hsb = "hsb", Signatures, "file hashes, SHA-1 and SHA-256 as a rule";
    Hsu = "hsu", Signatures, "file hashes of potentially unwanted programs, SHA-1 and SHA-256 as a rule";
    Ign = "ign", Ignores, "signatures to leave out, by file, line and name";
    Ign2 = "ign2", Ignores, "signatures to leave out, by name";
    Info = "info", Notes, "digests of the files of a container";
    Cfg = "cfg", Notes, "which parts of clamscan are switched on";
    Cvd = "cvd", Container, "container of signature files, signed";
    Cld = "cld", Container, "container of signature files, updated in place, its list of files signed";
    Cud = "cud", Container, "container of signature files, unsigned";
    Ldb = "ldb", Signatures, "logical signatures";
    Ldu = "ldu", Signatures, "logical signatures of potentially unwanted programs";
    Mdb = "mdb", Signatures, "hashes of sections of programs, MD5 as a rule";
    Mdu = "mdu", Signatures, "hashes of sections of potentially unwanted programs, MD5 as a rule";
    Msb = "msb", Signatures, "hashes of sections of programs, SHA-1 and SHA-256 as a rule";
    Msu = "msu", Signatures, "hashes of sections of potentially unwanted programs, SHA-1 and SHA-256 as a rule";
    Imp = "imp", Signatures, "hashes of import tables";
    Fp = "fp", Signatures, "hashes of files that are clean, MD5 as a rule";
    Sfp = "sfp", Signatures, "hashes of files that are clean, SHA-1 and SHA-256 as a rule";
    Cdb = "cdb", Signatures, "signatures of members of archives";
    Zmd = "zmd", Unsupported, "signatures of members of ZIP archives";
    Rmd = "rmd", Unsupported, "signatures of members of RAR archives";
    Ftm = "ftm", Notes, "rules that tell types of files";
    Idb = "idb", Unsupported, "icons of programs";
    Pdb = "pdb", Unsupported, "addresses that phishing imitates";
    Wdb = "wdb", Unsupported, "addresses that phishing checks leave alone";
    Gdb = "gdb", Unsupported, "hashes of addresses";
    Cbc = "cbc", Unsupported, "bytecode";
    Crb = "crb", Unsupported, "trusted and revoked certificates";
    Cat = "cat", Unsupported, "catalogues of digests of trusted programs";
    Pwdb = "pwdb", Unsupported, "passwords of archives";
    Ioc = "ioc", Unsupported, "OpenIOC indicators";
    Yar = "yar", Unsupported, "YARA rules";
    Yara = "yara", Unsupported, "YARA rules";
}

impl SourceKind {
    /// The kind that the extension of `path` names, in either case; `None` when it names none.
    pub fn of_path(path: &Path) -> Option<SourceKind> {
        let extension = path.extension()?;
        SourceKind::ALL.iter().copied().find(|kind| extension.eq_ignore_ascii_case(kind.as_str()))
    }

    /// What the digests in files of this kind are of; `None` where lines are no digests.
    pub(super) fn digest_of(self) -> Option<DigestOf> {
        match self {
            SourceKind::Hdb | SourceKind::Hdu | SourceKind::Hsb | SourceKind::Hsu => Some(DigestOf::File),
            SourceKind::Mdb | SourceKind::Mdu | SourceKind::Msb | SourceKind::Msu => Some(DigestOf::Section),
            SourceKind::Imp => Some(DigestOf::Imports),
            SourceKind::Fp | SourceKind::Sfp => Some(DigestOf::CleanFile),
            _ => None,
        }
    }

    /// The kind that a line has the form of: [`Ldb`](SourceKind::Ldb), [`Ndb`](SourceKind::Ndb), [`Hdb`](SourceKind::Hdb),
    /// [`Hsb`](SourceKind::Hsb), [`Mdb`](SourceKind::Mdb) or [`Db`](SourceKind::Db); `None` when it has none of these forms. It may be refused all the same.
    pub fn of_line(line: &str) -> Option<SourceKind> {
        let is_digest = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_size = |text: &str| text == "*" || text.bytes().all(|byte| byte.is_ascii_digit());
        let mut fields = line.split(':');
        let (first, colons) = (fields.next().unwrap_or_default(), fields.count());
        let second = line.split(':').nth(1).unwrap_or_default();
        match first.len() {
            1..=10 if is_size(first) && [32, 40, 64].contains(&second.len()) && is_digest(second) => Some(SourceKind::Mdb),
            32 if is_digest(first) && colons >= 2 => Some(SourceKind::Hdb),
            40 | 64 if is_digest(first) && colons >= 2 => Some(SourceKind::Hsb),
            // A body has no semicolon, and a subsignature may have colons.
            _ if line.split(';').nth(3).is_some() => Some(SourceKind::Ldb),
            _ if colons >= 3 => Some(SourceKind::Ndb),
            _ if line.contains('=') => Some(SourceKind::Db),
            _ => None,
        }
    }

    /// Whether a file of this kind is for scanning with: not a list of digests or switches that only go with others.
    pub fn holds_signatures(self) -> bool {
        !matches!(self.content(), Content::Notes | Content::Ignores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_extension() {
        assert_eq!(SourceKind::of_path(Path::new("a/b.NDB")), Some(SourceKind::Ndb));
        assert_eq!(SourceKind::of_path(Path::new("a/b.Ign2")), Some(SourceKind::Ign2));
        assert_eq!(SourceKind::of_path(Path::new("a/b.xyz")), None);
        assert_eq!(SourceKind::of_path(Path::new("a/ndb")), None);
    }

    #[test]
    fn kinds_by_the_form_of_a_line() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        for (line, kind) in [
            ("N:0:*:aabb".to_owned(), Some(SourceKind::Ndb)),
            ("N:0:aabb".to_owned(), None),
            ("N=aabb".to_owned(), Some(SourceKind::Db)),
            ("N;Target:0;0=1;EP+0:aabb::i".to_owned(), Some(SourceKind::Ldb)),
            (format!("{md5}:7:N"), Some(SourceKind::Hdb)),
            (format!("{md5}{md5}:7:N:73"), Some(SourceKind::Hsb)),
            (format!("{md5}:0:*:aabb"), Some(SourceKind::Hdb)),
            (format!("512:{md5}:N"), Some(SourceKind::Mdb)),
            ("512:0:*:aabb".to_owned(), Some(SourceKind::Ndb)),
            ("Worm".to_owned(), None),
        ] {
            assert_eq!(SourceKind::of_line(&line), kind, "{line}");
        }
    }

    #[test]
    fn extensions_are_distinct() {
        let extensions: std::collections::BTreeSet<_> = SourceKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(extensions.len(), SourceKind::ALL.len());
    }
}
