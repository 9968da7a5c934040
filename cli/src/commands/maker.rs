//! `titer maker`.

mod import;
mod news;

use super::admin::operator_token;
use super::root::{existing_key, key_at};
use crate::args::{MakerArgs, MakerCommand};
use crate::exit::Exit;
use crate::output::{coded, remark, say, write_json};
use std::path::Path;
use updater::maker::{Exported, KeyChange, Maker, MakerError, ModuleChange, cosign};
use updater::wire::ChannelRelease;

/// Runs `titer maker`.
pub(crate) fn run(args: &MakerArgs) -> anyhow::Result<Exit> {
    updater::block_on(run_async(args))?
}

async fn run_async(args: &MakerArgs) -> anyhow::Result<Exit> {
    match &args.command {
        MakerCommand::Init { name } => {
            let maker = Maker::init(&args.dir, name).map_err(hinted)?;
            say!("{}: maker {name}; its key stays in this folder", args.dir.display());
            say!("{}", serde_json::to_string(&maker.registration())?);
        }
        MakerCommand::Register { service, operator_token: token } => {
            let maker = open(args)?;
            maker.register(service, &operator_token(token.as_deref())?).await.map_err(hinted)?;
            say!("{} knows maker {}", service, maker.registration().maker);
        }
        MakerCommand::Release { blob, modules } => {
            let maker = open(args)?;
            let (blob, change) = (blob.clone(), modules.change());
            let released = tokio::task::spawn_blocking(move || maker.release_with(&blob, &change));
            let release = released.await?.map_err(hinted)?;
            say!("signed {} release {}; `titer maker publish` sends it", release.channel, release.release);
        }
        MakerCommand::Modules { channel, release, change, json } => {
            modules(&open(args)?, channel, *release, &change.change(), *json)?;
        }
        MakerCommand::Withdraw { channel, release, back_to, stay } => {
            let (maker, at) = (open(args)?, ChannelRelease { channel: channel.clone(), release: *release });
            let newest_before = maker.newest_before(&at).map_err(hinted)?;
            let back_to = if *stay { None } else { back_to.or(newest_before) };
            maker.withdraw(&at, back_to).map_err(hinted)?;
            match back_to {
                Some(least) => {
                    say!("signed: {channel} release {release} is withdrawn, terminals may go back to {least} or newer");
                }
                None => {
                    say!("signed: {channel} release {release} is withdrawn, terminals run it until there is a newer one");
                }
            }
            say!("`titer maker publish` tells the service");
        }
        MakerCommand::Rotate { add, remove, threshold, renew } => {
            let nothing = add.is_empty() && remove.is_empty() && threshold.is_none();
            let change =
                KeyChange { renew: *renew || nothing, add: add.clone(), remove: remove.clone(), threshold: *threshold };
            let maker = open(args)?;
            let statement = maker.rotate(&change).map_err(hinted)?;
            let keys = &statement.keys;
            say!("keys version {}: {} of these must sign from its publication on:", keys.version, keys.threshold);
            for key in &keys.keys {
                say!("  {key}");
            }
            let (old, new) = statement.lacking(&maker.keys().map_err(hinted)?);
            if old + new > 0 {
                say!(
                    "{old} signatures by the keys before and {new} by the new ones are missing; `titer maker sign` adds them"
                );
            }
        }
        MakerCommand::Key { file } => {
            let key = key_at(file)?;
            remark!("{}: keep this file to yourself, and a copy in another place", file.display());
            say!("{}", key.public());
        }
        MakerCommand::Sign { file, key } => {
            let key = existing_key(key)?;
            for fact in cosign(file, &key).map_err(hinted)? {
                say!("{fact}");
            }
            say!("{}: signed by {}", file.display(), key.public());
        }
        MakerCommand::Restore { service } => {
            let version = open(args)?.restore(service).await.map_err(hinted)?;
            say!("{}: role version {version}", args.dir.display());
        }
        MakerCommand::Publish { service } => {
            let held = open(args)?.publish(service).await.map_err(hinted)?;
            say!("{service} holds role version {} of {}:", held.role_version, held.maker);
            for view in &held.releases {
                let state = match (view.withdrawn, view.listed) {
                    (true, _) => ", withdrawn",
                    (false, true) => "",
                    (false, false) => ", not on offer any more",
                };
                let ChannelRelease { channel, release } = &view.release;
                say!("  {channel} release {release}, {} bytes, sha256 {}{state}", view.length, view.sha256);
            }
        }
        MakerCommand::Import(import) => return import::run(args, import).await,
        MakerCommand::Export { site, json } => export(args, site, *json)?,
        MakerCommand::News(news) => return news::run(args, news).await,
        MakerCommand::SignNews { file, output } => return news::sign(args, file, output),
    }
    Ok(Exit::Fine)
}

