//! What a logical signature uses.

use super::body;
use super::lines::{Features, offset, target};

pub(crate) fn features(line: &str, found: &mut Features) {
    let mut fields = line.splitn(4, ';');
    let mut field = || fields.next().unwrap_or_default();
    let (_, description, expression, rest) = (field(), field(), field(), field());
    for attribute in description.split(',') {
        let (key, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        found.insert(("description", format!("`{key}`")));
        if key == "Target" {
            found.insert(("target", target(value)));
        }
    }
    logic(expression, found);
    for text in subsignatures(rest) {
        subsignature(text, found);
    }
}

/// Cut at each `;` that is not between two slashes.
fn subsignatures(rest: &str) -> impl Iterator<Item = &str> {
    let (mut inside, mut before) = (false, ' ');
    rest.split(move |letter| {
        inside ^= letter == '/' && before != '\\';
        before = letter;
        letter == ';' && !inside
    })
}

fn logic(expression: &str, found: &mut Features) {
    let mut add = |feature: &str| {
        found.insert(("expression", feature.to_owned()));
    };
    let bytes = expression.as_bytes();
    let mut depth = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'&' => add("`a&b`"),
            b'|' => add("`a\\|b`"),
            b'(' => {
                depth += 1;
                add(if depth > 1 { "parentheses within parentheses" } else { "`(..)`" });
            }
            b')' => depth -= 1,
            b'>' | b'<' | b'=' => {
                let of_group = at > 0 && bytes[at - 1] == b')';
                let value = expression[at + 1..].split(['&', '|', ')']).next().unwrap_or_default();
                let operator = char::from(*byte);
                let what = if of_group { "(..)" } else { "a" };
                let number = if *byte == b'=' && value == "0" { "0" } else { "n" };
                let kinds = if value.contains(',') { ",m" } else { "" };
                add(&format!("`{what}{operator}{number}{kinds}`"));
            }
            _ => {}
        }
    }
}

fn subsignature(text: &str, found: &mut Features) {
    let kind = if text.starts_with("fuzzy_img#") {
        "`fuzzy_img`"
    } else if text.contains('/') {
        pcre(text, found);
        "PCRE"
    } else if text.starts_with("${") {
        "macro"
    } else if text.contains('#') {
        "byte comparison"
    } else {
        hex(text, found);
        "hex"
    };
    found.insert(("subsignature", kind.to_owned()));
}

fn hex(text: &str, found: &mut Features) {
    let (text, modifiers) = text.split_once("::").unwrap_or((text, ""));
    for letter in modifiers.chars() {
        found.insert(("modifier", format!("`{letter}`")));
    }
    let body = text.rsplit_once(':').map_or(text, |(place, body)| {
        offset(place, found);
        body
    });
    body::features(body, found);
}

fn pcre(text: &str, found: &mut Features) {
    let (place, rest) = text.split_once('/').unwrap_or_default();
    let (pattern, flags) = rest.rsplit_once('/').unwrap_or((rest, ""));
    let mut add = |feature: String| {
        found.insert(("PCRE", feature));
    };
    for letter in flags.split("::").next().unwrap_or_default().chars() {
        add(format!("flag `{letter}`"));
    }
    if place.contains(':') {
        add("with an offset".to_owned());
    }
    if place.rsplit(':').next().is_some_and(|trigger| !trigger.bytes().all(|byte| byte.is_ascii_digit())) {
        add("trigger of several subsignatures".to_owned());
    }
    // An escaped backslash begins no construct.
    let plain = pattern.replace("\\\\", "");
    let has = |marks: &[&str]| marks.iter().any(|mark| plain.contains(mark));
    let numbered = (1..=9).any(|number| plain.contains(&format!("\\{number}")));
    for (construct, is_used) in [
        ("back-reference", numbered || has(&["(?P=", "\\k<", "\\k{", "\\g{"])),
        ("look-ahead", has(&["(?=", "(?!"])),
        ("look-behind", has(&["(?<=", "(?<!"])),
        ("atomic or possessive", has(&["(?>", "*+", "++", "?+", "}+"])),
        ("named group", has(&["(?P<", "(?'"])),
        ("`(?:..)`", has(&["(?:"])),
        ("flags within", has(&["(?i", "(?s", "(?m", "(?x", "(?-"])),
        ("lazy", has(&["*?", "+?", "??", "}?"])),
        ("counted repetition", plain.contains('{')),
        ("class", plain.contains('[')),
        ("`\\b`", has(&["\\b"])),
        ("`\\x..`", has(&["\\x"])),
        ("`\\w` `\\d` `\\s` and their opposites", has(&["\\w", "\\d", "\\s", "\\W", "\\D", "\\S"])),
    ] {
        if is_used {
            add(construct.to_owned());
        }
    }
}
