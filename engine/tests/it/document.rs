//! `docs/database.md` and the layout say the same.

use engine::layout::*;
use std::fmt::Write as _;
use std::mem::offset_of;

/// Heading and rows of a structure's table, as the document has them, up to the description of each field.
macro_rules! fields {
    ($name:ident: $($field:ident),*) => {{
        // The size of a field without a value of its type: where the next one begins.
        let starts = [$(offset_of!($name, $field),)* size_of::<$name>()];
        let mut table = format!("### {}: {} bytes\n", stringify!($name), size_of::<$name>());
        for (index, field) in [$(stringify!($field)),*].iter().enumerate() {
            writeln!(table, "| {} | {} | `{field}` |", starts[index], starts[index + 1] - starts[index]).unwrap();
        }
        table
    }};
}

#[test]
fn the_document_has_every_field_where_the_code_has_it() {
    let expected = [
        fields!(Header: magic, format, section_count, file_len, hash_key, digest),
        fields!(SectionEntry: kind, hot, offset, len, digest, reserved),
        fields!(Tier: width, stride, filter_log2, bucket_log2, signatures, filter_first, bucket_first, fold, reserved, targets, reserved_2),
        fields!(Entry: signature, near, place),
        fields!(DirectGroup: distance, key_shift, offset_kind, section, key_len, reserved, first, count, targets, reserved_2),
        fields!(DirectEntry: key, signature),
        fields!(ProgramHead: offset_kind, section, elements, anchor_element, anchor_shift, distance, slack),
        fields!(ProgramElement: op, flag, count, a, b),
        fields!(HashTable: kind, of, any_size, first_size, size_count, digest_offset, first_signature, digest_count, first_low),
        fields!(HashSize: high, first),
        fields!(Signature: stem, number),
        fields!(Stem: name, name_len, split, source),
        fields!(LiteralHead: len, anchor_shift),
        fields!(Source: name, name_len, release, root),
        fields!(Part: program, first_owner),
        fields!(Logical: signature, condition, condition_len, target, reserved),
    ];
    let document = include_str!("../../../docs/database.md");
    let rows = document.lines().filter(|line| line.starts_with("### ") || line.starts_with("| ") && line.contains(" | `"));
    let columns = |row: &str| match row.match_indices(" | ").nth(2) {
        Some((end, _)) => format!("{} |\n", &row[..end]),
        None => format!("{row}\n"),
    };
    let found: String = rows.skip_while(|row| !row.starts_with("### ")).map(columns).collect();
    assert_eq!(found, expected.concat());
}

#[test]
fn the_document_lists_the_sections_in_order() {
    let document = include_str!("../../../docs/database.md");
    for section in Section::ALL {
        let row = format!("| {} | {} |", section as u32, section.name());
        assert!(document.contains(&row), "no row `{row}`");
    }
}
