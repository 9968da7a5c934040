//! The hash of what a picture shows: that of ClamAV's `fuzzy_img` subsignatures.
//!
//! Pictures that look alike have the same hash: a logo saved again, in another format or size. It is a perceptual hash of the usual kind:
//!
//! 1. The picture is decoded to 8-bit red, green and blue; what is transparent shows its colours.
//! 2. Each pixel becomes grey: `0.299 r + 0.587 g + 0.114 b`, to the nearest of 256 shades.
//! 3. It is resized to 32 by 32, whatever its shape, by Lanczos's filter of three lobes, to 256 shades again.
//! 4. Its cosine transform (`dct`) is taken, first of columns, then of rows, in single precision, of shades from 0 to 1.
//! 5. The 8 by 8 coefficients of the lowest frequencies, the mean among them, are compared with their median, the mean of the two middle
//!    ones. A bit is set for each that is above it; the highest is that of the mean, and the next go along the first row.
//!
//! All of it was found by asking clamscan 1.4.6 for hashes of pictures; `docs/clamav.md` has the comparison. Rounding decides some bits
//! of some pictures, so the steps must be done in this precision and order.
//!
//! Formats are those that clamscan hashes. Decoders are those of crate `image`, pure Rust, with limits: see [`image_hash`].

mod dct;
mod jpeg;

use ::image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Luma, imageops};
use std::borrow::Cow;
use std::io::Cursor;
use std::panic::catch_unwind;
use tiff::tags::{CompressionMethod, Tag};

/// Largest file that is decoded: what clamscan scans unless told otherwise.
pub const FILE_BYTES_MAX: usize = 100 << 20;
/// Longest side of a picture that is decoded, in pixels.
pub const SIDE_MAX: u32 = 65_535;
/// Most pixels of a picture that is decoded: those of large cameras.
pub const PIXELS_MAX: u64 = 32 << 20;
/// Most bytes of pixels as they are decoded: 32-bit ones.
pub const DECODED_BYTES_MAX: u64 = 4 * PIXELS_MAX;

/// Most bytes of memory that decoders are let take beside: `image` holds those that count what they take to it, and what a JPEG takes is
/// foretold (`jpeg`), as its decoder counts nothing.
const WORK_BYTES_MAX: u64 = 2 * DECODED_BYTES_MAX;

/// Why a file has no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageHashError {
    /// It begins like none of the formats that are hashed.
    #[error("the file is no PNG, JPEG, GIF, BMP or TIFF picture")]
    NoPicture,
    /// The file is too large.
    #[error("the file has {len} bytes, pictures are decoded up to {FILE_BYTES_MAX}")]
    FileTooLarge {
        /// Its bytes.
        len: usize,
    },
    /// The picture is too large.
    #[error(
        "the picture is {width} by {height} with {bytes} bytes of pixels; \
         {SIDE_MAX} a side, {PIXELS_MAX} pixels and {DECODED_BYTES_MAX} bytes are decoded"
    )]
    PictureTooLarge {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes that its pixels take.
        bytes: u64,
    },
    /// It is a JPEG whose scans go over its pixels too often.
    #[error("the picture has {scans} scans of {pixels} pixels; {max} scans of as many are decoded", max = scans_max(*pixels, PIXELS_MAX))]
    TooManyScans {
        /// Its scans.
        scans: u64,
        /// Its pixels.
        pixels: u64,
    },
    /// It is a TIFF made of JPEGs. Each could be larger than the picture that it is a part of, and have any number of scans.
    #[error("the picture is a TIFF that holds JPEGs, which are not decoded")]
    JpegsInTiff,
    /// Decoding it takes too much memory, as the decoder says of itself or as is foretold of a JPEG.
    #[error("the picture takes too much memory: {0}")]
    Memory(String),
    /// It is damaged, or of a form that the decoder does not know.
    #[error("the picture cannot be decoded: {0}")]
    Decode(String),
    /// The decoder panicked, which it should not.
    #[error("the decoder panicked")]
    Panicked,
}

impl ImageHashError {
    /// Whether the picture may well have a hash that was not computed: it is beyond a limit, or the decoder panicked. Others have none.
    pub fn is_limit(&self) -> bool {
        match self {
            ImageHashError::NoPicture | ImageHashError::Decode(_) => false,
            ImageHashError::FileTooLarge { .. }
            | ImageHashError::PictureTooLarge { .. }
            | ImageHashError::TooManyScans { .. }
            | ImageHashError::JpegsInTiff
            | ImageHashError::Memory(_)
            | ImageHashError::Panicked => true,
        }
    }
}

/// Most scans of a JPEG of so many pixels.
fn scans_max(pixels: u64, pixels_max: u64) -> u64 {
    jpeg::SCANS_MAX.min(jpeg::SCANS_OF_MOST_PIXELS * pixels_max / pixels.max(1))
}

/// The hash of the picture that a file is: PNG, JPEG, GIF (its first frame), BMP or TIFF (its first page).
///
/// A file that begins like no picture is told in O(1). Decoding takes time and memory linear in the pixels, at most [`PIXELS_MAX`]: 15 to
/// 35 nanoseconds and 4 to 9 bytes for each, and for a JPEG time linear in the pixels of all its scans, which are bounded too. A file of
/// 100 KB can claim as many. `docs/clamav.md` has the limits and the most that was measured.
///
/// # Errors
/// [`ImageHashError`] for what is no picture, for damaged pictures and for those above the limits. Any bytes will do.
pub fn image_hash(bytes: &[u8]) -> Result<u64, ImageHashError> {
    hash_within(bytes, PIXELS_MAX)
}

