//! The features of a line, by the kind of its file.

use std::collections::BTreeSet;

use patternc::compile::SourceKind;

use super::{body, logical};

/// Features of a line: a group, and what of it.
pub(crate) type Features = BTreeSet<(&'static str, String)>;

pub(crate) fn features(kind: SourceKind, line: &str) -> Features {
    let mut found = Features::from([("file", format!("`.{}`", kind.as_str()))]);
    let fields: Vec<&str> = line.split(':').collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    match kind {
        SourceKind::Ndb | SourceKind::Ndu => {
            found.insert(("target", target(field(1))));
            offset(field(2), &mut found);
            body::features(field(3), &mut found);
            levels(&fields, 4, &mut found);
        }
        SourceKind::Db => body::features(line.split_once('=').map_or("", |(_, body)| body), &mut found),
        SourceKind::Ldb | SourceKind::Ldu => logical::features(line, &mut found),
        SourceKind::Mdb | SourceKind::Mdu | SourceKind::Msb | SourceKind::Msu => {
            hash(field(1), field(0), &mut found);
            levels(&fields, 3, &mut found);
        }
        SourceKind::Hdb
        | SourceKind::Hdu
        | SourceKind::Hsb
        | SourceKind::Hsu
        | SourceKind::Imp
        | SourceKind::Fp
        | SourceKind::Sfp => {
            hash(field(0), field(1), &mut found);
            levels(&fields, 3, &mut found);
        }
        SourceKind::Ign | SourceKind::Ign2 => {
            let form = ["", "`name`", "`name:md5`", "`file:line:name`"].get(fields.len()).copied().unwrap_or("other");
            found.insert(("ignore", form.to_owned()));
        }
        SourceKind::Ftm => {
            found.insert(("file type", format!("magic type {}", field(0))));
            levels(&fields, 6, &mut found);
        }
        _ => {}
    }
    found
}

fn hash(digest: &str, size: &str, found: &mut Features) {
    let name = match digest.len() {
        32 => "MD5",
        40 => "SHA-1",
        64 => "SHA-256",
        _ => "another digest",
    };
    found.insert(("hash", name.to_owned()));
    found.insert(("hash", if size == "*" { "any size" } else { "one size" }.to_owned()));
}

fn levels(fields: &[&str], first: usize, found: &mut Features) {
    if fields.len() > first {
        found.insert(("levels", if fields.len() > first + 1 { "least and most" } else { "least" }.to_owned()));
    }
}

pub(crate) fn target(field: &str) -> String {
    let name = match field {
        "0" | "*" | "" => "any file",
        "1" => "PE",
        "2" => "OLE2",
        "3" => "HTML",
        "4" => "mail",
        "5" => "graphics",
        "6" => "ELF",
        "7" => "text",
        "9" => "Mach-O",
        "10" => "PDF",
        "11" => "Flash",
        "12" => "Java class",
        _ => "other",
    };
    format!("{field} ({name})")
}

pub(crate) fn offset(field: &str, found: &mut Features) {
    let (place, shift) = field.split_once(',').map_or((field, None), |(place, shift)| (place, Some(shift)));
    let form = match place {
        "*" => "`*`",
        _ if place.starts_with('$') => "`$n`",
        _ if place.starts_with("VI") => "`VI`",
        _ if place.starts_with("EOF-") => "`EOF-n`",
        _ if place.starts_with("EP+") => "`EP+n`",
        _ if place.starts_with("EP-") => "`EP-n`",
        _ if place.starts_with("SE") => "`SEx`",
        _ if place.starts_with("SL") => "`SL+n`",
        _ if place.starts_with('S') => "`Sx+n`",
        _ if place.bytes().all(|byte| byte.is_ascii_digit()) => "`n`",
        _ => "other",
    };
    found.insert(("offset", form.to_owned()));
    if shift.is_some() {
        found.insert(("offset", "with `,shift`".to_owned()));
    }
}
