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

use ::image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, Luma, imageops};
use std::io::Cursor;
use std::panic::catch_unwind;

/// Largest file that is decoded: what clamscan scans unless told otherwise.
pub const FILE_BYTES_MAX: usize = 100 << 20;
/// Longest side of a picture that is decoded, in pixels.
pub const SIDE_MAX: u32 = 65_535;
/// Most pixels of a picture that is decoded: those of large cameras.
pub const PIXELS_MAX: u64 = 32 << 20;
/// Most bytes of pixels as they are decoded: 32-bit ones.
pub const DECODED_BYTES_MAX: u64 = 4 * PIXELS_MAX;

const PANICKED: &str = "the decoder panicked";

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
    /// It is damaged, or of a form that the decoder does not know.
    #[error("the picture cannot be decoded: {0}")]
    Decode(String),
}

/// The hash of the picture that a file is: PNG, JPEG, GIF (its first frame), BMP or TIFF (its first page).
///
/// A file that begins like no picture is told in O(1). Decoding takes time and memory linear in the pixels, at most [`PIXELS_MAX`]: 15 to
/// 35 nanoseconds and 4 to 8 bytes for each. A file of 100 KB can claim as many: 0.9 s and 259 MiB were the most of pictures made to be costly.
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
    // Decoders are other people's code on hostile bytes: should one of them panic, that is a picture without a hash, not the end of a scan.
    catch_unwind(|| decode(bytes, format, pixels_max).map(hash_of))
        .unwrap_or_else(|_| Err(ImageHashError::Decode(PANICKED.to_owned())))
}

/// The format that first bytes name, if it is one that is hashed.
fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff};
    ::image::guess_format(bytes).ok().filter(|format| [Png, Jpeg, Gif, Bmp, Tiff].contains(format))
}

fn decode(bytes: &[u8], format: ImageFormat, pixels_max: u64) -> Result<DynamicImage, ImageHashError> {
    let failed = |error: ::image::ImageError| ImageHashError::Decode(error.to_string());
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    // The decoders' own buffers count, too.
    limits.max_alloc = Some(2 * DECODED_BYTES_MAX);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
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
    DynamicImage::from_decoder(decoder).map_err(failed)
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
