//! `titer sig explain`.

use crate::args::SigExplainArgs;
use crate::exit::Exit;
use crate::output::say;
use patternc::explain::{Fact, explain};
use patternc::record::Record;
use serde_json::{Value, json};

pub(super) fn run(args: &SigExplainArgs) -> anyhow::Result<Exit> {
    let records = if args.signatures.is_empty() {
        vec![super::of_line(&args.subject, args.kind)?]
    } else {
        super::of_files(&args.signatures, args.unsigned, Some(&args.subject))?
    };
    for (index, record) in records.iter().enumerate() {
        if args.json {
            say!("{}", facts(record));
            continue;
        }
        if index > 0 {
            say!();
        }
        let text: String = explain(record).iter().map(Fact::to_string).collect();
        say!("{}", text.trim_end());
    }
    Ok(Exit::Fine)
}

fn facts(record: &Record) -> Value {
    json!({"type": "signature", "kind": record.kind().as_str(), "facts": explain(record).iter().map(fact).collect::<Vec<Value>>()})
}

fn fact(of: &Fact) -> Value {
    let mut object = json!({"label": of.label, "text": of.text});
    if !of.parts.is_empty() {
        object["parts"] = of.parts.iter().map(fact).collect();
    }
    object
}
