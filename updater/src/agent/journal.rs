//! What a terminal asked, what it was answered and what it did: lines of `journal.jsonl` in the state folder, for people.
//!
//! Each request stands with the id that the service gave it, by which its own log is searched, so that both sides of one contact can be laid
//! side by side. Nothing is decided by the journal: lines are appended without syncing, a loss of power may take the last ones or leave
//! half of one, and a journal that cannot be written stops no update. It is bounded: a file that has grown to [`LEN_MAX`] makes way for a new
//! one, and one old file is kept.

use crate::agent::clock::Clock;
use crate::agent::{AgentError, Outcome};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes of a file of the journal: some 1,500 lines.
const LEN_MAX: u64 = 256 << 10;
const FILE: &str = "journal.jsonl";
const OLD_FILE: &str = "journal.old.jsonl";

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// By this machine's clock, right or wrong.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: JournalEvent,
}

/// What the journal tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum JournalEvent {
    /// A request was sent, and an answer's head came, or none.
    Asked {
        /// Its method.
        method: String,
        /// Its path.
        path: String,
        /// Status of the answer; absent when there was none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Id of the request in the service's log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<String>,
        /// Why there was no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
    },
    /// A step was done: of a plan, as `fetch acme/av 7`, or otherwise, as `roll back to generation 3`.
    Did {
        /// The step.
        step: String,
    },
    /// An update ended.
    Ended {
        /// The outcome's name, or the code of what went wrong.
        outcome: String,
        /// What went wrong, in words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        words: Option<String>,
    },
}

/// Writes the journal of one state folder; cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal {
    folder: PathBuf,
    clock: Clock,
}

impl Journal {
    pub(crate) fn new(folder: &Path, clock: Clock) -> Self {
        Journal { folder: folder.to_owned(), clock }
    }

    pub(crate) fn did(&self, step: impl Into<String>) {
        self.note(JournalEvent::Did { step: step.into() });
    }

    /// How an update, or an import, ended.
    pub(crate) fn note_end(&self, ended: Result<Outcome, &AgentError>) {
        self.note(match ended {
            Ok(outcome) => JournalEvent::Ended { outcome: outcome.code().to_owned(), words: None },
            Err(error) => JournalEvent::Ended { outcome: error.code().to_owned(), words: Some(error.to_string()) },
        });
    }

    /// Appends a line, or says in the log that it could not.
    pub(crate) fn note(&self, event: JournalEvent) {
        let mut line = serde_json::to_vec(&JournalEntry { at: (self.clock)(), event }).expect("an entry is plain JSON");
        line.push(b'\n');
        if let Err(error) = self.append(&line) {
            tracing::debug!(%error, "the journal could not be written");
        }
    }

    fn append(&self, line: &[u8]) -> io::Result<()> {
        let path = self.folder.join(FILE);
        let mut file = OpenOptions::new().append(true).create(true).open(&path)?;
        if file.metadata()?.len() >= LEN_MAX {
            fs::rename(&path, self.folder.join(OLD_FILE))?;
            file = OpenOptions::new().append(true).create(true).open(&path)?;
        }
        // One call, so that lines of two processes do not mix.
        file.write_all(line)
    }
}

/// The journal of a state folder, oldest first; empty when there is none. Lines that are no entries, as a loss of power leaves them, are passed
/// over. Reads at most 1 MiB. No lock, no network.
///
/// # Errors
/// Whatever the disk says but that there is no journal.
pub fn journal(state_dir: &Path) -> io::Result<Vec<JournalEntry>> {
    let mut entries = Vec::new();
    for name in [OLD_FILE, FILE] {
        let text = match tail(&state_dir.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        entries
            .extend(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<JournalEntry>(line).ok()));
    }
    Ok(entries)
}

/// The end of a file, of at most twice the length that one may have.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let len = file.metadata()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(2 * LEN_MAX)))?;
    let mut text = Vec::new();
    file.take(2 * LEN_MAX).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::clock;

    fn steps(folder: &Path) -> Vec<String> {
        let step = |entry: JournalEntry| match entry.event {
            JournalEvent::Did { step } => step,
            other => panic!("{other:?}"),
        };
        journal(folder).unwrap().into_iter().map(step).collect()
    }

    #[test]
    fn a_torn_line_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(journal(folder.path()).unwrap(), []);
        let written = Journal::new(folder.path(), clock::system());
        written.did("one");
        let path = folder.path().join(FILE);
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(b"{\"at\":\"2026-01-01T0\n\0\0\0\n\xff\n");
        fs::write(&path, text).unwrap();
        written.did("two");
        assert_eq!(steps(folder.path()), ["one", "two"]);
    }

    #[test]
    fn it_does_not_grow_without_end_and_keeps_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let written = Journal::new(folder.path(), clock::system());
        let long = "x".repeat(4000);
        for number in 0..200 {
            written.did(format!("{number} {long}"));
        }
        let kept: u64 = [FILE, OLD_FILE].map(|name| fs::metadata(folder.path().join(name)).unwrap().len()).iter().sum();
        assert!(kept <= 2 * (LEN_MAX + 5000), "{kept}");
        let steps = steps(folder.path());
        assert!(steps.len() >= 64, "{}", steps.len());
        assert!(steps.last().unwrap().starts_with("199 "));
        assert!(steps.is_sorted_by_key(|step| step.split_once(' ').unwrap().0.parse::<u32>().unwrap()));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_trouble() {
        let folder = tempfile::tempdir().unwrap();
        Journal::new(&folder.path().join("none"), clock::system()).did("nothing");
    }
}
