//! Policies, rings, the kill switch and explanations, over HTTP with real agents.

use crate::support::{Terminal, World, at, world_with_one_terminal};
use jiff::Timestamp;
use std::fs;
use std::time::Duration;
use updater::agent::{Outcome, SETTINGS_FILE, WaitsFor};
use updater::maker::Maker;
use updater::service::Config;
use updater::wire::{
    Blocked, ChannelRelease, DEFAULT_POLICY, Danger, Designation, Eagerness, Needs, Policy, Reason, Ring, RolloutPolicy,
    RolloutStart, RolloutState, RolloutView, Rule, ThreatNews, Vaccine,
};

fn news(threat: &str, since: Option<ChannelRelease>) -> ThreatNews {
    ThreatNews {
        threat: threat.to_owned(),
        danger: Danger::High,
        discovered: "2026-11-10".parse().unwrap(),
        expected: None,
        vaccine: since.map(|since| Vaccine { date: "2026-11-11".parse().unwrap(), since }),
    }
}

/// Rollouts are judged at once.
fn judging_often(config: Config) -> Config {
    Config { rollouts_every: Duration::from_millis(50), heard_since: Some(0), ..config }
}

/// Two makers, of whom only the second cures a virus, and a terminal that runs the first one's product.
async fn world_with_a_virus(designation: Designation) -> (World, Maker, Maker, Terminal) {
    let world = World::with(judging_often).await;
    let (a, b) = (world.maker("maker-a").await, world.maker("maker-b").await);
    world.publish(&a, "maker-a/product", 1, 0..100).await;
    world.publish(&b, "maker-b/product", 1, 50..150).await;
    let terminal = world.terminal("one", &["maker-a/product"], designation).await;
    terminal.agent.update().await.unwrap();
    a.news(&world.url, &news("virus-a", None)).await.unwrap();
    b.news(&world.url, &news("virus-a", Some(at("maker-b/product", 1)))).await.unwrap();
    (world, a, b, terminal)
}

async fn judged_world_with_one_terminal(change: impl FnOnce(Config) -> Config) -> (World, Maker, Terminal) {
    let world = World::with(change).await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..100).await;
    let terminal = world.terminal("one", &["acme/stable"], Designation::Own).await;
    terminal.agent.update().await.unwrap();
    (world, maker, terminal)
}

async fn update(terminal: &Terminal) -> (Outcome, Reason) {
    let report = terminal.agent.update().await.unwrap();
    (report.outcome, report.assignment.reason)
}

/// The rollout of this release, once it is as it should be.
async fn rollout(world: &World, at: &ChannelRelease, is: impl Fn(&RolloutView) -> bool) -> RolloutView {
    for _ in 0..600 {
        let found = world.operator.rollouts().await.unwrap().into_iter().find(|view| view.rollout.at == *at);
        if let Some(view) = found.filter(&is) {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to that: {:?}", world.operator.rollouts().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_policy_another_makers_channel_is_offered_or_added_and_goes_when_it_is_not_needed() {
    let (world, a, _, terminal) = world_with_a_virus(Designation::Any).await;
    let operator = &world.operator;
    let put = |policy: Policy| async move { operator.put_policy(DEFAULT_POLICY, &policy).await.unwrap() };
    put(Policy { eagerness: Eagerness::Notify, ..Policy::default() }).await;
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Offered));
    put(Policy { eagerness: Eagerness::Add, ..Policy::default() }).await;
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Add));
    assert_eq!(terminal.runs(), [at("maker-a/product", 1), at("maker-b/product", 1)]);
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current));

    // Its own maker catches up; the other channel stays for as long as the policy says.
    world.publish(&a, "maker-a/product", 2, 0..101).await;
    a.news(&world.url, &news("virus-a", Some(at("maker-a/product", 2)))).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Refresh));
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current));
    put(Policy { eagerness: Eagerness::Add, minimum_stay_days: 0, ..Policy::default() }).await;
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Back));
    assert_eq!(terminal.runs(), [at("maker-a/product", 2)]);
}

