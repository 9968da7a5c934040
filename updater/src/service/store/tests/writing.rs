//! How calls of terminals are written: alone, in groups, and beside each other.

use super::super::groups::Waiting;
use super::*;
use std::sync::Mutex;
use tokio::sync::oneshot::Receiver;

/// What the task of a store writes with.
fn groups(store: &Store) -> Groups {
    let (writer, changes, written) = (store.writer.clone(), store.changes.clone(), store.written.clone());
    Groups { writer, dialect: store.dialect, changes, written }
}

fn waiting(change: Change) -> (Waiting, Receiver<Result<Put, StoreError>>) {
    let (answer, answered) = oneshot::channel();
    (Waiting { change, settled: Box::new(|_| {}), answer }, answered)
}

async fn held(store: &Store, terminal: &str) -> Held {
    store.held(terminal).await.unwrap().unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("t{number}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_calls_with_one_counter_in_a_group_one_is_taken() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let store = Store::open(database).await.unwrap();
        enrol(&tables, &store, &names(2)).await;
        let (one, other) = (held(&store, "t0").await, held(&store, "t1").await);
        let (first, was_first) = waiting(change(&store, &one, 7, "first").await);
        let (neighbour, was_neighbour) = waiting(change(&store, &other, 7, "linux").await);
        let (second, was_second) = waiting(change(&store, &one, 7, "second").await);
        groups(&store).together(vec![first, neighbour, second]).await;
        assert_eq!(was_first.await.unwrap().unwrap(), Put::Written, "{database:?}");
        assert_eq!(was_neighbour.await.unwrap().unwrap(), Put::Written);
        assert_eq!(was_second.await.unwrap().unwrap(), Put::Overtaken);
        assert_eq!(store.written(), (2, 1), "two changes in one commit");
        assert_eq!(held(&store, "t0").await.counter, 7);
        assert_eq!(store.terminal("t0").await.unwrap().unwrap().row.machine.os, "first");
    }
}

