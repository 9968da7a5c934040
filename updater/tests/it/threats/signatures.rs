//! Who may sign what: wrong keys, too few, chains of roots, delegations, documents that are no documents (rows 1 to 4, 13 to 15, 47).

use super::Stage;
use super::forge::{Forge, key_id, key_object, serve, sign};
use crate::support::at;
use crate::support::fault::Fault;
use serde_json::{Value, json};
use updater::wire::Designation;

const ROLES: [&str; 4] = ["timestamp", "snapshot", "targets", "m-acme"];

#[tokio::test(flavor = "multi_thread")]
async fn arbitrary_content_signed_by_an_unknown_key() {
    let stage = Stage::new().await;
    let clean = stage.template();
    for role in ROLES {
        let mut forge = Forge::of(&stage.world);
        forge.sign_with_own(role, &["thief"]);
        forge.edit(role, |role| role["expires"] = "2040-01-01T00:00:00Z".into());
        forge.serve(&stage.proxy);
        stage.refuses("metadata_unsigned", role).await;
        stage.proxy.heal();
        stage.restore(&clean);
    }
    let mut forge = Forge::of(&stage.world);
    forge.sign_with_own("root", &["thief"]);
    let (name, root) = forge.next_root(|_| {});
    stage.proxy.always(&format!("/metadata/{name}"), Fault::Serve(root));
    stage.refuses("metadata_unsigned", "root").await;
    stage.honest_cycle().await;
}

/// Root gives a role two or three keys, all of which must sign.
#[tokio::test(flavor = "multi_thread")]
async fn too_few_signatures_or_one_key_counted_twice() {
    let stage = Stage::new().await;
    let clean = stage.template();
    for threshold in [2, 3_u64] {
        for role in &ROLES[..3] {
            let names = &["a", "b", "c"][..threshold as usize];
            let short = &names[1..];
            let repeated = [&names[1..], &names[1..2]].concat();
            for signers in [short, &repeated, &[]] {
                let mut forge = Forge::of(&stage.world);
                forge.rotate(role, names, threshold);
                let (name, root) = forge.next_root(|_| {});
                forge.sign_with_own(role, signers);
                stage.proxy.always(&format!("/metadata/{name}"), Fault::Serve(root));
                forge.serve(&stage.proxy);
                let error = stage.refuses_any(&["metadata_unsigned", "metadata_malformed"], role).await;
                assert!(!error.contains("http"), "{error}");
                stage.proxy.heal();
                stage.restore(&clean);
            }
        }
    }
    // The control: with all of them it is believed.
    let mut forge = Forge::of(&stage.world);
    forge.rotate("timestamp", &["a", "b"], 2);
    let (name, root) = forge.next_root(|_| {});
    stage.proxy.always(&format!("/metadata/{name}"), Fault::Serve(root));
    forge.serve(&stage.proxy);
    stage.terminal.agent.update().await.unwrap();
    stage.restore(&clean);
    stage.honest_cycle().await;
}

