//! Vectors T4 and T5: a product in variants, each for some machines. A *version* of the vector is a channel, what it needs of a machine is put
//! by `titer admin needs`.
//!
//! The hardware class is what a terminal is told at its enrolment; system and memory are those of the machine that runs the tests, so the
//! vectors' systems and megabytes are what it has, and what nobody has. The table of the vector as it stands, with its systems, features
//! and megabytes, is tried beside the decision, in `updater/src/decide/tests/variants.rs`.
//!
//! That both are one product their maker says, by names that agree before `--`; so terminals need accept no more than they subscribed to.

use super::modules::{in_force, library};
use super::*;

/// More memory than there is anywhere, in bytes.
const TOO_MUCH: u64 = 1 << 60;

/// Maker alder, whose product S2 has the variants VTa for the hardware A100 and F3, and VTb for F3 and F4, at the releases of T5.
fn variants() -> World {
    let world = World::new(&["alder"]);
    for (release, modules) in [(1, ["Ma.1", "Mc.1"]), (2, ["Ma.2", "Mc.2"])] {
        world.publish("alder/s2--vta", release, &library(&modules, None));
    }
    let vtb: [&[&str]; 4] = [&["Mb.1", "Mc.1"], &["Mb.1", "Mc.2"], &["Mb.2", "Mc.3", "Me.1"], &["Mb.2", "Me.2", "Mf.1"]];
    for (release, modules) in (1..).zip(vtb) {
        world.publish("alder/s2--vtb", release, &library(modules, None));
    }
    needs(&world, "vta", r#"hardware = ["A100", "F3", "H20", "S1000"]"#);
    needs(&world, "vtb", r#"hardware = ["A200", "F3", "F4", "S1000", "S1500"]"#);
    world
}

fn needs(world: &World, variant: &str, lines: &str) {
    world.bench.file("needs.toml", format!("memory_bytes = 4000000\n{lines}\n"));
    world.admin(&format!("needs alder/s2--{variant} needs.toml"));
}

/// The terminal's folder is moved to a machine of another class.
fn become_hardware(world: &World, state: &str, hardware: &str) {
    let path = world.bench.path(&format!("{state}/identity.json"));
    let mut identity: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    identity["facts"]["hardware"] = hardware.into();
    std::fs::write(path, identity.to_string()).unwrap();
}

/// T4. A100 fits VTa alone, F4 VTb alone, F3 both, where the vendor's choice decides; other hardware, or too little memory, none.
#[test]
fn t4_a_machine_gets_the_variant_that_it_fits() {
    let world = variants();
    let (vta, vtb) = (at("alder/s2--vta", 2), at("alder/s2--vtb", 4));
    for (hardware, subscribed, expected) in [
        ("A100", "alder/s2--vta", &vta),
        ("A100", "alder/s2--vtb", &vta),
        ("F4", "alder/s2--vta", &vtb),
        ("F4", "alder/s2--vtb", &vtb),
        ("F3", "alder/s2--vta", &vta),
        ("F3", "alder/s2--vtb", &vtb),
    ] {
        let state = format!("{hardware}-{}", subscribed.replace('/', "-"));
        world.enrol(&state, subscribed, &format!("--hardware {hardware}"));
        world.contact(&state);
        assert_eq!(&world.runs(&state), expected, "{hardware} subscribed to {subscribed}");
    }
    world.enrol("z80", "alder/s2--vta", "--hardware Z80");
    assert_eq!(world.contact("z80")["assignment"]["reason"], "none_fits");

    // Both fit F3, and the vendor comes to prefer VTb.
    needs(&world, "vtb", "preference = 1\nhardware = [\"F3\", \"F4\"]");
    let update = world.contact("F3-alder-s2--vta");
    assert_eq!(update["assignment"]["reason"], "variant");
    assert_eq!(world.runs("F3-alder-s2--vta"), vtb);
    // VTb comes to need more memory than there is.
    world.bench.file("large.toml", format!("hardware = [\"F4\"]\nmemory_bytes = {TOO_MUCH}\n"));
    world.admin("needs alder/s2--vtb large.toml");
    world.enrol("small", "alder/s2--vtb", "--hardware F4");
    assert_eq!(world.contact("small")["assignment"]["reason"], "none_fits");
}

/// T5. The user of VTa.2 moves to a machine of class F4: at the next contact Ma.2 and Mc.2 go, Mb.2, Me.2 and Mf.1 come, which is VTb.4. What
/// was before is kept beside it, and can be gone back to. The service's record of the machine is the new one.
///
/// The user's two rows, one for each variant, are here two generations in the terminal's folder, and one row of the user table.
#[test]
fn t5_a_terminal_that_became_another_machine_gets_the_other_variant() {
    let world = variants();
    world.enrol("user", "alder/s2--vta", "--hardware A100");
    world.contact("user");
    let all = ["Ma.1", "Ma.2", "Mb.1", "Mb.2", "Mc.1", "Mc.2", "Mc.3", "Me.1", "Me.2", "Mf.1"];
    assert_eq!(in_force(&world, "user", &all), ["Ma.2", "Mc.2"]);
    assert_eq!(world.row("user")["hardware"], "A100");

    become_hardware(&world, "user", "F4");
    let update = world.contact("user");
    assert_eq!(update["assignment"]["reason"], "variant");
    assert_eq!(world.runs("user"), at("alder/s2--vtb", 4));
    assert_eq!(in_force(&world, "user", &all), ["Mb.2", "Me.2", "Mf.1"]);
    let row = world.row("user");
    assert_eq!((&row["hardware"], releases(&row["applied"])), (&json!("F4"), at("alder/s2--vtb", 4)));
    assert_eq!(world.contact("user")["outcome"], "up_to_date");

    world.bench.expect(0, "agent rollback --state user");
    assert_eq!(in_force(&world, "user", &all), ["Ma.2", "Mc.2"], "what was before is still there");
}
