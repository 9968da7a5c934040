//! Containers: what is compiled, and what is refused as a whole.

use patternc::clamav::container::{Container, ContainerError, HEADER_LEN, Limits};
use patternc::compile::{Compilation, Compiler, SourceKind, Unsigned};
use patternc::diagnostic::Code;
use patternc::fuzzing::{Packing, container, container_of, seal_container};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

const MEMBERS: [(&str, &[u8]); 4] = [
    ("COPYING", b"may be used"),
    ("a.ndb", b"A.B:0:*:aabbccdd\nBad:0:*:aab\nC.D:0:*:aabbccdd\n"),
    ("b.cbc", b"ClamBC\n"),
    ("c.ign2", b"C.D\n"),
];

fn compile(kind: SourceKind, bytes: &[u8], unsigned: Unsigned) -> Compilation {
    let mut compiler = Compiler::new().unsigned(unsigned);
    compiler.add_text(&format!("main.{}", kind.as_str()), kind, bytes);
    compiler.finish()
}

/// The code by which a container is refused as a whole.
fn refused(kind: SourceKind, bytes: &[u8]) -> Code {
    let compilation = compile(kind, bytes, Unsigned::Accept);
    assert_eq!((compilation.records.len(), compilation.diagnostics.len(), compilation.account.refused), (0, 1, 1));
    compilation.diagnostics[0].code
}

#[test]
fn members_are_compiled_like_files() {
    for packing in [Packing::Gzip, Packing::Tar] {
        let compilation = compile(SourceKind::Cud, &container(packing, &MEMBERS), Unsigned::Accept);
        let names: Vec<_> = compilation.records.iter().map(patternc::record::Record::name).collect();
        assert_eq!(names, ["A.B"]);
        let said: Vec<String> = compilation.diagnostics.iter().map(ToString::to_string).collect();
        assert!(said[0].starts_with("main.cud:a.ndb:2: hex-odd: "), "{said:?}");
        assert!(said[1].starts_with("main.cud:b.cbc:0: kind-unsupported: "), "{said:?}");
        assert_eq!((said.len(), compilation.account.ignored), (2, 1));
    }
}

#[test]
fn what_is_not_signed_is_refused_unless_allowed() {
    let unsigned = container(Packing::Gzip, &MEMBERS);
    // A digest and a signature in the header that are of another container.
    let mut foreign = unsigned.clone();
    let header = format!("ClamAV-VDB:16 Nov 2012 14-15 -0500:1:1:90:{}:AbC:maker:1353093303", "0".repeat(32));
    foreign[..header.len()].copy_from_slice(header.as_bytes());
    seal_container(&mut foreign);
    for kind in [SourceKind::Cvd, SourceKind::Cld, SourceKind::Cud] {
        for (bytes, code) in [(&unsigned, Code::ContainerUnsigned), (&foreign, Code::ContainerSignature)] {
            let compilation = compile(kind, bytes, Unsigned::Refuse);
            assert_eq!(compilation.diagnostics[0].code, code);
            assert_eq!((compilation.records.len(), compilation.account.refused), (0, 1));
            assert_eq!(compile(kind, bytes, Unsigned::Accept).records.len(), 1);
        }
    }
}

#[test]
fn every_bit_of_an_archive_is_under_its_digest() {
    let sealed = container(Packing::Gzip, &MEMBERS);
    for at in HEADER_LEN..sealed.len() {
        let mut bytes = sealed.clone();
        bytes[at] ^= 1;
        assert_eq!(refused(SourceKind::Cud, &bytes), Code::ContainerDigest);
    }
}

#[test]
fn a_header_is_read_whole() {
    let bytes = container(Packing::Tar, &MEMBERS);
    let header = Container::open(&bytes, Limits::default()).unwrap().header().clone();
    assert_eq!((header.built.as_str(), header.builder.as_str()), ("16 Nov 2012 14-15 -0500", "maker"));
    assert_eq!((header.version, header.signatures, header.flevel, header.built_at), (1, 1, 90, Some(1353093303)));
    assert_eq!((header.md5.is_some(), header.signature), (true, None));
    let with = |text: &str| {
        let mut bytes = bytes.clone();
        bytes[..HEADER_LEN].fill(b' ');
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    };
    let other_names = "ClamAV-VDB:another time:1:1:90:X:X:another maker:1353093303";
    assert_eq!(compile(SourceKind::Cld, &with(other_names), Unsigned::Accept).records.len(), 1);
    assert_eq!(refused(SourceKind::Cvd, &with(other_names)), Code::ContainerDigest);
    // What the list of members says otherwise.
    for other in
        ["2:1:90:X:X:b:1353093303", "1:2:90:X:X:b:1353093303", "1:1:91:X:X:b:1353093303", "1:1:90:X:X:b:1", "1:1:90:X:X:b"]
    {
        assert_eq!(refused(SourceKind::Cld, &with(&format!("ClamAV-VDB:t:{other}"))), Code::ContainerInfo, "{other}");
    }
    for wrong in [
        "",
        "ClamAV-VDB",
        "ClamAV:t:1:1:1:X:X:b",
        "ClamAV-VDB:t:1:1:1:X:b",
        "ClamAV-VDB:t:x:1:1:X:X:b",
        "ClamAV-VDB:t::1:1:X:X:b",
        "ClamAV-VDB:t:1:1:1:abc:X:b",
        "ClamAV-VDB:t:1:1:1:X:X:b:x",
        "ClamAV-VDB:t:1:1:1:X:X:b:1:2",
        "ClamAV-VDB:\u{e9}:1:1:1:X:X:b",
        "ClamAV-VDB:\x1b:1:1:1:X:X:b",
    ] {
        assert_eq!(refused(SourceKind::Cld, &with(wrong)), Code::ContainerHeader, "{wrong}");
    }
    assert_eq!(refused(SourceKind::Cld, &bytes[..HEADER_LEN - 1]), Code::ContainerHeader);
}