/// T6 by `switch`, then the way back, with the stay as the service counts it.
#[tokio::test(flavor = "multi_thread")]
async fn a_switched_terminal_stays_for_its_time_and_then_goes_back() {
    let (world, a, _, terminal) = world_with_a_virus(Designation::Any).await;
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Switch));
    assert_eq!(terminal.runs(), [at("maker-b/product", 1)]);
    world.publish(&a, "maker-a/product", 2, 0..101).await;
    a.news(&world.url, &news("virus-a", Some(at("maker-a/product", 2)))).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current), "it has just come");
    world.sql(&format!("UPDATE stays SET since = since - {}", 8 * 86_400)).await;
    // The service keeps rows in memory and hears of changes by those who go through it.
    world.operator.put_group(&terminal.status().terminal.unwrap(), None).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Back));
    assert_eq!(terminal.runs(), [at("maker-a/product", 2)]);
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current));
}

#[tokio::test(flavor = "multi_thread")]
async fn explanations_tell_of_the_decision_that_is_made() {
    let (world, _, _, terminal) = world_with_a_virus(Designation::Own).await;
    let number = terminal.status().terminal.unwrap();
    let report = terminal.agent.update().await.unwrap();
    let explained = world.operator.explain(&number).await.unwrap();
    assert_eq!(explained.assignment, report.assignment);
    assert_eq!(explained.assignment.reason, Reason::OthersNotAllowed);
    assert_eq!(explained.threats.len(), 2);
    assert_eq!(explained.candidates[0].at, at("maker-b/product", 1));
    assert!(explained.tried.iter().any(|tried| tried.rule == Rule::CandidateAccepted && !tried.yes));
    assert!(explained.machine.hardware == std::env::consts::ARCH && explained.applied == [at("maker-a/product", 1)]);
    assert_eq!(world.operator.explain("nobody").await.unwrap_err().code(), "terminal_unknown");

    let records = world.operator.makers_record().await.unwrap();
    let ranked = records.iter().map(|record| (record.maker.as_str(), record.rank, record.median_days, record.uncured));
    assert_eq!(ranked.collect::<Vec<_>>(), [("maker-b", 1, Some(1), 0), ("maker-a", 2, None, 1)]);
}

/// N44 and C10: canaries first; what goes wrong there goes no further.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_to_its_canaries_first_and_halts_on_their_trouble() {
    let world = World::with(judging_often).await;
    let a = world.maker("maker-a").await;
    world.publish(&a, "maker-a/product", 1, 0..100).await;
    let canary = world.terminal("one", &["maker-a/product"], Designation::Own).await;
    canary.agent.update().await.unwrap();
    let other = world.terminal("two", &["maker-a/product"], Designation::Own).await;
    other.agent.update().await.unwrap();
    world.operator.put_group(&canary.status().terminal.unwrap(), Some("lab")).await.unwrap();
    let ring = |ring: Ring| Ring { soak_minutes: 0, ..ring };
    let rings = vec![ring(Ring::group("lab")), Ring { soak_minutes: 60, ..Ring::percent(100) }];
    let rollout_policy = RolloutPolicy { rings, ..RolloutPolicy::default() };
    world.operator.put_policy(DEFAULT_POLICY, &Policy { rollout: rollout_policy, ..Policy::default() }).await.unwrap();

    // Good news: the ring opens once the canary runs it.
    world.publish(&a, "maker-a/product", 2, 0..101).await;
    let two = at("maker-a/product", 2);
    rollout(&world, &two, |view| view.rollout.ring == 0).await;
    assert_eq!(other.agent.update().await.unwrap().assignment.channels, [at("maker-a/product", 1)]);
    assert_eq!(canary.agent.update().await.unwrap().assignment.channels, std::slice::from_ref(&two));
    assert_eq!(canary.runs(), std::slice::from_ref(&two));
    let opened = rollout(&world, &two, |view| view.rollout.ring == 1).await;
    assert_eq!((opened.progress.told, opened.progress.installed, opened.progress.trouble), (1, 1, 0));
    assert_eq!(other.agent.update().await.unwrap().assignment.channels, std::slice::from_ref(&two));

    // Bad news: the canary refuses it, and it halts there.
    let bad = world.publish(&a, "maker-a/product", 3, 0..102).await;
    let three = at("maker-a/product", 3);
    rollout(&world, &three, |view| view.rollout.ring == 0).await;
    canary.engine.refuse(&bad);
    canary.agent.update().await.unwrap_err();
    let halted = rollout(&world, &three, |view| view.rollout.state == RolloutState::Halted).await;
    assert!(halted.rollout.words.contains("trouble"), "{}", halted.rollout.words);
    assert_eq!(halted.progress.trouble, 1);
    let told = other.agent.update_fully().await.unwrap().assignment;
    assert_eq!((told.channels, told.reason), (vec![two.clone()], Reason::Halted));
    let told = canary.agent.update_fully().await.unwrap().assignment;
    assert_eq!((told.channels, told.reason), (vec![two.clone()], Reason::Halted));

    // The operator looks at it and goes on.
    assert_eq!(world.operator.resume_rollout(&two).await.unwrap_err().code(), "rollout_not_halted");
    world.operator.resume_rollout(&three).await.unwrap();
    // What is reported in the second of the resumption counts as before it.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(canary.agent.update().await.unwrap_err().code(), "self_test_failed");
    rollout(&world, &three, |view| view.rollout.state == RolloutState::Halted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_falls_silent_halts_its_rollout() {
    let (world, maker, terminal) = judged_world_with_one_terminal(judging_often).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let two = at("acme/stable", 2);
    let start = RolloutStart { at: two.clone(), rings: vec![Ring::percent(100)], gate: None };
    world.operator.start_rollout(&start).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Refresh));
    assert_eq!(rollout(&world, &two, |_| true).await.progress.silent, 0);
    let hours = 4 * 3600;
    world.sql(&format!("UPDATE terminals SET last_contact = last_contact - {hours}")).await;
    world.sql(&format!("UPDATE offers SET at = at - {hours}")).await;
    let halted = rollout(&world, &two, |view| view.rollout.state == RolloutState::Halted).await;
    assert!(halted.rollout.words.contains("silent"), "{}", halted.rollout.words);
    world.operator.revoke_terminal(&terminal.status().terminal.unwrap()).await.unwrap();
    let progress = rollout(&world, &two, |_| true).await.progress;
    assert_eq!((progress.told, progress.silent), (1, 0), "nobody waits to hear of who was revoked");
}

