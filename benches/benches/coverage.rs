//! Question: how long does an operator of a million terminals wait for who is unprotected against X, and which, and since when? It is asked
//! at the worst moment, over and over.
//!
//! Asked over HTTP on loopback of a real service, whose tables are filled by SQL: a million terminals in 400 configurations, five makers,
//! 1,640 censuses, which is two years of them. SQLite always; PostgreSQL, in a schema that is dropped and made anew, when
//! `TITER_TEST_POSTGRES` names a database. `TITER_BENCH_TERMINALS` sets another size of the fleet.

use criterion::Criterion;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use updater::operator::Operator;
use updater::service::{Config, Database, Running, serve};

const CONFIGURATIONS: u32 = 400;
const CENSUSES: u32 = 1640;

pub(crate) fn benchmarks(c: &mut Criterion) {
    let terminals = std::env::var("TITER_BENCH_TERMINALS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let runtime = Runtime::new().expect("threads can be made");
    let postgres = std::env::var("TITER_TEST_POSTGRES").ok().map(Database::Postgres);
    for (name, database) in [("sqlite", None)].into_iter().chain(postgres.map(|database| ("postgres", Some(database)))) {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let start = || runtime.block_on(start(folder.path(), database.clone()));
        if let Some(Database::Postgres(url)) = &database {
            runtime.block_on(clear(url));
        }
        let (running, stop) = start();
        drop(stop);
        runtime.block_on(running.finished()).expect("a service that is asked to stop stops");
        match &database {
            Some(Database::Postgres(url)) => runtime.block_on(fill_postgres(url, terminals)),
            _ => runtime.block_on(fill_sqlite(&folder.path().join("titer.sqlite3"), terminals)),
        }
        let (running, stop) = start();
        let operator = Operator::new(&running.url(), running.operator_token()).expect("the address is one");
        let mut group = c.benchmark_group(format!("coverage/{name}"));
        group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(4));
        let counted = runtime.block_on(operator.coverage("threat-0", None)).expect("the service answers");
        assert_eq!(counted.protected + counted.unprotected + counted.unknown, u64::from(terminals));
        assert!(counted.protected > 0 && counted.unprotected > 0, "{counted:?}");
        group.bench_function("count", |b| {
            b.iter(|| runtime.block_on(operator.coverage("threat-0", None)).expect("it answered before"));
        });
        // Somewhere in the middle of the list.
        let mut after = None;
        for _ in 0..20 {
            let page = runtime.block_on(operator.coverage_terminals("threat-0", None, after.as_deref(), 1000));
            after = page.expect("the service answers").next;
        }
        group.bench_function("list-page-of-100", |b| {
            b.iter(|| {
                let page = operator.coverage_terminals("threat-0", None, after.as_deref(), 100);
                let page = runtime.block_on(page).expect("it answered before");
                assert!(page.terminals.len() > 90);
            });
        });
        group.bench_function("history-of-30-days", |b| {
            b.iter(|| {
                let history = operator.coverage_history("threat-0", None, 30);
                let history = runtime.block_on(history).expect("it answered before");
                assert!(history.points.len() > 200);
            });
        });
        group.bench_function("history-of-2-years", |b| {
            b.iter(|| {
                let history = operator.coverage_history("threat-0", None, 800);
                let history = runtime.block_on(history).expect("it answered before");
                assert!(history.points.len() > 300);
            });
        });
        group.finish();
        drop(stop);
        runtime.block_on(running.finished()).expect("a service that is asked to stop stops");
    }
}

async fn start(folder: &std::path::Path, database: Option<Database>) -> (Running, oneshot::Sender<()>) {
    let mut config = Config::new(folder, "127.0.0.1:0".parse().expect("this is an address"));
    config.database = database;
    let (stop, stopped) = oneshot::channel::<()>();
    let running = serve(config, async { _ = stopped.await }).await.expect("the service starts");
    (running, stop)
}

async fn clear(url: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the database can be reached");
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public").await.expect("the schema is ours");
}

