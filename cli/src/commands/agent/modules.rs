//! `titer agent modules` and `titer agent show-module`: files that came with releases. They are data: nothing here runs one.

use super::hinted;
use crate::exit::Exit;
use crate::output::{coded, say, size, write, write_json};
use serde_json::json;
use std::io::stdout;
use std::path::Path;
use updater::Channel;
use updater::agent::{self, InstalledModule};
use updater::wire::{ModuleKind, ModuleName};

/// Runs `titer agent modules`.
pub(super) fn list(state: &Path, as_json: bool) -> anyhow::Result<Exit> {
    let modules = agent::modules(state).map_err(hinted)?;
    if as_json {
        modules.iter().try_for_each(|module| write_json(&mut stdout(), &json!(module)))?;
        return Ok(Exit::Fine);
    }
    for InstalledModule { channel, release, module, present, .. } in &modules {
        let gone = if *present { "" } else { "; it is gone, and the next full update fetches it" };
        say!("{channel} release {release}: {} `{}`, {}{gone}", module.kind, module.name, size(module.length));
    }
    if modules.is_empty() {
        say!("what is in force has no modules");
    }
    Ok(Exit::Fine)
}

/// Runs `titer agent show-module`.
pub(super) fn show(
    state: &Path,
    channel: &Channel,
    name: &ModuleName,
    output: Option<&Path>,
    as_json: bool,
) -> anyhow::Result<Exit> {
    let modules = agent::modules(state).map_err(hinted)?;
    let Some(found) = modules.into_iter().find(|found| found.channel == *channel && found.module.name == *name) else {
        let words = format!("what is in force of {channel} has no module `{name}`");
        return Err(coded(&words, "module_unknown", Some("`titer agent modules` shows all")));
    };
    if as_json && output.is_none() {
        write_json(&mut stdout(), &json!(found))?;
        return Ok(Exit::Fine);
    }
    let bytes = found.read().map_err(hinted)?;
    match (output, found.module.kind) {
        (Some(output), _) => {
            write(output, &bytes)?;
            say!("{}: {} bytes, sha256 {}", output.display(), bytes.len(), found.module.sha256);
        }
        (None, ModuleKind::Document) => say!("{}", shown(&String::from_utf8_lossy(&bytes))),
        (None, ModuleKind::Samples) => {
            say!("{} bytes in which the database in force finds something; --output FILE writes them", bytes.len());
        }
        (None, ModuleKind::Engine) => {
            let platform = found.module.platform.as_ref().map(ToString::to_string).unwrap_or_default();
            say!("a package of the scanner for {platform}: {}", found.path.display());
            say!("sha256 {}, as {channel} release {} has it", found.module.sha256, found.release);
            say!(
                "nothing runs or installs it by itself: `titer agent show-module {channel} {name} --output FILE` writes it,"
            );
            say!("and whoever administers this machine installs that file as any other package");
        }
    }
    Ok(Exit::Fine)
}

/// A document as a screen may show it: but for ends of lines and tabs, what a screen would obey is written out.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\t' => shown.push(c),
            '\r' => {}
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.extend(c.escape_unicode()),
            _ if c.is_control() => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_commands_no_screen() {
        assert_eq!(shown("größer\r\n\tzwei\n"), "größer\n\tzwei");
        assert_eq!(shown("\u{1b}[2J\u{9b}\u{202e}x"), r"\u{1b}[2J\u{9b}\u{202e}x");
    }
}
