use super::*;
use corpus::jpegs::Jpeg;
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
        Err(error) => error.is_limit(),
        Ok(_) => false,
    };
    assert!(too_large(picture(65_535, 513)) && too_large(picture(65_536, 1)) && too_large(picture(1 << 30, 1 << 30)));
    assert!(!too_large(picture(65_535, 1)) && !too_large(picture(512, 65_535)));
    let file = vec![b'B'; FILE_BYTES_MAX + 1];
    assert_eq!(image_hash(&file), Err(ImageHashError::NoPicture));
    let file = [b"BM", &file[..]].concat();
    assert_eq!(image_hash(&file), Err(ImageHashError::FileTooLarge { len: file.len() }));
}

/// A picture of small blocks, whose scans hold one component each.
fn jpeg(width: u16, height: u16, scans: usize) -> Vec<u8> {
    let jpeg = Jpeg { progressive: false, width, height, components: 3, in_scan: 1, scans, scan_len: 1 };
    jpeg.bytes()
}

#[test]
fn scans_of_a_jpeg_are_bounded() {
    assert!(image_hash(&jpeg(8, 8, 100)).is_ok());
    let refused = |width: u16, height: u16, scans| {
        let pixels = u64::from(width) * u64::from(height);
        image_hash(&jpeg(width, height, scans)) == Err(ImageHashError::TooManyScans { scans: scans as u64, pixels })
    };
    assert!(refused(8, 8, 101));
    // 96 KB that took 31 seconds.
    assert!(refused(65_528, 512, 6000));
    assert!(refused(65_528, 512, 17));
    assert!(hash_within(&jpeg(128, 128, 16), FEW_PIXELS).is_ok());
    assert!(hash_within(&jpeg(128, 128, 17), FEW_PIXELS).is_err_and(|error| error.is_limit()));
    let jpeg = |progressive| Jpeg { progressive, width: 8, height: 8, components: 3, in_scan: 3, scans: 101, scan_len: 1 };
    for progressive in [false, true] {
        assert!(matches!(image_hash(&jpeg(progressive).bytes()), Err(ImageHashError::TooManyScans { scans: 101, .. })));
    }
}

/// Profiles, previews and films that come with a picture hold any bytes, and no scans of it.
#[test]
fn remarks_and_what_follows_are_no_scans() {
    let scans = [0xff, 0xda].repeat(1000);
    for (name, hash, bytes) in pictures().into_iter().filter(|(name, ..)| name.ends_with("jpg")) {
        let remark = |marker: u8| [&[0xff, marker][..], &(scans.len() as u16 + 2).to_be_bytes(), &scans].concat();
        let remarks = [0xe0, 0xe1, 0xe2, 0xed, 0xee, 0xef, 0xfe].map(remark).concat();
        let with_remarks = [&bytes[..2], &remarks, &bytes[2..], &scans].concat();
        assert_eq!(image_hash(&with_remarks), Ok(hash), "{name}");
        // Behind a fill byte, and between tables and the first scan.
        let at = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        let with_remarks = [&bytes[..at], &[0xff], &remarks, &bytes[at..]].concat();
        assert_eq!(image_hash(&with_remarks), Ok(hash), "{name}");
        assert_eq!(jpeg::without_remarks(&with_remarks).len(), jpeg::without_remarks(&bytes).len() + 1);
    }
}

#[test]
fn memory_that_a_jpeg_takes_is_foretold() {
    let picture = |progressive, components| {
        let in_scan = if progressive { components } else { 1 };
        let scan_len = usize::from(components) * 256 / 8;
        Jpeg { progressive, width: 128, height: 128, components, in_scan, scans: 1, scan_len }.bytes()
    };
    for progressive in [false, true] {
        assert!(hash_within(&picture(progressive, 3), FEW_PIXELS).is_ok());
        let memory = hash_within(&picture(progressive, 4), FEW_PIXELS);
        assert_eq!(memory, Err(ImageHashError::Memory("180224 bytes; 147456 are allowed".to_owned())));
        assert!(hash_within(&picture(progressive, 4), 2 * FEW_PIXELS).is_ok());
    }
}

/// A JPEG in a strip of a TIFF may be of any size, whatever the TIFF says, and strips may share one.
#[test]
fn jpegs_in_a_tiff_are_not_decoded() {
    let (_, _, mut bytes) = pictures().into_iter().find(|(name, ..)| name == "lzw.tif").unwrap();
    let tag = [0x03, 0x01, 0x03, 0, 1, 0, 0, 0, 5, 0];
    let at = bytes.windows(tag.len()).position(|window| window == tag).unwrap();
    bytes[at + 8] = 7;
    assert_eq!(image_hash(&bytes), Err(ImageHashError::JpegsInTiff));
}

/// Small enough that a decoder which believes a hostile header is done in no time.
const FEW_PIXELS: u64 = 1 << 14;

fn check(bytes: &[u8]) {
    assert_ne!(hash_within(bytes, FEW_PIXELS), Err(ImageHashError::Panicked));
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
