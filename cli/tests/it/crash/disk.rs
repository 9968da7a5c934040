//! A disk that loses power: what files may look like afterwards, if only what was synced is sure to be there.
//!
//! What POSIX promises and no more: syncing a file keeps its content, syncing a folder keeps its entries, and neither keeps the other.
//! A rename within a folder is done as a whole or not at all. Between two syncs writes and entries reach the disk in any order, in
//! part, or never.
//!
//! Naive: stop the process at each call, which leaves all it had done. The system keeps that; a disk without power does not.

use super::trace::Effect;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Number of a file or folder, whatever its name.
type Inode = usize;

/// Smallest part of a file that reaches a disk as a whole, in bytes.
const SECTOR: usize = 512;
/// With so many changes of folders on their way, every subset of them is tried.
const SUBSETS_MAX: usize = 4;

/// A change of a folder's entries that was not synced.
#[derive(Clone, Debug)]
enum Change {
    Enter { name: String, inode: Inode },
    Leave { name: String },
    Rename { from: String, to: String, inode: Inode },
}

#[derive(Clone, Debug, Default)]
struct File {
    durable: Vec<u8>,
    now: Vec<u8>,
    /// Where the last write began.
    last_write: usize,
}

#[derive(Clone, Debug, Default)]
struct Folder {
    durable: BTreeMap<String, Inode>,
    now: BTreeMap<String, Inode>,
    pending: Vec<Change>,
}

/// What is left of a file whose content was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    All,
    /// What it held when it was last synced.
    Nothing,
    /// Its length, and zeros.
    Length,
    /// All but the end of the last write.
    Torn,
    /// All but the first sector of what is new.
    Reordered,
}

const KEPT: [Kept; 5] = [Kept::All, Kept::Nothing, Kept::Length, Kept::Torn, Kept::Reordered];

/// Files by their path below the root, and folders, which have no content.
pub(crate) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Everything below one folder.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    files: BTreeMap<Inode, File>,
    folders: BTreeMap<Inode, Folder>,
}

const ROOT: Inode = 0;

impl Disk {
    /// A disk on which all that `root` holds is synced.
    pub(crate) fn of(root: &Path) -> Disk {
        let folders = BTreeMap::from([(ROOT, Folder::default())]);
        let mut disk = Disk { root: root.to_owned(), files: BTreeMap::new(), folders };
        disk.load(root, ROOT);
        disk
    }

