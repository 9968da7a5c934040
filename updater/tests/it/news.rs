//! What makers tell of threats, what their records say of it, and what terminals report.

use crate::support::site::{Mood, Site};
use crate::support::{World, at, blob_of};
use jiff::civil::{Date, date};
use std::time::{Duration, Instant};
use updater::maker::Maker;
use updater::service::Config;
use updater::wire::{
    Alias, CureFrom, Danger, Designation, NEWS_MAX, NewSource, News, Reason, Sha256Hex, TOLD_MAX, ThreatNews, ThreatQuery,
    ThreatView, Vaccine,
};

fn item(threat: &str) -> News {
    let discovered = date(2026, 11, 10);
    ThreatNews { threat: threat.to_owned(), danger: Danger::High, discovered, expected: None, vaccine: None }.into()
}

fn cured(threat: &str, channel: &str, release: u64) -> News {
    let mut item = item(threat);
    item.news.vaccine = Some(Vaccine { date: date(2026, 11, 12), since: at(channel, release) });
    item
}

async fn row(world: &World, maker: &str, threat: &str) -> Option<ThreatView> {
    let views = world.operator.threat_views(None).await.unwrap();
    views.into_iter().find(|view| view.row.maker.as_str() == maker && view.row.news.threat == threat)
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{what} does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// V14: which makers cover a threat, since when, with which release; who knows it and has no cure.
#[tokio::test(flavor = "multi_thread")]
async fn the_countering_table_says_who_cures_what() {
    let world = World::new().await;
    let (a, b) = (world.maker("maker-a").await, world.maker("maker-b").await);
    assert_eq!(a.send_news(&world.url, &[item("virus-a"), cured("virus-b", "maker-a/x", 3)]).await.unwrap(), 2);
    b.send_news(&world.url, &[cured("virus-a", "maker-b/y", 5)]).await.unwrap();
    let rows = world.operator.threat_views(Some("VIRUS-A")).await.unwrap();
    let told: Vec<_> = rows.iter().map(|view| (view.row.maker.as_str(), view.row.news.vaccine.clone())).collect();
    let vaccine = Vaccine { date: date(2026, 11, 12), since: at("maker-b/y", 5) };
    assert_eq!(told, [("maker-a", None), ("maker-b", Some(vaccine))]);
    assert_eq!(rows[1].cure_from, Some(CureFrom::News));
    assert!(world.operator.threat_views(Some("virus_")).await.unwrap().is_empty(), "a sign of patterns means itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_taken_whole_or_not_at_all_and_read_in_pages() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let batch: Vec<News> = (0..1000).map(|n| item(&format!("virus-{n:04}"))).collect();
    assert_eq!(maker.send_news(&world.url, &batch).await.unwrap(), 1000);
    assert_eq!(world.operator.threat_views(None).await.unwrap().len(), 1000);
    let page = world.operator.threat_page(&ThreatQuery { limit: Some(10), ..ThreatQuery::default() }).await.unwrap();
    let next = ThreatQuery {
        after: Some(format!("acme:{}", page[9].row.news.threat).parse().unwrap()),
        limit: Some(1),
        name: None,
    };
    let next = world.operator.threat_page(&next).await.unwrap();
    assert_eq!((page.len(), next[0].row.news.threat.as_str()), (10, "virus-0010"));

    // The maker's own side refuses the same, so the request is made by hand of the pieces that one of them breaks.
    let code = async |items: &[News]| maker.send_news(&world.url, items).await.unwrap_err().code().to_owned();
    let many: Vec<News> = (0..1001).map(|n| item(&format!("more-{n}"))).collect();
    assert_eq!(code(&many).await, "news_too_many");
    assert_eq!(code(&[item("good"), item("bad\u{1b}[2J")]).await, "threat_name_malformed");
    assert_eq!(code(&[item("good"), cured("x", "other/y", 1)]).await, "news_of_another_maker");
    assert!(row(&world, "acme", "good").await.is_none());
}

/// A name may be longer than any threat's, and than what an index of PostgreSQL takes; the makers after it do not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_with_a_long_name_keeps_no_other_makers_records_away() {
    let world = World::new().await;
    let (first, last) = (world.maker("aaa").await, world.maker("zzz").await);
    // Of digests, so that no database packs it.
    let name = (0_u8..64).map(|number| Sha256Hex::of(&[number]).to_string()).collect::<String>();
    let long = blob_of("aaa/x", 1, &format!("{name}:0:*:00112233445566778899\n"));
    first.release(&world.write("long.titer", &long)).unwrap();
    first.publish(&world.url).await.unwrap();
    world.publish(&last, "zzz/y", 1, 0..3).await;
    last.send_news(&world.url, &[item("Test.Made-1")]).await.unwrap();
    let found =
        until("the record", async || row(&world, "zzz", "Test.Made-1").await.filter(|view| view.cure_from.is_some())).await;
    assert_eq!(found.cure_from, Some(CureFrom::Records));
}

/// What would run in a page or a screen is refused or stays the text that it is (row 48).
#[tokio::test(flavor = "multi_thread")]
async fn names_that_screens_obey_do_not_get_in() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    maker.send_news(&world.url, &[item("<script>alert(1)</script>")]).await.unwrap();
    assert!(row(&world, "acme", "<script>alert(1)</script>").await.is_some(), "a page writes it out");
    // Past the maker's own check: signed by their key, on their site.
    let folder = world.dir.path().join("site");
    let site = Site::of(&folder).await;
    maker.release(&world.write("1.titer", &crate::support::blob("acme/x", 1, 0..3))).unwrap();
    maker.keep_news(&[item("plain")]).unwrap();
    maker.export(&folder).unwrap();
    let key =
        updater::keys::SigningKey::load(&updater::disk::Disk::default(), &world.dir.path().join("makers/acme/key.pk8"))
            .unwrap();
    let list =
        updater::wire::NewsList { maker: "acme".parse().unwrap(), counter: u64::MAX >> 8, news: vec![item("x\u{9b}2J")] };
    let signed = updater::wire::SignedNews::sign(&list, &key);
    std::fs::write(folder.join("news.json"), serde_json::to_vec(&signed).unwrap()).unwrap();
    let source =
        NewSource { maker: "acme".parse().unwrap(), url: site.url, every_seconds: 60, ask: None, allow_plain: false };
    world.operator.add_source(&source).await.unwrap();
    let view = until("an attempt", async || {
        world.operator.sources().await.unwrap().pop().filter(|view| view.last_code.is_some() && !view.running)
    })
    .await;
    assert_eq!(view.last_code.as_deref(), Some("threat_name_malformed"));
    assert!(!view.last_words.unwrap().contains(char::is_control));
    assert_eq!(world.operator.threat_views(None).await.unwrap().len(), 1);
}