async fn fill_sqlite(path: &std::path::Path, terminals: u32) {
    let url = format!("sqlite:{}", path.display());
    let mut connection = SqliteConnection::connect(&url).await.expect("the tables are there");
    connection.execute("PRAGMA synchronous = OFF; BEGIN").await.expect("nobody else writes");
    let rows = format!("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {terminals} - 1)");
    let id = "printf('%08x%024x', (i * 2654435761) & 4294967295, i)";
    for statement in common(&rows, id, "") {
        connection.execute(sqlx::AssertSqlSafe(statement)).await.expect("the statement is one");
    }
    connection.execute("COMMIT; ANALYZE").await.expect("there is room");
}

async fn fill_postgres(url: &str, terminals: u32) {
    let mut connection = PgConnection::connect(url).await.expect("the database can be reached");
    // A million single counts in one transaction would leave as many dead versions of the same rows.
    connection.execute("ALTER TABLE terminals DISABLE TRIGGER USER").await.expect("the table is ours");
    let rows = format!("WITH n AS (SELECT generate_series(0, {}) AS i)", terminals - 1);
    let id = "md5(i::text)";
    for statement in common(&rows, id, "::bigint") {
        connection.execute(sqlx::AssertSqlSafe(statement)).await.expect("the statement is one");
    }
    connection
        .execute(
            "TRUNCATE configuration_counts;
             INSERT INTO configuration_counts SELECT configuration, hashtext(terminal) & 63, COUNT(*) FROM terminals GROUP BY 1, 2;
             ALTER TABLE terminals ENABLE TRIGGER USER",
        )
        .await
        .expect("the tables are ours");
    connection.execute("VACUUM ANALYZE").await.expect("nobody else is here");
}

/// What both databases are filled with. `rows` makes one row `i` for each terminal, `id` the terminal's number of it.
fn common(rows: &str, id: &str, big: &str) -> Vec<String> {
    let mut statements = Vec::new();
    for maker in 0..5 {
        statements.push(format!("INSERT INTO makers (maker, keys, registered_at) VALUES ('maker{maker}', '{{}}', 1)"));
        for release in 1..=80 {
            let digest = format!("{maker:032x}{release:032x}");
            statements.push(format!(
                "INSERT INTO releases VALUES ('maker{maker}', 'stable', {release}, '{digest}', '{digest}', 1, 1, 1, {})",
                i32::from(release > 72)
            ));
        }
        for threat in 0..400 {
            let vaccine =
                if threat % 3 == 1 { "NULL, NULL, NULL" } else { &format!("'2026-11-12', 'stable', {}", 20 + maker * 5) };
            statements.push(format!(
                "INSERT INTO threats (maker, threat, danger, discovered, vaccine_date, vaccine_name, vaccine_release, updated_at)
                 VALUES ('maker{maker}', 'threat-{threat}', 'high', '2026-11-10', {vaccine}, 1)"
            ));
        }
    }
    for number in 0..CONFIGURATIONS {
        let (maker, release) = (number % 5, 1 + number / 5);
        let channel = format!("maker{maker}/stable");
        statements.push(format!(
            r#"INSERT INTO configurations (id, sha256, body) VALUES ({}, '{number}',
               '{{"designation":"own","subscribed":["{channel}"],"applied":[{{"channel":"{channel}","release":{release}}}]}}')"#,
            number + 1
        ));
    }
    statements.push(format!(
        "{rows} INSERT INTO terminals (terminal, public_key, counter, hardware, os, engine_version, designation, subscribed,
         enrolled_at, last_contact, configuration)
         SELECT {id}, {id}, 1, 'x86_64', 'linux', '0.1.0', '\"own\"', '[\"maker0/stable\"]', 1700000000 + i, 1700000000 + i,
         1 + (i{big} * 7919) % {CONFIGURATIONS} FROM n"
    ));
    let counts: Vec<_> = (1..=CONFIGURATIONS).map(|id| format!("[{id},2500]")).collect();
    let now = jiff::Timestamp::now().as_second();
    for number in 0..CENSUSES {
        // Quarters of two days, hours of a month, days of two years.
        let age = match number {
            0..192 => number * 900,
            192..912 => 172_800 + (number - 192) * 3600,
            _ => 2_764_800 + (number - 912) * 86_400,
        };
        statements.push(format!("INSERT INTO census VALUES ({}, '[{}]')", now - i64::from(age), counts.join(",")));
    }
    statements
}
