//! `titer demo`: two makers, a service, two terminals and a threat, in a temporary folder, on a free loopback port.
//!
//! The story is that of a terminal which is protected by another maker's cure. Maker alder knows virus a and has no cure; maker birch
//! has. A phone whose owner accepts any maker is moved to birch; a desktop that accepts only its own stays, and is cured when alder
//! catches up, by a delta. Every claim of the story is checked; one that does not hold ends it with exit code 2.

use super::admin::{print_terminals, print_threats, releases};
use super::agent::{describe, hinted};
use super::compile::ENGINES;
use crate::args::DemoArgs;
use crate::engine_adapter::Adapter;
use crate::exit::Exit;
use crate::output::say;
use crate::output::{size, write};
use crate::planted::instance;
use crate::starter::{DITEKSHEN, EICAR, MANDIANT, Source, TWINCLAMS, eicar};
use anyhow::Context;
use engine::{DatabaseFile, FileScanner, Scanner, Verdict};
use jiff::civil::{Date, date};
use patternc::blob::{self, Channel, Meta};
use patternc::compile::{Compilation, Compiler, SourceKind};
use patternc::record::Record;
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;
use updater::agent::{Agent, Enrolment, Transfer, UpdateReport};
use updater::maker::Maker;
use updater::operator::Operator;
use updater::service::{Config, serve};
use updater::wire::{ChannelRelease, Danger, Designation, Reason, ThreatNews, Vaccine};
use url::Url;

/// Stands in for virus a: bytes that harm nothing and that no real signature knows.
const VIRUS_A: &[u8] = b"\x8e\x13 harmless bytes that this demo calls virus a \xd7\x5b";
const DISCOVERED: Date = date(2026, 11, 10);

/// Real, harmless files; `corpus/clean/README.md` tells where they are from.
const CLEAN: [(&str, &[u8]); 5] = [
    ("launcher.exe", include_bytes!("../../../corpus/clean/distlib-t32.exe")),
    ("library.so", include_bytes!("../../../corpus/clean/markupsafe-linux-x86-64.so")),
    ("mail.eml", include_bytes!("../../../corpus/clean/mime4j-multi-nested.eml")),
    ("letter.doc", include_bytes!("../../../corpus/clean/oletools-harmless-clean.doc")),
    ("letter.docx", include_bytes!("../../../corpus/clean/oletools-harmless-clean.docx")),
];

/// Runs `titer demo`.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let folder = tempfile::Builder::new().prefix("titer-demo-").tempdir().context("cannot make a temporary folder")?;
    let failed = updater::block_on(story(folder.path()))??;
    if args.keep {
        say!("\nThe folder is kept: {}", folder.keep().display());
    }
    say!();
    for claim in &failed {
        say!("NOT AS EXPECTED: {claim}");
    }
    if failed.is_empty() {
        say!("Everything was as expected, in {:.1} s.", began.elapsed().as_secs_f64());
    }
    Ok(if failed.is_empty() { Exit::Fine } else { Exit::Failed })
}

