//! Which names a script declares, and where.

use std::collections::HashMap;

/// Words that are no names.
const KEYWORDS: [&[u8]; 29] = [
    b"break",
    b"case",
    b"catch",
    b"continue",
    b"default",
    b"delete",
    b"do",
    b"else",
    b"false",
    b"finally",
    b"for",
    b"function",
    b"if",
    b"in",
    b"instanceof",
    b"new",
    b"null",
    b"return",
    b"switch",
    b"this",
    b"throw",
    b"true",
    b"try",
    b"typeof",
    b"var",
    b"void",
    b"while",
    b"with",
    b"const",
];

/// The scopes of a script, as they are while it is read.
#[derive(Debug)]
pub(super) struct Scopes {
    all: Vec<Scope>,
    current: u32,
    /// Declared names, and for each scope the number of its last declaration there.
    numbers: HashMap<Box<[u8]>, HashMap<u32, u32>>,
    next_number: u32,
}

#[derive(Debug)]
struct Scope {
    parent: u32,
    part: Part,
    /// A list of declarations, after `var`.
    list: Option<List>,
}

/// Where in a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Behind `function`.
    Name,
    /// Between the parentheses; a name is declared when it is `expected`.
    Arguments { expected: bool },
    /// Before the body.
    Before,
    /// In so many braces.
    Body { depth: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct List {
    /// In so many brackets and braces.
    depth: u32,
    /// The next name is declared.
    expected: bool,
}

impl Default for Scopes {
    fn default() -> Scopes {
        let outermost = Scope { parent: 0, part: Part::Body { depth: 0 }, list: None };
        Scopes { all: vec![outermost], current: 0, numbers: HashMap::new(), next_number: 0 }
    }
}

impl Scopes {
    /// Takes a name or a keyword; gives the scope that it is in.
    pub(super) fn name(&mut self, name: &[u8], behind_dot: bool) -> u32 {
        if KEYWORDS.contains(&name) {
            self.keyword(name);
            return self.current;
        }
        let scope = &mut self.all[self.current as usize];
        let declared = match &mut scope.part {
            Part::Name => true,
            Part::Arguments { expected } => std::mem::take(expected),
            Part::Before | Part::Body { .. } => scope.list.as_mut().is_some_and(|list| std::mem::take(&mut list.expected)),
        };
        if declared && !behind_dot {
            self.numbers.entry(name.into()).or_default().insert(self.current, self.next_number);
            self.next_number += 1;
        }
        self.current
    }

    fn keyword(&mut self, word: &[u8]) {
        match word {
            b"function" => {
                self.other();
                self.all.push(Scope { parent: self.current, part: Part::Name, list: None });
                self.current = self.all.len() as u32 - 1;
            }
            b"var" => self.all[self.current as usize].list = Some(List { depth: 0, expected: true }),
            _ => self.other(),
        }
    }

    /// Takes what is neither a name nor a mark.
    pub(super) fn other(&mut self) {
        let scope = &mut self.all[self.current as usize];
        if let Part::Arguments { expected } = &mut scope.part {
            *expected = false;
        }
        if let Some(list) = &mut scope.list {
            list.expected = false;
        }
    }

    pub(super) fn mark(&mut self, mark: u8) {
        let scope = &mut self.all[self.current as usize];
        match (&mut scope.part, mark) {
            (part @ Part::Name, b'(') => *part = Part::Arguments { expected: true },
            (Part::Arguments { expected }, b',') => *expected = true,
            (part @ Part::Arguments { .. }, b')') => *part = Part::Before,
            (part @ (Part::Before | Part::Name), b'{') => *part = Part::Body { depth: 1 },
            (Part::Body { depth }, b'{') => *depth += 1,
            (Part::Body { depth: 1 }, b'}') if self.current != 0 => {
                self.current = scope.parent;
                return;
            }
            (Part::Body { depth }, b'}') => *depth = depth.saturating_sub(1),
            (Part::Arguments { expected }, _) => *expected = false,
            _ => {}
        }
        if let Some(list) = &mut scope.list {
            list.expected = false;
            match mark {
                b'{' | b'[' => list.depth += 1,
                b'}' | b']' => list.depth = list.depth.saturating_sub(1),
                b',' => list.expected = list.depth == 0,
                b';' if list.depth == 0 => scope.list = None,
                _ => {}
            }
        }
    }

    /// The number of a name that stands in `scope`.
    ///
    /// O(scopes around it): a name is looked up in no more than [`Scopes::DEPTH_MAX`] of them.
    pub(super) fn number(&self, name: &[u8], scope: u32) -> Option<u32> {
        let of_scopes = self.numbers.get(name)?;
        let mut scope = scope;
        for _ in 0..Scopes::DEPTH_MAX {
            if let Some(number) = of_scopes.get(&scope) {
                return Some(*number);
            }
            if scope == 0 {
                break;
            }
            scope = self.all[scope as usize].parent;
        }
        None
    }

    /// Scopes around a name that are searched for it.
    const DEPTH_MAX: usize = 32;
}
