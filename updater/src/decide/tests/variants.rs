//! Variants by environment: vectors T4, T5 and T8 of the requirements, as far as they map.

use super::*;

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn needs(channel: &str, needs: Needs) -> ChannelNeeds {
    ChannelNeeds { channel: channel.parse().unwrap(), needs }
}

/// The applicability table of T4.
fn t4() -> Vec<ChannelNeeds> {
    let vta = Needs {
        hardware: texts(&["A100", "F3", "H20", "S1000"]),
        os: texts(&["A.1.3", "F3.2", "S.3.1"]),
        features: texts(&["graphics-1"]),
        memory_bytes: Some(4_000_000),
        ..Needs::default()
    };
    let vtb = Needs {
        hardware: texts(&["A200", "F3", "F4", "S1000", "S1500"]),
        os: texts(&["A.1.4", "F3.2", "F3.3", "S.3.3"]),
        features: texts(&["graphics-1|graphics-2"]),
        memory_bytes: Some(8_000_000),
        ..Needs::default()
    };
    vec![needs("s/s2--vta", vta), needs("s/s2--vtb", vtb)]
}

fn machine(hardware: &str, memory_bytes: u64, os: &str) -> Machine {
    let features = texts(&["graphics-1"]);
    Machine {
        hardware: hardware.to_owned(),
        os: os.to_owned(),
        memory_bytes: Some(memory_bytes),
        features,
        ..Machine::default()
    }
}

fn user(subscribed: &str, machine: Machine, applied: &[ChannelRelease]) -> UserRow {
    UserRow { machine, ..UserRow::new(Designation::Own, vec![subscribed.parse().unwrap()], applied.to_vec()) }
}

fn s2(needs: Vec<ChannelNeeds>) -> Tables {
    Tables { needs, ..tables(&[], &[at("s/s2--vta", 3), at("s/s2--vtb", 4)]) }
}

#[test]
fn t4_machines_get_the_variant_that_fits_and_the_vendor_chooses_where_both_do() {
    let (vta, vtb) = (at("s/s2--vta", 3), at("s/s2--vtb", 4));
    for subscribed in ["s/s2--vta", "s/s2--vtb"] {
        for (machine, fits) in [
            (machine("A100", 10_000_000, "A.1.3"), Some(&vta)),
            (machine("F4", 20_000_000, "F3.3"), Some(&vtb)),
            (machine("A100", 3_999_999, "A.1.3"), None),
            (machine("A200", 10_000_000, "A.1.3"), None),
        ] {
            let assignment = decide(&user(subscribed, machine.clone(), &[]), s2(t4()));
            let reason = if fits.is_some() { Reason::FirstInstall } else { Reason::NoneFits };
            assert_eq!(
                (assignment.reason, &assignment.channels[..]),
                (reason, fits.map_or(&[][..], std::slice::from_ref)),
                "{machine:?}"
            );
        }
    }
    // Both fit: what was subscribed to, unless the vendor prefers one.
    let both = machine("F3", 8_000_000, "F3.2");
    assert_eq!(decide(&user("s/s2--vta", both.clone(), &[]), s2(t4())).channels, [at("s/s2--vta", 3)]);
    let mut preferred = t4();
    preferred[1].needs.preference = 1;
    assert_eq!(decide(&user("s/s2--vta", both, &[]), s2(preferred)).channels, [at("s/s2--vtb", 4)]);
}

#[test]
fn t5_a_terminal_that_changed_gets_the_other_variant_and_stays_there() {
    let moved = machine("F4", 20_000_000, "F3.3");
    let assignment = decide(&user("s/s2--vta", moved.clone(), &[at("s/s2--vta", 2)]), s2(t4()));
    assert_eq!((assignment.reason, &assignment.channels[..]), (Reason::Variant, &[at("s/s2--vtb", 4)][..]));
    assert!(assignment.words.contains("s/s2--vta") && assignment.words.contains("s/s2--vtb"), "{}", assignment.words);
    let settled = decide(&user("s/s2--vta", moved, &assignment.channels), s2(t4()));
    assert_eq!((settled.reason, settled.channels), (Reason::Current, assignment.channels));
    // The vendor changes the criterion: the same machine is moved back.
    let mut changed = t4();
    changed[0].needs = Needs { hardware: texts(&["F4"]), preference: 1, ..Needs::default() };
    let runs = user("s/s2--vta", machine("F4", 20_000_000, "F3.3"), &[at("s/s2--vtb", 4)]);
    assert_eq!(decide(&runs, s2(changed)).channels, [at("s/s2--vta", 3)]);
}

#[test]
fn t8_a_new_version_of_one_variant_is_none_of_the_other() {
    let runs = user("s/s2--vta", machine("A100", 10_000_000, "A.1.3"), &[at("s/s2--vta", 3)]);
    for vtb in 4..7 {
        let tables = Tables { needs: t4(), ..tables(&[], &[at("s/s2--vta", 3), at("s/s2--vtb", vtb)]) };
        let assignment = decide(&runs, tables);
        assert_eq!((assignment.reason, assignment.channels), (Reason::Current, vec![at("s/s2--vta", 3)]));
    }
}

#[test]
fn where_nothing_fits_what_runs_stays_and_foreign_channels_must_fit_too() {
    let misfit = machine("Z80", 65_536, "CP/M");
    let stays = decide(&user("s/s2--vta", misfit.clone(), &[at("s/s2--vta", 3)]), s2(t4()));
    assert_eq!((stays.reason, stays.channels), (Reason::NoneFits, vec![at("s/s2--vta", 3)]));
    let cure = [threat("s", "x", Some((1, at("s/s2--vtb", 4))))];
    let foreign = row(Designation::Any, &[at("a/product", 2)]);
    let listed = [at("a/product", 2), at("s/s2--vtb", 4)];
    let tables = Tables { needs: t4(), ..tables(&cure, &listed) };
    let small = UserRow { machine: misfit, ..foreign.clone() };
    assert_eq!(decide(&small, tables.clone()).reason, Reason::NoCureYet);
    let large = UserRow { machine: machine("F4", 20_000_000, "F3.3"), ..foreign };
    assert_eq!(decide(&large, tables).reason, Reason::Switch);
}
