//! Signature files to canonical records, with an account of every line.
//!
//! ```
//! use patternc::compile::{Compiler, SourceKind};
//!
//! let mut compiler = Compiler::new();
//! compiler.add_text("demo.ndb", SourceKind::Ndb, b"Demo.Worm-1:0:*:4d5a90\nDemo.Worm-2:8:*:4d5a90\n");
//! let compilation = compiler.finish();
//! assert_eq!(compilation.records.len(), 1);
//! assert_eq!(
//!     compilation.diagnostics[0].to_string(),
//!     "demo.ndb:2: target-unsupported: target 8 is no type of files that is supported"
//! );
//! assert_eq!(compilation.account.lines, 2);
//! ```

mod account;
mod ignore;
mod kind;
mod line;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::clamav::container::signature::{Keys, SignatureError};
use crate::clamav::container::{Container, ContainerError, Limits};
use crate::clamav::is_licence;
use crate::diagnostic::{Code, Diagnostic, Fault, quote};
use crate::record::Record;
use ignore::Ignores;
use line::{Compiled, Lines, Outcome};

pub use account::{Account, KindAccount};
pub use kind::{Content, SourceKind};

/// What the sources came to.
#[derive(Clone, Debug, Default)]
pub struct Compilation {
    /// The records, in canonical order, each once.
    pub records: Vec<Record>,
    /// Refused lines and files, in the order of the sources.
    pub diagnostics: Vec<Diagnostic>,
    /// How many lines became what.
    pub account: Account,
    /// Names of the sources that records come from.
    files: Vec<String>,
    /// Of each record.
    origins: Vec<Place>,
    /// Of each further line that made a record, and the index of the record; ascending by this.
    repeats: Vec<(usize, Place)>,
}

/// Where a record comes from; the first place, when several lines made the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin<'a> {
    /// Name of the source, as it was given.
    pub file: &'a str,
    /// Line number from 1.
    pub line: u32,
}

/// An [`Origin`] in 8 bytes: the index of the source, then the line. In the order of the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: u32,
    line: u32,
}

impl Compilation {
    /// Where the record of this index in [`Compilation::records`] comes from; `None` when the compiler made no such record.
    ///
    /// O(1); kept in 8 bytes for each record.
    pub fn origin(&self, index: usize) -> Option<Origin<'_>> {
        self.origins.get(index).and_then(|place| self.named(*place))
    }

    /// The lines that made a record which another line had made, each with the index of that record, by which they ascend.
    pub fn repeats(&self) -> impl Iterator<Item = (usize, Origin<'_>)> {
        self.repeats.iter().filter_map(|(index, place)| Some((*index, self.named(*place)?)))
    }

    fn named(&self, place: Place) -> Option<Origin<'_>> {
        Some(Origin { file: self.files.get(place.file as usize)?, line: place.line })
    }
}

/// A source file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}", path.display())]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Collects sources; [`Compiler::finish`] gives what they came to.
///
/// Lines are parsed on rayon's current thread pool; the outcome does not depend on the number of threads.
#[derive(Default)]
pub struct Compiler {
    /// Records, in the order of the sources.
    records: Vec<(Place, Compiled)>,
    /// Names of the sources that records come from.
    files: Vec<String>,
    ignores: Ignores,
    diagnostics: Vec<Diagnostic>,
    account: Account,
    unsigned: Unsigned,
    keys: Option<Keys>,
    progress: Option<Progress>,
}

/// What becomes of containers that ClamAV has not signed, or whose signatures are not those of what they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsigned {
    /// They are refused. A container needs a signed list of members and, if its header states a digest, a signature of that. So a
    /// `.cvd` needs both; the header of a `.cld` states none as a rule; a `.cud` has neither.
    #[default]
    Refuse,
    /// They are compiled if they are in order otherwise; no signature is looked at.
    Accept,
}

type Progress = Box<dyn FnMut(u64) + Send>;

impl Compiler {
    /// Lines parsed between two calls of the progress callback; a batch also bounds what is parsed but not yet collected.
    const BATCH_LINES: usize = 1 << 15;

    /// A compiler without sources.
    pub fn new() -> Compiler {
        Compiler::default()
    }

    /// Calls `progress` with the number of bytes that were compiled since the last call, now and then. Default: none.
    #[must_use]
    pub fn on_progress(mut self, progress: impl FnMut(u64) + Send + 'static) -> Compiler {
        self.progress = Some(Box::new(progress));
        self
    }

