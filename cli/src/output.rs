//! What a person or a program reads: JSON lines, errors with hints, files written whole or not at all.

use anyhow::Context;
use serde_json::{Map, Value, json};
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

/// An error with advice for the person who met it.
#[derive(Debug)]
pub(crate) struct Hint(pub(crate) &'static str);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Hint {}

/// `message` as an error that is followed by `hint`.
pub(crate) fn with_hint(message: String, hint: &'static str) -> anyhow::Error {
    anyhow::Error::new(Hint(hint)).context(message)
}

/// The stable code of an error, and advice if there is some.
#[derive(Debug)]
struct Coded {
    code: String,
    hint: Option<Hint>,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)
    }
}

impl std::error::Error for Coded {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.hint.as_ref().map(|hint| hint as _)
    }
}

/// `error`, whose code is told in words and, where a program reads, by itself; followed by `hint`.
pub(crate) fn coded(error: &dyn fmt::Display, code: &str, hint: Option<&'static str>) -> anyhow::Error {
    let message = format!("{error} ({code})");
    anyhow::Error::new(Coded { code: code.to_owned(), hint: hint.map(Hint) }).context(message)
}

/// Writes the error that ended the program as a JSON line, for who reads those. `code` is `fatal` where there is none.
pub(crate) fn say_fatal(error: &anyhow::Error) {
    let code = error.chain().find_map(|cause| cause.downcast_ref::<Coded>()).map_or("fatal", |coded| &coded.code);
    say!("{}", json!({"type": "error", "path": null, "code": code, "message": text(error)}));
}

/// Prints an error, then its hint.
pub(crate) fn print_error(error: &anyhow::Error) {
    remark!("error: {}", text(error));
    for hint in error.chain().filter_map(|cause| cause.downcast_ref::<Hint>()) {
        remark!("hint: {hint}");
    }
}

/// An error and what led to it, innermost last.
fn text(error: &anyhow::Error) -> String {
    let mut said: Vec<String> =
        error.chain().filter(|cause| !cause.is::<Hint>() && !cause.is::<Coded>()).map(ToString::to_string).collect();
    // Many errors repeat in their text what led to them.
    said.dedup_by(|cause, error| error.ends_with(cause.as_str()));
    said.join(": ")
}

/// Whether the reader of our output went away.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut errors = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    errors.any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes a line to standard output, whether or not anybody still reads it: unlike `println!`, it does not panic when nobody does.
macro_rules! say {
    () => { $crate::output::say_line(format_args!("")) };
    ($($arg:tt)*) => { $crate::output::say_line(format_args!($($arg)*)) };
}
pub(crate) use say;

/// Writes a line to standard error, whether or not anybody still reads it.
macro_rules! remark {
    ($($arg:tt)*) => { $crate::output::remark_line(format_args!($($arg)*)) };
}
pub(crate) use remark;

/// Whether a screen would obey this character instead of showing it: control characters, line separators, and those that turn the
/// direction of writing.
pub(crate) fn is_obeyed(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A line as it is shown: what others put into it, such as names of files, threats and terminals, can neither move the cursor nor begin a
/// line of its own in a table. Line ends and tabs are this program's own.
pub(crate) fn shown(line: fmt::Arguments<'_>) -> String {
    let text = line.to_string();
    let is_plain = |c: char| c == '\n' || c == '\t' || !is_obeyed(c);
    if text.chars().all(is_plain) {
        return text;
    }
    let mut shown = String::new();
    for c in text.chars() {
        if is_plain(c) { shown.push(c) } else { shown.extend(c.escape_unicode()) }
    }
    shown
}

/// What [`remark!`] does. When standard error is gone there is nobody left to tell.
pub(crate) fn remark_line(line: fmt::Arguments<'_>) {
    drop(io::stderr().lock().write_all((shown(line) + "\n").as_bytes()));
}

/// What [`say!`] does. A closed pipe is nothing to complain about; any other failure is told where it still can be, and
/// ends the program.
pub(crate) fn say_line(line: fmt::Arguments<'_>) {
    if let Err(error) = io::stdout().lock().write_all((shown(line) + "\n").as_bytes())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        remark!("error: cannot write to standard output: {error}");
        std::process::exit(2);
    }
}

/// Writes one JSON object as a line.
pub(crate) fn write_json(out: &mut impl Write, object: &Value) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    out.write_all(b"\n")
}

/// An object of this `type` about a file. A path that is not UTF-8 is shown with replacements, and in full, in hex, as `path_hex`.
pub(crate) fn json_about(kind: &str, path: &Path) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".to_owned(), json!(kind));
    object.insert("path".to_owned(), json!(path.to_string_lossy()));
    if path.to_str().is_none() {
        object.insert("path_hex".to_owned(), json!(hex(path.as_os_str().as_encoded_bytes())));
    }
    object
}

/// Most bytes that are read of what is no regular file and may have no end, such as a device or a pipe.
const ENDLESS_LEN_MAX: u64 = 256 << 20;

