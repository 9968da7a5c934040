//! Walking trees: what lies below a path, folder by folder, sorted by name.
//!
//! A walker of any tree could do this; this one hands out files as a name in a folder that is open. Opening a name in an open folder
//! spares the kernel the way from the root to it, which is a good part of what opening a small file costs, and cannot be led
//! astray by somebody who exchanges a folder on that way. How many folders are open at a time is bounded; in further ones files are
//! opened by their whole path.

use super::FileError;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(super) use linux::{Handle, Reader};
#[cfg(any(not(target_os = "linux"), test))]
mod portable;
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{Handle, Reader};

/// What a walk meets.
#[derive(Debug)]
pub(super) enum Found {
    /// A path to scan as it was given; it may be a symbolic link.
    Given(PathBuf),
    /// A regular file, when its folder was read.
    File(Entry),
    /// Something else: a link, a device, a socket, a pipe.
    Other(PathBuf),
    /// Something that could not be looked at.
    Failed(FileError),
}

impl Found {
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Found::Given(path) | Found::Other(path) => path.clone(),
            Found::File(entry) => entry.path(),
            Found::Failed(error) => error.path().to_owned(),
        }
    }
}

/// A file by its name in a folder.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) folder: Arc<Folder>,
    pub(super) name: OsString,
}

impl Entry {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path.join(&self.name)
    }
}

/// A folder that is being walked, or that files of are still to be opened in.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Whether it is of the kernel's, see [`is_kernel_path`].
    pub(super) kernel: bool,
    pub(super) handle: Handle,
}

/// What the name of an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Folder,
    File,
    Other,
}

/// What a folder holds.
#[derive(Default)]
pub(super) struct Listing {
    pub(super) names: Vec<(OsString, Kind)>,
    /// Why there may be more than that.
    pub(super) error: Option<io::Error>,
}

/// A folder and what is left of it.
type Level = (Arc<Folder>, vec::IntoIter<(OsString, Kind)>);

/// The files at and below one path; nothing is left out for being hidden or ignored elsewhere.
pub(super) struct Walk {
    /// What is to be said before anything else.
    first: Option<Found>,
    /// The folders on the way to the current one, each with what is left of it.
    levels: Vec<Level>,
    /// Whether the walk began at `/`, below which the kernel's folders are.
    from_root: bool,
    reader: Reader,
}

impl Walk {
    /// Follows `root` when it is a link, and no link below it.
    pub(super) fn new(root: &Path, reader: Reader) -> Walk {
        let mut walk = Walk { first: None, levels: Vec::new(), from_root: false, reader };
        match fs::metadata(root) {
            Err(error) => walk.first = Some(Found::Failed(FileError::new(root, &error))),
            Ok(metadata) if !metadata.is_dir() => walk.first = Some(Found::Given(root.to_owned())),
            Ok(_) => {
                let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
                walk.from_root = real == Path::new("/");
                walk.first = walk.enter(None, root.as_os_str(), is_kernel_path(&real)).map(Found::Failed);
            }
        }
        walk
    }

    /// Goes on in the folder `name` of `parent`; returns what is wrong with it, if something is.
    fn enter(&mut self, parent: Option<&Folder>, name: &OsStr, kernel: bool) -> Option<FileError> {
        let path = parent.map_or_else(|| PathBuf::from(name), |parent| parent.path.join(name));
        let (handle, mut listing) = match self.reader.read(parent, name, &path) {
            Ok(read) => read,
            Err(error) => return Some(FileError::new(&path, &error)),
        };
        listing.names.sort_unstable();
        let error = listing.error.map(|error| FileError::new(&path, &error));
        self.levels.push((Arc::new(Folder { path, kernel, handle }), listing.names.into_iter()));
        error
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let (folder, left) = self.levels.last_mut()?;
            match left.next() {
                None => drop(self.levels.pop()),
                Some((name, Kind::File)) => return Some(Found::File(Entry { folder: Arc::clone(folder), name })),
                Some((name, Kind::Other)) => return Some(Found::Other(folder.path.join(name))),
                Some((name, Kind::Folder)) => {
                    let folder = Arc::clone(folder);
                    let is_kernels =
                        self.from_root && self.levels.len() == 1 && KERNEL_FOLDERS.contains(&name.as_encoded_bytes());
                    if let Some(error) = self.enter(Some(&folder), &name, folder.kernel || is_kernels) {
                        return Some(Found::Failed(error));
                    }
                }
            }
        }
    }
}

/// Folders in `/` whose files state no length, and reading which may have effects.
const KERNEL_FOLDERS: [&[u8]; 2] = [b"proc", b"sys"];

/// Whether `path`, which is absolute, lies below `/proc` or `/sys`.
pub(super) fn is_kernel_path(path: &Path) -> bool {
    ["/proc", "/sys"].iter().any(|root| path.starts_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(walk: Walk) -> Vec<String> {
        let name = |path: &Path| path.to_string_lossy().into_owned();
        walk.map(|found| match found {
            Found::Given(path) => format!("given {}", name(&path)),
            Found::File(entry) => format!("file {}", name(&entry.path())),
            Found::Other(path) => format!("other {}", name(&path)),
            Found::Failed(error) => format!("failed {}", name(error.path())),
        })
        .collect()
    }

    /// A folder with folders, files, hidden and odd names in it.
    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for folder in ["b", "b/deep/er", ".hidden", "empty"] {
            fs::create_dir_all(tree.path().join(folder)).unwrap();
        }
        for file in ["a", "b.txt", "b/1", "b/deep/2", "b/deep/er/3", ".hidden/4", "c", ".gitignore"] {
            fs::write(tree.path().join(file), file).unwrap();
        }
        tree
    }

    #[test]
    fn a_walk_is_sorted_by_name_folder_by_folder() {
        let tree = tree();
        let found = names(Walk::new(tree.path(), Reader::default()));
        let want = [".gitignore", ".hidden/4", "a", "b/1", "b/deep/2", "b/deep/er/3", "b.txt", "c"];
        assert_eq!(found, want.map(|file| format!("file {}", tree.path().join(file).display())));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_readers_agree() {
        let tree = tree();
        std::os::unix::fs::symlink("a", tree.path().join("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", tree.path().join("b/broken")).unwrap();
        let mut folders = vec![tree.path().to_owned()];
        while let Some(path) = folders.pop() {
            let sorted = |mut listing: Listing| {
                listing.names.sort_unstable();
                (listing.names, listing.error.is_none())
            };
            let (_, ours) = Reader::default().read(None, path.as_os_str(), &path).unwrap();
            let (_, theirs) = portable::Reader.read(None, path.as_os_str(), &path).unwrap();
            let ours = sorted(ours);
            assert_eq!(ours, sorted(theirs));
            folders.extend(ours.0.iter().filter(|entry| entry.1 == Kind::Folder).map(|entry| path.join(&entry.0)));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn more_folders_than_may_be_open_are_walked() {
        let tree = tempfile::tempdir().unwrap();
        let mut path = tree.path().to_owned();
        for _ in 0..linux::OPEN_MAX + 20 {
            path.push("d");
        }
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("file"), b"hay").unwrap();
        assert_eq!(names(Walk::new(tree.path(), Reader::default())), [format!("file {}", path.join("file").display())]);
    }
}
