//! Who is unprotected against X: the count, the list and the chart agree with what terminals run.

use crate::support::{World, at};
use jiff::civil::date;
use sqlx::{Connection, Executor, PgConnection};
use std::time::Duration;
use updater::maker::Maker;
use updater::service::Database;
use updater::wire::{Blocked, Danger, Designation, Gap, GapCount, News, Reason, ThreatNews, Vaccine};

const THREAT: &str = "Win.Worm.X/α & <b>";

async fn news(maker: &Maker, world: &World, expected: Option<jiff::civil::Date>, since: Option<(&str, u64)>) {
    let vaccine = since.map(|(channel, release)| Vaccine { date: date(2026, 11, 12), since: at(channel, release) });
    let news =
        ThreatNews { threat: THREAT.to_owned(), danger: Danger::High, discovered: date(2026, 11, 10), expected, vaccine };
    maker.news(&world.url, &news).await.unwrap();
}

fn gaps(of: &[(Gap, u64)]) -> Vec<GapCount> {
    of.iter().map(|(reason, terminals)| GapCount { reason: *reason, terminals: *terminals }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn coverage_follows_what_terminals_run() {
    check_a_day(None).await;
}

/// The same on PostgreSQL, when `TITER_TEST_POSTGRES` names a database: in a schema of its own there.
#[tokio::test(flavor = "multi_thread")]
async fn coverage_follows_what_terminals_run_on_postgres() {
    let Ok(url) = std::env::var("TITER_TEST_POSTGRES") else { return };
    let schema = format!("coverage_{}", std::process::id());
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    let url = format!("{url}?options=-csearch_path%3D{schema}");
    check_a_day(Some(Database::Postgres(url))).await;
    connection.execute(sqlx::AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
}

/// A day in the life of a threat: nobody has a cure, one maker has, one terminal takes it.
async fn check_a_day(database: Option<Database>) {
    let world = World::with(|mut config| {
        config.census_every = Duration::from_secs(1);
        config.database = database;
        config
    })
    .await;
    let (acme, bolt) = (world.maker("acme").await, world.maker("bolt").await);
    world.publish(&acme, "acme/stable", 1, 0..50).await;
    world.publish(&bolt, "bolt/stable", 1, 0..60).await;
    let refused = world.operator.coverage(THREAT, None).await.unwrap_err();
    assert_eq!(refused.code(), "threat_unknown");

    let own = world.terminal("own", &["acme/stable"], Designation::Own).await;
    let none = world.terminal("none", &["acme/stable"], Designation::None).await;
    let other = world.terminal("other", &["bolt/stable"], Designation::Own).await;
    world.terminal("unheard", &["acme/stable"], Designation::Own).await;
    for terminal in [&own, &none, &other] {
        terminal.agent.update().await.unwrap();
    }
    let tomorrow = jiff::Zoned::now().date().tomorrow().unwrap();
    news(&acme, &world, Some(tomorrow), None).await;
    let coverage = world.operator.coverage(THREAT, None).await.unwrap();
    assert_eq!((coverage.protected, coverage.unprotected, coverage.unknown), (0, 3, 1));
    assert_eq!(coverage.reasons, gaps(&[(Gap::OptedOut, 1), (Gap::NoCure, 2)]));
    assert_eq!((coverage.next, coverage.makers.len()), (Some(tomorrow), 1), "a promise is no cure");

    news(&acme, &world, None, Some(("acme/stable", 2))).await;
    world.publish(&acme, "acme/stable", 2, 0..51).await;
    let coverage = world.operator.coverage(THREAT, None).await.unwrap();
    let expected = [(Gap::NotUpdated, 1), (Gap::OptedOut, 1), (Gap::OthersNotAllowed, 1)];
    assert_eq!((coverage.unprotected, coverage.reasons, coverage.next), (3, gaps(&expected), None));

    own.agent.update().await.unwrap();
    let coverage = world.operator.coverage(THREAT, None).await.unwrap();
    assert_eq!((coverage.protected, coverage.unprotected, coverage.unknown), (1, 2, 1));
    assert_eq!(coverage.makers[0].terminals, 1);
    let bolt_only = world.operator.coverage(THREAT, Some(&"bolt".parse().unwrap())).await.unwrap();
    assert_eq!((bolt_only.protected, bolt_only.unprotected), (0, 3));

    let all = world.operator.coverage_terminals(THREAT, None, None, 100).await.unwrap();
    assert_eq!((all.terminals.len(), &all.next), (2, &None));
    let first = world.operator.coverage_terminals(THREAT, None, None, 1).await.unwrap();
    let second = world.operator.coverage_terminals(THREAT, None, first.next.as_deref(), 1).await.unwrap();
    let paged: Vec<_> = [first, second].into_iter().flat_map(|page| page.terminals).map(|row| row.row.terminal).collect();
    assert_eq!(paged, all.terminals.iter().map(|row| row.row.terminal.clone()).collect::<Vec<_>>());
    for row in &all.terminals {
        let gap = if row.row.facts.designation == Designation::None { Gap::OptedOut } else { Gap::OthersNotAllowed };
        assert_eq!(row.gap, gap);
    }
    let refused = world.operator.coverage_terminals(THREAT, None, Some("here"), 1).await.unwrap_err();
    assert_eq!(refused.code(), "cursor_malformed");

    tokio::time::sleep(Duration::from_millis(2500)).await;
    let history = world.operator.coverage_history(THREAT, None, 1).await.unwrap();
    let last = history.points.last().unwrap();
    assert_eq!((last.protected, last.unprotected, last.unknown), (1, 2, 1));
    assert!(history.points.iter().any(|point| point.protected == 0), "{history:?}");
    assert!(history.points.is_sorted_by_key(|point| point.at));

    // The console's queries, on the same tables.
    for search in ["", "acme/", "abcd1234"] {
        world.operator.terminals_after(None, search).await.unwrap();
    }
    assert_eq!(world.operator.terminals().await.unwrap().len(), 4);
    assert_eq!(world.operator.threats().await.unwrap().len(), 1);
}

/// The user table and the countering table come whole, however many pages they take.
#[tokio::test(flavor = "multi_thread")]
async fn tables_are_listed_page_by_page() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/stable", 1, 0..50).await;
    let mut terminals = Vec::new();
    for name in ["one", "two", "three"] {
        let terminal = world.terminal(name, &["acme/stable"], Designation::Own).await;
        terminal.agent.update().await.unwrap();
        terminals.push(terminal);
    }
    let all = world.operator.terminals().await.unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|row| row.applied == [at("acme/stable", 1)]));
    let ids: Vec<_> = all.iter().map(|row| row.terminal.as_str()).collect();
    let found = |rows: Option<Vec<updater::wire::TerminalRow>>| rows.unwrap_or_default().len();
    let search = |text: String| {
        let operator = world.operator.clone();
        async move { operator.terminals_after(None, &text).await.unwrap() }
    };
    assert_eq!(found(search(ids[1][..8].to_owned()).await), 1);
    assert_eq!(found(search("acme/".to_owned()).await), 3);
    assert_eq!(found(search(std::env::consts::OS.to_owned()).await), 3);
    assert_eq!(found(search("nothing like it".to_owned()).await), 0);

    // By enrolment a row keeps its place; by contact those come first that were silent for longest.
    let order = |rows: &[updater::wire::TerminalRow]| rows.iter().map(|row| row.terminal.clone()).collect::<Vec<_>>();
    assert!(all.is_sorted_by_key(|row| (row.enrolled_at, row.terminal.clone())));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    terminals[1].agent.update().await.unwrap();
    world.terminal("four", &["acme/stable"], Designation::Own).await;
    let silent = world.operator.silent_terminals_after(None).await.unwrap().unwrap();
    assert_eq!(silent.len(), 4);
    assert_eq!(silent[0].last_contact, None, "one that was never heard of is before all");
    assert!(silent.is_sorted_by_key(|row| (row.last_contact, row.terminal.clone())), "{:?}", order(&silent));
    assert!(silent[3].last_contact > silent[2].last_contact, "the one that was heard of just now is last");
    let rest = world.operator.silent_terminals_after(Some(&silent[1])).await.unwrap().unwrap();
    assert_eq!(order(&rest), order(&silent[2..]), "a page begins after the last row of the one before");
    assert!(world.operator.silent_terminals_after(silent.last()).await.unwrap().is_none());

    news(&maker, &world, None, None).await;
    let threats = world.operator.threats().await.unwrap();
    assert_eq!((threats.len(), threats[0].news.threat.as_str()), (1, THREAT));
}

