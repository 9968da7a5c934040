//! Signatures tied to one offset: the few bytes there are read once and looked up, whatever the size of the file.

use crate::database::{Database, slice};
use crate::layout::DirectGroup;

/// Calls `found` with each signature whose key stands at its place in `haystack`; its program decides the rest.
///
/// O(groups × log signatures).
pub(crate) fn direct_hits(database: &Database<'_>, haystack: &[u8], mut found: impl FnMut(u32)) {
    for group in database.direct_groups {
        let Some(key) = key_at(group, haystack) else { continue };
        let (first, count) = (group.first.get() as usize, group.count.get() as usize);
        let Some(entries) = first.checked_add(count).and_then(|end| database.direct_entries.get(first..end)) else {
            continue;
        };
        let from = entries.partition_point(|entry| entry.key.get() < key);
        for entry in entries[from..].iter().take_while(|entry| entry.key.get() == key) {
            found(entry.signature.get());
        }
    }
}

/// The key bytes of a group in this haystack, the first lowest; `None` when the haystack has no such place.
fn key_at(group: &DirectGroup, haystack: &[u8]) -> Option<u32> {
    let start = match group.from_end {
        0 => group.distance.get(),
        _ => (haystack.len() as u64).checked_sub(group.distance.get())?,
    };
    let at = start.checked_add(u64::from(group.key_shift.get()))?;
    let mut key = [0; 4];
    let len = usize::from(group.key_len.min(4));
    key[..len].copy_from_slice(slice(haystack, at, len as u64)?);
    Some(u32::from_le_bytes(key))
}
