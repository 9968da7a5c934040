//! Rules that take signatures away by their names.

use std::collections::HashMap;

use crate::clamav::IgnoreRule;

/// The rules of one compilation.
#[derive(Default)]
pub(super) struct Ignores {
    /// By the name they take away: the lines that they mean, by their MD5; `None` for every line.
    rules: HashMap<String, Vec<Option<[u8; 16]>>>,
}

impl Ignores {
    pub(super) fn add(&mut self, rule: IgnoreRule) {
        self.rules.entry(rule.name).or_default().push(rule.line_md5);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether a rule takes away the signature `name` of a line with this MD5.
    pub(super) fn take(&self, name: &str, line_md5: &[u8; 16]) -> bool {
        let means_line = |md5: &Option<[u8; 16]>| md5.as_ref().is_none_or(|md5| md5 == line_md5);
        self.rules.get(name).is_some_and(|rules| rules.iter().any(means_line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_means_every_line_or_one() {
        let mut ignores = Ignores::default();
        ignores.add(IgnoreRule { name: "One".into(), line_md5: Some([1; 16]) });
        ignores.add(IgnoreRule { name: "One".into(), line_md5: Some([2; 16]) });
        ignores.add(IgnoreRule { name: "Every".into(), line_md5: None });
        assert!(ignores.take("One", &[1; 16]) && ignores.take("One", &[2; 16]));
        assert!(!ignores.take("One", &[3; 16]));
        assert!(ignores.take("Every", &[3; 16]));
        assert!(!ignores.take("every", &[3; 16]));
    }
}
