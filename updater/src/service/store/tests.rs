//! The same on both databases: SQLite always, PostgreSQL where `TITER_TEST_POSTGRES` names one (`scripts/postgres`).

use super::listing::{Configured, Terminals, start};
use super::*;
use crate::disk::Disk;
use crate::keys::SigningKey;
use crate::service::lease::{Lease, LeaseTimes};
use crate::wire::{
    Assignment, CheckIn, Danger, Designation, MakerName, Reason, Sha256Hex, TerminalFacts, ThreatNews, ThreatReport,
};
use std::collections::HashMap;
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

/// Empty tables of each kind that can be had, and what they need.
struct Tables {
    databases: Vec<Database>,
    dir: TempDir,
}

impl Tables {
    async fn new() -> Tables {
        let dir = tempfile::tempdir().unwrap();
        let mut databases = vec![Database::Sqlite(dir.path().join("tables.sqlite3"))];
        if let Ok(url) = std::env::var("TITER_TEST_POSTGRES") {
            let schema = format!("u{}", &Sha256Hex::of(dir.path().to_str().unwrap().as_bytes()).to_string()[..24]);
            sqlx::any::install_default_drivers();
            let pool = AnyPool::connect(&url).await.unwrap();
            let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
            sqlx::raw_sql(create).execute(&pool).await.unwrap();
            pool.close().await;
            let mut url = Url::parse(&url).unwrap();
            url.query_pairs_mut().append_pair("options[search_path]", &schema);
            databases.push(Database::Postgres(url.into()));
        }
        Tables { databases, dir }
    }

    fn key(&self, name: &str) -> SigningKey {
        SigningKey::load_or_create(&Disk::default(), &self.dir.path().join(name)).unwrap()
    }
}

fn facts(engine: &str) -> TerminalFacts {
    TerminalFacts {
        hardware: "any".to_owned(),
        os: "linux".to_owned(),
        engine_version: engine.to_owned(),
        designation: Designation::Own,
        subscribed: Vec::new(),
        memory_bytes: None,
        features: Vec::new(),
        group: None,
    }
}

fn news(threat: &str) -> ThreatNews {
    let discovered = "2026-01-01".parse().unwrap();
    ThreatNews { threat: threat.to_owned(), danger: Danger::High, discovered, expected: None, vaccine: None }
}

