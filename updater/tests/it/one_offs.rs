//! What one terminal alone is given, over HTTP with real agents.

use crate::support::{Terminal, World, at, world_with_one_terminal};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::fs;
use updater::agent::Outcome;
use updater::maker::Maker;
use updater::wire::{
    Blocked, CheckedIn, DEFAULT_POLICY, Designation, Membership, OneOff, OneOffDocument, Policy, Reason, Ring,
    RolloutPolicy, Rule,
};

fn tomorrow() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24)
}

fn one_off(channel: &str, release: Option<u64>) -> OneOff {
    OneOff { channel: channel.parse().unwrap(), release, until: tomorrow(), why: "its driver hangs".to_owned() }
}

fn number(terminal: &Terminal) -> String {
    terminal.status().terminal.unwrap()
}

async fn update(terminal: &Terminal) -> (Outcome, Reason) {
    let report = terminal.agent.update().await.unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    (report.outcome, report.assignment.reason)
}

/// Two makers and two terminals, which accept both and run the first one's product.
async fn world_of_two() -> (World, [Maker; 2], [Terminal; 2]) {
    let world = World::new().await;
    let (acme, best) = (world.maker("acme").await, world.maker("best").await);
    world.publish(&acme, "acme/av", 1, 0..100).await;
    world.publish(&best, "best/av", 1, 50..150).await;
    let one = world.terminal("one", &["acme/av"], Designation::Any).await;
    let two = world.terminal("two", &["acme/av"], Designation::Any).await;
    one.agent.update().await.unwrap();
    two.agent.update().await.unwrap();
    (world, [acme, best], [one, two])
}