/// One key that is listed under two ids would count for two.
#[tokio::test(flavor = "multi_thread")]
async fn one_key_under_two_ids() {
    let stage = Stage::new().await;
    let mut forge = Forge::of(&stage.world);
    let thief = key_object(&forge.own_key("thief"));
    let other_id = "ab".repeat(32);
    let (name, root) = forge.next_root(|root| {
        root["keys"][&other_id] = thief.clone();
        root["keys"][key_id(&thief)] = thief.clone();
        root["roles"]["timestamp"] = json!({"keyids": [key_id(&thief), other_id], "threshold": 2});
    });
    stage.proxy.always(&format!("/metadata/{name}"), Fault::Serve(root));
    let timestamp = forge.roles["timestamp"].clone();
    let mut twice: Value = serde_json::from_slice(&sign(&timestamp, &[&forge.own_key("thief")])).unwrap();
    let mut again = twice["signatures"][0].clone();
    again["keyid"] = other_id.into();
    twice["signatures"].as_array_mut().unwrap().push(again);
    stage.proxy.always("/metadata/timestamp.json", Fault::Serve(twice.to_string().into_bytes()));
    stage.refuses("metadata_malformed", "two ids").await;
    stage.honest_cycle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_roots_with_one_bad_link() {
    let stage = Stage::new().await;
    // Roots 2 to 6, of which the fourth is signed by a thief, left out, or has the number of another inside.
    for (bad, code) in [
        ("unsigned", "metadata_unsigned"),
        ("skipped", "metadata_rolled_back"),
        ("same again", "metadata_rolled_back"),
        ("older", "metadata_rolled_back"),
    ] {
        let mut forge = Forge::of(&stage.world);
        for version in 2..=6_u64 {
            let (_, mut root) = forge.next_root(|_| {});
            if version == 4 {
                let says = match bad {
                    "skipped" => 5,
                    "same again" => 3,
                    "older" => 2,
                    _ => 4_u64,
                };
                forge.edit("root", |root| root["version"] = says.into());
                let thief = forge.own_key("thief");
                root = if bad == "unsigned" { sign(&forge.roles["root"], &[&thief]) } else { forge.signed("root") };
                forge.edit("root", |root| root["version"] = version.into());
            }
            stage.proxy.always(&format!("/metadata/{version}.root.json"), Fault::Serve(root));
        }
        stage.refuses(code, bad).await;
        stage.proxy.heal();
    }
    stage.honest_cycle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_roots_without_end() {
    let stage = Stage::new().await;
    let mut forge = Forge::of(&stage.world);
    for _ in 0..400 {
        let (name, root) = forge.next_root(|_| {});
        stage.proxy.always(&format!("/metadata/{name}"), Fault::Serve(root));
    }
    stage.refuses("metadata_refused", "endless roots").await;
    let asked = stage.proxy.seen(".root.json").len();
    assert!((200..=257).contains(&asked), "{asked} roots were asked for");
    stage.honest_cycle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_maker_signs_in_another_makers_prefix() {
    let stage = Stage::with(&["acme/stable", "best/stable"], Designation::Own).await;
    let clean = stage.template();
    let mut forge = Forge::of(&stage.world);
    // Best lists acme's release, under acme's path and under its own.
    let stolen = forge.roles["m-acme"]["targets"]["m/acme/stable/2.titer"].clone();
    forge.edit("m-best", |role| {
        role["targets"] = json!({"m/acme/stable/2.titer": stolen, "m/best/stable/2.titer": stolen});
    });
    forge.serve(&stage.proxy);
    let report = stage.terminal.agent.update().await.unwrap();
    assert_eq!((report.faults.len(), report.faults[0].code.as_str()), (1, "metadata_refused"));
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 2), at("best/stable", 1)], "the honest maker goes on");
    stage.restore(&clean);
    stage.proxy.heal();
    stage.honest_cycle().await;
}

/// The case that reference clients fail: a maker's role that was verified once is not believed when its key is no longer the maker's.
#[tokio::test(flavor = "multi_thread")]
async fn a_cached_role_of_a_maker_whose_key_was_replaced() {
    let stage = Stage::new().await;
    let mut forge = Forge::of(&stage.world);
    let new = key_object(&forge.own_key("new"));
    forge.edit("targets", |targets| {
        targets["delegations"]["keys"] = json!({key_id(&new): new});
        targets["delegations"]["roles"][0]["keyids"] = json!([key_id(&new)]);
    });
    forge.serve(&stage.proxy);
    stage.refuses("metadata_unsigned", "the old key's role").await;
    stage.honest_cycle_at(100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delegations_in_a_circle_or_too_many() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let acme = Forge::of(&stage.world).roles["targets"]["delegations"].clone();
    // A maker who delegates: to itself, to targets, to a chain.
    for name in ["m-acme", "targets", "snapshot", "deeper"] {
        let mut forge = Forge::of(&stage.world);
        let mut again = acme.clone();
        again["roles"][0]["name"] = name.into();
        forge.edit("m-acme", |role| role["delegations"] = again);
        forge.serve(&stage.proxy);
        stage.refuses("metadata_refused", name).await;
        stage.proxy.heal();
        stage.restore(&clean);
    }
    // The service's own role in a circle: nothing but the four top roles and the maker's is ever asked for.
    let mut forge = Forge::of(&stage.world);
    forge.edit("targets", |targets| {
        let roles = targets["delegations"]["roles"].as_array_mut().unwrap();
        for name in ["targets", "snapshot", "root", "timestamp", "loop"] {
            let mut again = roles[0].clone();
            again["name"] = name.into();
            again["terminating"] = false.into();
            roles.insert(0, again);
        }
    });
    forge.list("snapshot", "m-acme", b"not the role");
    forge.edit("snapshot", |snapshot| snapshot["meta"]["loop.json"] = json!({"version": 1}));
    stage.proxy.forget();
    forge.serve(&stage.proxy);
    let _ = stage.terminal.agent.update().await;
    assert!(stage.proxy.seen("loop").is_empty(), "a role that is no maker's is not fetched");
    stage.proxy.heal();
    stage.restore(&clean);
    stage.honest_cycle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_makers_cost_one_role() {
    let stage = Stage::new().await;
    let mut forge = Forge::of(&stage.world);
    let keys = (0..1000).map(|number| key_object(&forge.own_key(&format!("{}", number % 10)))).collect::<Vec<_>>();
    forge.edit("targets", |targets| {
        let delegations = &mut targets["delegations"];
        for (number, key) in keys.iter().enumerate() {
            delegations["keys"][key_id(key)] = key.clone();
            let role = json!({"name": format!("m-x{number}"), "keyids": [key_id(key)], "threshold": 1, "terminating": true,
                "paths": [format!("m/x{number}/*/*")]});
            delegations["roles"].as_array_mut().unwrap().insert(0, role);
        }
    });
    forge.edit("snapshot", |snapshot| {
        for number in 0..1000 {
            snapshot["meta"][format!("m-x{number}.json")] = json!({"version": 1});
        }
    });
    forge.serve(&stage.proxy);
    stage.proxy.forget();
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 2)]);
    assert_eq!(stage.proxy.seen("/metadata/").len(), 5, "root, timestamp, snapshot, targets, one maker");
}

