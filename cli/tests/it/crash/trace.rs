//! What a process did to the files of one folder, as `strace` saw it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Calls that change files or make changes durable, and those without which they cannot be followed.
const CALLS: &str = "openat,creat,write,pwrite64,writev,ftruncate,lseek,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,\
                     mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,copy_file_range,sendfile,fallocate,truncate";

/// Calls that name a file by its path, whose failures count too when the killer counts.
const TAKES_PATHS: [&str; 9] =
    ["openat", "creat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat"];

/// What one call did; paths are below the folder that was watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A file was opened, and is then there; emptied when `truncated`.
    Opened {
        path: PathBuf,
        truncated: bool,
    },
    /// Bytes were written at an offset.
    Written {
        path: PathBuf,
        offset: usize,
        bytes: Vec<u8>,
    },
    /// A file or folder was synced.
    Synced {
        path: PathBuf,
    },
    Renamed {
        from: PathBuf,
        to: PathBuf,
    },
    /// A file or an empty folder was removed.
    Removed {
        path: PathBuf,
    },
    MadeFolder {
        path: PathBuf,
    },
}

impl Effect {
    /// The path that tells this call from others of its kind.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Effect::Renamed { to, .. } => to,
            Effect::Opened { path, .. }
            | Effect::Written { path, .. }
            | Effect::Synced { path }
            | Effect::Removed { path }
            | Effect::MadeFolder { path } => path,
        }
    }
}

/// One call that succeeded.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Name of the system call.
    pub(crate) name: String,
    pub(crate) effect: Effect,
    /// How many calls of this name and path came before it in the same thread, also such as failed.
    pub(crate) before: usize,
    /// How many calls of this name came before it in the same thread, on whatever file.
    pub(crate) before_of_name: usize,
}

/// Whether `strace` can be used here; says so when it cannot.
pub(crate) fn is_possible() -> bool {
    let possible = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    if !possible {
        eprintln!("SKIPPED: strace is not installed or may not trace");
    }
    possible
}

/// `strace` around the command whose program and arguments follow, writing to `output`.
pub(crate) fn recorder(output: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-xx", "-qq", "-s", "1000000000", "-e", "signal=none"]);
    strace.arg("-e").arg(format!("trace={CALLS}")).arg("-o").arg(output).arg("--");
    strace
}

/// `strace` that kills the process when a thread enters a call of the name and path of `call`, and so many came `before` it there. The
/// call itself does nothing any more.
pub(crate) fn killer(call: &Call, before: usize) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(call.effect.path());
    strace.arg("-e").arg(format!("trace={}", call.name));
    strace.arg("-e").arg(format!("inject={}:signal=KILL:when={}", call.name, before + 1)).arg("--");
    strace
}

/// As [`killer`], for a file that has another name in each run: counts calls of the name of `call` on whatever file.
pub(crate) fn killer_by_number(call: &Call, before: usize) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null"]);
    strace.arg("-e").arg(format!("trace={}", call.name));
    strace.arg("-e").arg(format!("inject={}:signal=KILL:when={}", call.name, before + 1)).arg("--");
    strace
}

/// Reads what [`recorder`] wrote: the calls that changed or synced something below `root`, in the order they ended.
///
/// # Panics
/// When there is a call below `root` whose effect is not understood: a harness that passed over one would prove nothing.
pub(crate) fn read(text: &str, root: &Path) -> Vec<Call> {
    let mut reader = Reader { root, ..Reader::default() };
    for line in text.lines() {
        reader.line(line);
    }
    reader.calls
}