/// What is taken back is gone, and what was said before cannot bring it back; later news can.
#[tokio::test(flavor = "multi_thread")]
async fn news_is_withdrawn() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    let folder = world.dir.path().join("site");
    let site = Site::of(&folder).await;
    maker.release(&world.write("1.titer", &crate::support::blob("acme/x", 1, 0..3))).unwrap();
    maker.keep_news(&[item("x"), item("y")]).unwrap();
    maker.export(&folder).unwrap();
    // Signed after the list that lies on the site.
    maker.send_news(&world.url, &[News { withdrawn: true, ..item("x") }]).await.unwrap();
    let source =
        NewSource { maker: "acme".parse().unwrap(), url: site.url, every_seconds: 60, ask: None, allow_plain: false };
    world.operator.add_source(&source).await.unwrap();
    until("y, from the site", async || row(&world, "acme", "y").await).await;
    assert!(row(&world, "acme", "x").await.is_none());
    maker.send_news(&world.url, &[item("x")]).await.unwrap();
    assert!(row(&world, "acme", "x").await.is_some());
}

/// V30: a promise is shown, is no cure, and is missed once its day has passed.
#[tokio::test(flavor = "multi_thread")]
async fn a_promise_is_no_cure_and_can_be_missed() {
    let mut world = World::new().await;
    let maker = world.maker("acme").await;
    let promised = |threat: &str, day: Date| {
        let mut item = item(threat);
        item.news.expected = Some(day);
        item
    };
    let tomorrow = jiff::Zoned::now().date().tomorrow().unwrap().tomorrow().unwrap();
    maker.send_news(&world.url, &[promised("late", date(2026, 1, 1)), promised("soon", tomorrow)]).await.unwrap();
    let late = row(&world, "acme", "late").await.unwrap();
    assert!(late.missed && late.row.news.vaccine.is_none() && late.cure_from.is_none());
    assert!(!row(&world, "acme", "soon").await.unwrap().missed);
    let noted = async |world: &World| {
        let tables = crate::support::tables(world.dir.path()).await;
        let threats = sqlx::query_scalar::<_, String>("SELECT threat FROM threats WHERE missed_at IS NOT NULL");
        let threats = threats.fetch_all(&tables).await.unwrap();
        tables.close().await;
        threats
    };
    world.restart(|_| {}).await;
    until("the alert", async || (noted(&world).await == ["late"]).then_some(())).await;
    // A new promise, and then the cure.
    maker.send_news(&world.url, &[promised("late", tomorrow)]).await.unwrap();
    assert!(noted(&world).await.is_empty() && !row(&world, "acme", "late").await.unwrap().missed);
    maker.send_news(&world.url, &[cured("late", "acme/x", 1)]).await.unwrap();
    assert!(row(&world, "acme", "late").await.unwrap().row.news.vaccine.is_some());
}