/// A database that fails at one row, in the ways that it can: the statement alone, or with it the whole transaction.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_written_fails_alone() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let triggers: &[&str] = match database {
            Database::Sqlite(_) => &["ABORT", "ROLLBACK"],
            Database::Postgres(_) => &[""],
        };
        let store = Store::open(database).await.unwrap();
        enrol(&tables, &store, &names(3)).await;
        for (round, how) in (0..).zip(triggers) {
            let trigger = match database {
                Database::Sqlite(_) => format!(
                    "DROP TRIGGER IF EXISTS fails; CREATE TRIGGER fails AFTER UPDATE ON terminals WHEN NEW.os = 'bad'
                     BEGIN SELECT RAISE({how}, 'no'); END;"
                ),
                Database::Postgres(_) => "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END; $$;
                     CREATE TRIGGER fails AFTER UPDATE ON terminals FOR EACH ROW WHEN (NEW.os = 'bad') EXECUTE FUNCTION fail();"
                    .to_owned(),
            };
            sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&store.writer).await.unwrap();
            let counter = 7 + round;
            let (mut group, mut answers) = (Vec::new(), Vec::new());
            for (name, os) in names(3).iter().zip(["linux", "bad", "linux"]) {
                let (one, answer) = waiting(change(&store, &held(&store, name).await, counter, os).await);
                group.push(one);
                answers.push(answer);
            }
            groups(&store).together(group).await;
            let mut puts = Vec::new();
            for answer in answers {
                puts.push(answer.await.unwrap().map_err(|e| e.to_string()));
            }
            assert_eq!((&puts[0], &puts[2]), (&Ok(Put::Written), &Ok(Put::Written)), "{database:?} {how}");
            assert!(puts[1].as_ref().is_err_and(|e| e.contains("no")), "{puts:?}");
            let counters =
                [held(&store, "t0").await.counter, held(&store, "t1").await.counter, held(&store, "t2").await.counter];
            assert_eq!(counters, [counter, 1, counter], "{database:?} {how}");
        }
        // And the writer goes on.
        assert_eq!(check_in(&store, "t1", 20).await, Some(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_come_during_a_commit_share_the_next() {
    let tables = Tables::new().await;
    let store = Store::open(&tables.databases[0]).await.unwrap();
    let names = names(100);
    enrol(&tables, &store, &names).await;
    // Somebody else writes meanwhile.
    let busy = store.begin().await.unwrap();
    let mut answers = Vec::new();
    for name in &names {
        let (one, answer) = waiting(change(&store, &held(&store, name).await, 7, "linux").await);
        store.queue.send(one).await.unwrap();
        answers.push(answer);
    }
    drop(busy);
    for answer in answers {
        assert_eq!(answer.await.unwrap().unwrap(), Put::Written);
    }
    // What had come when the first was taken, and the rest.
    let (changes, commits) = store.written();
    assert!(changes == 100 && commits <= 2, "{changes} changes in {commits} commits");
}

/// Calls of one terminal are taken one after another, each decided of the row that the one before it left, also by two replicas.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_terminal_queue() {
    let tables = Tables::new().await;
    for database in &tables.databases {
        let (one, two) = (Store::open(database).await.unwrap(), Store::open(database).await.unwrap());
        enrol(&tables, &one, &names(1)).await;
        let taken = Arc::new(Mutex::new(Vec::new()));
        let mut calls = Vec::new();
        for counter in 2..=40_u64 {
            let (store, taken) = (if counter % 2 == 0 { &one } else { &two }.clone(), taken.clone());
            calls.push(tokio::spawn(async move {
                if let Some(seen) = check_in(&store, "t0", counter).await {
                    taken.lock().unwrap().push((counter, seen));
                }
            }));
        }
        for call in calls {
            call.await.unwrap();
        }
        let mut taken = taken.lock().unwrap().clone();
        taken.sort_unstable();
        let mut before = 1;
        for (counter, seen) in taken {
            assert_eq!(seen, before, "{database:?}: {counter} was decided of another row than the one before it left");
            before = counter;
        }
        assert_eq!(before, 40, "{database:?}: the greatest is always taken");
    }
}

/// What one terminal waits for holds up no other: in PostgreSQL each is written by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_waits_holds_up_no_other() {
    let tables = Tables::new().await;
    for database in tables.databases.iter().filter(|database| matches!(database, Database::Postgres(_))) {
        let store = Store::open(database).await.unwrap();
        enrol(&tables, &store, &names(2)).await;
        let mut busy = store.begin().await.unwrap();
        sqlx::query("UPDATE terminals SET words = 'x' WHERE terminal = 't0'").execute(&mut *busy).await.unwrap();
        let writes = store.clone();
        let waits = tokio::spawn(async move { check_in(&writes, "t0", 7).await });
        let other = tokio::time::timeout(Duration::from_mins(1), check_in(&store, "t1", 7));
        assert_eq!(other.await.unwrap(), Some(1));
        assert!(!waits.is_finished());
        busy.rollback().await.unwrap();
        assert_eq!(waits.await.unwrap(), Some(1));
    }
}

/// What nobody waits for is not begun; what was begun is finished and told of, whoever has gone meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_begun_is_finished_when_its_caller_has_gone() {
    let tables = Tables::new().await;
    let store = Store::open(&tables.databases[0]).await.unwrap();
    enrol(&tables, &store, &names(3)).await;
    let mut group = Vec::new();
    let mut answers = Vec::new();
    for name in names(3) {
        let (one, answer) = waiting(change(&store, &held(&store, &name).await, 7, "linux").await);
        group.push(one);
        answers.push(answer);
    }
    let [_stays, goes_during, goes_before] = answers.try_into().unwrap_or_else(|_| panic!("three were asked"));
    drop(goes_before);
    // The first is told of after the commit, and the second's caller is gone by then.
    group[0].settled = Box::new(move |_| drop(goes_during));
    let (tell, told) = oneshot::channel();
    group[1].settled = Box::new(move |put| tell.send(put.as_ref().is_ok_and(|put| *put == Put::Written)).unwrap());
    group[2].settled = Box::new(|_| panic!("it was not begun"));
    groups(&store).together(group).await;
    assert!(told.await.unwrap());
    assert_eq!(held(&store, "t1").await.counter, 7);
    assert_eq!(held(&store, "t2").await.counter, 1);
}