async fn take(store: &Store, replica: &str) -> Fence {
    loop {
        let seen = store.lease().await.unwrap();
        if let Some(fence) = store.take_lease(&seen, replica).await.unwrap() {
            return fence;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lease_records_nothing() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let (one, two) = (Store::open(database).await.unwrap(), Store::open(database).await.unwrap());
        let first = take(&one, "one").await;
        one.add_metadata("snapshot", 1, b"1", first).await.unwrap();
        assert!(one.keep_lease(first).await.unwrap());
        let seen = one.lease().await.unwrap();
        let second = take(&two, "two").await;
        assert!(second.follows(first) && !first.follows(second));
        assert_eq!(one.take_lease(&seen, "one").await.unwrap(), None, "it was taken as it was seen");
        assert!(!one.keep_lease(first).await.unwrap());
        let late = [
            one.add_metadata("snapshot", 2, b"late", first).await,
            one.put_next_root(2, b"late", first).await,
            one.promote_next_root(first).await,
        ];
        assert!(late.iter().all(|late| matches!(late, Err(StoreError::Fenced))), "{database:?}: {late:?}");
        one.release_lease(first, true).await.unwrap();
        two.add_metadata("snapshot", 2, b"2", second).await.unwrap();
        let twice = two.add_metadata("snapshot", 2, b"other", second).await;
        assert!(matches!(twice, Err(StoreError::Sql(_))), "a version is signed once: {twice:?}");
        two.release_lease(second, true).await.unwrap();
        assert!(matches!(two.add_metadata("snapshot", 3, b"3", second).await, Err(StoreError::Fenced)), "given back");
        assert_eq!(one.newest_metadata("snapshot").await.unwrap(), Some((2, b"2".to_vec())));
    }
}

/// The holder commits while another takes over: one of them comes first, and never both as if alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_and_a_takeover_at_the_same_time_come_one_after_the_other() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let (one, two) = (Store::open(database).await.unwrap(), Store::open(database).await.unwrap());
        for version in 1..=30 {
            let old = take(&one, "one").await;
            let (recorded, new) = tokio::join!(one.add_metadata("snapshot", version, b"one", old), take(&two, "two"));
            let again = two.add_metadata("snapshot", version, b"two", new).await;
            assert_ne!(recorded.is_ok(), again.is_ok(), "{database:?}: {recorded:?}, {again:?}");
            assert!(recorded.is_ok() || matches!(recorded, Err(StoreError::Fenced)), "{recorded:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_waited_for_and_taken_from_the_dead() {
    let tables = Tables::new().await;
    let times = LeaseTimes { lost_after: Duration::from_millis(900), patience: Duration::from_mins(1) };
    for database in &tables.databases {
        let store = Store::open(database).await.unwrap();
        let lease = |replica: &str, times| Lease::new(store.clone(), replica.to_owned(), times);
        // A holder that does not give up its lease, and says that it lives.
        let held = lease("one", times).take().await.unwrap();
        if store.is_shared() {
            let hurried = LeaseTimes { patience: Duration::from_secs(2), ..times };
            assert_eq!(lease("two", hurried).take().await.map(|_| ()).unwrap_err().code(), "signer_busy");
        }
        held.release(true).await;
        let held = lease("two", times).take().await.unwrap();
        assert!(!held.lags, "what was signed is shown");
        drop(held);
        // One that died without a word.
        let dead = take(&store, "three").await;
        let held = lease("four", times).take().await.unwrap();
        assert!(held.fence.follows(dead), "{database:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_without_a_pause_lets_others_sign_in_between() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let store = Store::open(database).await.unwrap();
        if !store.is_shared() {
            continue;
        }
        let lease = |replica: &str| Lease::new(store.clone(), replica.to_owned(), LeaseTimes::default());
        let (busy, other) = (lease("busy"), lease("other"));
        let mut held = busy.take().await.unwrap();
        let other = tokio::spawn(async move {
            for _ in 0..10 {
                other.take().await.unwrap().release(true).await;
            }
        });
        let mut turns = 0;
        while turns < 40 && !other.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            held.release(true).await;
            held = busy.take().await.unwrap();
            turns += 1;
        }
        assert!(other.is_finished(), "after {turns} turns of the one the other did not have ten");
        other.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen_by_every_replica() {
    let tables = Tables::new().await;
    let maker = "acme".parse::<MakerName>().unwrap();
    for database in &tables.databases {
        let (one, two) = (Store::open(database).await.unwrap(), Store::open(database).await.unwrap());
        assert!(one.register_maker("operator:test", &maker, &tables.key("maker").public()).await.unwrap());
        let mut told = two.watch();
        for counter in 1..=3 {
            let before = (one.changes(), two.changes());
            assert!(one.put_news(&maker, counter, &[news("x").into()]).await.unwrap().is_ok());
            assert!(two.put_news(&maker, counter, &[news("x").into()]).await.unwrap().is_err(), "a counter is taken once");
            assert!(one.changes() > before.0 && two.changes() == before.1, "{database:?}");
            two.look().await.unwrap();
            assert_eq!(two.changes(), one.changes());
            assert!(told.has_changed().unwrap());
            told.mark_unchanged();
            two.look().await.unwrap();
            assert!(!told.has_changed().unwrap(), "nothing is new");
        }
    }
}

/// One counter that no table takes does not keep the others' contacts from being written.
#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_contact_fails_alone() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let store = Store::open(database).await.unwrap();
        let mut contacts = HashMap::new();
        for (name, counter) in [("one", u64::MAX), ("two", 9)] {
            let token = NewToken {
                digest: Sha256Hex::of(name.as_bytes()),
                uses_max: 1,
                expires_at: None,
                group: None,
                approval: false,
            };
            store.add_token("operator:test", &token).await.unwrap();
            store.enrol(&token.digest, name, &tables.key(name).public(), 1, &facts("1")).await.unwrap();
            contacts.insert(name.to_owned(), (7, counter));
        }
        store.note_contacts(&contacts).await.unwrap();
        assert_eq!(store.terminal("one").await.unwrap().unwrap().counter, 1);
        assert_eq!(store.terminal("two").await.unwrap().unwrap().counter, 9);
    }
}

/// The same terminal, and others, at two replicas at once: every counter is taken once, every key has one row.
#[tokio::test(flavor = "multi_thread")]
async fn the_user_table_takes_each_counter_once_from_whichever_replica() {
    let tables = Tables::new().await;
    let token = |name: &str| Sha256Hex::of(name.as_bytes());
    for database in &tables.databases {
        let (one, two) = (Store::open(database).await.unwrap(), Store::open(database).await.unwrap());
        for round in 0..10 {
            let key = tables.key(&format!("terminal-{round}")).public();
            let (first, second) = (token(&format!("{round} a")), token(&format!("{round} b")));
            one.add_token("operator:test", &one_use(first)).await.unwrap();
            one.add_token("operator:test", &one_use(second)).await.unwrap();
            let (names, facts) = ([format!("{round}-a"), format!("{round}-b")], facts("1"));
            let (a, b) =
                tokio::join!(one.enrol(&first, &names[0], &key, 1, &facts), two.enrol(&second, &names[1], &key, 1, &facts));
            let Enrolment::Accepted(terminal) = a.unwrap() else { panic!("{round}") };
            assert_eq!(b.unwrap(), Enrolment::Accepted(terminal.clone()), "{database:?}: one key is one terminal");
            // The answer was lost; the same token and key ask again.
            let again = one.enrol(&second, "another", &key, 2, &facts).await.unwrap();
            assert_eq!(again, Enrolment::Accepted(terminal.clone()));

            let mut asks = Vec::new();
            for at in 0..8 {
                let (store, terminal) = (if at % 2 == 0 { &one } else { &two }.clone(), terminal.clone());
                asks.push(tokio::spawn(async move { check_in(&store, &terminal, 7).await }));
            }
            let mut taken = 0;
            for ask in asks {
                taken += usize::from(ask.await.unwrap().is_some());
            }
            assert_eq!(taken, 1, "{database:?}");
        }
        assert_eq!(one.terminals_page(&Terminals::All, &start(), 1000).await.unwrap().len(), 10);
    }
}

#[test]
fn a_connection_to_another_machine_is_proven_and_encrypted_unless_it_is_said() {
    let refused = |address: &str| matches!(postgres_at(address), Err(StoreError::Unprotected(_)));
    for here in [
        "postgres://u:p@127.0.0.1:5432/d",
        "postgres://localhost/d",
        "postgres://[::1]/d",
        "postgres:///d?host=/run/postgresql",
        "postgres://%2Frun%2Fpostgresql/d",
        "postgres://db.example/d?sslmode=disable",
        "postgres://db.example/d?sslmode=verify-full",
        "postgres://db.example/d",
    ] {
        assert!(!refused(here), "{here}");
    }
    for away in ["postgres://10.0.0.7/d?sslmode=prefer", "postgres://localhost/d?host=db.example&sslmode=allow"] {
        assert!(refused(away), "{away}");
    }
    for other in ["sqlite:tables.sqlite3", "http://db.example/d", "me:secret@db.example/d", "tables"] {
        let error = postgres_at(other).unwrap_err();
        assert!(matches!(error, StoreError::Address(_)) && !error.to_string().contains("secret"), "{other}: {error}");
    }
    let query = |address: &str| postgres_at(address).unwrap().database_url.query().unwrap_or_default().to_owned();
    assert_eq!(query("postgres://localhost/d"), "");
    for away in ["postgres://db.example/d", "postgres://[2001:db8::1]/d", "postgres://localhost/d?hostaddr=10.0.0.7"] {
        assert!(query(away).ends_with("sslmode=verify-full"), "{away}");
    }
    assert_eq!(query("postgres://db.example/d?sslmode=disable"), "sslmode=disable");
    let error = postgres_at("postgres://me:secret@db.example/d?sslmode=prefer").unwrap_err().to_string();
    assert!(error.contains("db.example") && !error.contains("secret"), "{error}");
    assert!(!format!("{:?}", Database::Postgres("postgres://me:secret@h/d".to_owned())).contains("secret"));
}

mod writing;

/// A check-in as its handler does it; the counter of the row that it was decided of, or `None` where its own was used.
async fn check_in(store: &Store, terminal: &str, counter: u64) -> Option<u64> {
    loop {
        let held = store.held(terminal).await.unwrap().unwrap();
        if counter <= held.counter {
            return None;
        }
        let change = change(store, &held, counter, "linux").await;
        match store.put(change, |_| {}).await.unwrap() {
            Put::Written => return Some(held.counter),
            Put::Overtaken => {}
        }
    }
}

/// The change of a check-in with this system.
async fn change(store: &Store, held: &Held, counter: u64, os: &str) -> Change {
    let facts = TerminalFacts { os: os.to_owned(), ..facts("1") };
    let report = CheckIn { facts, applied: Vec::new(), freshness: String::new() };
    let runs = store.runs(&held.terminal).await.unwrap();
    let (channels, words) = (Vec::new(), String::new());
    let told = Assignment { channels, reason: Reason::Current, words, urgent: false, earliest: None, until: None };
    held.checked_in(&runs, Vec::new(), counter, &report, "f").unwrap().told(&told, &[]).unwrap()
}

/// Enters terminals of these names.
async fn enrol(tables: &Tables, store: &Store, names: &[String]) {
    for name in names {
        let token = Sha256Hex::of(name.as_bytes());
        store.add_token("operator:test", &one_use(token)).await.unwrap();
        store.enrol(&token, name, &tables.key(name).public(), 1, &facts("1")).await.unwrap();
    }
}

fn one_use(digest: Sha256Hex) -> NewToken<'static> {
    NewToken { digest, uses_max: 1, expires_at: None, group: None, approval: false }
}

/// Of each terminal the newest reports are kept, however many come and from how many at once.
#[tokio::test(flavor = "multi_thread")]
async fn old_reports_are_forgotten() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let store = Store::open(database).await.unwrap();
        let count = async |terminal: &str| {
            let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM reports WHERE terminal = $1");
            count.bind(terminal).fetch_one(&store.pool).await.unwrap()
        };
        let report = async |terminal: &str, times: i64| {
            let mut tx = store.begin().await.unwrap();
            for _ in 0..times {
                let insert = sqlx::query("INSERT INTO reports (terminal, at, outcome) VALUES ($1, $2, 'installed')");
                insert.bind(terminal).bind(now()).execute(&mut *tx).await.unwrap();
            }
            tx.commit().await.unwrap();
        };
        let forget = async |mut after: i64| {
            let mut looks = 0;
            loop {
                let came_to = store.forget_reports(after).await.unwrap();
                looks += 1;
                if came_to <= after {
                    return (came_to, looks);
                }
                after = came_to;
            }
        };
        for terminal in ["quiet", "busy", "old"] {
            let insert = sqlx::query(
                "INSERT INTO terminals (terminal, public_key, counter, hardware, os, engine_version, designation, subscribed, enrolled_at)
                 VALUES ($1, $1, 0, '', '', '', '\"own\"', '[]', 0)",
            );
            insert.bind(terminal).execute(&store.pool).await.unwrap();
        }
        let kept = reports::REPORTS_KEPT;
        assert_eq!(forget(0).await.0, 0, "there is nothing yet");
        report("old", kept + 5).await;
        let before = store.newest_report().await.unwrap();
        report("quiet", kept).await;
        report("busy", 3_000).await;
        report("quiet", 1).await;
        let newest = store.newest_report().await.unwrap();
        let (came_to, looks) = forget(before).await;
        assert_eq!((came_to, looks), (newest, 5), "a thousand at a time, and once more to see that there are none");
        assert_eq!((count("quiet").await, count("busy").await), (kept, kept));
        assert_eq!(count("old").await, kept + 5, "who has not reported since is not looked at");
        let oldest = sqlx::query_scalar::<_, i64>("SELECT MIN(id) FROM reports WHERE terminal = 'busy'");
        let oldest = oldest.fetch_one(&store.pool).await.unwrap();
        assert_eq!(oldest, newest - kept, "the newest are kept, and the last of all is another's");
        assert_eq!(forget(newest).await, (newest, 1));
        // The newest rows are gone with their terminal, and their numbers may come again.
        assert_eq!(forget(newest + 50).await.0, newest);
        store.close().await;
    }
}

