//! Regular expressions of a database, compiled when a scan first asks for them.

use super::read::Definition;
use crate::regex::Regex;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Compiled expressions by where they are defined. Threads share them.
///
/// Few scans ask for any, so none is compiled before: a millisecond at the first file that asks, none after that.
#[derive(Debug, Default)]
pub(crate) struct Regexes {
    compiled: RwLock<HashMap<u32, Option<Arc<Regex>>>>,
}

impl Regexes {
    /// The expression that is defined at `place`; `None` when it is none that this build takes.
    pub(super) fn get(&self, place: u32, definition: &Definition<'_>) -> Option<Arc<Regex>> {
        // What a thread that panicked left is as good as any: entries are put in whole.
        let found = self.compiled.read().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
        found.unwrap_or_else(|| {
            let regex = definition.compile().map(Arc::new);
            let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
            compiled.entry(place).or_insert(regex).clone()
        })
    }
}
