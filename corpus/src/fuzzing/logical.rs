//! Fuzz targets for logical signatures.

use super::source;
use crate::{bears, instance};
use engine::{Database, Scanner};
use patternc::clamav;
use patternc::link::link;
use patternc::record::{Logical, Record, Subsignature, Target};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Lines that look like those of real sets, a feature each.
const LINES: [&str; 41] = [
    "Demo.Loader-1;Engine:51-255,Target:1;0&1&2;4d6f76654e657874::i;EP+0:60be??104000;7363686564756c65::iw",
    "Demo.Loader-2;Target:0;(0|1|2)>1,2;68656c70;6c6f6164;6d6f7265",
    "Demo.Macro-1;Engine:51-255,Target:2;0&(1|2)&3=0;4175746f4f70656e::wa;5368656c6c;57536372697074;53616665",
    "Demo.Macro-2;Engine:81-255,Target:2,Container:CL_TYPE_ZIP;0&1;446f63756d656e745f4f70656e;556e70726f74656374",
    "Demo.Bot-1;Engine:51-255,Target:6;0&1>2;2f70726f632f73656c66;474554202f",
    "Demo.Bot-2;Engine:51-255,Target:6;((0&1)|(2&3))&4<5;61626364;62636465;63646566;64656667;656667",
    "Demo.Size-1;Engine:51-255,FileSize:10-400,Target:0;0;6162{1-3}6364(65|6667)",
    "Demo.Size-2;Engine:51-255,Target:0,FileSize:0-4096;0=2;6161",
    "Demo.Section-1;Engine:51-255,Target:1,NumberOfSections:1-3;0&1;S0+2:558bec83ec??8be5;SL+0:2e64617461",
    "Demo.Section-2;Engine:51-255,Target:1,EntryPoint:0-8192;0|1;SE1:aabbcc;EOF-40,8:ddeeff",
    "Demo.Offset-1;Target:0;0&1&2;0:4d5a;2,20:6162;EOF-9:6364",
    "Demo.Gap-1;Target:0;0;616263*646566{-8}676869",
    "Demo.Gap-2;Target:0;0&1;6162??63!(64|65);6162[1-3]63",
    "Demo.Count-1;Target:0;0>1&(1|2)=3;616161;6261;6262",
    "Demo.Count-2;Target:0;(0&1)=0;7878;7979",
    "Demo.Absent-1;Target:0;(0|1)<2,0&2;6161;6262;6363",
    "Demo.Picture-1;Engine:150-255,Target:5;(0|1)&(2=0);fuzzy_img#af2ad01ed42993c7#0;6162;fuzzy_img#0000000000000000",
    r"Demo.Regex-1;Engine:81-255,Target:0;0&1;68656c70;0/\x3Bver(?:sion)?=[0-9]{1,3}\.\d+/",
    r"Demo.Regex-2;Engine:81-255,Target:0;1;6c6f6164;0/function (?P<name>[a-z]{3,9})\(.*?(?P=name)\(\)/s",
    r"Demo.Regex-3;Engine:81-255,Target:0;2;61616161;62626262;(0|1)>2/(?<![a-z])run(?!dll)\w{2,8}(?=\.exe)/ig",
    r"Demo.Regex-4;Engine:81-255,Target:0;1>2;73656c66;0/\bself_[0-9a-f]{4}\b/g",
    r"Demo.Regex-5;Engine:81-255,Target:0;0&1;4d5a;0:0/^MZ.{60}/s",
    r"Demo.Regex-6;Engine:81-255,Target:0;1;656e64;0/end of (it|all)\z/",
    r"Demo.Regex-7;Engine:81-255,Target:0;1;726f6c6c;3000:0/roll(?:ed|ing) from/r",
    r"Demo.Regex-8;Engine:81-255,Target:0;1;73686966;2500,40:0/shif[tT]s?!/",
    r"Demo.Regex-9;Engine:81-255,Target:0;1;636f6e66;2600,64:0/con[f-h]ined$/e",
    r"Demo.Regex-10;Engine:81-255,Target:1;1;656e7472;EP+3:0/entr(y|ies)\x00/",
    r"Demo.Regex-11;Engine:81-255,Target:1;0&1;73656374;S1+8,32:0/sect(?:ion)?[ab]{2}/m",
    r"Demo.Regex-12;Engine:81-255,Target:0;1;6c696e65;0/^line \d{1,4}$/m",
    r"Demo.Regex-13;Engine:81-255,Target:0;1;677265656479;0/gr e+ dy  # spaced\n/xU",
    r"Demo.Regex-14;Engine:81-255,Target:0;0&(1=0);70726573;0/absent[^\r\n]{2}/",
    r"Demo.Regex-15;Engine:81-255,Target:7;0&1;736f6d6520;0/some (?:plain|other) text[\s,]+\w+/",
    r"Demo.Regex-16;Engine:81-255,Target:3;0&1;3c7020;0/<p (?:id|name)=.?para[0-9]/",
    r"Demo.Regex-17;Engine:81-255,Target:0;2;6f6e65;0/one(\d)\1/;1/(?>two|three){2,}(?i:FOUR)/",
    r"Demo.Number-1;Engine:81-255,Target:0;0&1;6e756d626572;0(>>8#de4#>99,<1000)",
    r"Demo.Number-2;Engine:81-255,Target:0;0&1;6e756d626572;0(>>6#hb8#=0xdeadbeef)",
    r"Demo.Number-3;Engine:81-255,Target:0;0&1;6e756d626572;0(<<6#hl4#=0x1234)",
    r"Demo.Number-4;Engine:81-255,Target:0;0&1&2;6e756d626572;0(>>6#ib4#>0x1000);0(>>10#il2#<512)",
    r"Demo.Number-5;Engine:81-255,Target:0;0&1;6e756d626572;0(>>9#ab6#=-12)",
    r"Demo.Number-6;Engine:81-255,Target:0;0>1&1;6e756d626572;0(>>7#ib1#>6,<9)",
    r"Demo.Picture-2;Engine:150-255,Target:5;0&1;fuzzy_img#af2ad01ed42993c7#0;6162636465",
];