/// A certificate for this name by an authority of its own, and that authority in PEM.
fn certified(name: &str) -> (rustls::ServerConfig, String) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = rcgen::CertifiedIssuer::self_signed(authority, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (config, authority.pem())
}

/// Speaks TLS in the place of a PostgreSQL that does not, as the protocol has it: the client asks for it by eight bytes, and the answer is `S`.
async fn tls_before(server: String, config: rustls::ServerConfig) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let mut asked = [0; 8];
                client.read_exact(&mut asked).await.unwrap();
                assert_eq!(asked[4..], 80_877_103_u32.to_be_bytes(), "nothing goes in the clear");
                client.write_all(b"S").await.unwrap();
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let Ok(mut server) = tokio::net::TcpStream::connect(&server).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

/// Every page of a search, two rows each, is what looking at each row finds.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_what_looking_at_every_row_finds() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let store = Store::open(database).await.unwrap();
        // Of times that several share, and one class that has the name of another's system.
        sqlx::raw_sql(
            "INSERT INTO configurations (id, sha256, body) SELECT i, 'c' || i,
             '{\"designation\":\"own\",\"subscribed\":[],\"applied\":[]}' FROM (SELECT 1 AS i UNION SELECT 2) n;
             WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
             INSERT INTO terminals (terminal, public_key, counter, hardware, os, engine_version, designation, subscribed,
             enrolled_at, configuration) SELECT 't' || (i * 7 % 41), 'k' || i, 0,
             CASE WHEN i % 20 = 3 THEN 'z80' ELSE 'x86_64' END, CASE WHEN i % 13 = 5 THEN 'z80' ELSE 'linux' END,
             CASE WHEN i = 8 THEN '0.9' ELSE '1.0' END, '\"own\"', '[]', i / 4, i % 3 FROM n",
        )
        .execute(&store.writer)
        .await
        .unwrap();
        let all = store.terminals_page(&Terminals::All, &start(), 1000).await.unwrap();
        assert_eq!(all.len(), 41);
        for text in ["z80", "x86_64", "linux", "0.9", "none", "50%"] {
            for (ids, terminals) in [(vec![], 0), (vec![2], 13), (vec![1, 2], 27), (vec![1, 2], 1_000_000)] {
                let found = all.iter().filter(|one| {
                    let facts = &one.row.facts;
                    let is_so = [&facts.hardware, &facts.os, &facts.engine_version].into_iter().any(|said| said == text);
                    is_so || ids.contains(&one.configuration)
                });
                let found = found.map(|one| one.row.terminal.clone()).collect::<Vec<_>>();
                let of = Terminals::Like(text.to_owned(), Configured { ids: ids.clone(), terminals });
                let (mut pages, mut after) = (Vec::new(), start());
                loop {
                    let page = store.terminals_page(&of, &after, 2).await.unwrap();
                    let Some(last) = page.last() else { break };
                    after = of.after(last);
                    pages.extend(page.into_iter().map(|one| one.row.terminal));
                }
                assert_eq!(pages, found, "{database:?}: {text} {ids:?} of {terminals}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_nobody_serves_is_told_at_once_and_by_name() {
    // Bound and not listening, so that nobody else gets the port.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = nobody.local_addr().unwrap();
    let address = Database::Postgres(format!("postgres://titer:secret@{at}/titer"));
    let error = Store::open(&address).await.unwrap_err();
    let words = error.to_string();
    // The pool itself would have said that its time is over.
    assert!(matches!(error, StoreError::Unreachable { .. }) && words.contains("refused"), "{words}");
    assert!(words.contains(&at.to_string()) && !words.contains("secret"), "{words}");
    let dir = tempfile::tempdir().unwrap();
    let socket = Database::Postgres(format!("postgres:///titer?host={}&port=7", dir.path().display()));
    let words = Store::open(&socket).await.unwrap_err().to_string();
    assert!(words.contains(&format!("{}:7", dir.path().display())), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_a_moment_early_waits_for_the_database() {
    let refused = || sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into());
    let tries = AtomicU64::new(0);
    // Whatever else is wrong then is for the pool to say, or to wait for.
    let connect = || async {
        let is_early = tries.fetch_add(1, Ordering::Relaxed) < 3;
        Err(if is_early { refused() } else { sqlx::Error::Protocol("starting".to_owned()) })
    };
    reach("here", Duration::from_mins(10), connect).await.unwrap();
    assert_eq!(tries.load(Ordering::Relaxed), 4);
    let given_up = reach("here", Duration::ZERO, || async { Err(refused()) }).await.unwrap_err();
    assert!(matches!(given_up, StoreError::Unreachable { .. }), "{given_up}");
    let unknown = || async { Err(sqlx::Error::Io(std::io::Error::other("no such host"))) };
    assert!(reach("here", Duration::from_mins(10), unknown).await.unwrap_err().to_string().contains("no such host"));
}

/// With `TITER_TEST_POSTGRES` also that it works; that it refuses is seen without.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_reached_by_tls_and_by_no_certificate_that_does_not_hold() {
    sqlx::any::install_default_drivers();
    let dir = tempfile::tempdir().unwrap();
    let real = std::env::var("TITER_TEST_POSTGRES").ok().map(|url| Url::parse(&url).unwrap());
    let server = real.as_ref().map_or("127.0.0.1:1".to_owned(), |url| format!("127.0.0.1:{}", url.port().unwrap()));
    for (name, holds) in [("127.0.0.1", true), ("db.example", false)] {
        let (config, authority) = certified(name);
        let port = tls_before(server.clone(), config).await;
        let ca = dir.path().join(format!("{name}.pem"));
        std::fs::write(&ca, authority).unwrap();
        let mut url = real.clone().unwrap_or_else(|| Url::parse("postgres://titer@127.0.0.1/postgres").unwrap());
        url.set_port(Some(port)).unwrap();
        let connect = async |mode: &str, ca: Option<&Path>| {
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("sslmode", mode);
            if let Some(ca) = ca {
                url.query_pairs_mut().append_pair("sslrootcert", ca.to_str().unwrap());
            }
            let options = AnyPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(10));
            options.connect_with(postgres_at(url.as_str()).unwrap()).await
        };
        let refused = |result: Result<AnyPool, sqlx::Error>| result.unwrap_err().to_string();
        assert!(refused(connect("verify-full", None).await).contains("certificate"), "nobody vouches for it");
        let by_name = connect("verify-full", Some(&ca)).await;
        if !holds {
            assert!(refused(by_name).contains("certificate"), "it is for another name");
        } else if real.is_some() {
            sqlx::query("SELECT 1").execute(&by_name.unwrap()).await.unwrap();
            sqlx::query("SELECT 1").execute(&connect("require", None).await.unwrap()).await.unwrap();
        }
    }
    // Who asks for TLS is not served without.
    if let Some(mut url) = real {
        url.query_pairs_mut().append_pair("sslmode", "verify-full");
        let options = postgres_at(url.as_str()).unwrap();
        AnyPoolOptions::new().connect_with(options).await.unwrap_err();
    }
}
