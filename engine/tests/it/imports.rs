//! What executables import, as the text that signatures have the digest of. Each case was tried with clamscan.

use crate::support::*;
use corpus::executables::Import::{Name, Number};
use corpus::executables::{Import, PAGE, importing};
use engine::layout::DigestOf;
use engine::{Image, Scanner};
use patternc::record::Digest;

fn text(file: &[u8]) -> Option<String> {
    Image::imports_of(file).unwrap().map(|text| String::from_utf8(text).unwrap())
}

/// The text of PE32, which must be that of PE32+.
fn both(libraries: &[(&str, &[Import<'_>])]) -> Option<String> {
    let text = [false, true].map(|wide| text(&importing(wide, libraries)));
    assert_eq!(text[0], text[1]);
    text[0].clone()
}

#[test]
fn functions_stand_in_the_order_of_the_file_in_lower_case() {
    let libraries: [(&str, &[Import<'_>]); 3] =
        [("USER32.dll", &[Name("MessageBoxA"), Name("_x.2")]), ("empty.dll", &[]), ("KERNEL32.DLL", &[Name("ExitProcess")])];
    assert_eq!(both(&libraries).unwrap(), "user32.messageboxa,user32._x.2,kernel32.exitprocess");
    assert_eq!(both(&[("a.dll", &[])]).unwrap(), "");
}

#[test]
fn extensions_of_libraries_are_left_out() {
    for (library, want) in [
        ("a.dll", "a.f"),
        ("a.Sys", "a.f"),
        ("a.OCX", "a.f"),
        ("a.dll.x", "a.f"),
        ("a.dllx", "a.f"),
        ("a.b.dll", "a.b.dll.f"),
        ("a.drv", "a.drv.f"),
        ("a.dl", "a.dl.f"),
        ("a", "a.f"),
        ("", ".f"),
        (".dll", ".f"),
    ] {
        assert_eq!(both(&[(library, &[Name("F")])]).unwrap(), want);
    }
}

#[test]
fn numbers_are_named_where_a_library_has_fixed_ones() {
    let text = |library| both(&[(library, &[Number(2), Number(9000)])]).unwrap();
    assert_eq!(text("OLEAUT32.dll"), "oleaut32.sysallocstring,oleaut32.ord9000");
    assert_eq!(text("WS2_32.DLL"), "ws2_32.bind,ws2_32.ord9000");
    assert_eq!(text("wsock32.dll"), "wsock32.bind,wsock32.ord9000");
    assert_eq!(text("oleaut32"), "oleaut32.ord2,oleaut32.ord9000");
    assert_eq!(text("mfc42.dll"), "mfc42.ord2,mfc42.ord9000");
}

#[test]
fn names_are_cut_and_some_make_the_whole_unreadable() {
    let (long, cut) = ("n".repeat(300), "n".repeat(256));
    assert_eq!(both(&[(&long, &[Name(&long), Name("")])]).unwrap(), format!("{cut}.{cut},{cut}."));
    assert_eq!(both(&[("a.dll", &[Name("Good"), Name("?bad@@YAXXZ")])]), None);
}

/// Where the first of the numbers of the first library stands, when it imports the function `f` from the library `a`.
fn numbers(wide: bool) -> (Vec<u8>, usize) {
    let file = importing(wide, &[("a", &[Name("f"), Name("g")])]);
    (file, PAGE + 40 + 2 * 4 + 2)
}

#[test]
fn a_function_outside_the_file_has_no_name_or_is_passed_over() {
    for (wide, want) in [(false, "a.,a.g"), (true, "a.g")] {
        let (mut file, at) = numbers(wide);
        file[at..at + 4].copy_from_slice(&0x50_0000_u32.to_le_bytes());
        assert_eq!(text(&file).unwrap(), want);
    }
}

#[test]
fn a_name_needs_room_before_the_end_of_the_file() {
    let (file, at) = numbers(false);
    for (room, want) in [(256, "a.x,a.g"), (255, "a.g")] {
        let mut file = file.clone();
        let name = file.len() - room;
        file[name..][..2].copy_from_slice(b"x\0");
        file[at..][..4].copy_from_slice(&(name as u32 - 2).to_le_bytes());
        assert_eq!(text(&file).unwrap(), want);
    }
}

#[test]
fn the_last_row_of_the_table_is_not_looked_at() {
    let file = importing(false, &[("a", &[Name("f")]), ("b", &[Name("g")])]);
    let with_len = |len: u32| {
        let mut file = file.clone();
        file[0x98 + 96 + 12..][..4].copy_from_slice(&len.to_le_bytes());
        text(&file)
    };
    let cases = [(60, Some("a.f,b.g")), (41, Some("a.f,b.g")), (40, Some("a.f")), (20, Some("")), (0, None), (0x2000, None)];
    for (len, want) in cases {
        assert_eq!(with_len(len).as_deref(), want, "{len}");
    }
}

#[test]
fn files_of_other_kinds_import_nothing() {
    assert_eq!(text(&corpus::executables::elf(true, false, 2)), None);
    assert_eq!(text(b"MZ"), None);
    assert_eq!(text(&corpus::executables::pe(false, 2)), None);
}

#[test]
fn a_table_that_is_used_again_and_again_is_refused() {
    // A thousand libraries that share a table of four thousand functions with long names.
    let mut file = corpus::executables::pe(false, 16);
    let (rows, numbers) = (PAGE, 7 * PAGE);
    let name = 12 * PAGE;
    for row in file[rows..][..1025 * 20].chunks_mut(20) {
        row[12..16].copy_from_slice(&(name as u32).to_le_bytes());
        row[16..20].copy_from_slice(&(numbers as u32).to_le_bytes());
        row[..4].fill(0);
    }
    file[numbers..name].chunks_mut(4).for_each(|number| number.copy_from_slice(&(name as u32).to_le_bytes()));
    file[name..][..400].fill(b'n');
    file[0x98 + 96 + 8..][..4].copy_from_slice(&(rows as u32).to_le_bytes());
    file[0x98 + 96 + 12..][..4].copy_from_slice(&(1025_u32 * 20).to_le_bytes());
    assert!(Image::imports_of(&file).is_err());
    let listed = hash(DigestOf::Imports, "listed", Digest::Md5([0; 16]), None);
    assert_eq!(exceeded(&[listed], &file).as_deref(), Some("listed"));
}

#[test]
fn digests_of_imports_are_found_by_the_length_of_the_text() {
    let [file, wide] = [false, true].map(|wide| importing(wide, &[("KERNEL32.dll", &[Name("ExitProcess")])]));
    let text = text(&file).unwrap();
    let (digest, len) = (Digest::Md5(md5_of(text.as_bytes())), text.len() as u64);
    let records = [
        hash(DigestOf::Imports, "of its length", digest, Some(len)),
        hash(DigestOf::Imports, "of any length", digest, None),
        hash(DigestOf::Imports, "of another", digest, Some(len + 1)),
        hash(DigestOf::Section, "of a section", digest, None),
    ];
    let bytes = database(&records);
    let database = open(&bytes);
    let mut scratch = Scanner::new(&database).scratch();
    let found = Scanner::new(&database).signatures(&mut scratch, &file).to_vec();
    let names: Vec<_> = found.iter().map(|found| database.name(found.signature())).collect();
    assert_eq!(names, ["of any length", "of its length"]);
    assert!(Scanner::new(&database).signatures(&mut scratch, &wide).is_empty());
    assert!(found.iter().all(|found| found.range() == (0..file.len() as u64)));
}

/// What `sigtool --imp` says of these files.
#[test]
fn real_programs_have_the_digests_that_clamscan_computes() {
    let files = [
        ("distlib-t32.exe", "5e24f42b46c247f13d78f0f21a4a2bf7", 2149),
        ("setuptools-cli-64.exe", "77d2a6fffe40a245d700fae4d8114870", 2402),
        ("yara-tiny.exe", "1720bf764274b7a4052bbef0a71adc0d", 996),
        ("markupsafe-win-arm64.pyd", "742935dedc475bd9727933e4496eb9ec", 719),
    ];
    for (name, digest, len) in files {
        let (_, file) = corpus::clean().into_iter().find(|(found, _)| *found == name).unwrap();
        let text = Image::imports_of(file).unwrap().unwrap();
        let found: String = md5_of(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((found.as_str(), text.len()), (digest, len), "{name}");
    }
}