/// Changes the modules of a release, if there is anything to change, and shows them.
fn modules(
    maker: &Maker,
    channel: &updater::Channel,
    release: Option<u64>,
    change: &ModuleChange,
    as_json: bool,
) -> anyhow::Result<()> {
    let is_change = *change != ModuleChange::default();
    let (of, modules) = if is_change {
        maker.change_modules(channel, release, change).map_err(hinted)?
    } else {
        let newest = maker.newest(channel).map_err(hinted)?.map(|newest| newest.release);
        let number = release.or(newest).ok_or(MakerError::NothingReleased).map_err(hinted)?;
        let of = ChannelRelease { channel: channel.clone(), release: number };
        let modules = maker.modules(&of).map_err(hinted)?;
        (of, modules)
    };
    if as_json {
        return Ok(modules.iter().try_for_each(|module| write_json(&mut std::io::stdout(), &serde_json::json!(module)))?);
    }
    for module in &modules {
        say!("{} `{}`, {} bytes, sha256 {}", module.kind, module.name, module.length, module.sha256);
    }
    let signed = if is_change { "signed; `titer maker publish` sends what is new" } else { "as it was signed" };
    say!("{} release {}: {} modules, {signed}", of.channel, of.release, modules.len());
    Ok(())
}

fn export(args: &MakerArgs, site: &Path, as_json: bool) -> anyhow::Result<()> {
    let exported = open(args)?.export(site).map_err(hinted)?;
    if as_json {
        return Ok(write_json(&mut std::io::stdout(), &serde_json::json!(exported))?);
    }
    let Exported { maker, role_version, releases, new_blobs, new_modules, news } = exported;
    let news = if news { ", and news" } else { "" };
    say!(
        "{}: role version {role_version} of {maker}, {releases} releases ({new_blobs} blobs and {new_modules} modules are new){news}",
        site.display()
    );
    Ok(())
}

fn open(args: &MakerArgs) -> anyhow::Result<Maker> {
    Ok(Maker::open(&args.dir).map_err(hinted)?.reached_by(args.network.network()))
}

/// The error with its code, and advice where there is some.
fn hinted(error: MakerError) -> anyhow::Error {
    let hint = match error {
        MakerError::NoMaker(_) => Some("`titer maker init NAME --dir DIR` makes one"),
        MakerError::SignerBehind { .. } => {
            Some("`titer maker restore` takes the newest role from the service; sign on top of that")
        }
        MakerError::SignaturesMissing { .. } => Some("another holder adds theirs with `titer maker sign FILE --key KEY`"),
        MakerError::Busy(_) => Some("wait for it; the lock goes with its process"),
        MakerError::Damaged { .. } => {
            Some("`titer maker restore` takes the role from the service; other files come from a backup")
        }
        MakerError::KeyNotListed(_) => Some("was another key meant? `keys.json` lists them"),
        MakerError::NothingReleased => Some("`titer maker release BLOB` signs a release"),
        MakerError::Http(ref http) if http.code() == "maker_unknown" => {
            Some("the operator registers a maker with `titer maker register`")
        }
        _ => None,
    };
    coded(&error, error.code(), hint)
}
