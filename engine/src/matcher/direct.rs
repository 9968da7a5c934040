//! Signatures tied to one offset: the few bytes there are read once and looked up, whatever the size of the file.
//!
//! The offset may count from the entry point of a program or from one of its sections; then executables are parsed, and other files
//! have no such place.

use crate::database::{Database, slice};
use crate::layout::{DirectGroup, ProgramOffset};
use crate::subject::Subject;

/// Calls `found` with each signature whose key stands at its place in the haystack; its program decides the rest.
///
/// O(groups × programs in the file × log signatures). A signature may be found for several programs.
pub(crate) fn direct_hits(database: &Database<'_>, subject: &Subject<'_>, mut found: impl FnMut(u32)) {
    for group in database.direct_groups.iter().filter(|group| subject.admits_some(group.targets.get())) {
        let (first, count) = (group.first.get() as usize, group.count.get() as usize);
        let Some(entries) = first.checked_add(count).and_then(|end| database.direct_entries.get(first..end)) else {
            continue;
        };
        let DirectGroup { offset_kind, section, distance, .. } = group;
        let Some(offset) = ProgramOffset::read(*offset_kind, *section, distance.get(), 0) else { continue };
        subject.each_range(offset, |start, _| {
            let Some(key) = key_at(group, start, subject.haystack) else { return };
            let from = entries.partition_point(|entry| entry.key.get() < key);
            for entry in entries[from..].iter().take_while(|entry| entry.key.get() == key) {
                found(entry.signature.get());
            }
        });
    }
}

/// The key bytes of a group for a match that begins at `start`, the first lowest; `None` when the haystack has no such place.
fn key_at(group: &DirectGroup, start: u64, haystack: &[u8]) -> Option<u32> {
    let at = start.checked_add(u64::from(group.key_shift.get()))?;
    let mut key = [0; 4];
    let len = usize::from(group.key_len.min(4));
    key[..len].copy_from_slice(slice(haystack, at, len as u64)?);
    Some(u32::from_le_bytes(key))
}
