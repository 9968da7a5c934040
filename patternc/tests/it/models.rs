//! Models: learned the same from the same files, and read only when whole.

use engine::FileClass;
use patternc::model::{Model, ModelError, WIDTHS, train};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::fs;
use std::path::PathBuf;

/// A folder of files that have one line in common.
fn folder() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..40 {
        let text = format!("file {i}\nthe licence of this file is told elsewhere\n").repeat(20);
        fs::write(folder.path().join(format!("{i}.txt")), text).unwrap();
    }
    fs::write(folder.path().join("own.txt"), "zwqxjkvbpyzwqxjkvbpy\n".repeat(500)).unwrap();
    fs::write(folder.path().join("copy.txt"), "zwqxjkvbpyzwqxjkvbpy\n".repeat(500)).unwrap();
    let files = train::files_below(&[folder.path().to_owned()]).unwrap();
    (folder, files)
}

#[test]
fn what_many_files_have_is_common_and_what_one_has_is_not() {
    let (_folder, mut files) = folder();
    let training = train::train(&files, &|_| {});
    let model = training.model;
    assert_eq!(training.repeated, 1);
    assert!(model.share(b"licence ", FileClass::Text) > 1e-5);
    assert!(model.known(b"licence ").is_some());
    assert!(model.known(b"zwqxjkvb").is_none(), "one file tells the model nothing");
    files.reverse();
    assert_eq!(train::train(&files, &|_| {}).model.encode(), model.encode(), "the order of files does not count");
    assert_eq!(Model::decode(&model.encode()).unwrap(), model);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = PathBuf::from("no such file");
    let training = train::train(std::slice::from_ref(&missing), &|_| {});
    assert_eq!(training.unreadable[0].0, missing);
    assert!(WIDTHS.iter().all(|&width| training.model.len(width) == 0));
}

#[test]
fn the_shipped_model_knows_what_is_common() {
    let model = Model::shipped();
    assert!(model.encode().len() <= 700 << 10);
    assert!(model.share(&[0; 8], FileClass::Elf) > 1e-4);
    assert!(model.cost(b" the fil") > 10.0 * model.cost(b"zq xwjkv"));
    // What compilers put between functions.
    assert!(model.cost(b"\x66\x2e\x0f\x1f\x84\0\0\0") > 1e-5);
    assert!(model.trained().all(|(_, trained)| trained.files > 0));
}

#[test]
fn what_is_no_whole_model_is_refused_by_name() {
    let good = Model::shipped().encode();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Model::decode(&bytes).unwrap_err()
    };
    assert_eq!(refused(&|bytes| bytes[0] ^= 1), ModelError::Magic);
    assert_eq!(refused(&|bytes| bytes.truncate(40)), ModelError::TooShort { found: 40 });
    assert_eq!(refused(&|bytes| bytes[8] = 9), ModelError::Version { found: 9 });
    assert!(matches!(refused(&|bytes| bytes.truncate(1000)), ModelError::Length { .. }));
    assert_eq!(refused(&|bytes| bytes[900] ^= 1), ModelError::Digest);
    assert!(matches!(refused(&|bytes| reseal(bytes, |body_len| *body_len = u64::MAX)), ModelError::TooLarge { .. }));
    assert_eq!(refused(&|bytes| reseal(bytes, |body_len| *body_len += 1)), ModelError::Packing);
}

/// Changes the length of the body that the header states, and makes the digest agree.
fn reseal(bytes: &mut [u8], change: impl Fn(&mut u64)) {
    let mut body_len = u64::from_le_bytes(bytes[24..32].try_into().unwrap());
    change(&mut body_len);
    bytes[24..32].copy_from_slice(&body_len.to_le_bytes());
    let digest = Sha256::new().chain_update(&bytes[..32]).chain_update(&bytes[64..]).finalize();
    bytes[32..64].copy_from_slice(&digest);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300), pad in 0..70_000_usize) {
        let mut body = body;
        body.resize(body.len() + pad, 1);
        let packed = zstd::bulk::compress(&body, 1).unwrap();
        let mut bytes = b"TITERML\n".to_vec();
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend((64 + packed.len() as u64).to_le_bytes());
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend([0; 32]);
        bytes.extend(packed);
        reseal(&mut bytes, |_| {});
        if let Ok(model) = Model::decode(&bytes) {
            prop_assert!(model.cost(b"abcdefgh").is_finite());
        }
    }
}