/// Threats that terminals met are in the group of whatever else is said, and one that cannot be written fails alone.
#[tokio::test(flavor = "multi_thread")]
async fn threats_that_terminals_met_are_written_with_the_rest() {
    let tables = Tables::new().await;
    let met = |threat: &str, sample: Option<Sha256Hex>| ThreatReport { threat: threat.to_owned(), sample };
    for database in &tables.databases {
        let store = Store::open(database).await.unwrap();
        enrol(&tables, &store, &names(3)).await;
        let (one, other, third) = (held(&store, "t0").await, held(&store, "t1").await, held(&store, "t2").await);
        let sample = Sha256Hex::of(b"x");
        let (first, was_first) = waiting(one.met(7, Some(&met("Worm", Some(sample)))).unwrap());
        let (again, was_again) = waiting(one.met(8, Some(&met("Rat", None))).unwrap());
        let (neighbour, was_neighbour) = waiting(change(&store, &other, 7, "linux").await);
        let (too_many, was_too_many) = waiting(third.met(7, None).unwrap());
        groups(&store).together(vec![first, again, neighbour, too_many]).await;
        assert_eq!(was_first.await.unwrap().unwrap(), Put::Written, "{database:?}");
        assert_eq!(was_again.await.unwrap().unwrap(), Put::Overtaken, "it was made of the row before the first");
        assert_eq!(was_neighbour.await.unwrap().unwrap(), Put::Written);
        assert_eq!(was_too_many.await.unwrap().unwrap(), Put::Written);
        assert_eq!(store.written(), (3, 1), "three changes in one commit");
        let counters = [held(&store, "t0").await.counter, held(&store, "t2").await.counter];
        assert_eq!(counters, [7, 7], "the counter of one threat too many is used up");
        assert!(store.terminal_row("t0").await.unwrap().unwrap().row.last_contact.is_some());

        // The same name once more keeps its sample and counts once.
        let change = held(&store, "t0").await.met(9, Some(&met("Worm", None))).unwrap();
        assert_eq!(store.put(change, |_| {}).await.unwrap(), Put::Written);
        let reported = store.reported_threats().await.unwrap();
        assert_eq!(reported.iter().map(|row| (row.threat.as_str(), row.terminals)).collect::<Vec<_>>(), [("Worm", 1)]);
        let kept = sqlx::query_scalar::<_, String>("SELECT sha256 FROM threat_reports WHERE terminal = 't0'");
        assert_eq!(kept.fetch_one(&store.pool).await.unwrap(), sample.to_string());
        assert_eq!(store.threats_met_besides("t0", "Worm").await.unwrap(), 0);
        assert_eq!(store.threats_met_besides("t0", "Rat").await.unwrap(), 1);

        let fails = match database {
            Database::Sqlite(_) => {
                "CREATE TRIGGER fails BEFORE INSERT ON threat_reports WHEN NEW.threat = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END;"
            }
            Database::Postgres(_) => {
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END; $$;
                 CREATE TRIGGER fails BEFORE INSERT ON threat_reports FOR EACH ROW WHEN (NEW.threat = 'bad') EXECUTE FUNCTION fail();"
            }
        };
        sqlx::raw_sql(fails).execute(&store.writer).await.unwrap();
        let (bad, was_bad) = waiting(held(&store, "t1").await.met(10, Some(&met("bad", None))).unwrap());
        let (good, was_good) = waiting(held(&store, "t2").await.met(10, Some(&met("Rat", None))).unwrap());
        groups(&store).together(vec![bad, good]).await;
        assert!(was_bad.await.unwrap().is_err_and(|e| e.to_string().contains("no")), "{database:?}");
        assert_eq!(was_good.await.unwrap().unwrap(), Put::Written);
        assert_eq!(held(&store, "t1").await.counter, 7, "nothing of it is written");
        assert_eq!(store.reported_threats().await.unwrap().len(), 2);
    }
}
