//! What a person or a program reads: JSON lines, errors with hints, files written whole or not at all.

use anyhow::Context;
use serde_json::{Map, Value, json};
use std::fmt;
use std::fs;
use std::io::{self, Write};
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

/// What [`remark!`] does. When standard error is gone there is nobody left to tell.
pub(crate) fn remark_line(line: fmt::Arguments<'_>) {
    let mut err = io::stderr().lock();
    drop(err.write_fmt(line).and_then(|()| err.write_all(b"\n")));
}

/// What [`say!`] does. A closed pipe is nothing to complain about; any other failure is told where it still can be, and
/// ends the program.
pub(crate) fn say_line(line: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_fmt(line).and_then(|()| out.write_all(b"\n"))
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

/// Reads a whole file, naming it when that fails.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Refuses to write `output` over one of `inputs`.
pub(crate) fn spare(inputs: &[&Path], output: &Path) -> anyhow::Result<()> {
    let Ok(output_file) = output.canonicalize() else { return Ok(()) };
    if inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == output_file)) {
        return Err(with_hint(format!("{} is both read and written", output.display()), "give another name after -o"));
    }
    Ok(())
}

/// Writes a whole file beside its place, synced, and renames it there: the old one stays until the new one is complete. What a symbolic
/// link names is replaced, not the link; what is no regular file, such as a device, is written as it is.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()));
    }
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let save = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
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
    fn sizes_have_the_unit_a_person_would_use() {
        assert_eq!([0, 999, 1000, 1_440_000, 999_960].map(size), ["0 B", "999 B", "1.0 kB", "1.4 MB", "1.0 MB"]);
    }
}
