//! `titer admin source`.

use crate::args::{SourceArgs, SourceCommand};
use crate::exit::Exit;
use crate::output::{say, time, write_json};
use updater::operator::Operator;
use updater::wire::{NewSource, SourceView};

/// Runs `titer admin source`.
pub(crate) async fn run(operator: &Operator, args: &SourceArgs, json: bool) -> anyhow::Result<Exit> {
    let views = match &args.command {
        SourceCommand::Add { maker, url, every, ask, plain } => {
            let source = NewSource {
                maker: maker.clone(),
                url: url.clone(),
                every_seconds: *every,
                ask: ask.clone(),
                allow_plain: *plain,
            };
            vec![operator.add_source(&source).await?]
        }
        SourceCommand::List => operator.sources().await?,
        SourceCommand::Remove { id } => {
            operator.remove_source(id).await?;
            if !json {
                say!("source {id} is removed");
            }
            return Ok(Exit::Fine);
        }
        SourceCommand::Now { id: Some(id) } => vec![operator.fetch_source(id).await?],
        SourceCommand::Now { id: None } => {
            let mut views = Vec::new();
            for view in operator.sources().await? {
                views.push(operator.fetch_source(&view.id).await?);
            }
            views
        }
    };
    print(&views, json)?;
    let is_well = |view: &SourceView| view.running || view.failures == 0;
    let was_tried = matches!(args.command, SourceCommand::Now { .. });
    Ok(if was_tried && !views.iter().all(is_well) { Exit::Failed } else { Exit::Fine })
}

fn print(views: &[SourceView], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        views.iter().try_for_each(|view| write_json(&mut std::io::stdout(), &serde_json::json!(view)))?;
        return Ok(());
    }
    for view in views {
        let NewSource { maker, url, every_seconds, ask, .. } = &view.source;
        let state = if view.running { "running" } else { view.last_code.as_deref().unwrap_or("not tried yet") };
        say!("{}  {maker}  {url}  every {every_seconds} s: {state}", view.id);
        let at = |at: Option<i64>| at.and_then(time).unwrap_or_else(|| "never".to_owned());
        say!("    last tried {}, last well {}, next {}", at(view.last_tried), at(view.last_success), at(Some(view.next_at)));
        if let Some(ask) = ask {
            say!("    answers questions at {ask}");
        }
        if let Some(words) = &view.last_words {
            say!("    {} in a row: {words}", view.failures);
        }
    }
    Ok(())
}