/// Reads a whole file, naming it when that fails. Of what is no regular file at most 256 MiB are read.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot_read = || format!("cannot read {}", path.display());
    let file = fs::File::open(path).with_context(cannot_read)?;
    let metadata = file.metadata().with_context(cannot_read)?;
    let limit = if metadata.is_file() { u64::MAX } else { ENDLESS_LEN_MAX };
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(limit).read_to_end(&mut bytes).with_context(cannot_read)?;
    if bytes.len() as u64 == limit {
        return Err(with_hint(format!("{} has no end", path.display()), "only files are read whole"));
    }
    Ok(bytes)
}

/// Refuses to write `output` over one of `inputs`.
pub(crate) fn spare(inputs: &[&Path], output: &Path) -> anyhow::Result<()> {
    let Ok(output_file) = output.canonicalize() else { return Ok(()) };
    if inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == output_file)) {
        return Err(with_hint(format!("{} is both read and written", output.display()), "give another name after -o"));
    }
    Ok(())
}

/// Most bytes of a file that are looked at for a private key; one in PEM has fewer.
const KEY_LOOKED_AT: u64 = 4096;

/// Refuses to write over a private key, whatever else was meant by the name: nothing else here cannot be made again.
fn spare_key(path: &Path) -> anyhow::Result<()> {
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(KEY_LOOKED_AT).read_to_end(&mut head));
    if read.is_ok() && is_private_key(&head) {
        let message = format!("{} is a private key and is not written over", path.display());
        return Err(with_hint(message, "give another name after -o; remove the file yourself if it is not needed"));
    }
    Ok(())
}

/// Whether a file that begins with these bytes is a private key: Ed25519 in PKCS#8 (RFC 8410), or any in PEM (RFC 7468).
fn is_private_key(head: &[u8]) -> bool {
    const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];
    let has = |head: &[u8], part: &[u8]| head.windows(part.len()).any(|window| window == part);
    (head.first() == Some(&0x30) && has(&head[..head.len().min(32)], &ED25519)) || has(head, b"PRIVATE KEY-----")
}

/// Writes a whole file beside its place, synced, and renames it there: the old one stays until the new one is complete. What a symbolic
/// link names is replaced, not the link; what is no regular file, such as a device, is written as it is; a private key is refused.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_with(path, |out| out.write_all(bytes))
}

/// The same for what is not in memory: `fill` writes it.
pub(crate) fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let written = fs::OpenOptions::new().write(true).truncate(true).open(path).and_then(|mut out| fill(&mut out));
        return written.with_context(|| format!("cannot write {}", path.display()));
    }
    spare_key(path)?;
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let save = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        fill(&mut file)?;
        file.as_file().set_permissions(readable())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        fs::File::open(folder)?.sync_all()
    };
    save().with_context(|| format!("cannot write {}", path.display()))
}

/// Permissions of a file made for everybody to read; temporary files begin private.
#[cfg(unix)]
fn readable() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// `bytes` in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A time in seconds since 1970 as RFC 3339; nothing when it is not stated or beyond the calendar.
pub(crate) fn time(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().filter(|_| seconds != 0).map(|time| time.to_string())
}

/// `bytes` in the unit a person would use: `1.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes as f64 / 1000.0;
    let mut unit = 0;
    while scaled >= 999.95 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_screen_would_obey_is_written_out() {
        let hostile = "a\u{1b}[2J\u{9b}1m\u{202e}\r\u{7f}\u{2028}z";
        assert_eq!(shown(format_args!("{hostile}")), r"a\u{1b}[2J\u{9b}1m\u{202e}\u{d}\u{7f}\u{2028}z");
        assert_eq!(shown(format_args!("größer →\t你好\n")), "größer →\t你好\n");
    }

    /// Numbers of hosts and makers are no reason to panic, whatever they are.
    #[test]
    fn every_number_is_a_time_or_none() {
        for (seconds, shown) in [
            (0, None),
            (1, Some("1970-01-01T00:00:01Z")),
            (-1, Some("1969-12-31T23:59:59Z")),
            (253_402_207_200, Some("9999-12-30T22:00:00Z")),
            (253_402_207_201, None),
            (-377_705_023_201, Some("-009999-01-02T01:59:59Z")),
            (-377_705_023_202, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            assert_eq!(time(seconds).as_deref(), shown, "{seconds}");
        }
    }

    #[test]
    fn keys_are_known_by_their_form() {
        let der = hex_literal("302e020100300506032b657004220420");
        assert!(is_private_key(&der) && is_private_key(b"# mine\n-----BEGIN PRIVATE KEY-----\n"));
        assert!(!is_private_key(b"") && !is_private_key(b"TITERBL\n0") && !is_private_key(b"{\"signed\":{}}"));
        assert!(!is_private_key(&[&[0u8; 8][..], &der].concat()));
    }

    fn hex_literal(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn sizes_have_the_unit_a_person_would_use() {
        assert_eq!([0, 999, 1000, 1_440_000, 999_960].map(size), ["0 B", "999 B", "1.0 kB", "1.4 MB", "1.0 MB"]);
    }
}
