//! `titer maker news` and `titer maker sign-news`.

use super::{hinted, open};
use crate::args::{MakerArgs, NewsArgs};
use crate::exit::Exit;
use crate::output::{read, say, spare, with_hint, write};
use std::path::Path;
use updater::wire::{ChannelRelease, News, NewsBody, ThreatNews, Vaccine};

/// Runs `titer maker news`.
pub(super) async fn run(args: &MakerArgs, news: &NewsArgs) -> anyhow::Result<Exit> {
    let items = match &news.file {
        Some(file) => read_items(file)?,
        None => one(news).into_iter().collect(),
    };
    let maker = open(args)?;
    maker.keep_news(&items).map_err(hinted)?;
    match &news.service {
        Some(service) => {
            let taken = maker.send_news(service, &items).await.map_err(hinted)?;
            say!("{service} knows what you say of {} threats, {taken} of them anew", items.len());
        }
        None => say!("what you say of {} threats is kept; `titer maker export` signs it", items.len()),
    }
    Ok(Exit::Fine)
}

/// Runs `titer maker sign-news`.
pub(super) fn sign(args: &MakerArgs, file: &Path, output: &Path) -> anyhow::Result<Exit> {
    spare(&[file], output)?;
    let signed = open(args)?.sign_news(read_items(file)?).map_err(hinted)?;
    write(output, &serde_json::to_vec(&signed)?)?;
    say!("{}: signed", output.display());
    Ok(Exit::Fine)
}

fn read_items(file: &Path) -> anyhow::Result<Vec<News>> {
    let items: Result<NewsBody, _> = serde_json::from_slice(&read(file)?);
    let hint = "an array of {\"threat\":…,\"danger\":\"low\"|\"medium\"|\"high\",\"discovered\":\"YYYY-MM-DD\"} and what else docs/protocol.md lists";
    items.map(NewsBody::into_items).map_err(|e| with_hint(format!("{} is not a list of news: {e}", file.display()), hint))
}

/// The item of the command line; its parts are there together, as the command line demands.
fn one(news: &NewsArgs) -> Option<News> {
    let vaccine = news.vaccine.zip(news.channel.clone()).zip(news.since);
    let vaccine = vaccine.map(|((date, channel), release)| Vaccine { date, since: ChannelRelease { channel, release } });
    let told = ThreatNews {
        threat: news.threat.clone()?,
        danger: news.danger?.into(),
        discovered: news.discovered?,
        expected: news.expected,
        vaccine,
    };
    Some(News { news: told, aliases: news.alias.clone(), samples: news.sample.clone(), withdrawn: news.withdraw })
}
