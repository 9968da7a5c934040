//! `titer maker import`: compile, sign, publish.

use super::hinted;
use crate::args::{ImportArgs, MakerArgs};
use crate::commands::admin::operator_token;
use crate::commands::compile::{self, ENGINES};
use crate::exit::Exit;
use crate::output::{say, size, with_hint, write_json};
use crate::sources;
use patternc::blob::{self, Meta};
use serde_json::json;
use std::io::Write as _;
use updater::Channel;
use updater::maker::Maker;
use updater::wire::MakerName;

/// Runs `titer maker import`.
pub(super) async fn run(args: &MakerArgs, import: &ImportArgs) -> anyhow::Result<Exit> {
    let files = sources::expand(&import.sources)?;
    if let Some(blob) = files.iter().find(|file| sources::is_blob(file)) {
        let message = format!("{} is compiled already", blob.display());
        return Err(with_hint(message, "`titer maker release` signs blobs"));
    }
    let maker = Maker::init(&args.dir, &MakerName::of(&import.channel)?).map_err(hinted)?;
    let unsigned = compile::unsigned(import.unsigned);
    let compilation = tokio::task::spawn_blocking(move || compile::compile(&files, unsigned)).await??;
    compile::report_lines(import.json, &compilation)?;
    if compilation.records.is_empty() {
        return Err(anyhow::Error::msg("there is no signature that could be compiled, so there is nothing to sign"));
    }
    let made = next(&maker, import, &compilation.records)?;
    let release = match &made {
        Made::New { release, bytes } => {
            let file = tempfile::NamedTempFile::new()?;
            file.as_file().write_all(bytes)?;
            maker.release(file.path()).map_err(hinted)?;
            *release
        }
        Made::Unchanged { release } => *release,
    };
    if let (Some(service), Some(token)) = (&import.service, &import.operator_token) {
        maker.register(service, &operator_token(Some(token))?).await.map_err(hinted)?;
    }
    if let Some(service) = &import.service {
        // Also of what is unchanged: an earlier run may have signed it and not reached the service.
        maker.publish(service).await.map_err(hinted)?;
    }
    report(import, &made, release, compilation.records.len())?;
    Ok(if compilation.account.refused == 0 { Exit::Fine } else { Exit::Found })
}

/// What became of the compiled signatures.
enum Made {
    New {
        release: u64,
        bytes: Vec<u8>,
    },
    /// This release has the very same.
    Unchanged {
        release: u64,
    },
}

/// The next release, unless the newest has the same signatures: the root hash of its blob, made anew with the number and time of the
/// newest, tells.
fn next(maker: &Maker, import: &ImportArgs, records: &[patternc::record::Record]) -> anyhow::Result<Made> {
    let channel: &Channel = &import.channel;
    let meta = |release, created| Meta { channel: channel.clone(), release, created, engine: ENGINES };
    if let Some(newest) = maker.newest(channel).map_err(hinted)? {
        let same = blob::encode(&meta(newest.release, newest.created), records)?;
        if blob::read_header(&same)?.root == newest.root {
            return Ok(Made::Unchanged { release: newest.release });
        }
    }
    let release = maker.next_release(channel).map_err(hinted)?;
    let created = match compile::created(import.created.as_deref())? {
        0 => jiff::Timestamp::now().as_second(),
        stated => stated,
    };
    Ok(Made::New { release, bytes: blob::encode(&meta(release, created), records)? })
}

fn report(import: &ImportArgs, made: &Made, release: u64, records: usize) -> anyhow::Result<()> {
    let (channel, published) = (&import.channel, import.service.is_some());
    let (new, bytes) = match made {
        Made::New { bytes, .. } => (true, Some(bytes.len() as u64)),
        Made::Unchanged { .. } => (false, None),
    };
    if import.json {
        let line = json!({
            "type": "import", "channel": channel.to_string(), "release": release, "records": records, "bytes": bytes,
            "new": new, "published": published,
        });
        return Ok(write_json(&mut std::io::stdout(), &line)?);
    }
    match bytes {
        Some(bytes) => say!("{channel} release {release}: {records} records, {}", size(bytes)),
        None => say!("{channel} release {release} has these {records} records already; no new release is made"),
    }
    if let Some(service) = &import.service {
        say!("{service} has it");
    }
    Ok(())
}
