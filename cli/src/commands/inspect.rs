//! `titer inspect`.

use super::{model, prices};
use crate::args::InspectArgs;
use crate::artefact::Artefact;
use crate::exit::Exit;
use crate::output::say;
use crate::output::{hex, read, size, time, write_json};
use anyhow::Context;
use engine::Database;
use patternc::Prices;
use patternc::blob::{DeltaHeader, Header};
use patternc::record::Kind;
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// Runs `titer inspect`.
pub(crate) fn run(args: &InspectArgs) -> anyhow::Result<Exit> {
    let bytes = read(&args.file)?;
    let (mut facts, prices) = Artefact::of(&bytes)
        .and_then(|artefact| facts(artefact, &bytes, args.model.as_deref()))
        .with_context(|| format!("cannot inspect {}", args.file.display()))?;
    if args.json {
        if let (Some(facts), Some(Value::Object(prices))) = (facts.as_object_mut(), prices.as_ref().map(prices::facts)) {
            facts.extend(prices);
        }
        write_json(&mut io::stdout(), &facts)?;
    } else {
        print(&facts, 0);
        prices.iter().for_each(prices::print);
    }
    Ok(Exit::Fine)
}

/// What an artefact is, and of a database what it costs.
fn facts(artefact: Artefact, bytes: &[u8], model: Option<&Path>) -> anyhow::Result<(Value, Option<Prices>)> {
    Ok(match artefact {
        Artefact::Blob => (blob(&patternc::blob::read_header(bytes)?, bytes.len()), None),
        Artefact::Delta => (delta(&patternc::blob::read_delta_header(bytes)?, bytes.len()), None),
        Artefact::Database => {
            let found = Database::open(bytes)?;
            (database(&found, bytes.len()), Some(patternc::price(&found, &*model::load(model)?)))
        }
    })
}

fn blob(header: &Header, len: usize) -> Value {
    let records: serde_json::Map<String, Value> =
        Kind::ALL.into_iter().map(|kind| (kind.to_string(), json!(header.counts.of(kind)))).collect();
    json!({
        "kind": "blob", "bytes": len, "channel": header.channel.to_string(), "release": header.release,
        "created": time(header.created), "engine": [header.engine.min, header.engine.max],
        "records": records,
        "segments": header.segments, "root": header.root.to_string(),
    })
}

fn delta(header: &DeltaHeader, len: usize) -> Value {
    json!({
        "kind": "delta", "bytes": len,
        "from_release": header.from_release, "to_release": header.to_release,
        "from": header.from.to_string(), "to": header.to.to_string(),
        "removed": header.removed, "added": header.added, "changed": header.changed,
    })
}

fn database(database: &Database<'_>, len: usize) -> Value {
    let sources: Vec<Value> = database
        .sources()
        .map(|(channel, release, root)| json!({"channel": channel, "release": release, "root": hex(&root)}))
        .collect();
    let digests: Vec<Value> = database.digest_counts().filter(|(.., count, _)| *count > 0).map(|(of, kind, count, any_size)| {
        json!({"of": of.name(), "kind": format!("{kind:?}").to_lowercase(), "digests": count, "of_any_size": any_size})
    }).collect();
    let sections: serde_json::Map<String, Value> =
        database.sections().map(|(name, len)| (name.to_owned(), json!(len))).collect();
    json!({
        "kind": "database", "bytes": len, "signatures": database.len(), "sources": sources,
        "fixed_offset": database.direct_len(), "digests": digests, "section_bytes": sections,
        "identity": hex(&database.identity()),
    })
}

/// Prints facts as an indented list.
pub(crate) fn print(facts: &Value, depth: usize) {
    let Some(object) = facts.as_object() else { return };
    for (key, value) in object {
        let indent = "  ".repeat(depth);
        let label = key.replace('_', " ");
        match value {
            Value::Object(_) => {
                say!("{indent}{label}");
                print(value, depth + 1);
            }
            Value::Array(items) if items.iter().all(Value::is_object) => {
                say!("{indent}{label}");
                for item in items {
                    say!("{indent}  {}", line(item));
                }
            }
            Value::Array(items) => {
                say!("{indent}{label:<15} {}", items.iter().map(plain).collect::<Vec<_>>().join(" to "));
            }
            Value::Number(number) if key == "bytes" => {
                say!("{indent}{label:<15} {number} ({})", size(number.as_u64().unwrap_or(0)));
            }
            other => say!("{indent}{label:<15} {}", plain(other)),
        }
    }
}

/// An object on one line; lists within it are for JSON.
fn line(object: &Value) -> String {
    let pairs = object.as_object().into_iter().flatten().filter(|(_, value)| !value.is_array());
    pairs.map(|(key, value)| format!("{} {}", key.replace('_', " "), plain(value))).collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "not stated".to_owned(),
        other => other.to_string(),
    }
}
