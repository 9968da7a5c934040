//! The crate `yara-x`: a rule for each literal.

use crate::engines::Engine;
use std::fmt::Write as _;
use yara_x::{Compiler, Rules, Scanner};

/// Scanner of the crate `yara-x`, for rules of one string each.
pub struct YaraX {
    // The scanner borrows the rules: they are leaked, since an engine lives as long as its process.
    scanner: Scanner<'static>,
}

impl YaraX {
    /// Rules for `literals`, `rule r0 { strings: $a = { .. } condition: $a }` onwards.
    pub fn new(literals: &[Vec<u8>]) -> YaraX {
        let mut compiler = Compiler::new();
        for (index, literal) in literals.iter().enumerate() {
            let mut rule = format!("rule r{index} {{ strings: $a = {{");
            for byte in literal {
                let _ = write!(rule, " {byte:02x}");
            }
            rule.push_str(" } condition: $a }");
            compiler.add_source(rule.as_str()).expect("a rule of one hex string compiles");
        }
        let rules: &'static Rules = Box::leak(Box::new(compiler.build()));
        let mut scanner = Scanner::new(rules);
        // All matches count, as they do for the other engines; by default the rest after a million is dropped.
        scanner.max_matches_per_pattern(usize::MAX);
        YaraX { scanner }
    }
}

impl Engine for YaraX {
    fn name(&self) -> &'static str {
        "yara-x"
    }

    fn count(&mut self, haystack: &[u8]) -> usize {
        let results = self.scanner.scan(haystack).expect("a scan without a time limit ends");
        results.matching_rules().flat_map(|rule| rule.patterns()).map(|pattern| pattern.matches().len()).sum()
    }
}
