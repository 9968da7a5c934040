//! The attacks and faults of `docs/threat-model.md`, each against the real agent over HTTP: nothing is installed, what was in force stays to
//! the byte, the fault has its own code, and the next honest cycle succeeds.
//!
//! The stage is the same for all: one terminal that runs release 1 of `acme/stable`, a service that offers release 2, and between them a
//! proxy that plays the attacker. So an attack that works would show as any other release, or none.

mod deltas;
mod director;
mod disk;
mod enrolment;
mod forge;
mod freshness;
mod lengths;
mod mixing;
mod names;
mod network;
mod one_offs;
mod page;
mod signatures;

use crate::support::fault::FaultProxy;
use crate::support::{EvilDirector, Terminal, World, at, copy};
use forge::Forge;
use std::fs;
use updater::installed_database;
use updater::maker::Maker;
use updater::wire::{ChannelRelease, Designation, Sha256Hex};

/// A terminal that runs release 1, a service with release 2, an attacker between them.
struct Stage {
    world: World,
    maker: Maker,
    terminal: Terminal,
    proxy: FaultProxy,
    before: Safe,
    /// The blobs of releases 1 and 2.
    blobs: [Vec<u8>; 2],
}

/// What a terminal runs, to the byte.
#[derive(Debug, PartialEq, Eq)]
struct Safe {
    generation: Option<u64>,
    database: Option<Sha256Hex>,
    runs: Vec<ChannelRelease>,
}

impl Safe {
    fn of(terminal: &Terminal) -> Safe {
        let database = installed_database(&terminal.folder).unwrap();
        Safe {
            generation: terminal.status().generation,
            database: database.map(|path| Sha256Hex::of(&fs::read(path).unwrap())),
            runs: terminal.runs(),
        }
    }
}

impl Stage {
    async fn new() -> Stage {
        Stage::with(&["acme/stable"], Designation::Own).await
    }

    /// With other subscriptions, of which each channel has release 1 at first and release 2 then.
    async fn with(channels: &[&str], designation: Designation) -> Stage {
        let world = World::new().await;
        let maker = world.maker("acme").await;
        let mut others = Vec::new();
        let first = world.publish(&maker, "acme/stable", 1, 0..1100).await;
        for channel in channels.iter().filter(|channel| **channel != "acme/stable") {
            let (name, _) = channel.split_once('/').unwrap();
            let other = if name == "acme" { None } else { Some(world.maker(name).await) };
            world.publish(other.as_ref().unwrap_or(&maker), channel, 1, 0..1100).await;
            others.push((other, *channel));
        }
        let terminal = world.terminal("one", channels, designation).await;
        terminal.agent.update().await.unwrap();
        let second = world.publish(&maker, "acme/stable", 2, 5..1105).await;
        for (other, channel) in &others {
            world.publish(other.as_ref().unwrap_or(&maker), channel, 2, 5..1105).await;
        }
        let proxy = FaultProxy::before(&world.url).await;
        terminal.asks(&proxy.url);
        let before = Safe::of(&terminal);
        assert_eq!(before.runs.len(), channels.len());
        Stage { world, maker, terminal, proxy, before, blobs: [first, second] }
    }

    /// Whoever stole the director's key assigns release 2, without a word on its blob; all else comes through the proxy.
    async fn is_told_of_release_2(&self) {
        let evil = EvilDirector::of(&self.world);
        self.terminal.is_answered(&self.proxy.url, evil.assigns(&[at("acme/stable", 2)])).await;
    }

    /// The attack fails by this code, and the terminal is as it was.
    async fn refuses(&self, code: &str, what: &str) -> String {
        let error = match self.terminal.agent.update().await {
            Ok(report) => panic!("{what}: no error but {report:?}"),
            Err(error) => error,
        };
        assert_eq!(error.code(), code, "{what}: {error}");
        self.still_safe(what);
        error.to_string()
    }

    fn still_safe(&self, what: &str) {
        assert_eq!(Safe::of(&self.terminal), self.before, "{what}");
    }

    /// Without the attacker, release 2 of everything that the terminal subscribed to is installed.
    async fn honest_cycle(&self) {
        self.proxy.heal();
        self.succeeds().await;
    }

    async fn succeeds(&self) {
        let report = self.terminal.agent.update().await.unwrap_or_else(|e| panic!("the honest cycle fails: {e}"));
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        let expected = self.before.runs.iter().map(|was| at(was.channel.as_str(), 2)).collect::<Vec<_>>();
        assert_eq!(self.terminal.runs(), expected);
    }

    /// The same after forged metadata was believed in part: the honest service's versions are further by then, from `version` on.
    async fn honest_cycle_at(&self, version: u64) {
        self.proxy.heal();
        let mut honest = Forge::of(&self.world);
        for role in ["timestamp", "snapshot", "targets"] {
            honest.edit(role, |role| role["version"] = version.into());
        }
        honest.serve(&self.proxy);
        self.succeeds().await;
    }

    /// Puts the terminal back to what it was, so that one stage serves several attacks: its folder as it is now, to be put back.
    fn template(&self) -> tempfile::TempDir {
        let template = tempfile::tempdir().unwrap();
        copy(&self.terminal.folder, template.path());
        template
    }

    fn restore(&self, template: &tempfile::TempDir) {
        fs::remove_dir_all(&self.terminal.folder).unwrap();
        copy(template.path(), &self.terminal.folder);
        self.still_safe("it is put back");
    }
}
