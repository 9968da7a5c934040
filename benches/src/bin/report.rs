//! Writes the generated parts of `benches/README.md` and the plot in `docs` from the committed records.

use anyhow::{Context, Result};
use benches::record::Record;
use benches::{plot, tables};
use clap::Parser;
use std::fs;
use std::path::{Path, PathBuf};

/// Tables and plot from `benches/curve.tsv` and `benches/groups.tsv`.
#[derive(Parser)]
struct Arguments {
    /// First take what `cargo bench` measured from this folder, `target/criterion`, into `benches/groups.tsv`
    #[arg(long, value_name = "FOLDER")]
    criterion: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(folder) = arguments.criterion {
        fs::write(benches.join("groups.tsv"), tables::from_criterion(&folder)?.to_text())?;
    }
    let read = |name: &str| -> Result<String> {
        let path = benches.join(name);
        fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let (curve, groups) = (Record::parse(&read("curve.tsv")?)?, Record::parse(&read("groups.tsv")?)?);
    let readme = tables::fill(&read("README.md")?, &tables::sections(&curve, &groups)?)?;
    fs::write(benches.join("README.md"), readme)?;
    fs::write(benches.join("../docs/throughput.svg"), plot::svg(&curve)?)?;
    Ok(())
}
