//! The files to scan: those given, then those made for signatures, in rounds that fit a disk.

use crate::clamscan::FILE_BYTES_MIN;
use anyhow::Context as _;
use corpus::{Unplantable, What};
use patternc::record::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Bytes of planted files that lie on the disk at one time, about.
const ROUND_BYTES: usize = 256 << 20;

/// Files to scan.
pub(crate) struct Subjects {
    given: Vec<PathBuf>,
    /// Files that clamscan does not look into, or that cannot be named to it.
    pub(crate) left_out: usize,
    given_scanned: bool,
    folder: PathBuf,
    to_plant: std::vec::IntoIter<Record>,
    pub(crate) planted: usize,
    pub(crate) unplanted: BTreeMap<Unplantable, usize>,
}

/// Files that are scanned together.
pub(crate) struct Round {
    pub(crate) files: Vec<PathBuf>,
    /// What each of the files was made for, and to be; shorter than the files when they were given.
    pub(crate) made: Vec<(What, String)>,
    /// Deletes them.
    _folder: Option<tempfile::TempDir>,
}

impl Subjects {
    /// The files at and under `paths`, each once.
    pub(crate) fn given(paths: &[PathBuf]) -> anyhow::Result<Subjects> {
        let mut found = BTreeSet::new();
        for path in paths {
            let path = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
            walk(&path, &mut found)?;
        }
        let all = found.len();
        let large_enough = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|metadata| metadata.len() >= FILE_BYTES_MIN);
        let nameable = |path: &PathBuf| path.to_str().is_some_and(|text| !text.contains('\n'));
        let given: Vec<PathBuf> = found.into_iter().filter(|path| nameable(path) && large_enough(path)).collect();
        Ok(Subjects {
            left_out: all - given.len(),
            given_scanned: given.is_empty(),
            given,
            folder: PathBuf::new(),
            to_plant: Vec::new().into_iter(),
            planted: 0,
            unplanted: BTreeMap::new(),
        })
    }

    /// Those that were given.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.given
    }

    /// Adds files made for `records`, which will lie in `folder` while they are scanned.
    pub(crate) fn plant(&mut self, records: Vec<Record>, folder: PathBuf) -> anyhow::Result<()> {
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        self.folder = folder;
        self.to_plant = records.into_iter();
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.to_plant.as_slice().is_empty()
    }

    /// The next files, if there are any left.
    pub(crate) fn next_round(&mut self) -> anyhow::Result<Option<Round>> {
        if !self.given_scanned {
            self.given_scanned = true;
            return Ok(Some(Round { files: self.given.clone(), made: Vec::new(), _folder: None }));
        }
        if self.to_plant.as_slice().is_empty() {
            return Ok(None);
        }
        let folder = tempfile::tempdir_in(&self.folder)?;
        let (mut files, mut made, mut bytes) = (Vec::new(), Vec::new(), 0);
        while bytes < ROUND_BYTES {
            let Some(record) = self.to_plant.next() else { break };
            let planted = match corpus::plant(&record) {
                Ok(planted) => planted,
                Err(reason) => {
                    *self.unplanted.entry(reason).or_default() += 1;
                    continue;
                }
            };
            self.planted += 1;
            for file in planted {
                let path = folder.path().join(format!("{:06}-{}", files.len(), file.what));
                std::fs::write(&path, &file.bytes).with_context(|| format!("cannot write {}", path.display()))?;
                bytes += file.bytes.len();
                files.push(path);
                made.push((file.what, record.name().to_owned()));
            }
        }
        Ok(Some(Round { files, made, _folder: Some(folder) }))
    }
}

/// The files at and under `path`; links are not followed.
fn walk(path: &Path, found: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let kind = std::fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?.file_type();
    if kind.is_file() {
        found.insert(path.to_owned());
    } else if kind.is_dir() {
        for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))? {
            walk(&entry?.path(), found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_files_come_first_and_planted_ones_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        for (name, text) in [("a", "12345"), ("b", "123456"), ("in/c", "1234567")] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let mut subjects = Subjects::given(&[folder.path().to_owned()]).unwrap();
        assert_eq!((subjects.files().len(), subjects.left_out), (2, 1));
        let records = corpus::records(&["mandiant.ndb", "eicar.hdb"]);
        let all = records.len();
        subjects.plant(records, folder.path().join("planted")).unwrap();
        assert!(subjects.next_round().unwrap().unwrap().made.is_empty());
        let round = subjects.next_round().unwrap().unwrap();
        assert_eq!(round.files.len(), round.made.len());
        assert!(round.files.iter().all(|file| file.is_file()));
        let first = round.files[0].clone();
        drop(round);
        assert!(!first.exists());
        assert!(subjects.next_round().unwrap().is_none());
        assert_eq!(subjects.planted + subjects.unplanted[&Unplantable::Digest], all);
    }
}
