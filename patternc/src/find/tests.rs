use super::*;
use crate::clamav;

fn found(record: &Record, file: &[u8]) -> Finding {
    find(record, &haystacks(file), 10).unwrap().swap_remove(0)
}

fn body(line: &str, file: &[u8]) -> Finding {
    found(&clamav::ndb(line).unwrap().unwrap(), file)
}

fn logical(line: &str, file: &[u8]) -> Finding {
    found(&clamav::ldb(line).unwrap().unwrap(), file)
}

fn piece(count: u64, place: Range<u64>) -> Piece {
    Piece { count, places: std::iter::once(place).collect(), ..Piece::default() }
}

#[test]
fn bodies_with_each_range() {
    let finding = body("N:0:*:6162{1-3}6364", b"ab-cd--ab--cd abcd");
    assert!(finding.holds && finding.unmet.is_empty());
    assert_eq!((finding.pieces[0].count, &finding.pieces[0].places[..]), (2, &[0..5, 7..13][..]));
    let missing = body("N:0:0:616263", b"-abc");
    assert_eq!(missing.unmet, ["the pattern does not match where it may begin"]);
    assert!(missing.is_nothing());
}

#[test]
fn starts_agree_with_the_meaning_of_patterns() {
    let lines = ["6162*6364", "5f61(62|6263){0-2}6364", "6162!(63|64)65", "6162??{3-}6566", "(B)616263(B)"];
    let file = b"_abcd ab--cd-abxe abc _abbcd..ab-----ef abc";
    for line in lines {
        let Record::Body(Body { pattern, offset, .. }) = clamav::ndb(format!("N:0:*:{line}")).unwrap().unwrap() else {
            panic!("a body")
        };
        let ends = engine::naive::ends(&pattern, offset, file);
        assert!(!ends.is_empty(), "{line}");
        for end in ends {
            let start = start_of(&pattern, offset, file, &[], end).unwrap();
            let from_there = Offset::Start { from: start, shift: 0 };
            assert!(engine::naive::ends(&pattern, from_there, file).contains(&end), "{line} ends at {end}");
            let later = (start + 1..=end).map(|from| Offset::Start { from, shift: 0 });
            for offset in later {
                assert!(!engine::naive::ends(&pattern, offset, file).contains(&end), "{line} begins later");
            }
        }
    }
}

#[test]
fn a_start_beyond_reach_is_not_guessed() {
    let file = [b"ab", &b"-".repeat(100_000)[..], b"cd"].concat();
    let finding = body("N:0:*:6162*6364", &file);
    assert!(finding.holds);
    assert_eq!(finding.pieces[0], piece(1, 100_004..100_004));
}

#[test]
fn targets_and_limits_are_told() {
    let finding = body("N:1:*:61626364", b"abcd");
    assert_eq!(finding.unmet, ["it is for PE files, and this file is of kind text"]);
    assert_eq!((finding.holds, finding.pieces[0].count), (false, 1));
    let finding = logical("N;Engine:51-255,Target:0,FileSize:5-6;0;61626364", b"abcd");
    assert_eq!(finding.unmet, ["the file has 4 bytes, not 5 to 6"]);
    let finding = logical("N;Engine:51-255,Target:1,NumberOfSections:3-4;0;61626364", b"MZ abcd");
    assert_eq!(finding.unmet, ["the file is no executable with an entry point and sections"]);
}

#[test]
fn subsignatures_count_also_where_the_whole_does_not_hold() {
    let finding = logical("N;Target:0;0&1&2;6162;7879;6162::wa", b"ab a\0b\0 ab");
    assert_eq!(finding.pieces.iter().map(|piece| piece.count).collect::<Vec<_>>(), [2, 0, 3]);
    assert_eq!(finding.pieces[2].places, [0..2, 3..7, 8..10]);
    assert_eq!(finding.unmet, ["the expression (0&1&2) does not hold"]);
}

