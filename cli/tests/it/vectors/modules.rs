//! Vectors T1 to T3 and T8: from the modules that a user has and those that the library has follows what goes, what comes and what stays.

use super::*;
use std::fmt::Write;

/// Signatures of a module. Small against what stays, as changes are; modules that stay make the rest.
const SIGNATURES: u64 = 20;

/// Signatures of the module that a vector does not change, so that changes are a small part of the library.
const LARGE: u64 = 800;

/// The bytes of one signature: no two are alike, and nothing else has them.
fn body(module: &str, number: u64) -> [u8; 16] {
    let seed = module.bytes().fold(number, |seed, byte| (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mix = |word: u64| {
        let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    let (first, second) = (mix(seed), mix(seed ^ 0x9e37_79b9_7f4a_7c15));
    let mut body = [0; 16];
    body[..8].copy_from_slice(&first.to_le_bytes());
    body[8..].copy_from_slice(&second.to_le_bytes());
    body
}

/// The signature text of a library: modules by name, `Ma.1`, and `large`, which the vector does not change.
pub(super) fn library(modules: &[&str], large: Option<&str>) -> String {
    let mut lines = String::new();
    let modules = modules.iter().map(|module| (*module, SIGNATURES));
    for (module, count) in modules.chain(large.map(|module| (module, LARGE))) {
        for number in 0..count {
            write!(lines, "{module}-{number}:0:*:").unwrap();
            for byte in body(module, number) {
                write!(lines, "{byte:02x}").unwrap();
            }
            lines.push('\n');
        }
    }
    lines
}

/// Which of `modules` a terminal finds: those that are in force there.
pub(super) fn in_force(world: &World, state: &str, modules: &[&str]) -> Vec<String> {
    for module in modules {
        world.bench.file(&format!("modules/{module}"), body(module, SIGNATURES - 1));
    }
    let scan = world.bench.titer(&format!("scan --json --state {state} modules"));
    assert!(scan.code < 2, "{}", scan.err);
    let mut found: Vec<_> =
        scan.json_of("match").iter().filter_map(|found| found["signature"].as_str()).map(module_of).collect();
    found.sort();
    found
}

/// `Ma.1-19` is of module `Ma.1`.
fn module_of(signature: &str) -> String {
    signature.rsplit_once('-').expect("signatures are named after modules").0.to_owned()
}

/// How many records go, come and change between two blobs.
fn change(world: &World, old: &str, new: &str) -> (u64, u64, u64) {
    world.bench.expect(0, &format!("diff {old} {new} -o change.delta"));
    let delta = world.bench.expect(0, "inspect --json change.delta").json().remove(0);
    let count = |what: &str| delta[what].as_u64().unwrap();
    (count("removed"), count("added"), count("changed"))
}

/// T1. The user has Ma.1 Mi.1 Mm.1, the library Ma.1 Mi.2 Mm.1 Mn.1: delete Mi.1, add Mi.2 and Mn.1, with two bodies and no more.
///
/// The user's list of modules is the blob that the terminal has, named by its digest; delete and add are the edits of the delta to the
/// newest; the two bodies are all the records that it brings.
#[test]
fn t1_a_list_of_modules_is_compared_with_the_librarys() {
    let world = World::new(&["alder"]);
    let old = world.publish("alder/main", 1, &library(&["Ma.1", "Mi.1"], Some("Mm.1")));
    world.enrol("user", "alder/main", "");
    world.contact("user");
    let all = ["Ma.1", "Mi.1", "Mi.2", "Mm.1", "Mn.1"];
    assert_eq!(in_force(&world, "user", &all), ["Ma.1", "Mi.1", "Mm.1"]);

    let new = world.publish("alder/main", 2, &library(&["Ma.1", "Mi.2", "Mn.1"], Some("Mm.1")));
    assert_eq!(change(&world, &old, &new), (SIGNATURES, 2 * SIGNATURES, 0));
    let update = world.contact("user");
    let channel = &update["channels"][0];
    assert_eq!(channel["transfer"], "delta");
    let (fetched, full) = (channel["bytes_fetched"].as_u64().unwrap(), channel["full_bytes"].as_u64().unwrap());
    assert!(fetched * 4 < full, "two small bodies of four modules: {fetched} bytes of {full}");
    assert_eq!(in_force(&world, "user", &all), ["Ma.1", "Mi.2", "Mm.1", "Mn.1"]);
    assert_eq!(world.contact("user")["outcome"], "up_to_date", "and then nothing is to be done");
}

/// T2. Four versions; the user has the first: Ma.1, Mb.1, Mc.1 go; Ma.3, Mb.2, Me.2, Mf.1 come; Md.1 is not touched. What came and went in
/// between is not sent. The answer is the same whether the user says which version it has, or lists what it has.
///
/// *By name* is a terminal that says at its check-in that it runs release 1. *By list* is one that lost its note of what it runs, and says
/// nothing; its store still has the blob, which the index of deltas names by digest.
#[test]
fn t2_over_four_versions_by_name_and_by_list() {
    let world = World::new(&["alder"]);
    let first = world.publish("alder/main", 1, &library(&["Ma.1", "Mb.1", "Mc.1"], Some("Md.1")));
    for user in ["by-name", "by-list"] {
        world.enrol(user, "alder/main", "");
        world.contact(user);
    }
    world.publish("alder/main", 2, &library(&["Ma.2", "Mb.1", "Mc.2"], Some("Md.1")));
    world.publish("alder/main", 3, &library(&["Ma.2", "Mb.2", "Mc.3", "Me.1"], Some("Md.1")));
    let last = world.publish("alder/main", 4, &library(&["Ma.3", "Mb.2", "Me.2", "Mf.1"], Some("Md.1")));
    assert_eq!(change(&world, &first, &last), (3 * SIGNATURES, 4 * SIGNATURES, 0));

    std::fs::remove_file(world.bench.path("by-list/current")).unwrap();
    std::fs::remove_dir_all(world.bench.path("by-list/gen")).unwrap();
    let mut said = Vec::new();
    for user in ["by-name", "by-list"] {
        let update = world.contact(user);
        let channel = update["channels"][0].clone();
        assert_eq!((&channel["release"], &channel["transfer"]), (&json!(4), &json!("delta")), "{user}: {update}");
        said.push((update["assignment"]["reason"].clone(), channel["bytes_fetched"].clone()));
        let all = ["Ma.1", "Ma.2", "Ma.3", "Mb.1", "Mb.2", "Mc.1", "Mc.2", "Mc.3", "Md.1", "Me.1", "Me.2", "Mf.1"];
        assert_eq!(in_force(&world, user, &all), ["Ma.3", "Mb.2", "Md.1", "Me.2", "Mf.1"], "{user}");
    }
    assert_eq!((&said[0].0, &said[1].0), (&json!("refresh"), &json!("first_install")), "one says what it has, one cannot");
    assert_eq!(said[0].1, said[1].1, "the same bytes come");
}

/// T3. A version whose modules all change: the user at VTa.2 = {Ma.2 Mc.2} comes to VTa.3 = {Ma.3 Me.2}. Nothing of the old stays.
///
/// As nearly all is new, a delta would be no smaller, and the whole release is fetched.
#[test]
fn t3_every_module_changes() {
    let world = World::new(&["alder"]);
    world.publish("alder/vta", 1, &library(&["Ma.1", "Mc.1"], None));
    let second = world.publish("alder/vta", 2, &library(&["Ma.2", "Mc.2"], None));
    world.enrol("user", "alder/vta", "");
    world.contact("user");
    let third = world.publish("alder/vta", 3, &library(&["Ma.3", "Me.2"], None));
    assert_eq!(change(&world, &second, &third), (2 * SIGNATURES, 2 * SIGNATURES, 0));
    let update = world.contact("user");
    assert_eq!(update["channels"][0]["transfer"], "full");
    assert_eq!(in_force(&world, "user", &["Ma.1", "Ma.2", "Ma.3", "Mc.1", "Mc.2", "Me.2"]), ["Ma.3", "Me.2"]);
}

/// T8. On one day only VTb gets a new version: the number of VTa does not grow, its terminals have nothing to do, and a user of both gets VTb
/// alone.
#[test]
fn t8_a_channel_without_news_keeps_its_number() {
    let world = World::new(&["alder"]);
    world.publish("alder/vta", 1, "Alder.Vta:0:*:6e6565646c652d61\n");
    world.publish("alder/vtb", 1, "Alder.Vtb:0:*:6e6565646c652d62\n");
    world.enrol("of-vta", "alder/vta", "");
    world.enrol("of-both", "alder/vta", "--channel alder/vtb");
    world.contact("of-vta");
    world.contact("of-both");

    world.publish("alder/vtb", 2, "Alder.Vtb:0:*:6e6565646c652d62\nAlder.New:0:*:6e6577206e6565646c65\n");
    let idle = world.contact("of-vta");
    assert_eq!((&idle["outcome"], fetched(&idle)), (&json!("up_to_date"), Vec::new()));
    assert_eq!(world.runs("of-vta"), at("alder/vta", 1));
    assert_eq!(fetched(&world.contact("of-both")), at("alder/vtb", 2));
    assert_eq!(world.runs("of-both"), [at("alder/vta", 1), at("alder/vtb", 2)].concat());
}

/// The channels that an update did not find in the store.
fn fetched(update: &Value) -> Vec<(String, u64)> {
    let mut channels = update["channels"].clone();
    channels.as_array_mut().unwrap().retain(|channel| channel["transfer"] != "stored");
    releases(&channels)
}