/// Whoever could not be heard has not fallen silent: an outage of the service is no verdict on a release.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_service_halts_no_rollout() {
    let just_started = |config| Config { heard_since: None, ..judging_often(config) };
    let (world, maker, terminal) = judged_world_with_one_terminal(just_started).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let two = at("acme/stable", 2);
    let slow = Ring { soak_minutes: 60, ..Ring::percent(100) };
    world.operator.start_rollout(&RolloutStart { at: two.clone(), rings: vec![slow], gate: None }).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Refresh));
    let hours = 4 * 3600;
    world.sql(&format!("UPDATE terminals SET last_contact = last_contact - {hours}")).await;
    world.sql(&format!("UPDATE offers SET at = at - {hours}")).await;
    // Judged some twenty times since.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let view = rollout(&world, &two, |_| true).await;
    assert_eq!(
        (view.progress.silent, view.rollout.state),
        (1, RolloutState::Running),
        "shown, and not held against the release"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_started_halted_and_resumed_by_the_operator() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let two = at("acme/stable", 2);
    let start = |at: &ChannelRelease, rings: Vec<Ring>| RolloutStart { at: at.clone(), rings, gate: None };
    let code =
        |started: Result<_, updater::HttpError>| started.map(|_: updater::wire::Rollout| ()).unwrap_err().code().to_owned();
    let operator = &world.operator;
    assert_eq!(code(operator.start_rollout(&start(&two, vec![])).await), "rings_refused");
    assert_eq!(code(operator.start_rollout(&start(&two, vec![Ring::percent(5)])).await), "rings_refused");
    assert_eq!(
        code(operator.start_rollout(&start(&at("acme/stable", 9), vec![Ring::percent(100)])).await),
        "release_unknown"
    );
    assert_eq!(code(operator.halt_rollout(&two).await), "rollout_unknown");
    operator.start_rollout(&start(&two, vec![Ring::group("lab"), Ring::percent(100)])).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::RingWaits));
    operator.halt_rollout(&two).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Halted));
    operator.resume_rollout(&two).await.unwrap();
    operator.start_rollout(&start(&two, vec![Ring::percent(100)])).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Refresh));
}

