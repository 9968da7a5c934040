//! The normalised form of a script: small letters, no comments and no white space but between words, strings with `"` and put together where
//! they were added, and the names that it declares numbered, so that renaming them does not hide it.
//!
//! ```text
//! var Key = 'a' + "B", x; // why
//! function F(Key) { return Key + x }
//! ```
//!
//! becomes `var n000="ab",n001;function n002(n003){return n003+n001}`. A name has its number from the scope that it is declared in, or
//! from the closest scope around it; where it stands behind a `.`, it belongs to an object and stays.

mod number;
mod scopes;
mod string;

use scopes::Scopes;

/// Longer scripts are left out.
const SCRIPT_BYTES_MAX: usize = 2 << 20;
/// How often a string may be run as a script within another.
const EVAL_DEPTH_MAX: u32 = 4;
const END: &[u8] = b"</script>";

/// Adds the normalised form of `script` to `form`: at most a small multiple of it, and the tags around it. O(script).
pub(super) fn normalise(script: &[u8], form: &mut Vec<u8>) {
    if script.len() > SCRIPT_BYTES_MAX {
        return;
    }
    if !form.is_empty() {
        form.push(b'\n');
    }
    form.extend_from_slice(b"<script>");
    let mut scan = Scan::default();
    scan.tokens(script, 0);
    scan.write(form);
    form.extend_from_slice(END);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A name or a keyword, in this scope, not behind a `.`.
    Name {
        scope: u32,
    },
    /// A name behind a `.`, or a number.
    Word,
    /// A string; a `fixed` one takes no other.
    String {
        fixed: bool,
    },
    Mark(u8),
}

/// A part of a script, and where its bytes are among those of all.
#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    from: u32,
    to: u32,
}

#[derive(Debug, Default)]
struct Scan {
    tokens: Vec<Token>,
    bytes: Vec<u8>,
    scopes: Scopes,
}

/// What separates words, and ends comments that are one.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

