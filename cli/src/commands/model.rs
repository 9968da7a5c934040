//! `titer model`, and reading models for other commands.

use super::inspect::print;
use crate::args::{ModelArgs, ModelCommand};
use crate::exit::Exit;
use crate::output::{read, remark, say, size, with_hint, write, write_json};
use crate::progress::Progress;
use crate::sources::total_len;
use anyhow::Context;
use patternc::model::{Model, WIDTHS, train};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Runs `titer model`.
pub(crate) fn run(args: &ModelArgs) -> anyhow::Result<Exit> {
    match &args.command {
        ModelCommand::Train { paths, output } => train(paths, output),
        ModelCommand::Inspect { file, json } => inspect(file.as_deref(), *json),
    }
}

/// The model in `file`; the built-in one when none is named.
pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Cow<'static, Model>> {
    let Some(file) = file else { return Ok(Cow::Borrowed(Model::shipped())) };
    let model = Model::decode(&read(file)?).with_context(|| format!("cannot use {}", file.display()))?;
    Ok(Cow::Owned(model))
}

fn train(paths: &[PathBuf], output: &Path) -> anyhow::Result<Exit> {
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        // Before anything is written: a model of less than was meant would take the place of a good one.
        return Err(with_hint(
            format!("{} is not there", missing.display()),
            "name folders of files like those that will be scanned",
        ));
    }
    let files = train::files_below(paths).context("cannot list the files to learn from")?;
    if files.is_empty() {
        return Err(with_hint(
            "there is no file to learn from".to_owned(),
            "name folders of files like those that will be scanned",
        ));
    }
    let lens = files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len());
    let progress = Mutex::new(Progress::bytes("counting", train::work(lens)));
    let training = train::train(&files, &|bytes| {
        if let Ok(mut progress) = progress.lock() {
            progress.add(bytes);
        }
    });
    drop(progress);
    for (path, error) in &training.unreadable {
        remark!("{}: {error}", path.display());
    }
    if training.unreadable.len() == files.len() {
        let message = format!("none of {} files can be read; {} is left as it is", files.len(), output.display());
        return Err(with_hint(message, "name folders of files like those that will be scanned"));
    }
    let bytes = training.model.encode();
    write(output, &bytes)?;
    for (class, trained) in training.model.trained() {
        say!("{:<10}{:>9} files {:>12}", class.name(), trained.files, size(trained.bytes));
    }
    let of = format!("{} in {} files", size(total_len(&files)), files.len());
    say!("{}: {}, learned from {of}, {} of them repeated", output.display(), size(bytes.len() as u64), training.repeated);
    Ok(if training.unreadable.is_empty() { Exit::Fine } else { Exit::Failed })
}

fn inspect(file: Option<&Path>, json: bool) -> anyhow::Result<Exit> {
    let facts = facts(&*load(file)?);
    if json {
        write_json(&mut io::stdout(), &facts)?;
    } else {
        print(&facts, 0);
    }
    Ok(Exit::Fine)
}

fn facts(model: &Model) -> Value {
    let classes: Vec<Value> = model
        .trained()
        .map(|(class, trained)| json!({"class": class.name(), "files": trained.files, "bytes": trained.bytes}))
        .collect();
    let widths: Vec<Value> = WIDTHS
        .iter()
        .map(|&width| {
            json!({
                "width": width, "windows": model.len(width), "commonest": model.commonest(width).len(),
                "rarest_share": model.floor(width),
            })
        })
        .collect();
    json!({"kind": "model", "bytes": model.encode().len(), "classes": classes, "widths": widths})
}