#[test]
fn members_are_what_their_list_says() {
    const MADE: &str = "ClamAV-VDB:16 Nov 2012 14-15 -0500:1:1:90:X:X:maker:1353093303\n";
    let list = |lines: &str| container_of(Packing::Tar, &[("a.info", lines.as_bytes()), ("a.ndb", b"A:0:*:aabbccdd\n")]);
    let sha256 = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let good = format!("{MADE}a.ndb:15:{}\n", sha256(b"A:0:*:aabbccdd\n"));
    let other = sha256(b"other");
    assert_eq!(refused(SourceKind::Cud, &container_of(Packing::Tar, &MEMBERS)), Code::ContainerInfo);
    for lines in [
        "",
        MADE,
        &format!("{MADE}DSIG:x\n"),
        &format!("{MADE}a.ndb:15:{other}\n"),
        &format!("{MADE}garbage\n"),
        &format!("{MADE}other.ndb:15:{other}\n"),
        &format!("{good}a.ndb:15:{other}\n"),
        good.strip_prefix(MADE).unwrap(),
        // Below the signature nothing is signed.
        &format!("{MADE}DSIG:x\n{}", good.strip_prefix(MADE).unwrap()),
        &format!("{good}DSIG:x\nDSIG:x\n"),
    ] {
        assert_eq!(refused(SourceKind::Cud, &list(lines)), Code::ContainerInfo, "{lines}");
    }
    for lines in
        [&good, &format!("{good}missing.ndb:15:{other}\n"), &format!("{good}DSIG:x\n"), &format!("{good}DSIG:x\r\n\n")]
    {
        assert_eq!(compile(SourceKind::Cud, &list(lines), Unsigned::Accept).records.len(), 1, "{lines}");
    }
}

#[test]
fn broken_archives_are_refused_whole() {
    let bytes = container(Packing::Gzip, &MEMBERS);
    for cut in [HEADER_LEN, HEADER_LEN + 2, HEADER_LEN + 100, bytes.len() - 1] {
        let mut short = bytes[..cut].to_vec();
        seal_container(&mut short);
        let code = refused(SourceKind::Cud, &short);
        assert!(matches!(code, Code::ContainerArchive | Code::ContainerInfo), "{cut}: {code}");
    }
    let mut long = bytes.clone();
    long.push(0);
    seal_container(&mut long);
    assert_eq!(refused(SourceKind::Cud, &long), Code::ContainerArchive);
    let twice = container(Packing::Gzip, &[MEMBERS[1], MEMBERS[1]]);
    assert_eq!(refused(SourceKind::Cud, &twice), Code::ContainerArchive);
    let nested = container(Packing::Gzip, &[("folder/a.ndb", MEMBERS[1].1)]);
    assert_eq!(refused(SourceKind::Cud, &nested), Code::ContainerArchive);
}

#[test]
fn a_container_in_a_container_is_not_opened() {
    let inner = container(Packing::Gzip, &MEMBERS);
    let compilation = compile(SourceKind::Cud, &container(Packing::Gzip, &[("inner.cud", &inner)]), Unsigned::Accept);
    assert_eq!(compilation.diagnostics[0].code, Code::KindUnsupported);
    assert!(compilation.records.is_empty());
}

#[test]
fn what_unpacks_to_too_much_is_refused() {
    let zeros = vec![0; 8 << 20];
    let bomb = container(Packing::Gzip, &[("a.ndb", &zeros)]);
    assert!(bomb.len() < 100_000);
    assert_eq!(refused(SourceKind::Cud, &bomb), Code::ContainerLimit);

    let bytes = container(Packing::Tar, &MEMBERS);
    let under = |limits: Limits| Container::open(&bytes, limits).unwrap().check();
    assert!(under(Limits::default()).is_ok());
    let members = under(Limits { members_max: 4, ..Limits::default() });
    assert_eq!(members.unwrap_err(), ContainerError::Limit { of: "members", allowed: 4 });
    let member = under(Limits { member_bytes_max: 20, ..Limits::default() });
    assert_eq!(member.unwrap_err(), ContainerError::Limit { of: "bytes in one member", allowed: 20 });
    let total = under(Limits { total_bytes_max: 2000, ..Limits::default() });
    assert_eq!(total.unwrap_err(), ContainerError::Limit { of: "bytes", allowed: 2000 });
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_answer(at in 0_usize..4000, value: u8, cut in 0_usize..4000, gzip: bool) {
        let mut bytes = container(if gzip { Packing::Gzip } else { Packing::Tar }, &MEMBERS);
        let len = bytes.len();
        bytes[at % len] = value;
        bytes.truncate(len - cut % len);
        patternc::fuzzing::container_read(&bytes);
        patternc::fuzzing::container_compile(&bytes);
        seal_container(&mut bytes);
        patternc::fuzzing::container_read(&bytes);
        patternc::fuzzing::container_compile(&bytes);
    }
}
