//! `titer admin release` and `titer admin gc`: what a service keeps for good, and what nobody names.

use crate::args::KeptCommand;
use crate::output::{coded, say, size, time, write, write_json};
use serde_json::json;
use std::io::stdout;
use updater::operator::Operator;
use updater::wire::{ChannelRelease, KeptRelease, Swept};

/// Runs `titer admin release`.
pub(crate) async fn run(operator: &Operator, command: &KeptCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        KeptCommand::List { channel } => {
            if !as_json {
                say!("{:<24} {:>8} {:<10} {:>12} {:<21} sha256", "channel", "release", "state", "bytes", "published");
            }
            // Each page as it comes: years of releases need not fit the memory.
            let mut last = None;
            while let Some(page) = operator.releases_after(last.as_ref(), channel.as_ref()).await? {
                if as_json {
                    page.iter().try_for_each(|release| write_json(&mut stdout(), &json!(release)))?;
                } else {
                    print(&page);
                }
                last = page.into_iter().next_back();
            }
        }
        KeptCommand::Export { channel, release, output } => {
            let at = ChannelRelease { channel: channel.clone(), release: *release };
            let Some(kept) = operator.release(&at).await? else {
                let words = format!("no release {release} of {channel} was ever published here");
                return Err(coded(&words, "release_unknown", Some("`titer admin release list` shows all")));
            };
            let bytes = operator.blob(&kept).await?;
            write(output, &bytes)?;
            if as_json {
                write_json(&mut stdout(), &json!({"path": output, "sha256": kept.sha256, "length": kept.length}))?;
            } else {
                say!("{}: {channel} release {release}, {} bytes, sha256 {}", output.display(), kept.length, kept.sha256);
            }
        }
    }
    Ok(())
}

/// Runs `titer admin gc`.
pub(crate) async fn sweep(operator: &Operator, dry_run: bool, read: bool, as_json: bool) -> anyhow::Result<()> {
    let swept = if read { operator.sweep_and_read(dry_run).await? } else { operator.sweep(dry_run).await? };
    if as_json {
        return Ok(write_json(&mut stdout(), &json!(swept))?);
    }
    let Swept { objects, unnamed, unnamed_bytes, removed, lost, .. } = swept;
    let did = if dry_run { "nothing is removed".to_owned() } else { format!("{removed} are removed") };
    say!("{objects} objects are stored; no table names {unnamed} of them, {}: {did}", size(unnamed_bytes));
    if lost > 0 {
        say!("{lost} objects that tables name are lost or damaged: `titer maker publish` sends them again");
    }
    Ok(())
}

fn print(kept: &[KeptRelease]) {
    for release in kept {
        let state = match (release.withdrawn, release.listed) {
            (true, _) => "withdrawn",
            (false, true) => "offered",
            (false, false) => "kept",
        };
        say!(
            "{:<24} {:>8} {state:<10} {:>12} {:<21} {}",
            release.release.channel.to_string(),
            release.release.release,
            release.length,
            time(release.published_at).unwrap_or_default(),
            release.sha256,
        );
        for module in &release.modules {
            say!("{:>33} {} `{}`, {} bytes, sha256 {}", "", module.kind, module.name, module.length, module.sha256);
        }
    }
}