struct Reader<'a> {
    root: &'a Path,
    /// What a thread's call was before another thread's came between.
    unfinished: HashMap<&'a str, String>,
    /// Where the next write to a file descriptor goes.
    offsets: HashMap<String, usize>,
    /// Where the files that were written to end.
    ends: HashMap<PathBuf, usize>,
    seen: HashMap<(String, String, PathBuf), usize>,
    /// The same by thread and name of the call alone.
    of_name: HashMap<(String, String), usize>,
    calls: Vec<Call>,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Reader {
            root: Path::new("/"),
            unfinished: HashMap::new(),
            offsets: HashMap::new(),
            ends: HashMap::new(),
            seen: HashMap::new(),
            of_name: HashMap::new(),
            calls: Vec::new(),
        }
    }
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) {
        let (thread, rest) = line.split_once(' ').expect("a line begins with a thread");
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            self.unfinished.insert(thread, begun.to_owned());
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once(" resumed>").expect("a resumed call");
            let begun = self.unfinished.remove(thread).expect("it began before");
            self.call(thread, &format!("{begun}{end}"));
        } else if !rest.starts_with("+++") {
            self.call(thread, rest);
        }
    }

    /// One whole call: `name(arguments) = result`.
    fn call(&mut self, thread: &str, text: &str) {
        // A process that was killed leaves calls without a result.
        let Some((call, result)) = text.rsplit_once(" = ") else { return };
        let (name, arguments) = call.trim_end().split_once('(').expect("a call has arguments");
        let arguments = split(arguments.strip_suffix(')').expect("arguments end"));
        let number = self.of_name.entry((thread.to_owned(), name.to_owned())).or_default();
        let before_of_name = *number;
        *number += 1;
        let failed = result.starts_with('-') || result.starts_with('?');
        if failed && !TAKES_PATHS.contains(&name) {
            return;
        }
        let Some(effect) = self.effect(name, &arguments, result) else { return };
        let key = (thread.to_owned(), name.to_owned(), effect.path().to_owned());
        let before = self.seen.entry(key).or_default();
        let call = Call { name: name.to_owned(), effect, before: *before, before_of_name };
        *before += 1;
        if !failed {
            self.calls.push(call);
        }
    }

    fn effect(&mut self, name: &str, arguments: &[&str], result: &str) -> Option<Effect> {
        // The journal is for people: it is never synced, and nothing is read from it.
        let is_state = |path: &PathBuf| path.starts_with(self.root) && !path.ends_with("journal.jsonl");
        let below = |path: PathBuf| Some(path).filter(is_state);
        let at = |folder: usize| below(joined(arguments[folder], arguments[folder + 1]));
        let first = || below(joined("", arguments[0]));
        match name {
            "openat" | "creat" => {
                let path = at(0)?;
                let flags = if name == "creat" { "O_CREAT|O_TRUNC" } else { arguments[2] };
                if flags.contains("O_TRUNC") {
                    self.ends.remove(&path);
                }
                // What is appended to is made in the run that is watched, or is empty.
                let begin = if flags.contains("O_APPEND") { self.ends.get(&path).copied().unwrap_or(0) } else { 0 };
                self.offsets.insert(descriptor(result), begin);
                let changes = flags.contains("O_CREAT") || flags.contains("O_TRUNC");
                changes.then_some(Effect::Opened { path, truncated: flags.contains("O_TRUNC") })
            }
            "lseek" => {
                self.offsets.insert(descriptor(arguments[0]), result.parse().expect("an offset"));
                None
            }
            "write" | "pwrite64" => {
                let path = below(described(arguments[0])?)?;
                let written = result.parse::<usize>().expect("a length");
                let bytes = unescaped(arguments[1])[..written].to_vec();
                let next = self.offsets.entry(descriptor(arguments[0])).or_default();
                let offset = if name == "write" { *next } else { arguments[3].parse().expect("an offset") };
                if name == "write" {
                    *next += written;
                }
                let end = self.ends.entry(path.clone()).or_default();
                *end = (*end).max(offset + written);
                Some(Effect::Written { path, offset, bytes })
            }
            "fsync" | "fdatasync" => Some(Effect::Synced { path: below(described(arguments[0])?)? }),
            "rename" => Some(Effect::Renamed { from: first()?, to: below(joined("", arguments[1]))? }),
            "renameat" | "renameat2" => Some(Effect::Renamed { from: at(0)?, to: at(2)? }),
            "unlink" | "rmdir" => Some(Effect::Removed { path: first()? }),
            "unlinkat" => Some(Effect::Removed { path: at(0)? }),
            "mkdir" => Some(Effect::MadeFolder { path: first()? }),
            "mkdirat" => Some(Effect::MadeFolder { path: at(0)? }),
            _ => {
                let touches = arguments.iter().filter_map(|text| described(text)).any(|path| below(path).is_some());
                assert!(!touches, "{name} is not followed: {arguments:?}");
                None
            }
        }
    }
}

/// Arguments parted at commas outside brackets and strings; all strings are escaped, so that no quote or bracket is inside one.
fn split(arguments: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (place, byte) in arguments.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(arguments[start..place].trim());
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(arguments[start..].trim());
    parts
}

/// The number of `7<path>`.
fn descriptor(text: &str) -> String {
    text.split('<').next().expect("split gives one part at least").to_owned()
}

/// The path of `7<path>` or `AT_FDCWD<path>`.
fn described(text: &str) -> Option<PathBuf> {
    let path = text.split_once('<')?.1.strip_suffix('>')?;
    Some(path_of(&unescaped(path)))
}

/// A path argument, which may be relative to a folder's.
fn joined(folder: &str, path: &str) -> PathBuf {
    described(folder).unwrap_or_default().join(path_of(&unescaped(path)))
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes.to_vec()).expect("paths of the test are UTF-8"))
}

/// The bytes of `"\x41\x42"`, with or without its quotes.
fn unescaped(text: &str) -> Vec<u8> {
    assert!(!text.ends_with("..."), "strace cut a string");
    let escapes = text.trim_matches('"').split("\\x").skip(1);
    escapes.map(|digits| u8::from_str_radix(digits, 16).expect("two hexadecimal digits")).collect()
}