fn hash_within(bytes: &[u8], pixels_max: u64) -> Result<u64, ImageHashError> {
    let format = format_of(bytes).ok_or(ImageHashError::NoPicture)?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(ImageHashError::FileTooLarge { len: bytes.len() });
    }
    // Decoders are other people's code on hostile bytes: should one of them panic, that is not the end of a scan.
    catch_unwind(|| decode(bytes, format, pixels_max).map(hash_of)).unwrap_or(Err(ImageHashError::Panicked))
}

/// The format that first bytes name, if it is one that is hashed.
fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff};
    ::image::guess_format(bytes).ok().filter(|format| [Png, Jpeg, Gif, Bmp, Tiff].contains(format))
}

fn decode(file: &[u8], format: ImageFormat, pixels_max: u64) -> Result<DynamicImage, ImageHashError> {
    let is_jpeg = format == ImageFormat::Jpeg;
    if format == ImageFormat::Tiff && holds_jpegs(file) {
        return Err(ImageHashError::JpegsInTiff);
    }
    let file = if is_jpeg { jpeg::without_remarks(file) } else { Cow::Borrowed(file) };
    if let Some((width, height)) =
        bmp_sides(&file).filter(|sides| format == ImageFormat::Bmp && sides.0.max(sides.1) > SIDE_MAX)
    {
        return Err(ImageHashError::PictureTooLarge { width, height, bytes: 3 * u64::from(width) * u64::from(height) });
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(WORK_BYTES_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(&*file), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(failed)?;
    let ((width, height), bytes) = (decoder.dimensions(), decoder.total_bytes());
    let too_large = u64::from(width) * u64::from(height) > pixels_max || bytes > DECODED_BYTES_MAX;
    if too_large || width.max(height) > SIDE_MAX {
        return Err(ImageHashError::PictureTooLarge { width, height, bytes });
    }
    if width == 0 || height == 0 {
        return Err(ImageHashError::Decode("it has no pixels".to_owned()));
    }
    if is_jpeg {
        check_jpeg(&file, width, height, pixels_max)?;
    }
    DynamicImage::from_decoder(decoder).map_err(failed)
}

/// The sides that a BMP states. Its decoder refuses long ones as it refuses what is damaged.
fn bmp_sides(file: &[u8]) -> Option<(u32, u32)> {
    const SIDES_AT: usize = 18;
    let number = |at: usize| file.get(at..)?.first_chunk().map(|four| i32::from_le_bytes(*four));
    let (width, height) = (number(SIDES_AT)?, number(SIDES_AT + 4)?);
    // Rows from the first to the last make the height negative. In headers of 12 bytes, sides have 16 bits.
    let is_long = number(SIDES_AT - 4)? != 12;
    Some((u32::try_from(width).ok()?, height.unsigned_abs())).filter(|_| is_long)
}

/// Whether the first page of a TIFF is made of JPEGs, as far as the decoder of TIFFs can tell that.
fn holds_jpegs(file: &[u8]) -> bool {
    let compression = tiff::decoder::Decoder::new(Cursor::new(file)).and_then(|mut tiff| tiff.find_tag(Tag::Compression));
    let number = compression.ok().flatten().and_then(|value| value.into_u16().ok());
    number.is_some_and(|number| number == CompressionMethod::ModernJPEG.to_u16())
}

fn failed(error: ImageError) -> ImageHashError {
    match error {
        ImageError::Limits(error) => ImageHashError::Memory(error.to_string()),
        error => ImageHashError::Decode(error.to_string()),
    }
}

/// Checks what the decoder of JPEGs does not: how often it will go over the pixels, and what memory it will take.
fn check_jpeg(file: &[u8], width: u32, height: u32, pixels_max: u64) -> Result<(), ImageHashError> {
    let (scans, pixels) = (jpeg::scans_at_most(file), u64::from(width) * u64::from(height));
    if scans > scans_max(pixels, pixels_max) {
        return Err(ImageHashError::TooManyScans { scans, pixels });
    }
    let (bytes, bytes_max) = (jpeg::memory_at_most(file, width, height), jpeg::BYTES_PER_PIXEL * pixels_max);
    if bytes > bytes_max {
        return Err(ImageHashError::Memory(format!("{bytes} bytes; {bytes_max} are allowed")));
    }
    Ok(())
}

fn hash_of(picture: DynamicImage) -> u64 {
    const SIDE: u32 = dct::SIDE as u32;
    let small = imageops::resize(&grey(picture), SIDE, SIDE, imageops::FilterType::Lanczos3);
    let mut shades = [[0.0; dct::SIDE]; dct::SIDE];
    for (row, pixels) in shades.iter_mut().zip(small.rows()) {
        for (shade, Luma([value])) in row.iter_mut().zip(pixels) {
            *shade = f32::from(*value) / 255.0;
        }
    }
    dct::transform(&mut shades);
    bits(std::array::from_fn(|index| shades[index / 8][index % 8]))
}

fn grey(picture: DynamicImage) -> GrayImage {
    let picture = picture.into_rgb8();
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue] = picture.get_pixel(x, y).0.map(f32::from);
        // Between 0 and 255, as the weights add up to 1.
        #[expect(clippy::cast_sign_loss)]
        let shade = (red * 0.299 + green * 0.587 + blue * 0.114).round() as u8;
        Luma([shade])
    })
}

/// A bit for each coefficient above the median, the first highest.
fn bits(coefficients: [f32; 64]) -> u64 {
    let mut sorted = coefficients;
    sorted.sort_by(f32::total_cmp);
    let median = f32::midpoint(sorted[31], sorted[32]);
    coefficients.iter().fold(0, |hash, coefficient| hash << 1 | u64::from(*coefficient > median))
}

#[cfg(test)]
mod tests;
