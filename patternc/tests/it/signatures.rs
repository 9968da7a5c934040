//! Containers that are signed, and those that only say so.

use std::fs;
use std::path::Path;

use patternc::clamav::container::HEADER_LEN;
use patternc::compile::{Compilation, Compiler, SourceKind};
use patternc::diagnostic::Code;
use patternc::fuzzing::{Makers, Packing, container_of, seal_container, signed_container};

const MEMBERS: [(&str, &[u8]); 2] = [("COPYING", b"may be used"), ("a.ndb", b"A.B:0:*:aabbccdd\n")];

fn compile(kind: SourceKind, bytes: &[u8]) -> Compilation {
    let mut compiler = Compiler::new().keys(Makers::for_tests().keys());
    compiler.add_text("main", kind, bytes);
    compiler.finish()
}

fn refused(kind: SourceKind, bytes: &[u8]) -> Code {
    let compilation = compile(kind, bytes);
    assert_eq!((compilation.records.len(), compilation.account.refused), (0, 1));
    compilation.diagnostics[0].code
}

/// With this header instead of its own.
fn with_header(bytes: &[u8], header: &str) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[..HEADER_LEN].fill(b' ');
    changed[..header.len()].copy_from_slice(header.as_bytes());
    changed
}

#[test]
fn signed_containers_are_compiled() {
    for packing in [Packing::Gzip, Packing::Tar] {
        let bytes = signed_container(&Makers::for_tests(), packing, &MEMBERS);
        for kind in [SourceKind::Cvd, SourceKind::Cld, SourceKind::Cud] {
            assert_eq!(compile(kind, &bytes).records.len(), 1);
        }
        // By the keys of somebody else, they are not.
        let mut compiler = Compiler::new();
        compiler.add_text("main", SourceKind::Cvd, &bytes);
        assert_eq!(compiler.finish().diagnostics[0].code, Code::ContainerSignature);
    }
}

#[test]
fn without_a_digest_the_list_is_what_is_signed() {
    let bytes = signed_container(&Makers::for_tests(), Packing::Tar, &MEMBERS);
    let header = "ClamAV-VDB:16 Nov 2012 14-15 -0500:1:1:90:X:X:maker:1353093303";
    let updated = with_header(&bytes, header);
    assert_eq!(compile(SourceKind::Cld, &updated).records.len(), 1);
    assert_eq!(refused(SourceKind::Cvd, &updated), Code::ContainerDigest);
    // Of another version than the one that was signed.
    let newer = header.replace(":1:1:90:", ":2:1:90:");
    assert_eq!(refused(SourceKind::Cld, &with_header(&bytes, &newer)), Code::ContainerInfo);
    let changed = |from: &[u8], to: &[u8]| {
        let at = updated.windows(from.len()).position(|window| window == from).unwrap();
        let mut changed = updated.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        compile(SourceKind::Cld, &changed).diagnostics.first().map(|diagnostic| diagnostic.code)
    };
    assert_eq!(changed(b"aabbccdd", b"aabbccdd"), None);
    assert_eq!(changed(b"aabbccdd", b"aabbccde"), Some(Code::ContainerInfo));
    // What a changed list says of a file that is not there is in order, and yet not what was signed.
    assert_eq!(changed(b"COPYING:11:", b"COPYIMG:11:"), Some(Code::ContainerSignature));
    assert_eq!(changed(b"DSIG:", b"#SIG:"), Some(Code::ContainerUnsigned));
}

/// What stands in the archive and not in the signed list is a licence, which is not compiled, or the container is refused.
#[test]
fn a_member_that_nobody_signed_is_not_compiled() {
    let rule: &[u8] = b"Planted:0:*:11223344\n";
    let with = |name| {
        let bytes = signed_container(&Makers::for_tests(), Packing::Tar, &MEMBERS);
        let planted = container_of(Packing::Tar, &[(name, rule)]);
        // The two blocks of zeros that end the archive give way to the member, which brings its own.
        let end = bytes.len() - 1024;
        assert!(bytes[end..].iter().all(|byte| *byte == 0));
        let joined = [&bytes[..end], &planted[HEADER_LEN..]].concat();
        with_header(&joined, "ClamAV-VDB:16 Nov 2012 14-15 -0500:1:1:90:X:X:maker:1353093303")
    };
    for name in
        ["COPYING.ndb", "license.NDB", "LICENSE.ign2", "Licence.fp", "COPYING.cud", "COPYING-b.ftm", "b.ndb", "README"]
    {
        assert_eq!(refused(SourceKind::Cld, &with(name)), Code::ContainerInfo, "{name}");
    }
    for name in ["COPYING.LGPL", "LICENSE", "licence.txt", "COPYING.ndb.txt"] {
        let compilation = compile(SourceKind::Cld, &with(name));
        let names: Vec<_> = compilation.records.iter().map(patternc::record::Record::name).collect();
        assert_eq!(names, ["A.B"], "{name}");
        assert!(compilation.diagnostics.is_empty(), "{name}");
    }
}

#[test]
fn a_changed_header_is_told_from_one_without_a_signature() {
    let bytes = signed_container(&Makers::for_tests(), Packing::Gzip, &MEMBERS);
    let text = str::from_utf8(&bytes[..HEADER_LEN]).unwrap().trim_end();
    let signature = text.split(':').nth(6).unwrap();
    let with = |other: &str| with_header(&bytes, &text.replace(signature, other));
    assert_eq!(compile(SourceKind::Cvd, &with(signature)).records.len(), 1);
    assert_eq!(refused(SourceKind::Cvd, &with("X")), Code::ContainerUnsigned);
    assert_eq!(refused(SourceKind::Cvd, &with("")), Code::ContainerUnsigned);
    for wrong in [&signature[1..], &signature[..signature.len() - 1], "a", &"a".repeat(200), &format!("{signature} ")] {
        assert_eq!(refused(SourceKind::Cvd, &with(wrong)), Code::ContainerSignature, "{wrong}");
    }
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(refused(SourceKind::Cvd, &other), Code::ContainerDigest);
    seal_container(&mut other);
    assert_eq!(refused(SourceKind::Cvd, &other), Code::ContainerSignature);
}

/// Genuine containers lie beside the repository where it is developed, not in it.
#[test]
fn genuine_containers_are_signed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/signatures/clamav");
    if !folder.is_dir() {
        eprintln!("SKIPPED: there is no {}", folder.display());
        return;
    }
    for (path, kind) in [("official-2015/bytecode.cvd", SourceKind::Cvd), ("official-2012/bytecode.cld", SourceKind::Cld)] {
        let bytes = fs::read(folder.join(path)).unwrap();
        let codes = |bytes: &[u8]| {
            let mut compiler = Compiler::new();
            compiler.add_text("genuine", kind, bytes);
            let mut codes: Vec<Code> = compiler.finish().diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
            codes.dedup();
            codes
        };
        // What is in them is bytecode.
        assert_eq!(codes(&bytes), [Code::KindUnsupported], "{path}");
        let mut changed = bytes.clone();
        let at = HEADER_LEN + bytes[HEADER_LEN..].len() / 2;
        changed[at] ^= 1;
        assert!(!codes(&changed).contains(&Code::KindUnsupported), "{path}");
    }
}