    fn load(&mut self, path: &Path, folder: Inode) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let inode = self.next();
            if path.is_dir() {
                self.folders.insert(inode, Folder::default());
                self.load(&path, inode);
            } else {
                let content = fs::read(&path).unwrap();
                self.files.insert(inode, File { durable: content.clone(), now: content, last_write: 0 });
            }
            let folder = self.folders.get_mut(&folder).unwrap();
            folder.durable.insert(name.clone(), inode);
            folder.now.insert(name, inode);
        }
    }

    fn next(&self) -> Inode {
        self.files.len() + self.folders.len()
    }

    /// The folder that holds `path`, and the name in it.
    fn place(&self, path: &Path) -> (Inode, String) {
        let below = path.strip_prefix(&self.root).expect("below the root");
        let mut names = below.iter().map(|name| name.to_str().unwrap().to_owned()).collect::<Vec<_>>();
        let last = names.pop().expect("not the root itself");
        let folder = names.iter().fold(ROOT, |folder, name| self.folders[&folder].now[name]);
        (folder, last)
    }

    fn inode(&self, path: &Path) -> Inode {
        if path == self.root {
            return ROOT;
        }
        let (folder, name) = self.place(path);
        *self.folders[&folder].now.get(&name).unwrap_or_else(|| panic!("{} is not there", path.display()))
    }

    /// Does what a call did.
    pub(crate) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Opened { path, truncated } => {
                let (folder, name) = self.place(path);
                if !self.folders[&folder].now.contains_key(&name) {
                    let inode = self.next();
                    self.files.insert(inode, File::default());
                    self.change(folder, Change::Enter { name, inode });
                } else if *truncated {
                    let inode = self.inode(path);
                    self.files.get_mut(&inode).unwrap().now.clear();
                }
            }
            Effect::Written { path, offset, bytes } => {
                let inode = self.inode(path);
                let file = self.files.get_mut(&inode).unwrap();
                let end = offset + bytes.len();
                file.now.resize(file.now.len().max(end), 0);
                file.now[*offset..end].copy_from_slice(bytes);
                file.last_write = *offset;
            }
            Effect::Synced { path } => {
                let inode = self.inode(path);
                if let Some(file) = self.files.get_mut(&inode) {
                    file.durable = file.now.clone();
                } else {
                    let folder = self.folders.get_mut(&inode).unwrap();
                    folder.durable = folder.now.clone();
                    folder.pending.clear();
                }
            }
            Effect::Renamed { from, to } => {
                let inode = self.inode(from);
                let ((from_folder, from), (to_folder, to)) = (self.place(from), self.place(to));
                if from_folder == to_folder {
                    self.change(from_folder, Change::Rename { from, to, inode });
                } else {
                    self.change(to_folder, Change::Enter { name: to, inode });
                    self.change(from_folder, Change::Leave { name: from });
                }
            }
            Effect::Removed { path } => {
                let (folder, name) = self.place(path);
                self.change(folder, Change::Leave { name });
            }
            Effect::MadeFolder { path } => {
                let (folder, name) = self.place(path);
                let inode = self.next();
                self.folders.insert(inode, Folder::default());
                self.change(folder, Change::Enter { name, inode });
            }
        }
    }

    fn change(&mut self, folder: Inode, change: Change) {
        let folder = self.folders.get_mut(&folder).unwrap();
        change.make(&mut folder.now);
        folder.pending.push(change);
    }

    /// What may be there when the power comes back: every tree once.
    ///
    /// Up to four changes of folders on their way are tried in every subset, more in all, none, each alone and all but each. Files that
    /// were not synced are harmed alike in every way, and each alone while the others are whole.
    pub(crate) fn after_power_loss(&self) -> BTreeSet<Tree> {
        let unsynced = self.files.iter().filter(|(_, file)| file.now != file.durable).map(|(&inode, _)| inode);
        let unsynced = unsynced.collect::<Vec<_>>();
        let mut trees = BTreeSet::new();
        for kept_changes in self.subsets_of_changes() {
            for all in KEPT {
                trees.insert(self.tree(&kept_changes, |_| all));
            }
            for &harmed in &unsynced {
                for kept in KEPT {
                    trees.insert(self.tree(&kept_changes, |inode| if inode == harmed { kept } else { Kept::All }));
                }
            }
        }
        trees
    }

    /// Which pending changes are made, as sets of (folder, place among its changes).
    fn subsets_of_changes(&self) -> Vec<BTreeSet<(Inode, usize)>> {
        let pending =
            self.folders.iter().flat_map(|(&inode, folder)| (0..folder.pending.len()).map(move |place| (inode, place)));
        let pending = pending.collect::<Vec<_>>();
        if pending.len() <= SUBSETS_MAX {
            let chosen = |bits: usize| {
                let kept = pending.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
                kept.map(|(_, &change)| change).collect()
            };
            return (0..1 << pending.len()).map(chosen).collect();
        }
        let all = pending.iter().copied().collect::<BTreeSet<_>>();
        let alone = pending.iter().map(|&change| BTreeSet::from([change]));
        let without = pending.iter().map(|change| all.iter().copied().filter(|other| other != change).collect());
        [all.clone(), BTreeSet::new()].into_iter().chain(alone).chain(without).collect()
    }

    fn tree(&self, kept_changes: &BTreeSet<(Inode, usize)>, kept: impl Fn(Inode) -> Kept) -> Tree {
        let mut tree = Tree::new();
        let mut open = vec![(PathBuf::new(), ROOT)];
        while let Some((path, inode)) = open.pop() {
            let folder = &self.folders[&inode];
            let mut entries = folder.durable.clone();
            for (place, change) in folder.pending.iter().enumerate() {
                if kept_changes.contains(&(inode, place)) {
                    change.make(&mut entries);
                }
            }
            for (name, inode) in entries {
                let path = path.join(name);
                let content = self.files.get(&inode).map(|file| file.after(kept(inode)));
                if content.is_none() {
                    open.push((path.clone(), inode));
                }
                tree.insert(path, content);
            }
        }
        tree
    }
}

impl File {
    fn after(&self, kept: Kept) -> Vec<u8> {
        if self.now == self.durable {
            return self.now.clone();
        }
        let mut content = self.now.clone();
        match kept {
            Kept::All => {}
            Kept::Nothing => content.clone_from(&self.durable),
            Kept::Length => content.fill(0),
            Kept::Torn => {
                let cut = self.last_write + (content.len().saturating_sub(self.last_write)) / 2;
                content.truncate(if cut > SECTOR { cut / SECTOR * SECTOR } else { cut });
            }
            Kept::Reordered => content.iter_mut().take(SECTOR).for_each(|byte| *byte = 0),
        }
        content
    }
}

impl Change {
    /// Makes it in a folder, as far as that is possible when others were lost.
    fn make(&self, entries: &mut BTreeMap<String, Inode>) {
        match self {
            Change::Enter { name, inode } => {
                entries.insert(name.clone(), *inode);
            }
            Change::Leave { name } => {
                entries.remove(name);
            }
            Change::Rename { from, to, inode } => {
                if entries.get(from) == Some(inode) {
                    entries.remove(from);
                }
                entries.insert(to.clone(), *inode);
            }
        }
    }
}

/// Writes a tree to a folder, in the place of what is there.
pub(crate) fn write(tree: &Tree, folder: &Path) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    fs::create_dir_all(folder).unwrap();
    // A folder sorts before what it holds.
    for (path, content) in tree {
        match content {
            Some(content) => fs::write(folder.join(path), content).unwrap(),
            None => fs::create_dir(folder.join(path)).unwrap(),
        }
    }
}