/// Tells the story; returns the claims that did not hold.
async fn story(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut demo = Demo { folder, failed: Vec::new() };

    chapter(1, "Two makers compile real signatures");
    let alder_1 = demo.compile("alder/stable", 1, &[DITEKSHEN, EICAR[0], EICAR[1]], &[])?;
    let birch_1 = demo.compile("birch/stable", 1, &[TWINCLAMS, MANDIANT, EICAR[0], EICAR[2]], &[])?;
    let samples = demo.samples(&alder_1.records, &birch_1.records)?;

    chapter(2, "A service starts, and both makers publish what they signed");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let config = Config::new(folder.join("service"), "127.0.0.1:0".parse()?);
    let service = serve(config, async { drop(stopped.await) }).await?;
    let (url, token) = (service.url(), service.operator_token().to_owned());
    say!("  serving at {url}");
    let alder = demo.maker("alder", &url, &token).await?;
    let birch = demo.maker("birch", &url, &token).await?;
    demo.publish(&alder, "alder-stable-1.titer", &url).await?;
    demo.publish(&birch, "birch-stable-1.titer", &url).await?;

    chapter(3, "Two terminals enrol, both with alder's product");
    let operator = Operator::new(&url, &token)?;
    let phone = demo.terminal("phone", Designation::Any, &url, &operator).await?;
    let desktop = demo.terminal("desktop", Designation::Own, &url, &operator).await?;
    for terminal in [&phone, &desktop] {
        let update = demo.update(terminal).await?;
        demo.claim(update.assignment.reason == Reason::FirstInstall, "a first update installs the product");
    }
    let before = demo.scan_both(&samples, [&phone, &desktop])?;
    for (terminal, found) in &before {
        demo.claim(found.get("eicar.com").is_some(), &format!("{terminal} detects EICAR"));
        demo.claim(
            found.keys().filter(|name| name.starts_with("alder-")).count() == samples.alder,
            &format!("{terminal} detects what alder knows"),
        );
        demo.claim(!found.contains_key("virus-a.bin"), &format!("{terminal} does not know virus a yet"));
        demo.claim(
            !found.keys().any(|name| name.starts_with("clean-")),
            &format!("{terminal} finds nothing in clean files"),
        );
    }

    chapter(4, "Virus a appears: alder knows it and has no cure, birch has one");
    let knows = |vaccine| ThreatNews {
        threat: "virus a".to_owned(),
        danger: Danger::High,
        discovered: DISCOVERED,
        expected: None,
        vaccine,
    };
    alder.news(&url, &knows(None)).await?;
    demo.compile("birch/stable", 2, &[TWINCLAMS, MANDIANT, EICAR[0], EICAR[2]], &[("Birch.Virus.A", VIRUS_A)])?;
    demo.publish(&birch, "birch-stable-2.titer", &url).await?;
    let cured = |maker: &str, day, release| -> anyhow::Result<Vaccine> {
        Ok(Vaccine { date: day, since: ChannelRelease { channel: format!("{maker}/stable").parse()?, release } })
    };
    birch.news(&url, &knows(Some(cured("birch", date(2026, 11, 11), 2)?))).await?;
    print_threats(&operator.threats().await?);

    chapter(5, "Both terminals check in; the service decides");
    let update = demo.update(&phone).await?;
    demo.claim(update.assignment.reason == Reason::Switch, "the phone is switched to birch");
    demo.claim(channels(&update) == "birch/stable 2", "the phone is to run birch's release 2 alone");
    let update = demo.update(&desktop).await?;
    demo.claim(update.assignment.reason == Reason::OthersNotAllowed, "the desktop is told why it is not");
    demo.claim(channels(&update) == "alder/stable 1", "the desktop keeps alder's release 1");
    let after = demo.scan_both(&samples, [&phone, &desktop])?;
    demo.claim(after["phone"].contains_key("virus-a.bin"), "the phone detects virus a");
    demo.claim(after["phone"].contains_key("eicar.com"), "the phone still detects EICAR");
    demo.claim(
        after["phone"].keys().filter(|name| name.starts_with("birch-")).count() == samples.birch,
        "the phone detects what birch knows",
    );
    demo.claim(after["desktop"] == before["desktop"], "nothing changed for the desktop");

    chapter(6, "Alder catches up with a second release, which travels as a delta");
    demo.compile("alder/stable", 2, &[DITEKSHEN, EICAR[0], EICAR[1]], &[("Alder.Virus.A", VIRUS_A)])?;
    demo.publish(&alder, "alder-stable-2.titer", &url).await?;
    alder.news(&url, &knows(Some(cured("alder", date(2026, 11, 14), 2)?))).await?;
    let update = demo.update(&desktop).await?;
    demo.claim(update.assignment.reason == Reason::Refresh, "the desktop is refreshed by its own maker");
    let delta = update.channels.iter().find(|channel| channel.transfer == Transfer::Delta);
    demo.claim(
        delta.is_some_and(|delta| delta.bytes_fetched < delta.full_bytes),
        "the delta is smaller than the whole release",
    );
    let delta = delta.map(|delta| (delta.bytes_fetched, delta.full_bytes)).unwrap_or_default();
    let update = demo.update(&phone).await?;
    demo.claim(update.assignment.reason == Reason::Current, "the phone is current and is not sent back");
    let last = demo.scan_both(&samples, [&phone, &desktop])?;
    demo.claim(last["desktop"].contains_key("virus-a.bin"), "the desktop detects virus a");

    chapter(7, "What it came to");
    print_terminals(&operator.terminals().await?);
    say!();
    say!("  {:<10} {:>14} {:>14} {:>14} {:>14}", "detected", "of", "at first", "after birch", "after alder");
    for terminal in ["phone", "desktop"] {
        let counts = [&before, &after, &last].map(|found| found[terminal].len().to_string());
        say!("  {terminal:<10} {:>14} {:>14} {:>14} {:>14}", samples.harmful(), counts[0], counts[1], counts[2]);
    }
    for terminal in ["phone", "desktop"] {
        let verdicts = [&before, &after, &last]
            .map(|found| if found[terminal].contains_key("virus-a.bin") { "detected" } else { "missed" });
        say!("  {:<25} {:>14} {:>14} {:>14}", format!("virus a on the {terminal}"), verdicts[0], verdicts[1], verdicts[2]);
    }
    say!("  alder's second release came as {} instead of {}", size(delta.0), size(delta.1));
    drop(stop);
    service.finished().await?;
    Ok(demo.failed)
}