    /// What becomes of containers that are not signed. Default: [`Unsigned::Refuse`].
    #[must_use]
    pub fn unsigned(mut self, unsigned: Unsigned) -> Compiler {
        self.unsigned = unsigned;
        self
    }

    /// The keys by which a container counts as signed. Default: [`Keys::clamav`].
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Compiler {
        self.keys = Some(keys);
        self
    }

    /// Compiles a file of the kind that its extension names.
    ///
    /// A file of another kind is refused by one diagnostic, [`Code::KindUnknown`], and all its lines count as refused.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read; nothing of it is compiled then.
    pub fn add_file(&mut self, path: &Path) -> Result<(), ReadError> {
        let bytes = fs::read(path).map_err(|source| ReadError { path: path.to_owned(), source })?;
        self.add_named(&path.display().to_string(), path, &bytes);
        Ok(())
    }

    /// Compiles `bytes`, the content of a file of one kind, under the name `source_name`.
    ///
    /// O(bytes) in time, for a container O(what it unpacks to); lines of any content, in any encoding, end in a record or a
    /// diagnostic. The order of the sources decides only the order of diagnostics: ignore rules hold for what came before them, too.
    pub fn add_text(&mut self, source_name: &str, kind: SourceKind, bytes: &[u8]) {
        self.add_kind(source_name, kind, bytes);
    }

    /// The records in canonical order, the diagnostics, and the account.
    pub fn finish(mut self) -> Compilation {
        self.apply_ignores();
        let Compiler { mut records, files, diagnostics, mut account, .. } = self;
        records.par_sort_unstable_by(|(place, a), (other, b)| a.encoded.cmp(&b.encoded).then(place.cmp(other)));
        let mut last_kept = 0;
        let mut repeats = Vec::new();
        records.dedup_by(|(place, next), (_, last)| {
            let repeated = next.encoded == last.encoded;
            if repeated {
                repeats.push((last_kept, *place));
            } else {
                last_kept += 1;
            }
            repeated
        });
        account.duplicates = repeats.len() as u64;
        let (origins, records) = records.into_iter().map(|(place, compiled)| (place, compiled.record)).unzip();
        Compilation { records, diagnostics, account, files, origins, repeats }
    }

    /// Takes away what ignore rules name, once every rule is known.
    fn apply_ignores(&mut self) {
        if self.ignores.is_empty() {
            return;
        }
        let Compiler { records, ignores, account, .. } = self;
        records.retain(|(_, compiled)| {
            let ignored = ignores.take(compiled.full_name(), &compiled.line_md5);
            if ignored {
                let counted = KindAccount { ignored: 1, ..KindAccount::default() };
                account.add(compiled.kind.as_str(), &counted);
            }
            !ignored
        });
    }