impl Scan {
    /// Takes `script` apart; one that is run by another ends in its last whole token.
    fn tokens(&mut self, script: &[u8], depth: u32) {
        let mut at = 0;
        while let Some(&byte) = script.get(at) {
            let rest = &script[at..];
            at += match byte {
                b'/' if rest.starts_with(b"//") => rest.iter().take_while(|byte| !is_space(**byte)).count(),
                b'/' if rest.starts_with(b"/*") => memchr::memmem::find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4),
                b'"' | b'\'' => self.string(rest),
                b'0'..=b'9' => {
                    let from = self.bytes.len();
                    let len = number::write(rest, &mut self.bytes);
                    self.push(Kind::Word, from);
                    len
                }
                _ if is_name(byte) => {
                    let len = rest.iter().take_while(|byte| is_name(**byte) || **byte == 0).count();
                    if depth > 0 && len == rest.len() {
                        return;
                    }
                    self.name(&rest[..len]);
                    len
                }
                b'!' | b'%'..=b'/' | b':'..=b'?' | b'[' | b']'..=b'^' | b'{'..=b'~' => {
                    self.push(Kind::Mark(byte), self.bytes.len());
                    self.scopes.mark(byte);
                    1
                }
                _ => 1,
            };
            self.fold(depth);
        }
    }

    fn push(&mut self, kind: Kind, from: usize) {
        self.tokens.push(Token { kind, from: from as u32, to: self.bytes.len() as u32 });
    }

    fn bytes_of(&self, token: Token) -> &[u8] {
        &self.bytes[token.from as usize..token.to as usize]
    }

    fn string(&mut self, rest: &[u8]) -> usize {
        let from = self.bytes.len();
        let (len, closed) = string::write(rest, &mut self.bytes);
        if !closed {
            // What would have ended the script is part of it.
            self.bytes.extend_from_slice(END);
        }
        self.push(Kind::String { fixed: false }, from);
        self.scopes.other();
        len
    }

    fn name(&mut self, name: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend(name.iter().filter(|byte| **byte != 0));
        let behind_dot = self.tokens.last().is_some_and(|token| token.kind == Kind::Mark(b'.'));
        let scope = self.scopes.name(&self.bytes[from..], behind_dot);
        self.push(if behind_dot { Kind::Word } else { Kind::Name { scope } }, from);
    }

    /// Puts the last tokens together where they are two strings that are added, or a call whose outcome is plain.
    fn fold(&mut self, depth: u32) {
        let Some(&[.., first, plus, second]) = self.tokens.last_chunk::<3>().map(|tokens| &tokens[..]) else { return };
        let plain = Kind::String { fixed: false };
        if first.kind == plain && plus.kind == Kind::Mark(b'+') && second.kind == plain {
            // Nothing but the plus stands between their bytes.
            self.tokens.truncate(self.tokens.len() - 2);
            if let Some(token) = self.tokens.last_mut() {
                token.to = second.to;
            }
            return;
        }
        let Some(&[call, open, argument, _]) = self.tokens.last_chunk::<4>() else { return };
        let is_call = matches!(call.kind, Kind::Name { .. }) && open.kind == Kind::Mark(b'(');
        if !is_call || !matches!(argument.kind, Kind::String { .. }) || self.is_added() {
            return;
        }
        match self.bytes_of(call) {
            b"unescape" => {
                let (from, to) = (argument.from as usize, argument.to as usize);
                let decoded = string::unescaped(&self.bytes[from..to]);
                self.tokens.truncate(self.tokens.len() - 4);
                let from = self.bytes.len();
                self.bytes.extend(decoded);
                self.push(Kind::String { fixed: true }, from);
                self.fold(depth);
            }
            b"eval" if depth < EVAL_DEPTH_MAX => {
                let script = self.bytes_of(argument).to_vec();
                self.tokens.truncate(self.tokens.len() - 4);
                self.tokens(&script, depth + 1);
            }
            _ => {}
        }
    }

    /// Whether the last token is a plus, behind which another string may stand.
    fn is_added(&self) -> bool {
        self.tokens.last().is_some_and(|token| token.kind == Kind::Mark(b'+'))
    }

    fn write(&self, form: &mut Vec<u8>) {
        let mut behind_word = false;
        for token in &self.tokens {
            let is_word = matches!(token.kind, Kind::Name { .. } | Kind::Word);
            if is_word && behind_word {
                form.push(b' ');
            }
            behind_word = is_word;
            let bytes = self.bytes_of(*token);
            match token.kind {
                Kind::Mark(byte) => form.push(byte),
                Kind::String { .. } => {
                    form.push(b'"');
                    form.extend(bytes.iter().map(u8::to_ascii_lowercase));
                    form.push(b'"');
                }
                Kind::Word => form.extend(bytes.iter().map(u8::to_ascii_lowercase)),
                Kind::Name { scope } => match self.scopes.number(bytes, scope) {
                    Some(number) => form.extend(format!("n{number:03}").into_bytes()),
                    None => form.extend(bytes.iter().map(u8::to_ascii_lowercase)),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(script: &str) -> String {
        let mut form = Vec::new();
        normalise(script.as_bytes(), &mut form);
        let form = String::from_utf8(form).unwrap();
        form.strip_prefix("<script>").unwrap().strip_suffix("</script>").unwrap().to_owned()
    }

    /// Each line is what clamscan was seen to write.
    #[test]
    fn as_clamscan_does() {
        let cases = [
            ("var A=1;A=2;B=3;", "var n000=1;n000=2;b=3;"),
            ("function Foo(a,b){return a+b+c;} Foo(1)", "function n000(n001,n002){return n001+n002+c;}foo(1)"),
            ("x=function(a){return a}", "x=function(n000){return n000}"),
            ("var a; function f(){var a; a=1;} a=2;", "var n000;function n001(){var n002;n002=1;}n000=2;"),
            (
                "function f(a){function g(b){return a+b}} a b",
                "function n000(n001){function n002(n003){return n001+n003}}a b",
            ),
            ("a=1;var a=2;a", "n000=1;var n000=2;n000"),
            ("var a;{var a;a} a", "var n001;{var n001;n001}n001"),
            ("var a=[b,c],d;b d", "var n000=[b,c],n001;b n001"),
            ("var a=f(b,c),d;b c d", "var n000=f(b,n001),n002;b n001 n002"),
            ("var a={b:1,c:2},d;b", "var n000={b:1,c:2},n001;b"),
            ("for(var a in b)f(c,d)d", "for(var n000 in b)f(c,n001)n001"),
            ("var a=function(){var b;return b},c;b c", "var n000=function(){var n001;return n001},n002;b n002"),
            ("{var a=1}b,c;c", "{var n000=1}b,n001;n001"),
            ("function f(a=b,c){c}", "function n000(n001=b,n002){n002}"),
            ("var a; x.a; a.x", "var n000;x.a;n000.x"),
            ("function if(a){a}", "function if(n000){n000}"),
            ("Var a;a", "var a;a"),
            ("'A'+\"B\"+c+'d'", "\"ab\"+c+\"d\""),
            ("\"\\x41\\u0042\\n\\'\"", "\"ab '\""),
            ("unescape('%41%42%u0043')", "\"abc\""),
            ("\"a\"+unescape(\"B\")+\"c\"", "\"a\"+\"b\"+\"c\""),
            ("unescape(\"A\"+\"B\")", "\"ab\""),
            ("x.unescape(\"A\")", "x.unescape(\"a\")"),
            ("eval('var a=1;')", "var n000=1;"),
            ("eval('A')B", "b"),
            ("eval(unescape('b%3b'))", "b;"),
            ("a//b c\nd", "a c d"),
            ("a // b /* c\n d */ e", "a b e"),
            ("a/**/b /* c", "a b"),
            ("/re g/i.test(x)", "/re g/i.test(x)"),
            ("x = 0x41 + 1.5e3 + 010", "x=0 x41+1500+10"),
            ("@#`~\\a\u{e9}b", "~a b"),
            ("\"unterminated", "\"unterminated</script>\""),
        ];
        for (script, want) in cases {
            assert_eq!(normal(script), want, "{script}");
        }
    }

    #[test]
    fn long_scripts_are_left_out() {
        let mut form = Vec::new();
        normalise(&vec![b'a'; SCRIPT_BYTES_MAX + 1], &mut form);
        assert_eq!(form, b"");
    }

    proptest! {
        #[test]
        fn any_script_has_a_form_of_bounded_length(
            parts in prop::collection::vec(prop::sample::select(&[
                "var ", "function ", "(", ")", "{", "}", "a", ",", ";", "eval(", "unescape(", "'", "\"", "+", "\\", "/*", "//", "1.5", "%41", "\n",
            ][..]), 0..80)
        ) {
            let script = parts.concat();
            let mut form = Vec::new();
            normalise(script.as_bytes(), &mut form);
            prop_assert!(form.len() <= 8 * script.len() + 64);
        }
    }
}