/// What two makers call by two names is one threat, whichever of them is asked for: the count, the list and the decision agree.
#[tokio::test(flavor = "multi_thread")]
async fn a_threat_of_two_names_is_one_threat() {
    let world = World::new().await;
    let (acme, bolt) = (world.maker("acme").await, world.maker("bolt").await);
    world.publish(&acme, "acme/stable", 1, 0..50).await;
    world.publish(&bolt, "bolt/stable", 1, 0..60).await;
    let (one, two) = (
        world.terminal("one", &["acme/stable"], Designation::Own).await,
        world.terminal("two", &["bolt/stable"], Designation::Own).await,
    );
    for terminal in [&one, &two] {
        terminal.agent.update().await.unwrap();
    }
    let says = |threat: &str, since: Option<(&str, u64)>| ThreatNews {
        threat: threat.to_owned(),
        danger: Danger::High,
        discovered: date(2026, 11, 10),
        expected: None,
        vaccine: since.map(|(channel, release)| Vaccine { date: date(2026, 11, 12), since: at(channel, release) }),
    };
    acme.news(&world.url, &says("W32/Storm", Some(("acme/stable", 1)))).await.unwrap();
    bolt.news(&world.url, &says("Worm.Storm", Some(("bolt/stable", 1)))).await.unwrap();
    let count = async |threat: &str| {
        let count = world.operator.coverage(threat, None).await.unwrap();
        (
            count.protected,
            count.unprotected,
            count.makers.into_iter().map(|maker| (maker.threat, maker.terminals)).collect::<Vec<_>>(),
        )
    };
    let gaps = async |threat: &str| world.operator.coverage_terminals(threat, None, None, 10).await.unwrap().terminals.len();
    assert_eq!(count("W32/Storm").await, (1, 1, vec![("W32/Storm".to_owned(), 1)]));
    assert_eq!((gaps("W32/Storm").await, gaps("Worm.Storm").await), (1, 1));

    let mut tied = News::from(says("Worm.Storm", Some(("bolt/stable", 1))));
    tied.aliases = vec!["acme:W32/Storm".parse().unwrap(), "acme:Stormy".parse().unwrap()];
    bolt.send_news(&world.url, &[tied]).await.unwrap();
    for name in ["W32/Storm", "Worm.Storm", "Stormy"] {
        let makers = vec![("W32/Storm".to_owned(), 1), ("Worm.Storm".to_owned(), 1)];
        assert_eq!((count(name).await, gaps(name).await), ((2, 0, makers), 0), "{name}");
    }
    let only_bolt = "bolt".parse().unwrap();
    assert_eq!(world.operator.coverage("W32/Storm", Some(&only_bolt)).await.unwrap().protected, 1);
    assert_eq!(one.agent.update().await.unwrap().assignment.reason, Reason::Current);

    // One maker's two names, of which one was cured first.
    acme.news(&world.url, &says("Stormy", Some(("acme/stable", 9)))).await.unwrap();
    assert_eq!(count("Stormy").await.0, 2);
    assert_eq!(world.operator.coverage("Storm", None).await.unwrap_err().code(), "threat_unknown");
}