    fn add_named(&mut self, source_name: &str, path: &Path, bytes: &[u8]) {
        if let Some(kind) = SourceKind::of_path(path) {
            return self.add_kind(source_name, kind, bytes);
        }
        let extension = path.extension().map(|text| text.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        let lines = Lines::of(bytes).count_content();
        let message = format!("{} names no kind of signature file; lines left out: {lines}", quote(&extension));
        self.refuse(source_name, &extension, Fault::new(Code::KindUnknown, message), lines);
        self.report(bytes.len() as u64);
    }

    fn add_kind(&mut self, source_name: &str, kind: SourceKind, bytes: &[u8]) {
        match kind.content() {
            Content::Signatures | Content::Ignores | Content::Notes => self.add_lines(source_name, kind, bytes),
            Content::Container => {
                // Members are longer than what is reported: the bytes of the container.
                let progress = self.progress.take();
                if let Err(fault) = self.add_container(source_name, kind, bytes) {
                    // What is in it is not known, so it counts as one line.
                    self.refuse(source_name, kind.as_str(), fault, 1);
                }
                self.progress = progress;
                self.report(bytes.len() as u64);
            }
            Content::Unsupported => {
                let lines = Lines::of(bytes).count_content();
                let message =
                    format!("`.{}` files ({}) are not supported yet; lines left out: {lines}", kind.as_str(), kind.about());
                self.refuse(source_name, kind.as_str(), Fault::new(Code::KindUnsupported, message), lines);
                self.report(bytes.len() as u64);
            }
        }
    }

    fn add_lines(&mut self, source_name: &str, kind: SourceKind, bytes: &[u8]) {
        let mut lines = Lines::of(bytes);
        loop {
            let batch: Vec<(u64, &[u8])> = lines.by_ref().take(Compiler::BATCH_LINES).collect();
            let Some(&(first_number, _)) = batch.first() else { break };
            let outcomes: Vec<_> = batch.par_iter().with_min_len(256).map(|(_, line)| line::compile(kind, line)).collect();
            self.absorb(source_name, kind, first_number, outcomes);
            self.report(batch.iter().map(|(_, line)| line.len() as u64 + 1).sum());
        }
    }

    /// Compiles the members of a container under names such as `main.cvd:main.ndb`; all of them or, when anything is wrong with the
    /// container, none.
    fn add_container(&mut self, source_name: &str, kind: SourceKind, bytes: &[u8]) -> Result<(), Fault> {
        let container = Container::open(bytes, Limits::default()).map_err(fault_of)?;
        if kind == SourceKind::Cvd && container.header().md5.is_none() {
            return Err(Fault::new(Code::ContainerDigest, "the header states no MD5"));
        }
        match self.unsigned {
            Unsigned::Accept => drop(container.check().map_err(fault_of)?),
            Unsigned::Refuse => {
                let keys = self.keys.as_ref().unwrap_or_else(|| Keys::clamav());
                // Before anything is unpacked.
                if container.header().md5.is_some() {
                    container.header().verify(&keys.header).map_err(fault_of_signature)?;
                }
                container.check().map_err(fault_of)?.verify(&keys.list).map_err(fault_of_signature)?;
            }
        }
        let unpacked = container.unpack(|name, bytes| {
            self.add_member(source_name, name, bytes);
            Ok(())
        });
        unpacked.map_err(fault_of)
    }

    fn add_member(&mut self, container: &str, name: &str, bytes: &[u8]) {
        let (source_name, path) = (&format!("{container}:{name}"), Path::new(name));
        match SourceKind::of_path(path) {
            Some(kind) if kind.content() == Content::Container => {
                let message = "a container in a container is not opened";
                self.refuse(source_name, kind.as_str(), Fault::new(Code::KindUnsupported, message), 1);
            }
            _ if is_licence(name) => {}
            _ => self.add_named(source_name, path, bytes),
        }
    }

    fn absorb(&mut self, source_name: &str, kind: SourceKind, first_number: u64, outcomes: Vec<Outcome>) {
        let mut account = KindAccount::default();
        let file = self.file_number(source_name);
        for (number, outcome) in (first_number..).zip(outcomes) {
            match outcome {
                Outcome::Comment => continue,
                Outcome::Note => {}
                Outcome::Ignore(rule) => self.ignores.add(rule),
                // More lines than 32 bits count would take more memory than there is.
                Outcome::Record(compiled) => self.records.push((Place { file, line: number as u32 }, compiled)),
                Outcome::Refused(Fault { code, message }) => {
                    account.refuse(code, 1);
                    self.diagnostics.push(Diagnostic { file: source_name.to_owned(), line: number, code, message });
                    continue;
                }
            }
            account.accept();
        }
        self.account.add(kind.as_str(), &account);
    }

    /// The number of a source, which is a new one unless it is the last one still.
    fn file_number(&mut self, source_name: &str) -> u32 {
        if self.files.last().is_none_or(|last| last != source_name) {
            self.files.push(source_name.to_owned());
        }
        (self.files.len() - 1) as u32
    }

    /// Refuses a whole file, which counts as so many lines.
    fn refuse(&mut self, source_name: &str, kind: &str, fault: Fault, lines: u64) {
        let mut account = KindAccount::default();
        account.refuse(fault.code, lines);
        self.account.add(kind, &account);
        let Fault { code, message } = fault;
        self.diagnostics.push(Diagnostic { file: source_name.to_owned(), line: 0, code, message });
    }

    fn report(&mut self, bytes: u64) {
        if let Some(progress) = &mut self.progress {
            progress(bytes);
        }
    }
}

fn fault_of(error: ContainerError) -> Fault {
    let code = match error {
        ContainerError::Header(_) => Code::ContainerHeader,
        ContainerError::Digest => Code::ContainerDigest,
        ContainerError::Archive(_) => Code::ContainerArchive,
        ContainerError::Limit { .. } => Code::ContainerLimit,
        ContainerError::Info(_) => Code::ContainerInfo,
    };
    Fault::new(code, error.to_string())
}

fn fault_of_signature(error: SignatureError) -> Fault {
    let code = match error {
        SignatureError::Absent { .. } => Code::ContainerUnsigned,
        SignatureError::Failed { .. } => Code::ContainerSignature,
    };
    Fault::new(code, format!("{error}, and containers that ClamAV has not signed are not allowed"))
}
