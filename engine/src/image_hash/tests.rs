use super::*;
use proptest::prelude::*;
use std::path::Path;

/// Small pictures of every format, and what `sigtool --fuzzy-img` of ClamAV 1.4.6 says of them.
fn pictures() -> Vec<(String, u64, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let lines = std::fs::read_to_string(folder.join("hashes.txt")).unwrap();
    let read = |line: &str| {
        let (name, hash) = line.split_once(": ").unwrap();
        (name.to_owned(), u64::from_str_radix(hash, 16).unwrap(), std::fs::read(folder.join(name)).unwrap())
    };
    lines.lines().map(read).collect()
}

/// A BMP of 24-bit pixels, in rows from the last to the first.
fn bmp(width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let len = 54 + pixels.len() as u32;
    let mut out = b"BM".to_vec();
    let header = [len, 0, 54, 40, width, height, 1 | 24 << 16, 0, pixels.len() as u32, 0, 0, 0, 0];
    out.extend(header.iter().flat_map(|number| number.to_le_bytes()));
    out.extend_from_slice(pixels);
    out
}

#[test]
fn hashes_as_clamscan_has_them() {
    let pictures = pictures();
    assert!(pictures.len() > 10);
    for (name, hash, bytes) in pictures {
        assert_eq!(image_hash(&bytes).map(|found| format!("{found:016x}")), Ok(format!("{hash:016x}")), "{name}");
    }
}

#[test]
fn what_follows_a_picture_makes_no_difference() {
    let (_, hash, mut bytes) = pictures().into_iter().find(|(name, ..)| name == "rgb.png").unwrap();
    bytes.extend(b"trailing bytes");
    assert_eq!(image_hash(&bytes), Ok(hash));
}

#[test]
fn other_files_are_no_pictures() {
    // WebP, icons and portable pixmaps are pictures that clamscan does not hash.
    let others: [&[u8]; 7] = [
        b"",
        b"B",
        b"MZ",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"\0\0\x01\0\x01\0",
        b"P6\n1 1\n255\nabc",
        b"\0\0\0\x0cjP  \r\n\x87\n",
    ];
    for bytes in others {
        assert_eq!(image_hash(bytes), Err(ImageHashError::NoPicture), "{bytes:?}");
    }
}

#[test]
fn what_cannot_be_decoded_is_an_error() {
    for (name, _, bytes) in pictures() {
        let cut = &bytes[..20];
        assert!(matches!(image_hash(cut), Err(ImageHashError::Decode(_))), "{name}");
    }
    assert!(matches!(image_hash(b"BMI as text"), Err(ImageHashError::Decode(_))));
}

#[test]
fn limits_are_those_of_the_header() {
    let picture = |width, height| image_hash(&bmp(width, height, &[]));
    let too_large = |result: Result<u64, ImageHashError>| match result {
        Err(ImageHashError::PictureTooLarge { .. }) => true,
        Err(ImageHashError::Decode(message)) => message.contains("limit") || message.contains("large"),
        _ => false,
    };
    assert!(too_large(picture(65_535, 513)) && too_large(picture(65_536, 1)) && too_large(picture(1 << 30, 1 << 30)));
    assert!(!too_large(picture(65_535, 1)) && !too_large(picture(512, 65_535)));
    let file = vec![b'B'; FILE_BYTES_MAX + 1];
    assert_eq!(image_hash(&file), Err(ImageHashError::NoPicture));
    let file = [b"BM", &file[..]].concat();
    assert_eq!(image_hash(&file), Err(ImageHashError::FileTooLarge { len: file.len() }));
}

/// Small enough that a decoder which believes a hostile header is done in no time.
const FEW_PIXELS: u64 = 1 << 14;

fn check(bytes: &[u8]) {
    assert_ne!(hash_within(bytes, FEW_PIXELS), Err(ImageHashError::Decode(PANICKED.to_owned())));
}

proptest! {
    #[test]
    fn any_bytes_end_in_a_hash_or_an_error(magic in 0_usize..6, rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let magics: [&[u8]; 6] = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"MM\0*"];
        check(&[magics[magic], &rest].concat());
    }

    #[test]
    fn damaged_pictures_end_in_a_hash_or_an_error(
        which: prop::sample::Index,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let pictures = pictures();
        let mut bytes = which.get(&pictures).2.clone();
        for (place, value) in changes {
            *place.get_mut::<u8>(&mut bytes) = value;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
        check(&bytes);
    }

    #[test]
    fn small_bitmaps_have_a_hash(width in 1_u32..40, height in 1_u32..40, seed in any::<[u8; 32]>()) {
        let row = (width as usize * 3).next_multiple_of(4);
        let pixels: Vec<u8> = seed.iter().copied().cycle().take(row * height as usize).collect();
        prop_assert!(hash_within(&bmp(width, height, &pixels), FEW_PIXELS).is_ok());
    }
}