/// News names a threat; a release, before or after it, has a record of that name.
#[tokio::test(flavor = "multi_thread")]
async fn the_cure_is_found_in_the_records() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/x", 1, 0..10).await;
    maker.send_news(&world.url, &[item("Test.Made-5"), item("Test.Made-15"), item("Test.Never")]).await.unwrap();
    let first = async |threat: &str| {
        let view = row(&world, "acme", threat).await.unwrap();
        view.cure_from.map(|from| (from, view.row.news.vaccine.unwrap().since))
    };
    let found = until("release 1", async || first("Test.Made-5").await).await;
    assert_eq!(found, (CureFrom::Records, at("acme/x", 1)));
    assert_eq!(first("Test.Made-15").await, None);

    world.publish(&maker, "acme/x", 2, 3..20).await;
    let found = until("release 2", async || first("Test.Made-15").await).await;
    assert_eq!(found, (CureFrom::Records, at("acme/x", 2)));
    assert_eq!(first("Test.Made-5").await, Some((CureFrom::Records, at("acme/x", 1))), "still the first that had it");
    // What the maker says goes before.
    maker.send_news(&world.url, &[cured("Test.Made-5", "acme/x", 2)]).await.unwrap();
    assert_eq!(first("Test.Made-5").await, Some((CureFrom::News, at("acme/x", 2))));

    // A name that is gone is no cure any more; one that comes again counts from there.
    world.publish(&maker, "acme/x", 3, 16..20).await;
    let gone =
        until("release 3", async || row(&world, "acme", "Test.Made-15").await.filter(|view| view.cure_from.is_none()));
    assert_eq!(gone.await.records[0].last, Some(2));
    world.publish(&maker, "acme/x", 4, 15..20).await;
    let found = until("release 4", async || first("Test.Made-15").await).await;
    assert_eq!(found.1, at("acme/x", 4));
    assert_eq!(first("Test.Never").await, None);
}

/// A maker with two products that have the cure names one of them, or none; who runs the other has the cure too, and stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_cure_in_two_channels_counts_in_both() {
    let world = World::new().await;
    let maker = world.maker("acme").await;
    world.publish(&maker, "acme/x", 1, 0..10).await;
    world.publish(&maker, "acme/y", 1, 5..15).await;
    let terminal = world.terminal("one", &["acme/y"], Designation::Any).await;
    terminal.agent.update().await.unwrap();
    // `Test.Made-7` is in both channels, `Test.Made-2` in the first alone.
    maker.send_news(&world.url, &[item("Test.Made-7"), cured("Test.Made-7x", "acme/x", 1)]).await.unwrap();
    let both = until("both records", async || {
        row(&world, "acme", "Test.Made-7").await.map(|view| view.row).filter(|row| !row.also.is_empty())
    });
    let both = both.await;
    assert_eq!(both.cures().cloned().collect::<Vec<_>>(), [at("acme/x", 1), at("acme/y", 1)]);
    let count = world.operator.coverage("Test.Made-7", None).await.unwrap();
    assert_eq!((count.protected, count.unprotected, &count.makers[0].also[..]), (1, 0, &[at("acme/y", 1)][..]));
    // Of what the news says of one channel, nothing follows for another that has no record of it: there the terminal lacks the cure.
    assert_eq!(world.operator.coverage("Test.Made-7x", None).await.unwrap().unprotected, 1);
    maker.send_news(&world.url, &[News { withdrawn: true, ..item("Test.Made-7x") }]).await.unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().assignment.reason, Reason::Current);
    assert_eq!(terminal.runs(), [at("acme/y", 1)]);

    // What the maker says of a channel goes before that channel's records, and leaves those of others as they are.
    maker.send_news(&world.url, &[cured("Test.Made-7", "acme/x", 9)]).await.unwrap();
    let said = row(&world, "acme", "Test.Made-7").await.unwrap();
    assert_eq!(said.cure_from, Some(CureFrom::News));
    assert_eq!(said.row.cures().cloned().collect::<Vec<_>>(), [at("acme/x", 9), at("acme/y", 1)]);
    assert_eq!(terminal.agent.update().await.unwrap().assignment.reason, Reason::Current);
    maker.send_news(&world.url, &[item("Test.Made-7"), cured("Test.Made-2", "acme/x", 1)]).await.unwrap();
    assert_eq!(terminal.agent.update().await.unwrap().assignment.reason, Reason::Switch, "this one has no cure here");
}

