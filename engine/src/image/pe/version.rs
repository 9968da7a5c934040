//! The strings of a program's version information: where their keys begin.
//!
//! Version information is a resource of type 16: a block of blocks, each with a length, as the Windows headers lay out `VS_VERSIONINFO`,
//! `StringFileInfo`, `StringTable` and `String`. Which blocks are followed, where reading ends and how little a string may have is what
//! clamscan was seen to do, on thousands of blocks with lengths changed: `docs/targets.md` tells the rules.

use object::pe::{ImageResourceDataEntry, ImageResourceDirectory, ImageResourceDirectoryEntry};
use object::{LittleEndian as LE, ReadRef};

/// The type of version information among resources.
const VERSION: u32 = 16;
/// Set in the offset of a directory of directories, and in the type of a resource that has a name.
const FLAG: u32 = 1 << 31;
/// Resources that are read.
const RESOURCES_MAX: usize = 16;
/// Entries of directories that are looked at, so that directories which share their entries cost no more than others.
const ENTRIES_MAX: usize = 1 << 16;

/// Bytes of a block's length, the length of its value and its type, before its key.
const HEAD: usize = 6;
/// Bytes of the outermost block before those in it: its head, its key and the fixed information.
const VERSION_HEAD: usize = 0x5c;
/// The value of the outermost block, the fixed information, has so many bytes and begins so.
const FIXED_LEN: usize = 0x34;
const FIXED_AT: usize = 0x28;
const FIXED_SIGNATURE: [u8; 4] = 0xfeef_04bd_u32.to_le_bytes();
/// Bytes of a block of tables before its tables, and of a table before its strings.
const TABLES_HEAD: usize = 0x24;
const TABLE_HEAD: usize = 0x18;
/// A string of so many bytes or fewer ends the reading, and so does a block of translations of fewer than that.
const STRING_MIN: usize = 0x10;
const TRANSLATIONS_MIN: usize = 0x20;

