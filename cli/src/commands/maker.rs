//! `titer maker`.

use super::admin::operator_token;
use crate::args::{MakerArgs, MakerCommand};
use crate::exit::Exit;
use crate::output::say;
use crate::output::with_hint;
use updater::maker::{Maker, MakerError};
use updater::wire::{ChannelRelease, ThreatNews, Vaccine};

/// Runs `titer maker`.
pub(crate) fn run(args: &MakerArgs) -> anyhow::Result<Exit> {
    updater::block_on(run_async(args))?
}

async fn run_async(args: &MakerArgs) -> anyhow::Result<Exit> {
    match &args.command {
        MakerCommand::Init { name } => {
            let maker = Maker::init(&args.dir, name).map_err(hinted)?;
            say!("{}: maker {name}; its key stays in this folder", args.dir.display());
            say!("{}", serde_json::to_string(&maker.registration())?);
        }
        MakerCommand::Register { service, operator_token: token } => {
            let maker = open(args)?;
            maker.register(service, &operator_token(token.as_deref())?).await.map_err(hinted)?;
            say!("{} knows maker {}", service, maker.registration().maker);
        }
        MakerCommand::Release { blob } => {
            let maker = open(args)?;
            let blob = blob.clone();
            let release = tokio::task::spawn_blocking(move || maker.release(&blob)).await?.map_err(hinted)?;
            say!("signed {} release {}; `titer maker publish` sends it", release.channel, release.release);
        }
        MakerCommand::Publish { service } => {
            let held = open(args)?.publish(service).await.map_err(hinted)?;
            say!("{service} holds role version {} of {}:", held.role_version, held.maker);
            for view in &held.releases {
                say!(
                    "  {} release {}, {} bytes, sha256 {}",
                    view.release.channel,
                    view.release.release,
                    view.length,
                    view.sha256
                );
            }
        }
        MakerCommand::News(news) => {
            let vaccine = news.vaccine.zip(news.channel.clone()).zip(news.since);
            let vaccine =
                vaccine.map(|((date, channel), release)| Vaccine { date, since: ChannelRelease { channel, release } });
            let told = ThreatNews {
                threat: news.threat.clone(),
                danger: news.danger.into(),
                discovered: news.discovered,
                expected: news.expected,
                vaccine,
            };
            open(args)?.news(&news.service, &told).await.map_err(hinted)?;
            say!("{} knows what you say of {}", news.service, news.threat);
        }
    }
    Ok(Exit::Fine)
}

fn open(args: &MakerArgs) -> anyhow::Result<Maker> {
    Maker::open(&args.dir).map_err(hinted)
}

/// The error with its code, and advice where there is some.
fn hinted(error: MakerError) -> anyhow::Error {
    let message = format!("{error} ({})", error.code());
    match error {
        MakerError::NoMaker(_) => with_hint(message, "`titer maker init NAME --dir DIR` makes one"),
        MakerError::NothingReleased => with_hint(message, "`titer maker release BLOB` signs a release"),
        MakerError::Http(ref http) if http.code() == "maker_unknown" => {
            with_hint(message, "the operator registers a maker with `titer maker register`")
        }
        _ => anyhow::Error::msg(message),
    }
}
