//! An update whose process is killed at each call to the system, and one whose disk loses power at each call: a whole, verified
//! generation is in force, never an older one than was acknowledged, and the next update ends well.
//!
//! Both use the real program under `strace`, which sees what every library does to the disk. By default a part of the points is tried;
//! with `TITER_CRASH_POINTS=all` every one.

mod disk;
mod trace;

use crate::fleet::Service;
use crate::support::*;
use disk::{Disk, Tree, write};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use trace::{Call, Effect};
use updater::agent::Manifest;
use updater::installed_database;
use updater::wire::Sha256Hex;

/// Which of many points to try: every one, or every so many-th.
fn stride(many: usize) -> usize {
    if all_points() { 1 } else { many }
}

fn all_points() -> bool {
    std::env::var_os("TITER_CRASH_POINTS").is_some_and(|value| value == "all")
}

/// A terminal before an update, and the calls of that update.
struct Scene {
    bench: Bench,
    _service: Service,
    /// The terminal's folder.
    state: PathBuf,
    /// What was in it before the update.
    template: Disk,
    /// Release in force before.
    before: Option<u64>,
    calls: Vec<Call>,
}

/// The release that an update of either scene brings.
const AFTER: u64 = 2;

impl Scene {
    /// The terminal runs release 1, or nothing, and is assigned release 2.
    fn new(installed: bool) -> Scene {
        Scene::with(installed, "")
    }

    /// The same by these settings of the terminal's owner.
    fn with(installed: bool, settings: &str) -> Scene {
        let bench = Bench::new();
        let service = Service::with_maker(&bench);
        service.enrol(&bench, "terminal");
        bench.file("terminal/agent.toml", settings);
        let state = fs::canonicalize(bench.path("terminal")).unwrap();
        service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
        if installed {
            bench.expect(0, "agent update --state terminal");
        }
        service.publish(&bench, 2, "Test.One:0:*:6e6565646c65\nTest.Two:0:*:68617973746163\n");
        let template = Disk::of(&state);
        let before = installed.then_some(1);
        let mut scene = Scene { bench, _service: service, state, template, before, calls: Vec::new() };
        let output = scene.bench.path("trace");
        assert!(scene.update(trace::recorder(&output)));
        scene.calls = trace::read(&fs::read_to_string(output).unwrap(), &scene.state);
        assert!(scene.calls.len() > 40, "{} calls", scene.calls.len());
        scene
    }

    /// Runs an update inside of `around`, which ends with the program to run; whether it ended well.
    fn update(&self, mut around: Command) -> bool {
        let titer = self.bench.command();
        around.arg(titer.get_program()).args(["agent", "update", "--state"]).arg(&self.state);
        around.current_dir(titer.get_current_dir().unwrap());
        for (name, value) in titer.get_envs() {
            match value {
                Some(value) => around.env(name, value),
                None => around.env_remove(name),
            };
        }
        around.output().unwrap().status.success()
    }

    fn restore(&self) {
        write(&self.tree_before(), &self.state);
    }

    fn tree_before(&self) -> Tree {
        let mut trees = self.template.after_power_loss();
        assert_eq!(trees.len(), 1, "all of it is synced");
        trees.pop_first().unwrap()
    }

    /// What is wrong with the terminal's folder, if anything; with `switched`, the old release is wrong too.
    fn fault(&self, switched: bool) -> Option<String> {
        let release = match release_in_force(&self.state) {
            Ok(release) => release,
            Err(fault) => return Some(fault),
        };
        let allowed = release == Some(AFTER) || !switched && release == self.before;
        (!allowed).then(|| format!("release {release:?} is in force"))
    }

    /// The next update, by a process that nobody disturbs.
    fn recovers(&self, after: &str) {
        let state = self.state.display();
        let ran = self.bench.titer(&format!("agent update --state {state}"));
        assert_eq!(ran.code, 0, "after {after}: {}{}", ran.out, ran.err);
        assert_eq!(self.fault(true), None, "after {after} and another update");
    }

    /// How many calls lie before the moment from which the new release must survive: `current` was renamed and its folder synced.
    fn durable_from(&self) -> usize {
        let current = self.state.join("current");
        let renamed = |call: &Call| matches!(&call.effect, Effect::Renamed { to, .. } if *to == current);
        let renamed = self.calls.iter().position(renamed).expect("the update switches");
        let synced =
            self.calls[renamed..].iter().position(|call| call.effect == Effect::Synced { path: self.state.clone() });
        renamed + synced.expect("the switch is synced") + 1
    }

    /// Every tree that a loss of power may leave, at every call, with whether the new release must be in it; each once. The calls that
    /// `passes` refuses are taken for not made.
    fn trees(&self, passes: impl Fn(usize) -> bool) -> BTreeSet<(bool, Tree)> {
        let mut trees = BTreeSet::new();
        let mut disk = self.template.clone();
        for (place, call) in self.calls.iter().enumerate() {
            if passes(place) {
                disk.apply(&call.effect);
            }
            let switched = place + 1 >= self.durable_from();
            trees.extend(disk.after_power_loss().into_iter().map(|tree| (switched, tree)));
        }
        trees
    }
}