#[test]
fn regular_expressions_wait_for_their_triggers() {
    let line = "N;Target:0;0&1&2;6162;0/x+/g;1/y/";
    let finding = logical(line, b"ab xx x y");
    assert!(finding.holds);
    assert_eq!(finding.pieces[1], piece(2, 3..5));
    let finding = logical(line, b"xx x y");
    assert_eq!(finding.pieces[1].note, Some("its trigger does not hold, so it is not searched for"));
    assert!(finding.is_nothing());
}

#[test]
fn hashes_by_size_and_digest() {
    for of in [DigestOf::File, DigestOf::CleanFile] {
        let record = clamav::hash(of, "900150983cd24fb0d6963f7d28e17f72:3:N").unwrap().unwrap();
        assert!(found(&record, b"abc").holds);
        assert_eq!(found(&record, b"abd").unmet, ["the file has another digest"]);
        assert_eq!(found(&record, b"abcd").unmet, ["the file has 4 bytes, not 3"]);
    }
    let section = clamav::hash(DigestOf::Section, "3:900150983cd24fb0d6963f7d28e17f72:N").unwrap().unwrap();
    assert_eq!(found(&section, b"abc").unmet, ["no part of the file has that size and digest"]);
}

#[test]
fn pages_and_text_are_looked_through_in_their_forms() {
    let record = clamav::ndb("N:7:*:6669 6e64206d65".replace(' ', "")).unwrap().unwrap();
    let file = haystacks(b"Well: FIND   me, you");
    let findings = find(&record, &file, 10).unwrap();
    assert_eq!((findings.len(), findings[0].holds), (1, true));
    assert_eq!(file[findings[0].haystack].form, Some("text"));
    let any = clamav::ndb("N:0:*:66696e64206d65").unwrap().unwrap();
    let findings = find(&any, &file, 10).unwrap();
    assert_eq!(
        findings.iter().map(|finding| (finding.haystack, finding.holds)).collect::<Vec<_>>(),
        [(0, false), (1, true)]
    );
    let elf = body("N:7:*:66696e64206d65", b"\x7fELF find me");
    assert_eq!(elf.unmet, ["it is for text files, and this file is of kind ELF"]);
}

#[test]
fn numbers_near_the_last_match() {
    let line = "N;Engine:101-255,Target:0;0&1;616263;0(>>3#de2#>11,<13)";
    let finding = logical(line, b"-abc99 abc12");
    assert!(finding.holds, "{finding:?}");
    assert_eq!((finding.pieces[1].count, &finding.pieces[1].places[..]), (1, &piece(1, 10..12).places[..]));
    assert!(!logical(line, b"-abc12 abc99").holds);
    assert_eq!(logical(line, b"-12").pieces[1].note, Some("its trigger has no match, so there is no number"));
}

/// A white picture of three pixels: a BMP.
const WHITE: &[u8] = b"BM\x42\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x03\0\0\0\x01\0\0\0\x01\0\x18\0\
    \0\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0";

#[test]
fn pictures_are_whole_files() {
    let line = "N;Target:0;0|1;fuzzy_img#8000000000000000;fuzzy_img#0000000000000001";
    let finding = logical(line, WHITE);
    assert!(finding.holds);
    assert_eq!(finding.pieces, [piece(1, 0..66), Piece::default()]);
    // 70,000 pixels in a row.
    let mut wide = WHITE.to_vec();
    wide[18..22].copy_from_slice(&70_000_u32.to_le_bytes());
    let finding = logical(line, &wide);
    let note = Some("the picture is above the limits, so what it shows is not known");
    assert!(finding.is_nothing() && finding.pieces.iter().all(|piece| piece.note == note), "{finding:?}");
    let finding = logical(line, b"text");
    let note = Some("the file is no picture that can be decoded");
    assert!(finding.is_nothing() && finding.pieces.iter().all(|piece| piece.note == note));
}
