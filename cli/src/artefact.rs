//! The files that Titer makes, told apart by their first bytes.

use crate::output::with_hint;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Artefact {
    Blob,
    Delta,
    Database,
}

impl Artefact {
    /// What `bytes` say they are.
    pub(crate) fn of(bytes: &[u8]) -> anyhow::Result<Artefact> {
        match bytes.get(..8) {
            Some(b"TITERBL\n") => Ok(Artefact::Blob),
            Some(b"TITERDL\n") => Ok(Artefact::Delta),
            Some(magic) if magic == engine::layout::MAGIC => Ok(Artefact::Database),
            _ => {
                let message = "not a blob, a delta or a database: its first bytes are none of theirs".to_owned();
                Err(with_hint(message, "signature text is compiled with `titer compile`"))
            }
        }
    }

    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Artefact::Blob => "blob",
            Artefact::Delta => "delta",
            Artefact::Database => "database",
        }
    }
}