/// Parses `bytes` as lines of an `.ldb` file. Each ends in a record that can be encoded and decoded, or in a fault; records can be linked.
pub fn ldb_parse(bytes: &[u8]) {
    patternc::fuzzing::ldb_parse(bytes);
    let parsed = bytes.split(|&byte| byte == b'\n').filter_map(|line| clamav::ldb(line).ok()?);
    let records: Vec<Record> = parsed.collect();
    let database = link(&[source(&records)]).expect("an accepted signature has something to search for");
    assert_eq!(Database::open(&database).expect("a database just linked opens").verify(), Ok(()));
}

/// Scans a haystack for logical signatures, both in `bytes`: lines of an `.ldb` file, an empty line, then the haystack, to which a string
/// is added for each subsignature. The scanner finds those that the oracle of planting finds, whatever kind of file they are for.
pub fn logical_equals_naive(bytes: &[u8]) {
    const LINES_MAX: usize = 8;
    const LINE_BYTES_MAX: usize = 400;
    const HAYSTACK_BYTES_MAX: usize = 600;
    let split = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (lines, haystack) = split.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 2..]));
    let lines = lines.split(|&byte| byte == b'\n').filter(|line| line.len() <= LINE_BYTES_MAX).take(LINES_MAX);
    let logicals: Vec<Logical> = lines
        .filter_map(|line| match clamav::ldb(line).ok()?? {
            Record::Logical(logical) => Some(*logical),
            _ => None,
        })
        .collect();
    let mut haystack = haystack[..haystack.len().min(HAYSTACK_BYTES_MAX)].to_vec();
    for logical in &logicals {
        for string in logical.subsignatures.iter().filter_map(string_of) {
            if haystack.len() + string.len() <= HAYSTACK_BYTES_MAX {
                haystack.extend(string);
            }
        }
    }
    let for_any = logicals.iter().map(|logical| Logical { target: Target::Any, ..logical.clone() });
    let both = for_any.chain(logicals.iter().cloned()).enumerate();
    let records: Vec<Record> =
        both.map(|(index, logical)| Record::Logical(Box::new(Logical { name: index.to_string(), ..logical }))).collect();
    let linked = link(&[source(&records)]).expect("an accepted signature has something to search for");
    let database = Database::open(&linked).expect("a database just linked opens");
    let scanner = Scanner::new(&database);
    let mut scratch = scanner.scratch();
    let found = scanner.signatures(&mut scratch, &haystack).iter().map(|found| database.name(found.signature()));
    let found: BTreeSet<Cow<'_, str>> = found.collect();
    let exceeded = scratch.exceeded().is_some();
    let borne = records.iter().filter(|record| bears(record, &haystack)).map(|record| Cow::Borrowed(record.name()));
    let borne: BTreeSet<Cow<'_, str>> = borne.collect();
    assert!(found == borne || exceeded && found.is_subset(&borne), "found {found:?}, borne {borne:?}");
}

/// Something that a subsignature matches.
fn string_of(subsignature: &Subsignature) -> Option<Vec<u8>> {
    match subsignature {
        Subsignature::Bytes { any_of, .. } => instance(any_of.first()?, b'a'),
        _ => None,
    }
}

/// Seeds for [`ldb_parse`]: all lines, in a file that other scanners can load too, and each alone, since a mutation of one is then one of
/// few bytes.
pub(super) fn parse_seeds() -> Vec<(String, Vec<u8>)> {
    let alone = LINES.iter().enumerate().map(|(index, line)| (format!("line-{index:02}"), line.as_bytes().to_vec()));
    std::iter::once(("lines.ldb".to_owned(), LINES.join("\n").into_bytes())).chain(alone).collect()
}

/// Seeds for [`logical_equals_naive`]: a few lines and a haystack.
pub(super) fn equality_seeds() -> Vec<(String, Vec<u8>)> {
    let haystack = "MZ abcdef aaaa abab help load more xxyy ab-cd abcefg";
    let seed = |(index, lines): (usize, &[&str])| {
        (format!("lines-{index}"), [&lines.join("\n"), "\n\n", haystack].concat().into_bytes())
    };
    LINES.chunks(4).enumerate().map(seed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_accepted() {
        for line in LINES {
            assert!(matches!(clamav::ldb(line), Ok(Some(_))), "{line}");
        }
    }
}