/// N47: the kill switch, at each terminal's next contact.
#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_release_is_left_and_its_holders_are_warned() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Refresh));
    let two = at("acme/stable", 2);
    let essay = Blocked { at: two.clone(), words: "x".repeat(501) };
    assert_eq!(world.operator.block(&essay).await.unwrap_err().code(), "request_malformed", "every terminal is sent it");
    world.operator.block(&Blocked { at: two.clone(), words: "it hangs on old processors".to_owned() }).await.unwrap();
    assert_eq!(world.operator.blocked().await.unwrap().len(), 1);
    let report = terminal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.assignment.reason), (Outcome::UpToDate, Reason::Blocked));
    assert_eq!(report.warnings[0].code, "release_blocked");
    assert!(report.warnings[0].words.contains("it hangs"), "{}", report.warnings[0].words);
    let idle = terminal.agent.update().await.unwrap();
    assert!(idle.idle && idle.warnings.len() == 1, "it is warned while it lasts");

    // Its maker lets terminals go back; or a newer one comes.
    maker.withdraw(&two, Some(1)).unwrap();
    maker.publish(&world.url).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Blocked));
    assert_eq!(terminal.runs(), [at("acme/stable", 1)]);
    world.operator.unblock(&two).await.unwrap();
    assert_eq!(world.operator.unblock(&two).await.unwrap_err().code(), "release_not_blocked");
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variant_for_other_machines_takes_the_place_of_one_that_does_not_fit() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    world.publish(&maker, "acme/stable--small", 1, 0..10).await;
    let needs = |hardware: &str| Needs { hardware: vec![hardware.to_owned()], ..Needs::default() };
    let put = |name: &'static str, hardware: &'static str| {
        let world = &world;
        async move { world.operator.put_needs(&name.parse().unwrap(), &needs(hardware)).await.unwrap() }
    };
    put("acme/stable", std::env::consts::ARCH).await;
    put("acme/stable--small", "z80").await;
    assert_eq!(world.operator.needs().await.unwrap().len(), 2);
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current));
    put("acme/stable", "z80").await;
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::NoneFits));
    put("acme/stable--small", std::env::consts::ARCH).await;
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Variant));
    assert_eq!(terminal.runs(), [at("acme/stable--small", 1)]);
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_breaks_the_window_only_where_the_owner_lets_it() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    maker.news(&world.url, &news("virus-a", Some(at("acme/stable", 2)))).await.unwrap();
    // A window that is shut now, whatever the time of day.
    let hour = jiff::Zoned::now().hour();
    let window = format!("window = \"{:02}:00-{:02}:30\"\n", (hour + 12) % 24, (hour + 12) % 24);
    let settings = terminal.folder.join(SETTINGS_FILE);
    fs::write(&settings, &window).unwrap();
    let report = terminal.agent.update().await.unwrap();
    assert!(report.assignment.urgent);
    assert_eq!(report.staged.unwrap().waits_for, Some(WaitsFor::Window));
    assert!(terminal.agent.apply_if_due().unwrap().is_none());
    fs::write(&settings, format!("urgent = true\n{window}")).unwrap();
    assert!(terminal.agent.apply_if_due().unwrap().is_some());
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_stages_and_puts_nothing_in_force() {
    let (world, maker, terminal) = world_with_one_terminal(100).await;
    let until = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    let policy = Policy { freeze_until: Some(until), ..Policy::default() };
    world.operator.put_policy(DEFAULT_POLICY, &policy).await.unwrap();
    world.publish(&maker, "acme/stable", 2, 0..101).await;
    let report = terminal.agent.update().await.unwrap();
    assert_eq!(report.staged.unwrap().waits_for, Some(WaitsFor::Date));
    assert!(terminal.agent.apply_if_due().unwrap().is_none());
    let later = terminal.agent.clone().clock(move || until);
    assert!(later.apply_if_due().unwrap().is_some());
    assert_eq!(terminal.runs(), [at("acme/stable", 2)]);
    // A terminal that has nothing is not kept waiting.
    let new = world.terminal("two", &["acme/stable"], Designation::Own).await;
    assert_eq!(update(&new).await, (Outcome::Installed, Reason::FirstInstall));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_says_too_much_of_itself_is_refused() {
    let (world, _, terminal) = world_with_one_terminal(100).await;
    let identity = terminal.folder.join("identity.json");
    let honest: serde_json::Value = serde_json::from_slice(&fs::read(&identity).unwrap()).unwrap();
    let many = (0..101).map(|number| format!("acme/c{number}")).collect::<Vec<_>>();
    for (member, odd) in [("subscribed", many.into()), ("os", "x".repeat(201).into()), ("group", "../lab".into())] {
        let mut lie = honest.clone();
        let said: serde_json::Value = odd;
        lie["facts"][member] = said;
        fs::write(&identity, lie.to_string()).unwrap();
        assert_eq!(terminal.agent.update().await.unwrap_err().code(), "facts_refused", "{member}");
    }
    fs::write(&identity, honest.to_string()).unwrap();
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Current));
    drop(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_are_put_by_group_and_refused_out_of_range() {
    let (world, _, _, terminal) = world_with_a_virus(Designation::Any).await;
    let operator = &world.operator;
    let number = terminal.status().terminal.unwrap();
    operator.put_policy("office", &Policy { eagerness: Eagerness::Notify, ..Policy::default() }).await.unwrap();
    operator.put_group(&number, Some("office")).await.unwrap();
    assert_eq!(update(&terminal).await, (Outcome::UpToDate, Reason::Offered));
    assert_eq!(operator.explain(&number).await.unwrap().policy_name, "office");
    let rows = operator.terminals().await.unwrap();
    assert_eq!(rows.iter().map(|row| row.group.as_deref()).collect::<Vec<_>>(), [Some("office")]);
    let refused = [
        (DEFAULT_POLICY, Policy { minimum_stay_days: 999, ..Policy::default() }),
        (
            DEFAULT_POLICY,
            Policy { rollout: RolloutPolicy { rings: vec![Ring::percent(5)], ..Default::default() }, ..Policy::default() },
        ),
        (
            "office",
            Policy { rollout: RolloutPolicy { rings: vec![Ring::percent(100)], ..Default::default() }, ..Policy::default() },
        ),
        ("Office", Policy::default()),
    ];
    for (name, policy) in refused {
        assert_eq!(operator.put_policy(name, &policy).await.unwrap_err().code(), "policy_refused", "{name} {policy:?}");
    }
    operator.drop_policy("office").await.unwrap();
    assert_eq!(operator.drop_policy("office").await.unwrap_err().code(), "policy_unknown");
    assert_eq!(operator.policies().await.unwrap().groups.len(), 0);
    assert_eq!(update(&terminal).await, (Outcome::Installed, Reason::Switch));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_from_the_command_line_is_never_another_call() {
    let (world, _, _terminal) = world_with_one_terminal(100).await;
    let operator = &world.operator;
    let id = operator.terminals().await.unwrap().remove(0).terminal;
    let astray = format!("../terminals/{id}");
    assert_eq!(operator.drop_policy(&astray).await.unwrap_err().code(), "policy_unknown");
    assert_eq!(operator.revoke_token(&astray).await.unwrap_err().code(), "enrolment_token_unknown");
    assert_eq!(operator.put_policy(&astray, &Policy::default()).await.unwrap_err().code(), "policy_refused");
    for odd in [&format!("{id}?"), &format!("{id}#x"), &format!("./{id}"), "..", ".", "a b%2f\u{e9}", "x/revoke"] {
        assert_eq!(operator.remove_terminal(odd).await.unwrap_err().code(), "terminal_unknown", "{odd}");
        assert_eq!(operator.revoke_terminal(odd).await.unwrap_err().code(), "terminal_unknown", "{odd}");
        assert_eq!(operator.explain(odd).await.unwrap_err().code(), "terminal_unknown", "{odd}");
        assert_eq!(operator.put_group(odd, None).await.unwrap_err().code(), "terminal_unknown", "{odd}");
        assert_eq!(operator.take_back(odd, None).await.unwrap_err().code(), "terminal_unknown", "{odd}");
    }
    let rows = operator.terminals().await.unwrap();
    assert_eq!(rows.iter().map(|row| (&row.terminal, row.revoked_at)).collect::<Vec<_>>(), [(&id, None)]);
}