fn chapter(number: u32, title: &str) {
    say!("\n{number}. {title}");
}

fn channels(update: &UpdateReport) -> String {
    releases(&update.assignment.channels)
}

/// Where the story takes place, and what went wrong in it.
struct Demo<'f> {
    folder: &'f Path,
    failed: Vec<String>,
}

/// A terminal of the story.
struct Terminal {
    name: &'static str,
    state: PathBuf,
    agent: Agent,
}

/// The folder of files that are scanned, and how many bear a signature of each maker.
struct Samples {
    folder: PathBuf,
    alder: usize,
    birch: usize,
}

impl Samples {
    /// Files that somebody should detect: those that bear signatures, EICAR, virus a.
    fn harmful(&self) -> usize {
        self.alder + self.birch + 2
    }
}

/// What one terminal found: file to signature.
type Found = BTreeMap<String, String>;

impl Demo<'_> {
    fn claim(&mut self, holds: bool, claim: &str) {
        if !holds {
            self.failed.push(claim.to_owned());
        }
    }

    /// Compiles built-in text and `literals` to a blob in the folder.
    fn compile(
        &mut self,
        channel: &str,
        release: u64,
        sources: &[Source],
        literals: &[(&str, &[u8])],
    ) -> anyhow::Result<Compilation> {
        let mut compiler = Compiler::new();
        for (name, kind, text) in sources {
            compiler.add_text(name, *kind, text);
        }
        for (name, bytes) in literals {
            let line = format!("{name}:0:*:{}", crate::output::hex(bytes));
            compiler.add_text("demo.ndb", SourceKind::Ndb, line.as_bytes());
        }
        let compilation = compiler.finish();
        self.claim(compilation.account.refused == 0, "every line compiles");
        let channel: Channel = channel.parse()?;
        let file = format!("{}-{}-{release}.titer", channel.maker(), channel.name());
        let meta = Meta { channel: channel.clone(), release, created: 0, engine: ENGINES };
        let bytes = blob::encode(&meta, &compilation.records)?;
        write(&self.folder.join(&file), &bytes)?;
        say!("  {channel} release {release}: {} signatures in {}", compilation.records.len(), size(bytes.len() as u64));
        Ok(compilation)
    }

    /// Writes clean files, EICAR, virus a, and files that bear every fourth signature of each maker.
    fn samples(&mut self, alder: &[Record], birch: &[Record]) -> anyhow::Result<Samples> {
        let folder = self.folder.join("samples");
        fs::create_dir(&folder)?;
        for (name, bytes) in CLEAN {
            fs::write(folder.join(format!("clean-{name}")), bytes)?;
        }
        fs::write(folder.join("eicar.com"), eicar())?;
        fs::write(folder.join("virus-a.bin"), [CLEAN[0].1, VIRUS_A, b"and after it"].concat())?;
        let mut samples = Samples { folder, alder: 0, birch: 0 };
        samples.alder = plant(&samples.folder, "alder", alder)?;
        samples.birch = plant(&samples.folder, "birch", birch)?;
        say!("  {} clean files and {} that bear a signature", CLEAN.len(), samples.harmful());
        Ok(samples)
    }

    async fn maker(&self, name: &str, service: &Url, operator_token: &str) -> anyhow::Result<Maker> {
        let maker = Maker::init(&self.folder.join(name), &name.parse()?)?;
        maker.register(service, operator_token).await?;
        Ok(maker)
    }

    async fn publish(&self, maker: &Maker, blob: &str, service: &Url) -> anyhow::Result<()> {
        let release = maker.release(&self.folder.join(blob))?;
        let held = maker.publish(service).await?;
        say!("  {} release {} is published: role version {}", release.channel, release.release, held.role_version);
        Ok(())
    }

    async fn terminal(
        &self,
        name: &'static str,
        designation: Designation,
        service: &Url,
        operator: &Operator,
    ) -> anyhow::Result<Terminal> {
        let state = self.folder.join(name);
        let agent = Agent::new(&state, Adapter);
        let mut enrolment =
            Enrolment::of_this_machine(service.clone(), operator.enrolment_token().await?, vec!["alder/stable".parse()?]);
        name.clone_into(&mut enrolment.hardware);
        enrolment.designation = designation;
        let number = agent.enroll(&enrolment).await.map_err(hinted)?;
        say!("  the {name} is terminal {number}");
        Ok(Terminal { name, state, agent })
    }

    async fn update(&mut self, terminal: &Terminal) -> anyhow::Result<UpdateReport> {
        let update = terminal.agent.update().await.map_err(hinted)?;
        say!("  {}: {}", terminal.name, update.assignment.words);
        for channel in &update.channels {
            say!("    {}", describe(channel));
        }
        self.claim(update.faults.is_empty(), "every channel comes through");
        Ok(update)
    }

    /// Scans the samples with what each terminal has installed.
    fn scan_both(&mut self, samples: &Samples, terminals: [&Terminal; 2]) -> anyhow::Result<BTreeMap<&'static str, Found>> {
        let mut all = BTreeMap::new();
        for terminal in terminals {
            let path = updater::installed_database(&terminal.state).map_err(hinted)?.context("nothing is installed")?;
            let file = DatabaseFile::open(&path)?;
            let database = file.database()?;
            let scanner = FileScanner::new(Scanner::new(&database));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
            let (mut found, mut scanned, mut failed) = (Found::new(), 0, 0);
            scanner.scan_paths(&pool, std::slice::from_ref(&samples.folder), |verdict| {
                match verdict {
                    Verdict::Found { path, matches, .. } => {
                        scanned += 1;
                        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        found.insert(file, database.name(matches[0].signature()).into_owned());
                    }
                    Verdict::Clean { .. } | Verdict::Cached { .. } | Verdict::Allowed { .. } => scanned += 1,
                    Verdict::Failed(_) | Verdict::Skipped { .. } => failed += 1,
                }
                ControlFlow::Continue(())
            });
            self.claim(failed == 0 && scanned == samples.harmful() + CLEAN.len(), "every sample is scanned");
            say!("  {} scans {scanned} files: {} detected", terminal.name, found.len());
            for name in ["eicar.com", "virus-a.bin"] {
                say!("    {name}: {}", found.get(name).map_or("OK", String::as_str));
            }
            all.insert(terminal.name, found);
        }
        Ok(all)
    }
}

/// Writes a file for every fourth signature, which it bears; returns how many.
fn plant(folder: &Path, maker: &str, records: &[Record]) -> anyhow::Result<usize> {
    let bodies = records.iter().filter_map(|record| match record {
        Record::Body(body) if !body.name.contains("Eicar") => Some(body),
        _ => None,
    });
    let mut planted = 0;
    for (index, body) in bodies.step_by(4).enumerate() {
        let bytes = [b"MZ made by the demo: ", instance(&body.pattern).as_slice(), b" end"].concat();
        fs::write(folder.join(format!("{maker}-{index:03}.bin")), bytes)?;
        planted += 1;
    }
    Ok(planted)
}