/// Aliases and samples give one id to names of several makers.
#[tokio::test(flavor = "multi_thread")]
async fn one_threat_has_one_id() {
    let world = World::new().await;
    let (a, b, c) = (world.maker("a").await, world.maker("b").await, world.maker("c").await);
    let sample = Sha256Hex::of(b"a sample");
    a.send_news(&world.url, &[News { aliases: vec!["b:Worm.Y".parse().unwrap()], ..item("W32/X") }]).await.unwrap();
    b.send_news(&world.url, &[News { samples: vec![sample], ..item("Worm.Y") }, item("Other")]).await.unwrap();
    c.send_news(&world.url, &[News { samples: vec![sample], ..item("Zed") }]).await.unwrap();
    let mut ids = Vec::new();
    for (maker, threat) in [("a", "W32/X"), ("b", "Worm.Y"), ("c", "Zed"), ("b", "Other")] {
        ids.push(row(&world, maker, threat).await.unwrap().threat_id);
    }
    assert_eq!(ids, ["W32/X", "W32/X", "W32/X", "Other"]);
    // Found by what another maker calls it.
    assert_eq!(world.operator.threat_views(Some("worm.y")).await.unwrap().len(), 2);
    a.send_news(&world.url, &[item("W32/X")]).await.unwrap();
    assert_eq!(row(&world, "a", "W32/X").await.unwrap().threat_id, "W32/X");
    assert_eq!(row(&world, "b", "Worm.Y").await.unwrap().threat_id, "Worm.Y", "without the alias two are left");
}

/// Three makers of whom one hangs: what the others know is in the table before that one is given up, and each was asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_threat_has_every_maker_asked_at_once() {
    let world = World::with(|config| Config { ask_time: Duration::from_secs(20), ..config }).await;
    let mut sites = Vec::new();
    for name in ["a", "b", "c"] {
        let maker = world.maker(name).await;
        let site = Site::of(&world.dir.path().join("sites").join(name)).await;
        maker.release(&world.write("1.titer", &crate::support::blob(&format!("{name}/x"), 1, 0..3))).unwrap();
        maker.export(&site.folder).unwrap();
        let answers = Site::of(&site.folder).await;
        let mut source = NewSource {
            maker: name.parse().unwrap(),
            url: site.url.clone(),
            every_seconds: 3600,
            ask: None,
            allow_plain: false,
        };
        source.ask = Some(answers.url.clone());
        world.operator.add_source(&source).await.unwrap();
        until("the first attempt", async || {
            let views = world.operator.sources().await.unwrap();
            views.iter().all(|view| view.last_code.is_some() && !view.running).then_some(())
        })
        .await;
        sites.push((maker, site, answers));
    }
    let says = |maker: &Maker, item: News| Mood::Says(serde_json::to_vec(&maker.sign_news(vec![item]).unwrap()).unwrap());
    let [(a, site_a, ask_a), (_, _, ask_b), (c, site_c, ask_c)] = &sites[..] else { panic!("three") };
    ask_b.is(Mood::Hangs);
    ask_a.is(says(a, cured("New.Worm", "a/x", 1)));
    ask_c.is(says(c, item("New.Worm")));
    // Maker A's site has news of it too, not looked at for an hour otherwise.
    a.keep_news(&[item("On.Site")]).unwrap();
    a.export(&site_a.folder).unwrap();
    let terminal = world.terminal("one", &["a/x"], Designation::Own).await;
    site_c.take_seen();
    let sample = Sha256Hex::of(b"infected");
    let began = Instant::now();
    assert!(terminal.agent.report_threat("New.Worm", Some(sample)).await.unwrap().asked);
    until("A's cure", async || row(&world, "a", "New.Worm").await.and_then(|view| view.row.news.vaccine)).await;
    until("C's word", async || row(&world, "c", "New.Worm").await).await;
    until("A's site", async || row(&world, "a", "On.Site").await).await;
    until("C's site", async || (site_c.times_seen() > 0).then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(18), "while B is still waited for: {:?}", began.elapsed());
    let questions = |site: &Site| {
        let seen = site.take_seen().into_iter().map(|(path, _)| path);
        seen.filter(|path| path.contains("New.Worm")).collect::<Vec<_>>()
    };
    let question = format!("/sigs/?threat=New.Worm&sha256={sample}");
    for site in [ask_a, ask_b, ask_c] {
        assert_eq!(questions(site), [question.as_str()]);
    }

    // Once a threat is told of, nobody is asked again.
    assert!(!terminal.agent.report_threat("New.Worm", None).await.unwrap().asked);
    assert!(questions(ask_a).is_empty());
    let reported = world.operator.reported_threats().await.unwrap();
    assert!(reported.iter().any(|threat| threat.threat == "New.Worm" && threat.terminals == 1 && threat.asked_at.is_some()));
    // A maker's news of something new asks the others as well.
    a.send_news(&world.url, &[item("Newer.Worm")]).await.unwrap();
    until("the question", async || ask_c.take_seen().iter().any(|(path, _)| path.contains("Newer.Worm")).then_some(()))
        .await;
}

