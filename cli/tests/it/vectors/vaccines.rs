//! Vector T6: a terminal whose maker has no cure is given another maker's, if it accepts that. Three makers, one of them with two products.

use super::*;

/// Hexadecimal of "virus a is here".
const VIRUS_A: &str = "766972757320612069732068657265";

/// Alder, birch, and cedar with two products, each with a signature of its own.
fn makers() -> World {
    let world = World::new(&["alder", "birch", "cedar"]);
    for channel in PRODUCTS {
        world.publish(channel, 1, &format!("{}\n", own(channel)));
    }
    world
}

const PRODUCTS: [&str; 4] = ["alder/main", "birch/main", "cedar/files", "cedar/mail"];

/// A signature that this product has and no other.
fn own(channel: &str) -> String {
    let hex: String = format!("what {channel} knows").bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{}:0:*:{hex}", channel.replace('/', "."))
}

/// T6. Virus a is of high danger. Maker alder knows it, without vaccine date or pattern; birch has both. The phone has alder's product and
/// accepts other makers: at its next contact alder's product and pattern go, birch's come, and its row of the user table says so. The desk
/// accepts no others: nothing is done there, and it is told why.
#[test]
fn t6_another_makers_vaccine_for_those_who_accept_it() {
    let world = makers();
    world.enrol("phone", "alder/main", "--hardware phone --accept any");
    world.enrol("desk", "alder/main", "--hardware desktop --accept own");
    world.enrol("tablet", "alder/main", "--hardware tablet --accept cedar");
    for terminal in ["phone", "desk", "tablet"] {
        world.contact(terminal);
    }
    world.news("alder", "virus-a", None);
    world.publish("birch/main", 2, &format!("{}\nBirch.A:0:*:{VIRUS_A}\n", own("birch/main")));
    world.news("birch", "virus-a", Some(("birch/main", 2)));
    world.bench.file("virus-a", "here virus a is here");
    for terminal in ["phone", "desk", "tablet"] {
        world.bench.expect(0, &format!("scan --state {terminal} virus-a"));
    }

    let update = world.contact("phone");
    assert_eq!((&update["outcome"], &update["assignment"]["reason"]), (&json!("installed"), &json!("switch")));
    assert_eq!(world.runs("phone"), at("birch/main", 2), "alder's product is in force no longer");
    let found = world.bench.expect(1, "scan --state phone virus-a");
    assert_eq!(found.out, "virus-a: Birch.A FOUND\n");
    let row = world.row("phone");
    assert_eq!((&row["hardware"], releases(&row["applied"])), (&json!("phone"), at("birch/main", 2)));

    for other in ["desk", "tablet"] {
        let update = world.contact(other);
        assert_eq!(update["assignment"]["reason"], "others_not_allowed", "{other}");
        assert_eq!(world.runs(other), at("alder/main", 1), "{other}");
        assert_eq!(releases(&world.row(other)["applied"]), at("alder/main", 1), "{other}");
        world.bench.expect(0, &format!("scan --state {other} virus-a"));
    }
    let coverage = world.admin("coverage virus-a --json").json().remove(0);
    assert_eq!((&coverage["protected"], &coverage["unprotected"]), (&json!(1), &json!(2)));
    assert_eq!(coverage["reasons"], json!([{"reason": "others_not_allowed", "terminals": 2}]));
}

/// T6 goes on: alder makes a vaccine. Those who waited get it from their own maker.
#[test]
fn t6_the_own_maker_comes_first_as_soon_as_it_can() {
    let world = makers();
    world.enrol("desk", "alder/main", "--accept own");
    world.enrol("phone", "alder/main", "--accept any");
    world.news("alder", "virus-a", None);
    world.contact("desk");
    assert_eq!(world.contact("phone")["assignment"]["reason"], "no_cure_yet");

    world.publish("alder/main", 2, &format!("{}\nAlder.A:0:*:{VIRUS_A}\n", own("alder/main")));
    world.publish("birch/main", 2, &format!("{}\nBirch.A:0:*:{VIRUS_A}\n", own("birch/main")));
    world.news("birch", "virus-a", Some(("birch/main", 2)));
    world.news("alder", "virus-a", Some(("alder/main", 2)));
    for terminal in ["desk", "phone"] {
        assert_eq!(world.contact(terminal)["assignment"]["reason"], "refresh", "{terminal}");
        assert_eq!(world.runs(terminal), at("alder/main", 2), "{terminal}");
    }
}

/// V22, with T6 for each pair: three makers, one with two products. Whichever product a terminal has and whichever other one has the cure, the
/// terminal is moved from the one to the other. Between the two products of one maker that is so as well: a terminal that did not subscribe
/// to the other one accepts its maker by name.
#[test]
fn t6_any_pair_of_four_products_of_three_makers() {
    for curing in PRODUCTS {
        let world = makers();
        let maker = curing.split('/').next().unwrap();
        let name = |product: &str| product.replace('/', "-");
        let others = PRODUCTS.into_iter().filter(|product| *product != curing).collect::<Vec<_>>();
        for product in &others {
            world.enrol(&name(product), product, &format!("--accept {maker}"));
            world.contact(&name(product));
        }
        world.publish(curing, 2, &format!("{}\nCure.A:0:*:{VIRUS_A}\n", own(curing)));
        world.news(maker, "virus-a", Some((curing, 2)));
        for product in &others {
            let update = world.contact(&name(product));
            assert_eq!(update["assignment"]["reason"], "switch", "from {product} to {curing}");
            assert_eq!(world.runs(&name(product)), at(curing, 2), "from {product}");
            assert_eq!(releases(&world.row(&name(product))["applied"]), at(curing, 2), "from {product}");
        }
    }
}