/// The release of the generation in force, after a look at every byte of it.
fn release_in_force(state: &Path) -> Result<Option<u64>, String> {
    let Some(database) = installed_database(state).map_err(|e| e.to_string())? else { return Ok(None) };
    let manifest = fs::read(database.with_file_name("manifest.json")).map_err(|e| e.to_string())?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|e| e.to_string())?;
    let bytes = fs::read(&database).map_err(|e| e.to_string())?;
    if Sha256Hex::of(&bytes) != manifest.database_sha256 {
        return Err("the database is not the one that was verified".to_owned());
    }
    Ok(Some(manifest.releases().iter().map(|at| at.release).max().expect("a generation has a release")))
}

fn killed_at_every_call(scene: &Scene, stride: usize) {
    let (mut tried, mut killed) = (0, 0);
    for call in scene.calls.iter().step_by(stride) {
        tried += 1;
        let dies = |killer| {
            scene.restore();
            !scene.update(killer)
        };
        // Threads share the work in another way in each run, so that a call may come sooner in its thread than it did. Scratch files and
        // files of samples have another name each time: there calls are counted on whatever file.
        let by_path = (0..=call.before).rev().map(|before| trace::killer(call, before));
        let sooner = [0, 1, 2, 4, 8].map(|sooner| call.before_of_name.saturating_sub(sooner));
        let by_number = sooner.into_iter().map(|before| trace::killer_by_number(call, before));
        let died = by_path.chain(by_number).any(dies);
        killed += usize::from(died);
        let point = format!("{} of {} number {}", call.name, call.effect.path().display(), call.before + 1);
        assert_eq!(scene.fault(!died), None, "killed at {point}");
        scene.recovers(&point);
    }
    eprintln!("killed at {killed} of {tried} points tried, of {} calls", scene.calls.len());
    assert!(killed * 20 >= tried * 19, "killed at {killed} of {tried} points");
}

#[test]
fn an_update_killed_at_each_call_leaves_a_whole_generation() {
    if trace::is_possible() {
        killed_at_every_call(&Scene::new(true), stride(7));
    }
}

#[test]
fn a_first_installation_killed_at_each_call_leaves_none_or_a_whole_one() {
    if trace::is_possible() {
        killed_at_every_call(&Scene::new(false), stride(11));
    }
}

/// How many times as many states are looked at as are recovered from: an update takes longer than a look.
const RECOVERED: usize = 20;

fn loses_power_at_every_call(scene: &Scene, stride: usize) {
    let trees = scene.trees(|_| true);
    for (number, (switched, tree)) in trees.iter().enumerate().step_by(stride) {
        write(tree, &scene.state);
        assert_eq!(scene.fault(*switched), None, "after power loss number {number}:\n{}", listing(tree));
        if number % (stride * RECOVERED) == 0 {
            scene.recovers(&format!("power loss number {number}:\n{}", listing(tree)));
        }
    }
    eprintln!("{} states after a loss of power at {} calls", trees.len(), scene.calls.len());
    assert!(trees.len() > scene.calls.len() / 2);
}

#[test]
fn an_update_that_loses_power_at_each_call_leaves_a_whole_generation() {
    if trace::is_possible() {
        loses_power_at_every_call(&Scene::new(true), stride(10));
    }
}

#[test]
fn a_first_installation_that_loses_power_at_each_call_leaves_none_or_a_whole_one() {
    if trace::is_possible() {
        loses_power_at_every_call(&Scene::new(false), stride(10));
    }
}

/// Syncs without which an update loses a generation: of its manifest and its name, of the folder that it is renamed in, of the pointer
/// to it, and of the folder of that.
const NEEDED: [&str; 5] = ["gen/2.tmp/manifest.json.tmp", "gen/2.tmp", "gen", "current.tmp", ""];

/// The control of the tests above: without one of its syncs an update does lose a generation, and that is seen.
#[test]
fn a_sync_that_is_left_out_is_noticed() {
    if !trace::is_possible() {
        return;
    }
    // A probation is written into the generation and synced after it has its name, so that two syncs would keep what one does here.
    let scene = Scene::with(true, "[probation]\nhours = 0\n");
    let harmless = scene.trees(|_| true);
    let mut missed = BTreeSet::new();
    // From the last one on, as the folders are synced for other things before.
    for (place, call) in scene.calls.iter().enumerate().rev() {
        let Effect::Synced { path } = &call.effect else { continue };
        let path = path.strip_prefix(&scene.state).unwrap().to_str().unwrap();
        if !all_points() && (!NEEDED.contains(&path) || missed.contains(path)) {
            continue;
        }
        let trees = scene.trees(|other| other != place);
        let fault = trees.into_iter().filter(|tree| !harmless.contains(tree)).find_map(|(switched, tree)| {
            write(&tree, &scene.state);
            scene.fault(switched)
        });
        let words = fault.as_deref().unwrap_or("no fault: what it keeps is kept by another, or is not needed");
        eprintln!("without sync {place} of `{path}`: {words}");
        if fault.is_some() {
            missed.insert(path.to_owned());
        }
    }
    for needed in NEEDED {
        assert!(missed.contains(needed), "nobody misses the sync of `{needed}`: {missed:?}");
    }
}

fn listing(tree: &Tree) -> String {
    let line = |(path, content): (&PathBuf, &Option<Vec<u8>>)| match content {
        Some(content) => format!("{}: {} bytes\n", path.display(), content.len()),
        None => format!("{}/\n", path.display()),
    };
    tree.iter().map(line).collect()
}