/// Where the keys begin, as file offsets: those of the resources in the directory at `root`. `place` tells where the bytes of an address lie.
///
/// O(directories + bytes of at most 16 resources of at most 64 KiB each).
pub(super) fn keys(file: &[u8], root: u64, place: impl Fn(u32) -> Option<u64>) -> Vec<u32> {
    let mut keys = Vec::new();
    for resource in resources(file, root).unwrap_or_default() {
        let Ok(data) = file.read_at::<ImageResourceDataEntry>(resource) else { continue };
        let Some(start) = place(data.offset_to_data.get(LE)) else { continue };
        if let Ok(block) = file.read_bytes_at(start, u64::from(data.size.get(LE))) {
            let mut add = |at: usize| keys.extend(u32::try_from(start + at as u64));
            // It ends where something is amiss; what was found before that counts.
            let _ = version_keys(block, &mut add);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Where the first resources of version information are described.
fn resources(file: &[u8], root: u64) -> Option<Vec<u64>> {
    let mut left = ENTRIES_MAX;
    let types = entries(file, root, Entries::Numbered, &mut left)?;
    let of_version = types.iter().find(|entry| entry.name_or_id.get(LE) == VERSION)?;
    let mut found = Vec::new();
    let Some(names) = directory(*of_version, root) else { return Some(found) };
    for name in entries(file, names, Entries::All, &mut left)? {
        let Some(languages) = directory(*name, root) else { continue };
        // A directory outside the file ends the search.
        let Some(languages) = entries(file, languages, Entries::All, &mut left) else { break };
        for language in languages.iter().filter(|language| directory(**language, root).is_none()) {
            found.push(root + u64::from(language.offset_to_data_or_directory.get(LE)));
            if found.len() == RESOURCES_MAX {
                return Some(found);
            }
        }
    }
    Some(found)
}

/// The entries of a directory.
#[derive(Clone, Copy)]
enum Entries {
    /// Those with a number.
    Numbered,
    /// Those with a name, which come first, and those with a number. What is counted of them has 16 bits.
    All,
}

/// Entries of the directory at `at`, as many as the file holds.
fn entries<'f>(file: &'f [u8], at: u64, which: Entries, left: &mut usize) -> Option<&'f [ImageResourceDirectoryEntry]> {
    const ENTRY_LEN: u64 = size_of::<ImageResourceDirectoryEntry>() as u64;
    let mut at = at;
    let head = file.read::<ImageResourceDirectory>(&mut at).ok()?;
    let (named, numbered) = (head.number_of_named_entries.get(LE), head.number_of_id_entries.get(LE));
    let count = match which {
        Entries::All => named.wrapping_add(numbered),
        Entries::Numbered => {
            at += u64::from(named) * ENTRY_LEN;
            numbered
        }
    };
    let room = (file.len() as u64).saturating_sub(at) / ENTRY_LEN;
    let count = (*left).min(usize::from(count)).min(usize::try_from(room).unwrap_or(usize::MAX));
    *left -= count;
    file.read_slice_at(at, count).ok()
}

/// Where the directory that an entry names begins; `None` when it names none.
fn directory(entry: ImageResourceDirectoryEntry, root: u64) -> Option<u64> {
    let offset = entry.offset_to_data_or_directory.get(LE);
    (offset & FLAG != 0).then(|| root + u64::from(offset & !FLAG))
}

/// Adds where the keys of the strings in a block of version information begin.
fn version_keys(resource: &[u8], add: &mut impl FnMut(usize)) -> Option<()> {
    let version = resource.get(..word(resource, 0)?)?;
    let sound = word(version, 2)? == FIXED_LEN
        && has_key(version, "VS_VERSION_INFO")
        && version.get(FIXED_AT..)?.starts_with(&FIXED_SIGNATURE);
    let mut at = VERSION_HEAD;
    let child = |at: usize| version.get(at..at + word(version, at)?);
    if !sound {
        return None;
    }
    // One block of translations may stand before the strings.
    let first = child(at)?;
    if has_key(first, "VarFileInfo") && first.len() >= TRANSLATIONS_MIN {
        at += first.len();
    }
    let tables = child(at)?;
    if !has_key(tables, "StringFileInfo") {
        return None;
    }
    let mut table_at = TABLES_HEAD;
    while tables.len().checked_sub(table_at)? > HEAD {
        let table = tables.get(table_at..table_at + word(tables, table_at)?)?;
        table_keys(table, &mut |key| add(at + table_at + key))?;
        table_at += table.len();
    }
    Some(())
}

/// Adds where the keys of the strings of a table begin; `None` when there is nothing to go on with behind it.
fn table_keys(table: &[u8], add: &mut impl FnMut(usize)) -> Option<()> {
    if table.len() <= TABLE_HEAD {
        return None;
    }
    let mut at = TABLE_HEAD;
    while table.len() - at > HEAD {
        let len = word(table, at)?;
        // The next string begins at a multiple of four, and must begin within the table.
        let string = table.get(at..at + len.next_multiple_of(4)).filter(|_| len > STRING_MIN)?;
        if has_value(&string[..len]) {
            add(at + HEAD);
        }
        at += string.len();
    }
    Some(())
}

/// Whether the key of a string ends, and something stands behind it.
fn has_value(string: &[u8]) -> bool {
    let key_len = string[HEAD..].chunks_exact(2).position(|letter| letter == [0, 0]);
    key_len.is_some_and(|len| string.len() > (HEAD + 2 * len + 2).next_multiple_of(4))
}

fn has_key(block: &[u8], key: &str) -> bool {
    let wide = key.bytes().chain([0]).flat_map(|letter| [letter, 0]);
    block.get(HEAD..HEAD + 2 * key.len() + 2).is_some_and(|found| wide.eq(found.iter().copied()))
}

fn word(block: &[u8], at: usize) -> Option<usize> {
    let bytes = block.get(at..)?.first_chunk()?;
    Some(usize::from(u16::from_le_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block: its length, its key, then `content` from `at` on.
    fn block(value_len: u16, key: &str, at: usize, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEAD];
        bytes.extend(key.bytes().chain([0]).flat_map(|letter| [letter, 0]));
        bytes.resize(at.max(bytes.len()), 0);
        bytes.extend(content);
        let len = bytes.len() as u16;
        bytes[..2].copy_from_slice(&len.to_le_bytes());
        bytes[2..4].copy_from_slice(&value_len.to_le_bytes());
        bytes
    }

    fn string(key: &str, value: &str) -> Vec<u8> {
        let at = (HEAD + 2 * key.len() + 2).next_multiple_of(4);
        let value: Vec<u8> = value.bytes().chain([0]).flat_map(|letter| [letter, 0]).collect();
        let mut bytes = block(1, key, at, &value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn table(strings: &[Vec<u8>]) -> Vec<u8> {
        block(0, "040904b0", TABLE_HEAD, &strings.concat())
    }

    fn tables(tables: &[Vec<u8>]) -> Vec<u8> {
        block(0, "StringFileInfo", TABLES_HEAD, &tables.concat())
    }

    fn version(children: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = block(FIXED_LEN as u16, "VS_VERSION_INFO", VERSION_HEAD, &children.concat());
        bytes[FIXED_AT..FIXED_AT + 4].copy_from_slice(&FIXED_SIGNATURE);
        bytes
    }

    /// The keys that are found in a block, as text.
    fn found(resource: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        let letter = |pair: &[u8]| char::from(pair[0]);
        let _ = version_keys(resource, &mut |at| {
            let key = resource[at..].chunks(2).take_while(|pair| **pair != [0, 0]);
            found.push(key.map(letter).collect());
        });
        found
    }

    fn two() -> Vec<u8> {
        table(&[string("Company", "A"), string("Product", "B")])
    }

    #[test]
    fn keys_of_all_tables_are_found() {
        assert_eq!(found(&version(&[tables(&[two()])])), ["Company", "Product"]);
        assert_eq!(found(&version(&[tables(&[two(), two()])])).len(), 4);
        let translations = block(0, "VarFileInfo", TRANSLATIONS_MIN, b"");
        assert_eq!(found(&version(&[translations.clone(), tables(&[two()]), translations])).len(), 2);
    }

    #[test]
    fn reading_ends_where_clamscan_ends_it() {
        let translations = || block(0, "VarFileInfo", TRANSLATIONS_MIN, b"");
        let mut endless = block(0, "Companies", 0, b"");
        endless.truncate(24);
        endless[0] = 24;
        for (what, children, count) in [
            ("two blocks of translations", vec![translations(), translations(), tables(&[two()])], 0),
            ("an unknown block", vec![block(0, "OtherFileInfo", 0x30, b""), tables(&[two()])], 0),
            ("a second block of tables", vec![tables(&[two()]), tables(&[two()])], 2),
            ("a short string", vec![tables(&[table(&[string("Company", "A"), string("X", "y")]), two()])], 1),
            ("an empty table", vec![tables(&[table(&[]), two()])], 0),
            ("a string without a value", vec![tables(&[table(&[block(0, "Companys", 0, b""), string("Product", "B")])])], 1),
            ("a key without an end", vec![tables(&[table(&[endless, string("Product", "B")])])], 1),
        ] {
            assert_eq!(found(&version(&children)).len(), count, "{what}");
        }
        let sound = version(&[tables(&[two()])]);
        for place in [0, 1, 2, HEAD, HEAD + 28, FIXED_AT] {
            let mut changed = sound.clone();
            changed[place] ^= 0x40;
            assert_eq!(found(&changed), [""; 0], "byte {place}");
        }
        assert_eq!(found(&sound[..sound.len() - 1]), [""; 0]);
    }

    #[test]
    fn any_cut_and_any_changed_byte_is_read() {
        let sound = version(&[tables(&[two(), two()])]);
        for place in 0..sound.len() {
            let _ = found(&sound[..place]);
            for value in [0, 1, 0x10, 0x7f, 0xff] {
                let mut changed = sound.clone();
                changed[place] = value;
                let _ = found(&changed);
            }
        }
    }

    /// A resource directory in which every entry of each level names the same next one.
    fn shared(count: u16) -> Vec<u8> {
        let head = |count: u16| [vec![0; 14], count.to_le_bytes().to_vec()].concat();
        let entry = |id: u32, offset: u32| [id.to_le_bytes(), offset.to_le_bytes()].concat();
        let (names, languages) = (24, 24 + 16 + 8 * u32::from(count));
        let mut file = [head(1), entry(VERSION, FLAG | names), head(count)].concat();
        (0..count).for_each(|id| file.extend(entry(id.into(), FLAG | languages)));
        file.extend(head(count));
        // Directories where data is to be: none of them is a resource.
        (0..count).for_each(|id| file.extend(entry(id.into(), FLAG)));
        file
    }

    #[test]
    fn directories_that_share_entries_cost_no_more_than_others() {
        let began = std::time::Instant::now();
        assert_eq!(resources(&shared(u16::MAX), 0), Some(vec![]));
        // Each with each are four thousand million.
        assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    }

    #[test]
    fn at_most_sixteen_resources_are_read() {
        for count in [1, 4, 5, 300] {
            let mut file = shared(count);
            let languages = 24 + 16 + 8 * usize::from(count) + 16;
            for index in 0..usize::from(count) {
                file[languages + 8 * index + 4..][..4].copy_from_slice(&(index as u32).to_le_bytes());
            }
            let expected = (usize::from(count) * usize::from(count)).min(RESOURCES_MAX);
            assert_eq!(resources(&file, 0).unwrap().len(), expected);
        }
    }
}
