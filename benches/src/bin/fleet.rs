//! How long does a fleet take to pull a new release at once, and does every terminal get it?
//!
//! Against a service that runs: enrols terminals, has all pull a first release a few at a time, publishes a second one, and then has
//! all of them pull that at the same moment. Polls are prepared for another program to send, with `--polls`.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use benches::fleet::{Terminal, client};
use benches::releases::compile;
use clap::Parser;
use patternc::blob::{self, EngineRange, Meta};
use tokio::sync::{Barrier, Semaphore};
use updater::keys::PublicKey;
use updater::maker::Maker;
use updater::operator::Operator;
use updater::wire::{Sha256Hex, TokenRequest};
use url::Url;

const CHANNEL: &str = "acme/stable";
/// Connections of one address.
const TERMINALS_OF_ADDRESS: usize = 1000;
/// Terminals at work at the same time while nothing is measured.
const QUIETLY: usize = 64;

/// Simulated terminals that pull one release at once
#[derive(Parser)]
struct Arguments {
    /// Address of a service without makers
    #[arg(long)]
    service: Url,
    /// File with its operator's token
    #[arg(long)]
    token: PathBuf,
    /// How many
    #[arg(long, default_value_t = 10_000)]
    terminals: usize,
    /// Signatures of the release
    #[arg(long, default_value_t = 2_000)]
    signatures: usize,
    /// One terminal in so many verifies what the director signs
    #[arg(long, default_value_t = 50)]
    verify_every: usize,
    /// Where to write prepared polls, one a line: path, tag, counter, code
    #[arg(long)]
    polls: Option<PathBuf>,
    /// How many of them
    #[arg(long, default_value_t = 400_000)]
    polls_count: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let token = fs::read_to_string(&arguments.token)?.trim().to_owned();
    let operator = Operator::new(&arguments.service, &token)?;
    let folder = tempfile::tempdir()?;
    let maker = Maker::init(&folder.path().join("maker"), &"acme".parse()?)?;
    maker.register(&arguments.service, &token).await?;
    let publish = async |release: u64| -> Result<usize> {
        let path = folder.path().join("new.titer");
        let blob = made(release, arguments.signatures + release as usize)?;
        fs::write(&path, &blob)?;
        maker.release(&path)?;
        maker.publish(&arguments.service).await?;
        Ok(blob.len())
    };
    publish(1).await?;
    let uses = arguments.terminals as u64;
    let enrolment = operator.make_token(&TokenRequest { uses, ..TokenRequest::default() }).await?.token;

