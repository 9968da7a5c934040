//! `titer root`: the ceremony by which keys change, one file handed from holder to holder. `docs/keys.md` tells how.

use crate::args::{RootArgs, RootCommand, RootRotateArgs};
use crate::exit::Exit;
use crate::output::{coded, read, remark, say, spare, with_hint, write, write_json};
use serde_json::json;
use std::path::Path;
use updater::disk::Disk;
use updater::keys::{KeyError, PublicKey, SigningKey};
use updater::root::{Changes, RootError, RootFile, RootRole};

/// Runs `titer root`.
pub(crate) fn run(args: &RootArgs) -> anyhow::Result<Exit> {
    match &args.command {
        RootCommand::Init { key, service_keys, days, output } => {
            if let Some(output) = output {
                spare_new(key, output)?;
            }
            let holder = key_at(key)?;
            let root = output.as_ref().map(|_| first(&holder, service_keys, *days)).transpose()?;
            remark!("{}: keep this file to yourself, and a copy in another place", key.display());
            say!("{}", holder.public());
            if let (Some(root), Some(output)) = (root, output) {
                write(output, &root.bytes().map_err(hinted)?)?;
                let next = "signed; put it into the service's data as next-root.json before the first start";
                say!("{}: root version 1, {next}", output.display());
            }
        }
        RootCommand::Rotate(args) => rotate(args)?,
        RootCommand::Sign { file, from, key } => sign(file, from.as_deref(), key)?,
        RootCommand::Show { file, from, json } => show(file, from.as_deref(), *json)?,
    }
    Ok(Exit::Fine)
}

/// Refuses to write root where the key is or is about to be.
fn spare_new(key: &Path, output: &Path) -> anyhow::Result<()> {
    spare(&[key], output)?;
    if std::path::absolute(key)? == std::path::absolute(output)? {
        return Err(with_hint(format!("{} is both key and root", key.display()), "give another name after -o"));
    }
    Ok(())
}

/// The key in this file, made when there is none.
pub(crate) fn key_at(path: &Path) -> anyhow::Result<SigningKey> {
    SigningKey::load_or_create(&Disk::default(), path).map_err(|error| {
        coded(&error, "key_failed", matches!(error, KeyError::Damaged { .. }).then_some("a key file is never replaced"))
    })
}

/// The key in this file, which must be there.
pub(crate) fn existing_key(path: &Path) -> anyhow::Result<SigningKey> {
    let hint = "`titer root init --key FILE` makes a key, `titer maker key FILE` one for a maker";
    SigningKey::load(&Disk::default(), path).map_err(|error| coded(&error, "key_failed", Some(hint)))
}

fn first(holder: &SigningKey, service_keys: &[(RootRole, PublicKey)], days: u32) -> anyhow::Result<RootFile> {
    let keys = [&[(RootRole::Root, holder.public())], service_keys].concat();
    let mut root = RootFile::first(&keys, days).map_err(hinted)?;
    root.sign(None, holder).map_err(hinted)?;
    Ok(root)
}

fn rotate(args: &RootRotateArgs) -> anyhow::Result<()> {
    spare(&[&args.from], &args.output)?;
    let from = open(&args.from)?;
    let mut changes = Changes { add: args.add.clone(), remove: args.remove.clone(), thresholds: args.threshold.clone() };
    for (role, key) in &args.replace {
        changes.remove.extend(from.keys(*role).0.into_iter().map(|old| (*role, old)));
        changes.add.push((*role, *key));
    }
    let next = from.next(&changes, args.days).map_err(hinted)?;
    write(&args.output, &next.bytes().map_err(hinted)?)?;
    tell(&next, Some(&from))?;
    say!("{}: each holder signs it with `titer root sign`", args.output.display());
    Ok(())
}

fn sign(file: &Path, from: Option<&Path>, key: &Path) -> anyhow::Result<()> {
    let mut root = open(file)?;
    let from = from.map(open).transpose()?;
    if from.is_none() && root.version() > 1 {
        let message = format!(
            "{} is version {}: what it changes cannot be told without the one before",
            file.display(),
            root.version()
        );
        return Err(with_hint(message, "give it with --from; a service has it at /metadata/N.root.json"));
    }
    root.sign(from.as_ref(), &existing_key(key)?).map_err(hinted)?;
    tell(&root, from.as_ref())?;
    write(file, &root.bytes().map_err(hinted)?)
}

fn show(file: &Path, from: Option<&Path>, as_json: bool) -> anyhow::Result<()> {
    let root = open(file)?;
    let from = from.map(open).transpose()?;
    if !as_json {
        return tell(&root, from.as_ref());
    }
    let roles = RootRole::ALL.map(|role| {
        let (keys, threshold) = root.keys(role);
        (role.name().to_owned(), json!({"keys": keys, "threshold": threshold}))
    });
    let signatures = root.signatures(from.as_ref()).map_err(hinted)?.into_iter();
    let signatures = signatures.map(|by| json!({"keys_of_version": by.of_version, "have": by.have, "need": by.need}));
    let object = json!({
        "version": root.version(),
        "expires": root.expires().to_string(),
        "roles": roles.into_iter().collect::<serde_json::Map<_, _>>(),
        "signatures": signatures.collect::<Vec<_>>(),
    });
    Ok(write_json(&mut std::io::stdout(), &object)?)
}

/// What a version says and changes, and which signatures it has.
fn tell(root: &RootFile, from: Option<&RootFile>) -> anyhow::Result<()> {
    if let Some(from) = from {
        for change in root.changes(from) {
            say!("{change}");
        }
    } else {
        say!("version {}, expires at {}", root.version(), root.expires());
        for role in RootRole::ALL {
            let (keys, threshold) = root.keys(role);
            say!("{role}: {threshold} of {}", keys.len());
            for key in keys {
                say!("  {key}");
            }
        }
    }
    for by in root.signatures(from).map_err(hinted)? {
        say!("signed by {} of {} needed keys of version {}", by.have, by.need, by.of_version);
    }
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<RootFile> {
    RootFile::read(&read(path)?).map_err(|error| hinted(error).context(format!("{} is no root file", path.display())))
}

fn hinted(error: RootError) -> anyhow::Error {
    let hint = match error {
        RootError::NoKeyOf(_) => Some(
            "at the service `titer root init --key DATA/keys/ROLE.pk8` makes such a key and prints its public half, for --service-key ROLE=KEY \
             here; a service that is started on an empty folder does all of this by itself (docs/keys.md)",
        ),
        RootError::KeyNotListed(_) => Some("`titer root show` lists the keys; was another file meant?"),
        _ => None,
    };
    coded(&error, error.code(), hint)
}