#[tokio::test(flavor = "multi_thread")]
async fn one_terminal_is_given_a_channel_beside_its_product_and_loses_it_again() {
    let (world, _, [one, two]) = world_of_two().await;
    let policy = Policy { minimum_stay_days: 0, ..Policy::default() };
    world.operator.put_policy(DEFAULT_POLICY, &policy).await.unwrap();
    let wish = one_off("best/av", None);
    world.operator.give(&number(&one), &wish).await.unwrap();
    assert_eq!(update(&one).await, (Outcome::Installed, Reason::OneOff));
    assert_eq!(one.runs(), [at("acme/av", 1), at("best/av", 1)]);
    assert_eq!(update(&one).await, (Outcome::UpToDate, Reason::OneOff), "and it stays");
    assert_eq!(update(&two).await, (Outcome::UpToDate, Reason::Current), "nobody else is given it");

    let rows = world.operator.one_offs().await.unwrap();
    assert_eq!((rows.len(), &rows[0].terminal, &rows[0].channel), (1, &number(&one), &wish.channel));
    assert_eq!((rows[0].release, rows[0].why.as_str()), (None, "its driver hangs"));
    let explained = world.operator.explain(&number(&one)).await.unwrap();
    assert_eq!((explained.one_offs.len(), explained.assignment.reason), (1, Reason::OneOff));
    assert!(explained.tried.iter().any(|tried| tried.rule == Rule::OneOff && tried.yes));

    world.operator.take_back(&number(&one), None).await.unwrap();
    assert_eq!(update(&one).await, (Outcome::Installed, Reason::Back));
    assert_eq!(one.runs(), [at("acme/av", 1)]);
    assert_eq!(world.operator.take_back(&number(&one), None).await.unwrap_err().code(), "one_off_unknown");
    assert_eq!(world.operator.take_back("nobody", None).await.unwrap_err().code(), "terminal_unknown");
    let audit = world.operator.audit(0, 0).await.unwrap();
    let told = audit.rows.iter().filter(|row| row.what.starts_with("one-off-")).map(|row| row.what.as_str());
    assert_eq!(told.collect::<Vec<_>>(), ["one-off-given", "one-off-taken"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_terminal_stays_at_a_release_until_its_time_is_over() {
    let (world, [acme, _], [one, two]) = world_of_two().await;
    world.operator.give(&number(&one), &one_off("acme/av", Some(1))).await.unwrap();
    world.publish(&acme, "acme/av", 2, 0..101).await;
    assert_eq!(update(&one).await, (Outcome::UpToDate, Reason::OneOff));
    assert_eq!(update(&two).await, (Outcome::Installed, Reason::Refresh));
    assert_eq!((one.runs(), two.runs()), (vec![at("acme/av", 1)], vec![at("acme/av", 2)]));
    world.sql("UPDATE one_offs SET until_at = 7").await;
    // The service keeps rows in memory and hears of changes by those who go through it.
    world.operator.put_group(&number(&two), None).await.unwrap();
    assert_eq!(update(&one).await, (Outcome::Installed, Reason::Refresh));
    assert_eq!(one.runs(), [at("acme/av", 2)]);
    assert_eq!(world.operator.one_offs().await.unwrap(), []);
}

/// Rings do not hold back what the operator gives one terminal by name, and the kill switch does.
#[tokio::test(flavor = "multi_thread")]
async fn rings_do_not_hold_it_back_and_the_kill_switch_does() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    let rings = vec![Ring::group("lab"), Ring::percent(100)];
    let rollout = RolloutPolicy { rings, ..RolloutPolicy::default() };
    world.operator.put_policy(DEFAULT_POLICY, &Policy { rollout, ..Policy::default() }).await.unwrap();
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::RingWaits));
    world.operator.give(&number(&terminal), &one_off("acme/stable", Some(2))).await.unwrap();
    world.operator.block(&Blocked { at: at("acme/stable", 2), words: "it hangs".to_owned() }).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current));
    let explained = world.operator.explain(&number(&terminal)).await.unwrap();
    assert!(explained.tried.iter().any(|tried| tried.rule == Rule::OneOff && tried.words.contains("blocked")));
    world.operator.unblock(&at("acme/stable", 2)).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::OneOff));
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    // Blocked while it runs and is given: what is said is that it is blocked.
    world.operator.block(&Blocked { at: at("acme/stable", 2), words: "it hangs".to_owned() }).await.unwrap();
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.assignment.reason, report.warnings[0].code.as_str()), (Reason::Blocked, "release_blocked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_in_words() {
    let (world, [acme, _], [one, _]) = world_of_two().await;
    let own = world.terminal("own", &["acme/av"], Designation::Own).await;
    let none = world.terminal("none", &["acme/av"], Designation::None).await;
    world.publish(&acme, "acme/av", 2, 0..101).await;
    world.publish(&acme, "acme/av", 3, 0..102).await;
    one.agent.update().await.unwrap();
    acme.withdraw(&at("acme/av", 2), None).unwrap();
    acme.publish(&world.url).await.unwrap();
    world.operator.block(&Blocked { at: at("best/av", 1), words: String::new() }).await.unwrap();
    let ended = OneOff { until: Timestamp::now(), ..one_off("acme/av", None) };
    let endless = OneOff { until: Timestamp::now() + SignedDuration::from_hours(24 * 400), ..ended.clone() };
    let wordless = OneOff { why: String::new(), ..one_off("acme/av", None) };
    for (terminal, one_off, code, words) in [
        (&own, one_off("best/av", None), "one_off_not_accepted", "accepts no channels of best"),
        (&none, one_off("acme/av", None), "one_off_not_accepted", "wishes no updates"),
        (&one, one_off("acme/av", Some(1)), "one_off_refused", "runs release 3"),
        (&own, one_off("acme/av", Some(2)), "one_off_refused", "lists no such release"),
        (&own, one_off("acme/av", Some(9)), "one_off_refused", "lists no such release"),
        (&one, one_off("best/av", None), "one_off_refused", "is blocked"),
        (&one, ended, "one_off_refused", "is over"),
        (&one, endless, "one_off_refused", "366 days"),
        (&one, wordless, "one_off_refused", "`why`"),
    ] {
        let refused = world.operator.give(&number(terminal), &one_off).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let refused = world.operator.give("nobody", &one_off("acme/av", None)).await.unwrap_err();
    assert_eq!(refused.code(), "terminal_unknown");
    assert_eq!(world.operator.one_offs().await.unwrap(), []);
}

/// V20: who opts out later gets nothing by what was given before.
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_who_opts_out_is_not_overruled() {
    let (world, _, [one, _]) = world_of_two().await;
    world.operator.give(&number(&one), &one_off("best/av", None)).await.unwrap();
    let identity = one.folder.join("identity.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&identity).unwrap()).unwrap();
    json["facts"]["designation"] = "own".into();
    fs::write(&identity, json.to_string()).unwrap();
    let report = one.agent.update_fully().await.unwrap();
    assert_eq!((report.assignment.reason, one.runs()), (Reason::Current, vec![at("acme/av", 1)]));
}

/// The document names terminal and check-in, and is valid no longer than what is given.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_by_a_document_for_one_check_in() {
    let (world, _, [one, _]) = world_of_two().await;
    let until = Timestamp::from_second(Timestamp::now().as_second() + 600).unwrap();
    world.operator.give(&number(&one), &OneOff { until, ..one_off("best/av", None) }).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let mut counters = Vec::new();
    for _ in 0..2 {
        let answer: CheckedIn = serde_json::from_slice(&one.check_in_by_hand(&client, &world.url).await).unwrap();
        let told: OneOffDocument = serde_json::from_str(&answer.assignment.payload).unwrap();
        let member: Membership = serde_json::from_str(&answer.membership.payload).unwrap();
        assert_eq!((&told.terminal, &member.cohort), (&number(&one), &number(&one)));
        assert_eq!((told.counter, told.expires), (member.counter, until.as_second()));
        assert_eq!((told.blobs.len(), told.assignment.until), (2, Some(until.as_second())));
        counters.push(told.counter);
    }
    assert!(counters[0] < counters[1]);
}