/// A machine that was stolen is served nothing and updates never: it is in a count of its own, not among those that somebody waits for.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_terminal_is_not_among_the_unprotected() {
    let world = World::new().await;
    let acme = world.maker("acme").await;
    world.publish(&acme, "acme/stable", 1, 0..50).await;
    let kept = world.terminal("kept", &["acme/stable"], Designation::Own).await;
    let stolen = world.terminal("stolen", &["acme/stable"], Designation::Own).await;
    let unheard = world.terminal("unheard", &["acme/stable"], Designation::Own).await;
    for terminal in [&kept, &stolen] {
        terminal.agent.update().await.unwrap();
    }
    world.publish(&acme, "acme/stable", 2, 0..51).await;
    kept.agent.update().await.unwrap();
    news(&acme, &world, None, Some(("acme/stable", 2))).await;
    let counts = async || {
        let count = world.operator.coverage(THREAT, None).await.unwrap();
        let listed = world.operator.coverage_terminals(THREAT, None, None, 10).await.unwrap().terminals.len();
        (count.protected, count.unprotected, count.unknown, count.revoked, count.reasons.len(), listed)
    };
    assert_eq!(counts().await, (1, 1, 1, 0, 1, 1));
    // What the operator forbids is no cure that it could have, though who runs it is protected.
    let reason = async || world.operator.coverage(THREAT, None).await.unwrap().reasons;
    assert_eq!(reason().await, gaps(&[(Gap::NotUpdated, 1)]));
    let blocked = Blocked { at: at("acme/stable", 2), words: String::new() };
    world.operator.block(&blocked).await.unwrap();
    assert_eq!(reason().await, gaps(&[(Gap::NoCure, 1)]));
    world.operator.unblock(&blocked.at).await.unwrap();
    world.operator.revoke_terminal(&stolen.status().terminal.unwrap()).await.unwrap();
    assert_eq!(counts().await, (1, 0, 1, 1, 0, 0));
    world.operator.revoke_terminal(&unheard.status().terminal.unwrap()).await.unwrap();
    assert_eq!(counts().await, (1, 0, 0, 2, 0, 0));
    // The user table shows it all the same, and finds it by what it ran.
    assert_eq!(world.operator.terminals().await.unwrap().len(), 3);
    let found = world.operator.terminals_after(None, "acme/stable").await.unwrap().unwrap();
    assert!(found.iter().any(|row| row.revoked_at.is_some() && row.applied == [at("acme/stable", 1)]));
    // What is revoked cannot be approved, as if that brought it back.
    let stolen = stolen.status().terminal.unwrap();
    assert_eq!(world.operator.approve_terminal(&stolen).await.unwrap_err().code(), "terminal_revoked");
    world.operator.remove_terminal(&stolen).await.unwrap();
    assert_eq!(counts().await, (1, 0, 0, 1, 0, 0));
}
