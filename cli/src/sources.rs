//! Signature sources as a person names them: files and folders.

use crate::output::with_hint;
use anyhow::Context;
use patternc::compile::SourceKind;
use std::path::{Path, PathBuf};

/// The files that `sources` name; a folder stands for the files in it, sorted by name, whatever their kind: those that are no signatures are
/// refused by name when they are compiled. Hidden files and licences are left out.
pub(crate) fn expand(sources: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for source in sources {
        if !source.is_dir() {
            files.push(source.clone());
            continue;
        }
        let entries = source.read_dir().with_context(|| format!("cannot read {}", source.display()))?;
        let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
        paths.retain(|path| path.is_file() && !is_beside_signatures(path));
        paths.sort();
        if !paths.iter().any(|path| is_named_as_signatures(path)) {
            let message = format!("{} holds no signature file", source.display());
            return Err(with_hint(
                message,
                "signature files are named as ClamAV names them, such as .ndb, .hdb or .cvd, or end in .titer",
            ));
        }
        files.append(&mut paths);
    }
    Ok(files)
}

/// Whether a file in a folder of signatures is what one expects beside them: hidden, or about them.
fn is_beside_signatures(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
    name.starts_with('.') || ["README", "LICENSE", "LICENCE", "COPYING"].iter().any(|word| name.starts_with(word))
}

/// Whether the name of `path` says that it holds signatures, of a kind that is supported or not.
pub(crate) fn is_named_as_signatures(path: &Path) -> bool {
    SourceKind::of_path(path).is_some_and(SourceKind::holds_signatures) || is_blob(path)
}

/// Whether `path` is named as a blob.
pub(crate) fn is_blob(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("titer"))
}

/// Bytes in all `files` together, for a progress bar; what cannot be read counts nothing.
pub(crate) fn total_len(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}
