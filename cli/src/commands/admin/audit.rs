//! `titer admin audit`.

use super::print;
use crate::args::{AuditArgs, AuditCommand};
use crate::output::{coded, say, time};
use serde_json::json;
use updater::operator::{AuditCheckError, Operator};
use updater::wire::Sha256Hex;

pub(super) async fn run(args: &AuditArgs, operator: &Operator, json: bool) -> anyhow::Result<()> {
    match &args.command {
        Some(AuditCommand::Verify { expect }) => verify(operator, *expect, json).await,
        None => show(operator, args.since.unwrap_or(0), json).await,
    }
}

async fn show(operator: &Operator, since: i64, json: bool) -> anyhow::Result<()> {
    let mut after = 0;
    loop {
        let page = operator.audit(after, since).await?;
        let Some(last) = page.rows.last() else { return Ok(()) };
        after = last.n;
        for row in &page.rows {
            if json {
                print(&json!(row))?;
            } else {
                let at = time(row.at).unwrap_or_default();
                say!("{:>6} {at:<21} {:<28} {:<22} {}", row.n, row.who, row.what, row.detail);
            }
        }
    }
}

async fn verify(operator: &Operator, expected: Option<Sha256Hex>, json: bool) -> anyhow::Result<()> {
    let head = operator.verify_audit(expected).await.map_err(|error| match error {
        AuditCheckError::Http(http) => anyhow::Error::new(http),
        fault => {
            let hint =
                "keep a copy of the tables as they are; a backup and the service's log have the rows and hashes of before";
            coded(&fault, fault.code(), Some(hint))
        }
    })?;
    if json {
        print(&json!({ "rows": head.n, "hash": head.hash, "compared": expected.is_some() }))?;
        return Ok(());
    }
    say!("{} rows, none of them changed", head.n);
    say!("{}", head.hash);
    if expected.is_none() {
        say!(
            "keep this hash elsewhere and give it to --expect next time: without it, a log that was written anew looks good too"
        );
    }
    Ok(())
}
