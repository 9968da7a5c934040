//! What a hex text uses of the grammar of bodies.

use super::lines::Features;

const GROUP: &str = "body";

pub(crate) fn features(hex: &str, found: &mut Features) {
    if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        add(found, "nothing but fixed bytes", 0);
    }
    let mut rest = hex;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '*' => add(found, "`*`", 1),
            '{' => braces(rest, found),
            '[' => add(found, "`[n-m]`", enclosed(rest, ']')),
            '!' if rest[1..].starts_with('(') => 1 + group(&rest[1..], true, found),
            '(' => group(rest, false, found),
            '?' => pair(rest, found),
            _ if first.is_ascii_hexdigit() => pair(rest, found),
            _ => first.len_utf8(),
        };
        rest = &rest[taken..];
    }
}

fn add(found: &mut Features, feature: &str, taken: usize) -> usize {
    found.insert((GROUP, feature.to_owned()));
    taken
}

/// How long the text is up to `end`, and that with it.
fn enclosed(text: &str, end: char) -> usize {
    text.find(end).map_or(text.len(), |at| at + end.len_utf8())
}

/// Two nibbles, or the last one.
fn pair(text: &str, found: &mut Features) -> usize {
    let pair = &text.as_bytes()[..text.len().min(2)];
    match pair {
        b"??" => add(found, "`??`", 2),
        [b'?', low] if low.is_ascii_hexdigit() => add(found, "`?a`", 2),
        [high, b'?'] if high.is_ascii_hexdigit() => add(found, "`a?`", 2),
        [_, second] if second.is_ascii_hexdigit() => 2,
        _ => 1,
    }
}

fn braces(text: &str, found: &mut Features) -> usize {
    let taken = enclosed(text, '}');
    let form = match text[1..taken].trim_end_matches('}').split_once('-') {
        None => "`{n}`",
        Some(("", _)) => "`{-m}`",
        Some((_, "")) => "`{n-}`",
        Some(_) => "`{n-m}`",
    };
    add(found, form, taken)
}

/// An alternative or a boundary, up to its `)`.
fn group(text: &str, negated: bool, found: &mut Features) -> usize {
    let mut depth = 0_usize;
    let end = text.find(|letter: char| {
        depth = if letter == '(' { depth + 1 } else { depth - usize::from(letter == ')') };
        depth == 0
    });
    let taken = end.map_or(text.len(), |end| end + 1);
    let inside = text[1..taken].trim_end_matches(')');
    let not = if negated { "!" } else { "" };
    if matches!(inside, "B" | "L" | "W") {
        return add(found, &format!("`{not}({inside})`"), taken);
    }
    let lens: Vec<usize> = inside.split('|').map(str::len).collect();
    let form = if inside.contains(['(', '?', '{']) {
        "`(..)` with wildcards or alternatives in it"
    } else if lens.iter().any(|len| *len != lens[0]) {
        "`(aa\\|bbcc)`: strings of several lengths"
    } else if lens[0] > 2 {
        "`(aabb\\|ccdd)`: strings of one length"
    } else {
        "`(aa\\|bb)`: single bytes"
    };
    add(found, &if negated { form.replacen("`(", "`!(", 1) } else { form.to_owned() }, taken)
}
