//! What a PE file imports, as the text whose digest signatures state: `kernel32.exitprocess,user32.messageboxa`.
//!
//! The order is that of the file. What of a damaged table makes clamscan give up on the whole, pass over an entry, or take a name for
//! empty, was found by trying; `docs/targets.md` has the list.

use super::ordinals;
use super::pe::Headers;
use object::pe::ImageImportDescriptor;
use object::{LittleEndian as LE, ReadRef};

/// Libraries that are looked at.
const LIBRARIES_MAX: usize = 1024;
/// Bytes of a name that are looked at. The name of a function must have as many before the end of the file, though few of them are its own.
const NAME_MAX: usize = 256;
/// Steps: for each entry and each section that is looked at for it, and for each byte of the text. A program with 900 imports takes 60,000.
const STEPS_MIN: usize = 8 << 20;
/// The same for each byte of the file.
const STEPS_PER_BYTE: usize = 4;

/// Why there is no text.
pub(super) enum NoText {
    /// There is no table, or it cannot be followed.
    Unreadable,
    /// It asks for more steps than a file of its length may.
    TooLong,
}

pub(super) fn text(file: &[u8]) -> Result<Vec<u8>, NoText> {
    let headers = Headers::read(file).ok_or(NoText::Unreadable)?;
    // Where the program begins tells whether headers can be followed at all.
    super::pe::image(file).ok_or(NoText::Unreadable)?;
    let steps = STEPS_MIN.max(file.len().saturating_mul(STEPS_PER_BYTE));
    let mut text = Text { headers: &headers, bytes: Vec::new(), steps };
    for library in libraries(&headers).ok_or(NoText::Unreadable)? {
        if library.name.get(LE) == 0 {
            break;
        }
        text.add_library(library)?;
    }
    Ok(text.bytes)
}

/// The rows of the import table that count: all but the last, which is there to end it, whatever stands in it.
fn libraries<'f>(headers: &Headers<'f>) -> Option<&'f [ImageImportDescriptor]> {
    let (address, len) = headers.imports();
    if address == 0 || len == 0 {
        return None;
    }
    let place = headers.place(address)?;
    headers.file.read_bytes_at(place, u64::from(len)).ok()?;
    let rows = (len as usize - 1) / size_of::<ImageImportDescriptor>();
    headers.file.read_slice_at(place, rows.min(LIBRARIES_MAX)).ok()
}

/// The text so far.
struct Text<'h, 'f> {
    headers: &'h Headers<'f>,
    bytes: Vec<u8>,
    steps: usize,
}

impl Text<'_, '_> {
    fn add_library(&mut self, library: &ImageImportDescriptor) -> Result<(), NoText> {
        let name = self.place(library.name.get(LE))?.ok_or(NoText::Unreadable)?;
        let name = string(self.headers.file, name).unwrap_or_default().to_ascii_lowercase();
        let original = match library.original_first_thunk.get(LE) {
            0 => None,
            address => self.place(address)?,
        };
        let first = match original {
            Some(first) => first,
            None => self.place(library.first_thunk.get(LE))?.ok_or(NoText::Unreadable)?,
        };
        if self.headers.is_wide() { self.add_functions::<8>(&name, first) } else { self.add_functions::<4>(&name, first) }
    }

    /// Adds the functions of the table at `first`, of numbers of `N` bytes, up to a zero or the end of the file.
    fn add_functions<const N: usize>(&mut self, library: &[u8], first: u64) -> Result<(), NoText> {
        let file = self.headers.file;
        let entries = usize::try_from(first).ok().and_then(|first| file.get(first..)).unwrap_or_default();
        for entry in entries.as_chunks::<N>().0 {
            let mut number = [0; 8];
            number[..N].copy_from_slice(entry);
            let number = u64::from_le_bytes(number);
            if number == 0 {
                break;
            }
            if number >> (8 * N - 1) == 1 {
                self.add_ordinal(library, number as u16)?;
            } else {
                self.add_named(library, number as u32)?;
            }
        }
        Ok(())
    }

    fn add_ordinal(&mut self, library: &[u8], ordinal: u16) -> Result<(), NoText> {
        match ordinals::name(library, ordinal) {
            Some(name) => self.add(library, name.as_bytes()),
            None => self.add(library, format!("ord{ordinal}").as_bytes()),
        }
    }

    /// Adds the function whose hint, of two bytes, and name are at `address`.
    fn add_named(&mut self, library: &[u8], address: u32) -> Result<(), NoText> {
        let Some(place) = self.place(address)? else {
            // In a PE32+ file it is passed over.
            return if self.headers.is_wide() { Ok(()) } else { self.add(library, b"") };
        };
        let name = place + 2;
        if self.headers.file.read_bytes_at(name, NAME_MAX as u64).is_err() {
            return self.take(1);
        }
        let name = string(self.headers.file, name).unwrap_or_default();
        if !name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')) {
            return Err(NoText::Unreadable);
        }
        self.add(library, &name.to_ascii_lowercase())
    }

    fn add(&mut self, library: &[u8], function: &[u8]) -> Result<(), NoText> {
        let library = without_extension(library);
        self.take(2 + library.len() + function.len())?;
        if !self.bytes.is_empty() {
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(library);
        self.bytes.push(b'.');
        self.bytes.extend_from_slice(function);
        Ok(())
    }

    /// Where an address lies in the file.
    fn place(&mut self, address: u32) -> Result<Option<u64>, NoText> {
        self.take(1 + self.headers.sections_len())?;
        Ok(self.headers.place(address))
    }

    fn take(&mut self, steps: usize) -> Result<(), NoText> {
        self.steps = self.steps.checked_sub(steps).ok_or(NoText::TooLong)?;
        Ok(())
    }
}

/// The bytes from a place in the file to the next zero, at most [`NAME_MAX`].
fn string(file: &[u8], place: u64) -> Option<&[u8]> {
    let bytes = file.get(usize::try_from(place).ok()?..)?;
    let bytes = &bytes[..bytes.len().min(NAME_MAX)];
    Some(memchr::memchr(0, bytes).map_or(bytes, |end| &bytes[..end]))
}

/// The name of a library up to its first dot, where that begins what the extension of a library begins with.
fn without_extension(library: &[u8]) -> &[u8] {
    let Some(dot) = memchr::memchr(b'.', library) else { return library };
    let is_library = [&b"dll"[..], b"sys", b"ocx"].iter().any(|extension| library[dot + 1..].starts_with(extension));
    if is_library { &library[..dot] } else { library }
}
