//! `titer admin` on decisions, as processes over loopback.

use crate::fleet::{OPERATOR, Service};
use crate::support::*;

#[test]
fn an_operator_puts_policies_rolls_out_blocks_and_asks_why() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    service.enrol_with(&bench, "terminal", "--clean-from nothing --group lab");
    bench.expect(0, "agent update --state terminal");
    let terminal =
        bench.expect(0, "agent status --state terminal --json").json()[0]["terminal"].as_str().unwrap().to_owned();
    let admin = |code, args: &str| bench.expect(code, &format!("admin {args} --service {} {OPERATOR}", service.url));

    bench.file("policy.toml", "danger = \"medium\"\nminimum_stay_days = 3\n");
    admin(0, "policy set policy.toml");
    admin(0, "policy set policy.toml --group lab");
    let policies = admin(0, "policy show --json").json();
    assert_eq!(
        (&policies[0]["default"]["danger"], &policies[0]["groups"]["lab"]["minimum_stay_days"]),
        (&"medium".into(), &3.into())
    );
    let shown = admin(0, "policy show").out;
    assert!(shown.starts_with("# ") && shown.lines().next().unwrap().contains("lab"), "{shown}");
    bench.file("policy.toml", &shown);
    bench.file("urgent.toml", "urgent = \"none\"\n");
    admin(0, "policy set urgent.toml");
    admin(0, "policy set policy.toml");
    assert_eq!(admin(0, "policy show --json").json(), policies, "what is shown is what is put");
    assert!(admin(0, "policy show --group lab").out.contains("minimum_stay_days = 3"));
    assert_eq!(admin(0, "policy show --group lab --json").json()[0], policies[0]["groups"]["lab"]);
    let refused = admin(2, "policy show --group nobody");
    assert!(refused.err.contains("policy_unknown"), "{}", refused.err);
    bench.file("wrong.toml", "danger = \"medium\"\nstay = 3\n");
    let refused = admin(2, "policy set wrong.toml");
    assert!(refused.err.contains("wrong.toml") && refused.err.contains("stay"), "{}", refused.err);
    let explained = admin(0, &format!("explain {terminal} --json")).json();
    assert_eq!((&explained[0]["policy_name"], &explained[0]["group"]), (&"lab".into(), &"lab".into()));
    // The user table can be read whatever a terminal and an operator say of its group, and shows what comes of it.
    let in_table = || admin(0, "terminals --json").json()[0]["group"].as_str().map(str::to_owned);
    assert_eq!(in_table().as_deref(), Some("lab"));
    admin(0, &format!("group {terminal} office"));
    assert_eq!(in_table().as_deref(), Some("office"));
    let explained = admin(0, &format!("explain {terminal}"));
    assert!(explained.out.contains("group       office") && explained.out.contains("(current)"), "{}", explained.out);
    admin(0, "policy clear --group lab");
    admin(2, "policy clear --group lab");

    service.publish(&bench, 2, "Test.Two:0:*:6e6565646c65\n");
    admin(2, "rollout start acme/main@2 --percent 5");
    admin(0, "rollout start acme/main@2 --group lab --percent 10,100 --soak-minutes 5");
    let update = bench.expect(0, "agent update --state terminal --json").json();
    assert_eq!(update[0]["assignment"]["channels"][0]["release"], 1, "it is in another group");
    admin(0, "rollout halt acme/main@2");
    let rollouts = admin(0, "rollout status --json").json();
    assert_eq!((&rollouts[0]["state"], &rollouts[0]["rings"][0]["soak_minutes"]), (&"halted".into(), &5.into()));
    assert!(admin(0, "rollout status").out.contains("halted by the operator"));
    admin(0, "rollout resume acme/main@2");
    admin(0, "rollout start acme/main@2 --percent 100");
    bench.expect(0, "agent update --state terminal");

    // Which release is meant in a hurry may be misspelt.
    let astray = admin(0, "release block acme/mian@2");
    assert!(astray.err.contains("release 2 of acme/mian was never published here"), "{}", astray.err);
    admin(0, "release unblock acme/mian@2");
    let meant = admin(0, "release block acme/main@2 --words hangs");
    assert!(!meant.err.contains("never published"), "{}", meant.err);
    assert_eq!(admin(0, "release blocked --json").json()[0]["words"], "hangs");
    let warned = bench.expect(0, "agent update --state terminal --json").json();
    assert_eq!(warned[0]["warnings"][0]["code"], "release_blocked");
    let text = bench.expect(0, "agent update --state terminal");
    assert!(text.out.contains("hangs") || text.err.contains("hangs"), "{}{}", text.out, text.err);
    admin(0, "release unblock acme/main@2");
    admin(2, "release unblock acme/main@2");

    bench.file("needs.toml", "hardware = [\"z80\"]\n");
    admin(0, "needs acme/main needs.toml");
    assert_eq!(admin(0, "needs --json").json()[0]["needs"]["hardware"][0], "z80");
    let update = bench.expect(0, "agent update --state terminal --json").json();
    assert_eq!(update[0]["assignment"]["reason"], "none_fits");
    assert!(admin(0, "makers").out.contains("median days"));
}

#[test]
fn an_operator_gives_one_terminal_a_release_for_a_time() {
    let bench = Bench::new();
    let service = Service::with_maker(&bench);
    service.publish(&bench, 1, "Test.One:0:*:6e6565646c65\n");
    service.enrol_with(&bench, "terminal", "--clean-from nothing");
    bench.expect(0, "agent update --state terminal");
    let terminal =
        bench.expect(0, "agent status --state terminal --json").json()[0]["terminal"].as_str().unwrap().to_owned();
    let admin = |code, args: &str| bench.expect(code, &format!("admin {args} --service {} {OPERATOR}", service.url));
    let until = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48)).to_string();
    let date = &until[..10];

    assert_eq!(admin(0, "assign --json").out, "");
    let refused = admin(2, &format!("assign {terminal} --channel acme/main"));
    assert!(refused.err.contains("--until"), "{}", refused.err);
    admin(2, &format!("assign {terminal} --channel acme/main --until tomorrow --why slow"));
    let refused = admin(2, &format!("assign {terminal} --channel best/main --until {date} --why slow"));
    assert!(refused.err.contains("one_off_not_accepted"), "{}", refused.err);
    let told =
        admin(0, &format!("assign {terminal} --channel acme/main --release 1 --until {date} --why slow --json")).json();
    assert_eq!((&told[0]["one_off"]["release"], &told[0]["terminal"]), (&1.into(), &terminal.as_str().into()));
    service.publish(&bench, 2, "Test.Two:0:*:6e6565646c65\n");
    let update = bench.expect(0, "agent update --state terminal --json").json();
    assert_eq!((&update[0]["assignment"]["reason"], &update[0]["outcome"]), (&"one_off".into(), &"up_to_date".into()));
    let listed = admin(0, &format!("assign {terminal}"));
    assert!(listed.out.contains("acme/main 1") && listed.out.contains("slow"), "{}", listed.out);
    let explained = admin(0, &format!("explain {terminal}"));
    assert!(explained.out.contains("yes  one_off") && explained.out.contains("(one_off)"), "{}", explained.out);

    admin(0, &format!("assign {terminal} --remove"));
    let refused = admin(2, &format!("assign {terminal} --remove --channel acme/main"));
    assert!(refused.err.contains("one_off_unknown"), "{}", refused.err);
    let update = bench.expect(0, "agent update --state terminal --json").json();
    assert_eq!(update[0]["assignment"]["channels"][0]["release"], 2);
}
