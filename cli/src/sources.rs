//! Signature sources as a person names them: files and folders.

use crate::output::with_hint;
use anyhow::Context;
use patternc::compile::SourceKind;
use std::path::{Path, PathBuf};

/// The files that `sources` name; a folder stands for the files in it and in the folders below it, sorted by path, whatever their kind:
/// those that are no signatures are refused by name when they are compiled. What is hidden and licences are left out.
pub(crate) fn expand(sources: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for source in sources {
        if !source.is_dir() {
            files.push(source.clone());
            continue;
        }
        let mut paths = files_below(source)?;
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

/// The files in `folder` and below it. A link to a file is that file; a link to a folder is not entered, as it may lead back.
fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let cannot_read = || format!("cannot read {}", folder.display());
        for entry in folder.read_dir().with_context(cannot_read)? {
            let entry = entry.with_context(cannot_read)?;
            let path = entry.path();
            if is_hidden(&path) {
                continue;
            }
            if entry.file_type().with_context(cannot_read)?.is_dir() {
                folders.push(path);
            } else if path.is_file() && !is_about_signatures(&path) {
                files.push(path);
            }
        }
    }
    Ok(files)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether a file in a folder of signatures is one that goes with them: a licence or a readme.
fn is_about_signatures(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_uppercase();
    let is_about = ["README", "LICENSE", "LICENCE", "COPYING"].iter().any(|word| name.starts_with(word));
    is_about && !is_named_as_signatures(path)
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
