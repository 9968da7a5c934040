//! Deltas: they make what they say, or nothing.

use patternc::blob::{self, DeltaError, EngineRange, Meta};
use patternc::record::Record;
use proptest::prelude::*;

use crate::support::{any_meta, any_records, file_hash, hash_blob, meta};

fn check(old: &[u8], new: &[u8]) -> Vec<u8> {
    let delta = blob::diff(old, new).unwrap();
    assert!(blob::patch(old, &delta).unwrap() == new);
    delta
}

proptest! {
    #[test]
    fn patching_gives_the_new_blob(
        (old_meta, new_meta) in (any_meta(), any_meta()),
        (old, both, new) in (any_records(), any_records(), any_records()),
    ) {
        let new_meta = Meta { channel: old_meta.channel.clone(), ..new_meta };
        let pack = |meta: &Meta, parts: [&[Record]; 2]| {
            let mut records = parts.concat();
            records.sort_by_cached_key(Record::encode);
            records.dedup();
            blob::encode(meta, &records).unwrap()
        };
        let (old, new) = (pack(&old_meta, [&old, &both]), pack(&new_meta, [&both, &new]));
        let empty = pack(&new_meta, [&[], &[]]);
        for (from, to) in [(&old, &new), (&new, &old), (&old, &old), (&empty, &new), (&old, &empty), (&empty, &empty)] {
            check(from, to);
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(blob::patch(&hash_blob(1, 0..2), &bytes).is_err());
        patternc::fuzzing::delta_apply(&[b"TITERDL\n\x01\0\0\0", &bytes[..]].concat());
    }
}

#[test]
fn only_the_header_may_change() {
    let records = [file_hash(1), file_hash(2)];
    let old = blob::encode(&meta(1), &records).unwrap();
    let new_meta = Meta { release: 2, created: -5, engine: EngineRange { min: 0, max: u32::MAX }, ..meta(2) };
    let delta = check(&old, &blob::encode(&new_meta, &records).unwrap());
    let header = blob::read_delta_header(&delta).unwrap();
    assert_eq!((header.removed, header.added, header.from_release, header.to_release), (0, 0, 1, 2));
    assert_eq!(header.from, blob::read_header(&old).unwrap().root);
}

#[test]
fn deltas_cross_segments_and_are_small() {
    let old = hash_blob(1, 0..150_000);
    let new = hash_blob(2, (0..150_000).filter(|number| number % 1000 != 3).chain(150_000..150_100));
    let delta = check(&old, &new);
    let header = blob::read_delta_header(&delta).unwrap();
    assert_eq!((header.removed, header.added), (150, 100));
    assert!(delta.len() < 4000, "{}", delta.len());
}

/// So many records that they are packed in bulk, among them some that take the place of others.
#[test]
fn many_records_travel_in_bulk() {
    let old = hash_blob(1, 0..20);
    let new = hash_blob(2, (5..20).chain(100..90_000));
    let delta = check(&old, &new);
    assert!(delta.len() < new.len());
    check(&new, &old);
    for at in [0, 15, 40, 203, 204, 250, delta.len() / 2, delta.len() - 1] {
        let mut harmed = delta.clone();
        harmed[at] ^= 0x10;
        assert!(blob::patch(&old, &harmed).is_err(), "{at}");
    }
}

/// Bodies that change under the same name cost little more than the bytes that changed.
#[test]
fn changed_bodies_are_told_against_the_old_ones() {
    let body = |seed: u64| -> String {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..300).map(|_| format!("{:02x}", next())).collect()
    };
    let lines: Vec<String> = (0..200).map(|n| format!("Win.Trojan.Agent-{n}:1:*:{}", body(n))).collect();
    let pack = |release: u64, lines: &[String]| {
        let mut compiler = patternc::compile::Compiler::new();
        compiler.add_text("a.ndb", patternc::compile::SourceKind::Ndb, lines.join("\n").as_bytes());
        blob::encode(&meta(release), &compiler.finish().records).unwrap()
    };
    let old = pack(1, &lines);
    let mut changed = lines;
    for line in changed.iter_mut().step_by(20) {
        let at = line.len() - 300;
        line.replace_range(at..at + 8, "deadbeef");
    }
    let delta = check(&old, &pack(2, &changed));
    let header = blob::read_delta_header(&delta).unwrap();
    assert_eq!((header.removed, header.added, header.changed), (0, 0, 10));
    assert!(delta.len() < 204 + 10 * 25, "{}", delta.len());
}

#[test]
fn every_flipped_bit_and_truncation_is_an_error() {
    let old = hash_blob(1, 0..20);
    let delta = check(&old, &hash_blob(2, 10..25));
    for bit in 0..delta.len() * 8 {
        let mut harmed = delta.clone();
        harmed[bit / 8] ^= 1 << (bit % 8);
        assert!(blob::patch(&old, &harmed).is_err(), "bit {bit}");
    }
    for len in 0..delta.len() {
        assert!(blob::patch(&old, &delta[..len]).is_err(), "{len}");
    }
}

#[test]
fn a_delta_for_another_blob_is_refused_by_name() {
    let (old, other, new) = (hash_blob(1, 0..20), hash_blob(1, 0..21), hash_blob(2, 0..22));
    let delta = check(&old, &new);
    let root = |bytes: &[u8]| blob::read_header(bytes).unwrap().root;
    let error = DeltaError::BaseRoot { expected: root(&old), found: root(&other) };
    assert_eq!(blob::patch(&other, &delta), Err(error));
}

#[test]
fn channels_do_not_mix() {
    let other = Meta { channel: "acme/fast".parse().unwrap(), ..meta(2) };
    let (old, new) = (hash_blob(1, 0..2), blob::encode(&other, &[]).unwrap());
    let error = blob::diff(&old, &new).unwrap_err();
    assert_eq!(error.to_string(), "the delta goes from channel acme/stable to channel acme/fast");
}

/// Whatever bit is harmed, the ranges that are named hold it, and putting them right, twice if need be, makes the blob whole.
#[test]
fn harmed_ranges_are_what_must_be_mended() {
    let sound = hash_blob(1, 0..300_000);
    assert!(blob::read_header(&sound).unwrap().segments > 2);
    assert!(blob::harmed(&sound).is_empty());
    for at in [0, 11, 30, 275, 276, 300, 500, 800, sound.len() / 2, sound.len() - 1] {
        let mut bytes = sound.clone();
        bytes[at] ^= 4;
        for _ in 0..3 {
            for range in blob::harmed(&bytes) {
                assert!(range.len() < sound.len() * 2 / 3, "{at}: {range:?}");
                bytes[range.clone()].copy_from_slice(&sound[range]);
            }
        }
        assert!(bytes == sound, "{at}");
    }
    for bytes in [&[][..], &[0; 300], &sound[..400], &sound[..sound.len() / 2]] {
        assert!(!blob::harmed(bytes).is_empty() || bytes.is_empty());
    }
}