/// Text that parses differently for different readers, or not at all; signed by the rightful keys, so that only the parser stands in the way.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_is_odd_json() {
    let stage = Stage::new().await;
    let clean = stage.template();
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    for role in ["timestamp", "snapshot", "targets", "m-acme"] {
        let version = Forge::of(&stage.world).version(role) + 1;
        let honest = format!("\"version\":{version}");
        for (what, put) in [
            ("twice", format!("{honest},\"version\":{}", version + 1)),
            ("negative", "\"version\":-1".to_owned()),
            ("zero", "\"version\":0".to_owned()),
            ("beyond 64 bits", "\"version\":18446744073709551616".to_owned()),
            ("beyond a float", "\"version\":1e999".to_owned()),
            ("a text", format!("\"version\":\"{version}\"")),
            ("deep", format!("{honest},\"x\":{deep}")),
        ] {
            stage.serve_altered(role, &|text| text.replacen(&honest, &put, 1));
            stage.refuses("metadata_malformed", &format!("{role}: {what}")).await;
            stage.proxy.heal();
            stage.restore(&clean);
        }
        for (what, text) in [("empty", ""), ("cut off", "{\"signed\":"), ("no object", "[]"), ("no text", "\u{0}")] {
            stage.serve_altered(role, &|_| text.to_owned());
            stage.refuses("metadata_malformed", &format!("{role}: {what}")).await;
            stage.proxy.heal();
            stage.restore(&clean);
        }
    }
    stage.honest_cycle().await;
}

/// What a later version of the format might add is signed over and passed by.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_with_unknown_fields_is_read() {
    let stage = Stage::new().await;
    let mut forge = Forge::of(&stage.world);
    for role in ["timestamp", "snapshot", "targets", "m-acme"] {
        forge.edit(role, |role| role["x-later"] = json!({"a": [1, null, "b"]}));
    }
    forge.serve(&stage.proxy);
    stage.terminal.agent.update().await.unwrap();
    assert_eq!(stage.terminal.runs(), [at("acme/stable", 2)]);
}

impl Stage {
    /// As `refuses`, where more than one check may be the first to see it.
    pub(super) async fn refuses_any(&self, codes: &[&str], what: &str) -> String {
        let error = self.terminal.agent.update().await.expect_err(what);
        assert!(codes.contains(&error.code()), "{what}: {} {error}", error.code());
        self.still_safe(what);
        error.to_string()
    }

    /// Serves a repository of which the text of one role was altered after it was signed, and before it was listed.
    fn serve_altered(&self, role: &str, alter: &dyn Fn(String) -> String) {
        let mut forge = Forge::of(&self.world);
        if role.starts_with("m-") {
            forge.edit(role, |_| {});
        }
        let mut files = forge.files();
        let name = match role {
            "timestamp" => "timestamp.json".to_owned(),
            _ => format!("{}.{role}.json", forge.version(role)),
        };
        let altered = alter(String::from_utf8(files[&name].clone()).unwrap()).into_bytes();
        files.insert(name, altered.clone());
        match role {
            "timestamp" => {}
            "snapshot" => {
                forge.list("timestamp", "snapshot", &altered);
                files.insert("timestamp.json".to_owned(), forge.signed("timestamp"));
            }
            _ => {
                forge.list("snapshot", role, &altered);
                files = forge.finish(files);
            }
        }
        serve(&self.proxy, files);
    }
}
