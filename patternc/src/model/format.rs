//! The bytes of a model (`docs/model.md`).

use super::pairs::Pairs;
use super::table::{LOG2_MAX, Table};
use super::{CLASSES, LEVEL_MAX, Model, Trained, WIDTHS, Width};
use crate::wire::{Reader, WireError, put_varint};
use sha2::{Digest as _, Sha256};

/// First bytes of a model.
const MAGIC: [u8; 8] = *b"TITERML\n";
/// The version this build writes, and the only one it reads.
const VERSION: u32 = 1;
/// Bytes of the header.
const HEADER_LEN: usize = 64;
/// Most bytes of an unpacked body.
const BODY_MAX: u64 = 16 << 20;
/// Most of the commonest windows of one width.
const COMMONEST_MAX: u64 = 1 << 16;
/// How hard a model is packed: it is packed once and read often.
const ZSTD_LEVEL: i32 = 19;

/// The bytes are no model, or not a whole and unharmed one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Shorter than the header.
    #[error("{found} bytes, the header of a model has {HEADER_LEN}")]
    TooShort {
        /// Bytes there are.
        found: u64,
    },
    /// Another kind of file.
    #[error("the magic number at byte 0 is not that of a model")]
    Magic,
    /// A version this build does not know.
    #[error("model format version {found}, this build reads version {VERSION}; train it again")]
    Version {
        /// Version of the file.
        found: u32,
    },
    /// Bytes are missing, or there are more.
    #[error("the file is {found} bytes long, its header says {stated}")]
    Length {
        /// Length in the header.
        stated: u64,
        /// Length of the file.
        found: u64,
    },
    /// The body would be larger than a model can be.
    #[error("the header states a body of {stated} bytes, a model has at most {BODY_MAX}")]
    TooLarge {
        /// Length in the header.
        stated: u64,
    },
    /// The file is harmed.
    #[error("its digest does not agree with its bytes")]
    Digest,
    /// The body is not what the header says.
    #[error("its body cannot be unpacked to the length that the header states")]
    Packing,
    /// The body holds what it cannot hold.
    #[error("body: {0}")]
    Content(#[from] WireError),
}

pub(super) fn encode(model: &Model) -> Vec<u8> {
    let body = body(model);
    let packed = zstd::bulk::compress(&body, ZSTD_LEVEL).expect("zstd packs any bytes in memory");
    let mut file = Vec::with_capacity(HEADER_LEN + packed.len());
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    file.extend(((HEADER_LEN + packed.len()) as u64).to_le_bytes());
    file.extend((body.len() as u64).to_le_bytes());
    file.extend(digest(&file, &packed));
    file.extend(packed);
    file
}

pub(super) fn decode(bytes: &[u8]) -> Result<Model, ModelError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(ModelError::Magic);
    }
    let (header, packed) = bytes.split_at_checked(HEADER_LEN).ok_or(ModelError::TooShort { found: bytes.len() as u64 })?;
    let mut fields = Reader::new(&header[MAGIC.len()..]);
    let (version, flags) = (fields.u32()?, fields.u32()?);
    if (version, flags) != (VERSION, 0) {
        return Err(ModelError::Version { found: version });
    }
    let (stated, body_len) = (fields.u64()?, fields.u64()?);
    if stated != bytes.len() as u64 {
        return Err(ModelError::Length { stated, found: bytes.len() as u64 });
    }
    if fields.array()? != digest(&header[..32], packed) {
        return Err(ModelError::Digest);
    }
    if body_len > BODY_MAX {
        return Err(ModelError::TooLarge { stated: body_len });
    }
    let body = zstd::bulk::decompress(packed, body_len as usize).ok().filter(|body| body.len() as u64 == body_len);
    Ok(read(&body.ok_or(ModelError::Packing)?)?)
}

fn digest(fields: &[u8], packed: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(fields).chain_update(packed).finalize().into()
}

fn body(model: &Model) -> Vec<u8> {
    let mut out = Vec::new();
    for trained in model.trained {
        put_varint(&mut out, trained.files);
        put_varint(&mut out, trained.bytes);
    }
    model.pairs.encode(&mut out);
    for Width { table, commonest } in &model.widths {
        out.extend([table.log2(), table.floor_level()]);
        out.extend(table.counts());
        out.extend(table.checks());
        out.extend(table.levels().iter().copied().map(classes_in));
        out.extend(table.levels().iter().flatten().filter(|&&level| level > 0));
        put_varint(&mut out, commonest.len() as u64);
        let mut last = 0;
        for &window in commonest {
            put_varint(&mut out, window - last);
            last = window;
        }
    }
    out
}

fn read(body: &[u8]) -> Result<Model, WireError> {
    let mut reader = Reader::new(body);
    let mut trained = [Trained::default(); CLASSES];
    for class in &mut trained {
        *class = Trained { files: reader.varint()?, bytes: reader.varint()? };
    }
    let pairs = Pairs::decode(reader.take(Pairs::LEN)?).expect("as many bytes as pairs have");
    let mut widths: [Width; WIDTHS.len()] = Default::default();
    for width in &mut widths {
        *width = Width { table: read_table(&mut reader)?, commonest: read_commonest(&mut reader)? };
    }
    if reader.is_empty() { Ok(Model { trained, pairs, widths }) } else { Err(reader.fault("bytes follow the last window")) }
}

fn read_table(reader: &mut Reader<'_>) -> Result<Table, WireError> {
    let fault = reader.fault("a table has more buckets than a model can have, or a floor that is no share");
    let [log2, floor] = reader.array()?;
    if log2 > LOG2_MAX || floor > LEVEL_MAX {
        return Err(fault);
    }
    let counts = reader.take(1 << log2)?;
    let len = counts.iter().map(|&count| usize::from(count)).sum();
    let checks = reader.take(len)?.to_vec();
    let classes = reader.take(len)?;
    let mut levels = Vec::with_capacity(len);
    for &classes in classes {
        let mut of_window = [0; CLASSES];
        for (_, level) in of_window.iter_mut().enumerate().filter(|(class, _)| classes >> class & 1 == 1) {
            let fault = reader.fault("a level is 0 or beyond the last");
            *level = Some(reader.u8()?).filter(|level| (1..=LEVEL_MAX).contains(level)).ok_or(fault)?;
        }
        if classes >> CLASSES != 0 {
            return Err(reader.fault("a window is common in a class that there is not"));
        }
        levels.push(of_window);
    }
    Table::new(log2, counts, checks, levels, floor).ok_or(fault)
}

fn read_commonest(reader: &mut Reader<'_>) -> Result<Vec<u64>, WireError> {
    let count = reader.varint_to(COMMONEST_MAX, "more of the commonest windows than a model can have")?;
    let mut commonest = Vec::with_capacity(count as usize);
    let mut last = 0_u64;
    for _ in 0..count {
        let fault = reader.fault("the commonest windows do not ascend");
        last = last.checked_add(reader.varint()?).ok_or(fault)?;
        commonest.push(last);
    }
    Ok(commonest)
}

/// Bit by bit, in which classes a window is common.
fn classes_in(levels: [u8; CLASSES]) -> u8 {
    levels.iter().enumerate().map(|(class, &level)| u8::from(level > 0) << class).sum()
}
