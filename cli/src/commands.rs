//! The commands, one file each.

pub(crate) mod admin;
pub(crate) mod agent;
pub(crate) mod bundle;
pub(crate) mod compile;
pub(crate) mod delta;
pub(crate) mod demo;
pub(crate) mod inspect;
pub(crate) mod link;
pub(crate) mod maker;
pub(crate) mod model;
pub(crate) mod prices;
pub(crate) mod root;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod sig;
pub(crate) mod verify;

use std::path::{Path, PathBuf};

/// The agent's folder: as given, else `$TITER_STATE`, else below `$XDG_STATE_HOME` or `~/.local/state`, else `/var/lib/titer`.
pub(crate) fn state_folder(given: Option<&Path>) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let personal = || {
        let base = variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")))?;
        Some(base.join("titer"))
    };
    let state = given.map(Path::to_owned).or_else(|| variable("TITER_STATE")).or_else(personal);
    state.unwrap_or_else(|| PathBuf::from("/var/lib/titer"))
}