/// An answer that its maker did not sign tells nothing.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_believed_by_their_signatures() {
    let world = World::new().await;
    let (a, b) = (world.maker("a").await, world.maker("b").await);
    let site = Site::of(&world.dir.path().join("site")).await;
    let mut source =
        NewSource { maker: "a".parse().unwrap(), url: site.url.clone(), every_seconds: 3600, ask: None, allow_plain: false };
    source.ask = Some(site.url.clone());
    world.operator.add_source(&source).await.unwrap();
    site.is(Mood::Says(serde_json::to_vec(&b.sign_news(vec![item("Forged")]).unwrap()).unwrap()));
    let terminal = world.terminal("one", &["a/x"], Designation::Own).await;
    site.take_seen();
    assert!(terminal.agent.report_threat("Forged", None).await.unwrap().asked);
    until("the question", async || site.take_seen().iter().any(|(path, _)| path.contains("Forged")).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.operator.threat_views(None).await.unwrap().is_empty());
    drop(a);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_reports_so_many_threats_a_day() {
    let world = World::new().await;
    let terminal = world.terminal("one", &["acme/x"], Designation::Own).await;
    for number in 0..32 {
        terminal.agent.report_threat(&format!("virus-{number}"), None).await.unwrap();
    }
    let error = terminal.agent.report_threat("one-more", None).await.unwrap_err();
    assert_eq!(error.code(), "reports_too_many");
    // What it reported before may be said again.
    terminal.agent.report_threat("virus-3", None).await.unwrap();
    let error = terminal.agent.report_threat("a\u{7}b", None).await.unwrap_err();
    assert_eq!(error.code(), "threat_name_malformed");
    assert_eq!(world.operator.reported_threats().await.unwrap().len(), 32);
}

/// Decisions are made of all that makers told: one who tells without end keeps nobody from theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_maker_tells_of_so_many_threats_and_no_more() {
    let world = World::new().await;
    let (many, other) = (world.maker("acme").await, world.maker("best").await);
    let tied = |number: usize| News {
        aliases: (0..16).map(|n| Alias { maker: "best".parse().unwrap(), threat: format!("x-{number}-{n}") }).collect(),
        samples: (0..16).map(|n| Sha256Hex::of(format!("{number} {n}").as_bytes())).collect(),
        ..item(&format!("virus-{number}"))
    };
    for from in [0, NEWS_MAX, 2 * NEWS_MAX] {
        let batch = (from..from + NEWS_MAX).map(tied).collect::<Vec<_>>();
        assert_eq!(many.send_news(&world.url, &batch).await.unwrap(), NEWS_MAX as u64);
    }
    let left = TOLD_MAX as usize - 3 * 33 * NEWS_MAX;
    let batch = (0..left).map(|number| item(&format!("plain-{number}"))).collect::<Vec<_>>();
    many.send_news(&world.url, &batch).await.unwrap();
    assert_eq!(many.send_news(&world.url, &[item("one-more")]).await.unwrap_err().code(), "news_full");
    assert!(row(&world, "acme", "one-more").await.is_none());
    // What is there can be changed, and others can tell.
    assert_eq!(many.send_news(&world.url, &[News { withdrawn: true, ..item("virus-7") }]).await.unwrap(), 1);
    assert_eq!(other.send_news(&world.url, &[item("one-more")]).await.unwrap(), 1);
}
