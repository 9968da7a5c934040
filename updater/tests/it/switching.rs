//! The vaccine patent's example (vector T6): who is moved to another maker, and who is told why not.

use crate::support::{World, at};
use std::time::{Duration, Instant};
use updater::agent::Outcome;
use updater::decide::{ListedRelease, Prepared, Tables, UserRow};
use updater::wire::{ChannelRelease, Danger, Designation, Reason, ThreatNews, ThreatRow, Vaccine};

fn news(since: Option<ChannelRelease>) -> ThreatNews {
    ThreatNews {
        threat: "virus-a".to_owned(),
        danger: Danger::High,
        discovered: "2026-11-10".parse().unwrap(),
        expected: None,
        vaccine: since.map(|since| Vaccine { date: "2026-11-10".parse().unwrap(), since }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_switches_whoever_accepts_other_makers_and_tells_the_others_why_not() {
    let world = World::new().await;
    let (a, b) = (world.maker("maker-a").await, world.maker("maker-b").await);
    world.publish(&a, "maker-a/product", 1, 0..100).await;
    world.publish(&b, "maker-b/product", 1, 50..150).await;
    let open = world.terminal("one", &["maker-a/product"], Designation::Any).await;
    let loyal = world.terminal("two", &["maker-a/product"], Designation::Own).await;
    for terminal in [&open, &loyal] {
        terminal.agent.update().await.unwrap();
        assert_eq!(terminal.runs(), [at("maker-a/product", 1)]);
    }

    // Maker A knows the virus and has no cure; maker B has one, in its second release.
    a.news(&world.url, &news(None)).await.unwrap();
    world.publish(&b, "maker-b/product", 2, 50..151).await;
    b.news(&world.url, &news(Some(at("maker-b/product", 2)))).await.unwrap();
    let table = world.operator.threats().await.unwrap();
    assert_eq!(table.len(), 2);
    assert_eq!(table.iter().filter(|row| row.news.vaccine.is_some()).count(), 1);

    let report = open.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.assignment.reason), (Outcome::Installed, Reason::Switch));
    assert!(report.assignment.words.contains("virus-a"), "{}", report.assignment.words);
    assert_eq!(open.runs(), [at("maker-b/product", 2)]);

    let report = loyal.agent.update().await.unwrap();
    assert_eq!((report.outcome, report.assignment.reason), (Outcome::UpToDate, Reason::OthersNotAllowed));
    assert_eq!(loyal.runs(), [at("maker-a/product", 1)]);

    let rows = world.operator.terminals().await.unwrap();
    let row = |terminal: &crate::support::Terminal| {
        let number = terminal.status().terminal.unwrap();
        rows.iter().find(|row| row.terminal == number).unwrap()
    };
    assert_eq!(row(&open).applied, [at("maker-b/product", 2)]);
    assert_eq!(row(&loyal).applied, [at("maker-a/product", 1)]);
    assert_eq!(row(&loyal).reason.as_deref(), Some("others_not_allowed"));

    // It stays with B, and B's next release comes as a refresh.
    assert_eq!(open.agent.update().await.unwrap().assignment.reason, Reason::Current);
    world.publish(&b, "maker-b/product", 3, 50..152).await;
    assert_eq!(open.agent.update().await.unwrap().assignment.reason, Reason::Refresh);
    assert_eq!(open.runs(), [at("maker-b/product", 3)]);
}

/// Whoever wishes no updates is told so in time that grows with the table, not with its square.
#[test]
fn a_long_countering_table_is_decided_at_once() {
    const THREATS: u32 = 20_000;
    let cure = |number| {
        let news = ThreatNews { threat: format!("virus-{number}"), ..news(Some(at("maker-a/product", 1))) };
        ThreatRow::said("maker-a".parse().unwrap(), news)
    };
    let threats = (0..THREATS).map(cure).collect::<Vec<_>>();
    let applied = vec![at("maker-a/product", 1)];
    let releases = vec![ListedRelease { at: at("maker-a/product", 1), published_at: 0 }];
    let tables = Tables { threats, releases, ..Tables::default() };
    for designation in [Designation::None, Designation::Any] {
        let subscribed = vec!["maker-a/product".parse().unwrap()];
        let row = UserRow::new(designation, subscribed, applied.clone());
        let began = Instant::now();
        assert_eq!(Prepared::new(tables.clone(), 0).decide(&row, 0).reason, Reason::Current);
        // By the square it takes minutes.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn news_of_another_makers_channel_is_refused() {
    let world = World::new().await;
    let a = world.maker("maker-a").await;
    let error = a.news(&world.url, &news(Some(at("maker-b/product", 2)))).await.unwrap_err();
    assert_eq!(error.code(), "news_of_another_maker");
}