    let keys = director_keys(&arguments.service).await?;
    let mut terminals = enrolled(arguments, &enrolment, &keys).await?;
    terminals = pull(terminals, 1, QUIETLY).await?.terminals;
    println!("blob: {} bytes", publish(2).await?);
    let count = terminals.len();
    let pulled = pull(terminals, 2, count).await?;
    pulled.print();
    let mut terminals = settle(pulled.terminals).await?;
    if let Some(path) = &arguments.polls {
        let mut text = String::new();
        for number in 0..arguments.polls_count {
            let index = number % terminals.len();
            writeln!(text, "{}", terminals[index].next_poll()?.join("\t"))?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// A blob of made-up signatures.
fn made(release: u64, signatures: usize) -> Result<Vec<u8>> {
    let mut text = String::new();
    for number in 0..signatures as u64 {
        let digest = Sha256Hex::of(&number.to_le_bytes()).to_string();
        writeln!(text, "Test.Made-{number}:0:*:{}", &digest[..48])?;
    }
    let meta = Meta { channel: CHANNEL.parse()?, release, created: 1_700_000_000, engine: EngineRange { min: 1, max: 1 } };
    Ok(blob::encode(&meta, &compile(&text)?)?)
}

async fn director_keys(service: &Url) -> Result<Vec<PublicKey>> {
    let root = client(Ipv4Addr::LOCALHOST.into())?.get(service.join("metadata/1.root.json")?).send().await?.bytes().await?;
    let root: serde_json::Value = serde_json::from_slice(&root)?;
    let keys = root["signed"]["titer"]["director"]["keys"].as_array().context("root names no director")?;
    keys.iter().map(|key| Ok(key.as_str().context("a key is text")?.parse()?)).collect()
}

async fn enrolled(arguments: &Arguments, token: &str, keys: &[PublicKey]) -> Result<Vec<Terminal>> {
    let places = Arc::new(Semaphore::new(QUIETLY));
    let mut tasks = Vec::new();
    let mut clients = Vec::new();
    for number in 0..arguments.terminals {
        if number % TERMINALS_OF_ADDRESS == 0 {
            let last = u8::try_from(1 + number / TERMINALS_OF_ADDRESS).context("too many terminals")?;
            clients.push(client(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)))?);
        }
        let (service, client) = (arguments.service.clone(), clients[clients.len() - 1].clone());
        let (token, places) = (token.to_owned(), places.clone());
        let keys = (number % arguments.verify_every == 0).then(|| keys.to_vec());
        tasks.push(tokio::spawn(async move {
            let _place = places.acquire().await?;
            let mut terminal = Terminal::enrol(&service, client, &token, CHANNEL).await?;
            if let Some(keys) = keys {
                terminal.verifies(keys);
            }
            anyhow::Ok(terminal)
        }));
    }
    let mut terminals = Vec::new();
    for task in tasks {
        terminals.push(task.await??);
    }
    Ok(terminals)
}

struct Pulled {
    terminals: Vec<Terminal>,
    took: Vec<Duration>,
    whole: Duration,
    bytes: u64,
    failures: Vec<anyhow::Error>,
    waits: u64,
}

/// All pull the newest release, `at_once` of them at the same time.
async fn pull(terminals: Vec<Terminal>, generation: u64, at_once: usize) -> Result<Pulled> {
    let (places, start) = (Arc::new(Semaphore::new(at_once)), Arc::new(Barrier::new(terminals.len() + 1)));
    let mut tasks = Vec::new();
    for mut terminal in terminals {
        let (places, start) = (places.clone(), start.clone());
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            let _place = places.acquire().await;
            let (started, waits) = (Instant::now(), terminal.waits);
            let pulled = async {
                let told = terminal.check_in(CHANNEL).await?;
                terminal.follow(&told, generation).await
            };
            let pulled = pulled.await;
            let waits = terminal.waits - waits;
            (terminal, pulled, started.elapsed(), waits)
        }));
    }
    start.wait().await;
    let started = Instant::now();
    let (terminals, took, failures, whole) = (Vec::new(), Vec::new(), Vec::new(), Duration::ZERO);
    let mut pulled = Pulled { terminals, took, whole, bytes: 0, failures, waits: 0 };
    for task in tasks {
        let (terminal, result, took, waits) = task.await?;
        match result {
            Ok(bytes) => pulled.bytes += bytes,
            Err(error) => pulled.failures.push(error),
        }
        pulled.terminals.push(terminal);
        pulled.took.push(took);
        pulled.waits += waits;
    }
    pulled.whole = started.elapsed();
    pulled.took.sort();
    if at_once < pulled.terminals.len() {
        ensure!(pulled.failures.is_empty(), "{:?}", pulled.failures);
    }
    Ok(pulled)
}

impl Pulled {
    fn print(&self) {
        let at = |percent: usize| self.took[(self.took.len() - 1) * percent / 100].as_secs_f64();
        println!("terminals: {}", self.terminals.len());
        println!("failures: {}", self.failures.len());
        println!("asked to wait: {}", self.waits);
        println!("p50: {:.2} s, p99: {:.2} s, last: {:.2} s", at(50), at(99), at(100));
        println!("all: {:.2} s, {} bytes", self.whole.as_secs_f64(), self.bytes);
        for error in self.failures.iter().take(5) {
            println!("  {error:#}");
        }
    }
}

/// Has all hear that they are current, and poll once.
async fn settle(terminals: Vec<Terminal>) -> Result<Vec<Terminal>> {
    let places = Arc::new(Semaphore::new(QUIETLY));
    let mut tasks = Vec::new();
    for mut terminal in terminals {
        let places = places.clone();
        tasks.push(tokio::spawn(async move {
            let _place = places.acquire().await?;
            let told = terminal.check_in(CHANNEL).await?;
            ensure!(told.reason == "current", "told {}", told.reason);
            ensure!(terminal.is_idle().await?, "the first poll finds something changed");
            anyhow::Ok(terminal)
        }));
    }
    let mut settled = Vec::new();
    for task in tasks {
        settled.push(task.await??);
    }
    Ok(settled)
}
