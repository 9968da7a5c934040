//! `titer admin threats`.

use crate::exit::Exit;
use crate::output::{say, time, write_json};
use serde_json::json;
use updater::operator::Operator;
use updater::wire::{CureFrom, ThreatView};

/// Runs `titer admin threats`.
pub(crate) async fn run(operator: &Operator, name: Option<&str>, as_json: bool) -> anyhow::Result<Exit> {
    let views = operator.threat_views(name).await?;
    if as_json {
        views.iter().try_for_each(|view| write_json(&mut std::io::stdout(), &json!(view)))?;
    } else {
        super::print_threats(&views.iter().map(|view| view.row.clone()).collect::<Vec<_>>());
        views.iter().for_each(remark_on);
    }
    Ok(Exit::Fine)
}

/// What the table has no column for.
fn remark_on(view: &ThreatView) {
    let row = format!("{}:{}", view.row.maker, view.row.news.threat);
    if view.missed {
        say!("{row}: the promised day has passed without a cure");
    }
    if view.cure_from == Some(CureFrom::Records) {
        say!("{row}: the maker did not say where the cure is; their records do");
    }
    if view.threat_id != view.row.news.threat || !view.aliases.is_empty() {
        let others: Vec<String> = view.aliases.iter().map(ToString::to_string).collect();
        say!("{row}: the same as {} {}", view.threat_id, others.join(" "));
    }
}

/// Runs `titer admin threats --reported`.
pub(crate) async fn reported(operator: &Operator, as_json: bool) -> anyhow::Result<Exit> {
    for threat in operator.reported_threats().await? {
        if as_json {
            write_json(&mut std::io::stdout(), &json!(threat))?;
            continue;
        }
        let at = |at: Option<i64>| at.and_then(time).unwrap_or_else(|| "never".to_owned());
        let (first, last, asked) = (at(Some(threat.first_at)), at(Some(threat.last_at)), at(threat.asked_at));
        say!("{}: {} terminals, first {first}, last {last}, makers asked {asked}", threat.threat, threat.terminals);
    }
    Ok(Exit::Fine)
}
