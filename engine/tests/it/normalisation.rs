//! Signatures for web pages, mails and text.

use crate::support::*;
use engine::{Database, Scanner, normalise};
use patternc::clamav;
use patternc::record::Record;

fn linked(lines: &[&str]) -> Vec<u8> {
    let records: Vec<Record> = lines.iter().map(|line| clamav::ndb(line).unwrap().unwrap()).collect();
    database(&records)
}

fn line(name: &str, target: u8, offset: &str, text: &str) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}:{target}:{offset}:{hex}")
}

fn names(database: &Database<'_>, scanner: &Scanner<'_>, file: &[u8]) -> Vec<String> {
    let mut scratch = scanner.scratch();
    let name = |found: &engine::Match| database.name(found.signature()).into_owned();
    let mut names: Vec<String> = scanner.signatures(&mut scratch, file).iter().map(name).collect();
    let mut together: Vec<String> = scanner.signatures_in_chunks(&mut scratch, file, 64).iter().map(name).collect();
    names.sort_unstable();
    together.sort_unstable();
    assert_eq!(names, together);
    names
}

const PAGE: &str = "<!DOCTYPE html>\r\n<HTML>\r\n<HEAD>\r\n<TITLE>An  Offer</TITLE>\r\n<!-- nothing to see -->\r\n\
<SCRIPT LANGUAGE='JavaScript'>\r\nvar Target = 'htt' + \"p://Evil\"; // where to\r\nLocation.Href = Target;\r\n</SCRIPT>\r\n</HEAD>\r\n\
<BODY>\r\n<IFRAME  SRC='http://Example.TEST/Kit?ID=1'  WIDTH=1></IFRAME>\r\nClick <A HREF=\"http://Example.TEST/A\">&#104;ere</A> now\r\n</BODY></HTML>\r\n";

#[test]
fn a_page_is_looked_through_in_its_forms() {
    let lines = [
        line("tags", 3, "*", "<iframe src=\"http://example.test/kit?id=1\" width=1></iframe>"),
        line("no-comment", 3, "*", "</title><script language=\"javascript\">"),
        line("entity", 3, "*", "\">here</a>now"),
        line("words", 3, "*", " click http://Example.TEST/A ere now"),
        line("script", 3, "*", "var n000=\"http://evil\";where to location.href=n000;"),
        line("script-as-text", 7, "*", "location.href=n000;"),
        line("any", 0, "*", "<title>an offer</title>"),
        line("as-it-stands", 0, "*", "<TITLE>An  Offer"),
        line("start", 3, "0", "<html><head>"),
        line("page-as-it-stands", 3, "*", "<TITLE>An  Offer"),
        line("page-as-text", 7, "*", "<title>an offer"),
        line("mail", 4, "*", "Click"),
    ];
    let linked = linked(&lines.each_ref().map(String::as_str));
    let database = open(&linked);
    let scanner = Scanner::new(&database);
    let mut want = ["any", "as-it-stands", "entity", "no-comment", "script", "script-as-text", "start", "tags", "words"]
        .map(String::from)
        .to_vec();
    want.sort_unstable();
    assert_eq!(names(&database, &scanner, PAGE.as_bytes()), want);
    // A form is another haystack: what is found in it counts in it.
    let mut scratch = scanner.scratch();
    let found = scanner.signatures(&mut scratch, PAGE.as_bytes());
    let start = found.iter().find(|found| database.name(found.signature()) == "start").unwrap();
    assert_eq!(start.range(), 0..12);
}

#[test]
fn text_is_looked_through_in_its_form() {
    let lines = [
        line("batch", 7, "0", "@echo off del c:\\*.*"),
        line("end", 7, "EOF-4", "bye "),
        line("any", 0, "*", "echo off del"),
        line("as-it-stands", 7, "*", "@ECHO"),
    ];
    let linked = linked(&lines.each_ref().map(String::as_str));
    let database = open(&linked);
    let scanner = Scanner::new(&database);
    let text = b"@ECHO OFF\r\n\tdel  C:\\*.*\r\nbye\r\n";
    assert_eq!(names(&database, &scanner, text), ["any", "batch", "end"]);
    let wide: Vec<u8> = text.iter().flat_map(|byte| [*byte, 0]).collect();
    assert_eq!(names(&database, &scanner, &[b"\xff\xfe", &wide[..]].concat()), ["any", "batch", "end"]);
    assert_eq!(names(&database, &scanner, &[b"MZ", &text[..]].concat()), [""; 0]);
    // Only the signatures that are new: the same answers for those.
    let new: Vec<_> = scanner.signatures(&mut scanner.scratch(), text).iter().map(engine::Match::signature).collect();
    assert_eq!(names(&database, &Scanner::restricted(&database, &new[..1]), text).len(), 1);
}

#[test]
fn a_mail_is_looked_through_as_it_stands() {
    let lines = [
        line("subject", 4, "*", "Subject: Your  Bill\r\n"),
        line("page", 3, "*", "<html>"),
        line("text", 7, "*", "your bill"),
    ];
    let linked = linked(&lines.each_ref().map(String::as_str));
    let database = open(&linked);
    let scanner = Scanner::new(&database);
    let mail = b"From: a@b.test\r\nSubject: Your  Bill\r\nContent-Type: text/html\r\n\r\n<HTML>Hello</HTML>\r\n";
    assert_eq!(names(&database, &scanner, mail), ["subject"]);
    assert_eq!(names(&database, &scanner, &mail[16..]), ["subject"]);
}

#[test]
fn nothing_is_normalised_for_a_database_that_does_not_ask_for_it() {
    let lines = [line("any", 0, "*", "<title>an offer</title>")];
    let linked = linked(&lines.each_ref().map(String::as_str));
    let database = open(&linked);
    assert_eq!(names(&database, &Scanner::new(&database), PAGE.as_bytes()), [""; 0]);
}

#[test]
fn sizes_are_those_of_the_text_and_of_the_forms_of_a_page() {
    let sizes = |file: &[u8]| normalise::forms(file).iter().map(|form| form.file_len).collect::<Vec<_>>();
    assert_eq!(sizes(b"A   line  of text"), [17]);
    assert_eq!(sizes(b"<HTML>A   line  of text"), [20, 15]);
}

#[test]
fn text_with_tags_far_behind_is_a_page() {
    let far = [&b"plain words ".repeat(200)[..], b"<Table>  <TABLE>  Cell"].concat();
    let names = |file: &[u8]| normalise::forms(file).into_iter().map(|form| form.name).collect::<Vec<_>>();
    assert_eq!(names(&far), ["without comments", "without tags"]);
    assert_eq!(names(&far[..2409]), ["text"]);
    assert_eq!(names(&[b"\x01", &far[..]].concat()), ["text"], "UTF-16, perhaps");
    assert_eq!(names(&[b"GIF89a", &far[..]].concat()), ["without comments", "without tags"]);
    assert_eq!(names(&[b"%!PS-Adobe-", &far[..]].concat()), [""; 0]);
    assert_eq!(names(&vec![b'a'; (20 << 20) + 1]), [""; 0]);
}
