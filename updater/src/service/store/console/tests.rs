//! What pages ask for is a range of an index, in its order, as SQLite plans it: no page reads a long table, nor sorts one.

use super::audit::{UNTIL, WHATS};
use super::*;
use crate::service::store::listing::{Configured, Mark, like_page};
use crate::service::store::{Database, Store};
use sqlx::Row;

/// How SQLite would go about a statement, a step a line.
async fn plan(store: &Store, sql: &str) -> String {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(&store.pool).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

async fn store(dir: &tempfile::TempDir) -> Store {
    Store::open(&Database::Sqlite(dir.path().join("tables.sqlite3"))).await.unwrap()
}

#[tokio::test]
async fn the_audit_log_is_read_along_an_index_whatever_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    for (who, what, index) in [
        ("", "", "PRIMARY KEY"),
        ("", "maker-registered", "audit_by_what"),
        ("operator", "", "audit_by_kind"),
        ("alice", "", "audit_by_who"),
        ("terminal", "terminal-enrolled", "audit_by_what"),
        ("operator:alice", "release-blocked", "audit_by_who"),
    ] {
        let question = AuditQuestion { who: AuditWho::meant(who), what, until: i64::MAX };
        let plan = plan(&store, &question.sql()).await;
        assert!(plan.contains(index) && !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{who} {what}: {plan}");
    }
    let until = plan(&store, UNTIL).await;
    assert!(until.contains("audit_by_time") && !until.contains("TEMP B-TREE"), "{until}");
    let whats = plan(&store, WHATS).await;
    assert!(whats.matches("audit_by_what").count() == 2 && !whats.contains("SCAN audit"), "{whats}");
}

#[tokio::test]
async fn the_audit_log_is_read_backwards_by_who_what_and_when() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    for (who, what) in [
        ("operator:alice", "maker-registered"),
        ("terminal:1", "terminal-enrolled"),
        ("operator:bob", "maker-registered"),
        ("service", "rollout-halted"),
        ("operator:alice", "release-blocked"),
    ] {
        store.audit(who, what, &serde_json::json!({})).await.unwrap();
    }
    let asked = async |who: &str, what: &str, until: i64, before: u64| -> Vec<u64> {
        let question = AuditQuestion { who: AuditWho::meant(who), what, until };
        let rows = store.audit_before(&question, before, 10).await.unwrap();
        rows.iter().map(|row| row.n).collect()
    };
    assert_eq!(asked("", "", i64::MAX, u64::MAX).await, [5, 4, 3, 2, 1]);
    assert_eq!(asked("", "", i64::MAX, 3).await, [2, 1]);
    assert_eq!(asked("alice", "", i64::MAX, u64::MAX).await, [5, 1]);
    assert_eq!(asked(" operator ", "", i64::MAX, u64::MAX).await, [5, 3, 1]);
    assert_eq!(asked("service", "", i64::MAX, u64::MAX).await, [4]);
    assert_eq!(asked("", "maker-registered", i64::MAX, u64::MAX).await, [3, 1]);
    assert_eq!(asked("operator:alice", "maker-registered", i64::MAX, u64::MAX).await, [1]);
    assert_eq!(asked("terminal", "maker-registered", i64::MAX, u64::MAX).await, [0; 0]);
    sqlx::query("UPDATE audit SET at = n * 10").execute(&store.pool).await.unwrap();
    assert_eq!(asked("", "", 30, u64::MAX).await, [2, 1]);
    assert_eq!(asked("operator", "", 31, 3).await, [1]);
    assert_eq!(asked("", "", 10, u64::MAX).await, [0; 0]);
    let whats = ["maker-registered", "release-blocked", "rollout-halted", "terminal-enrolled"];
    assert_eq!(store.audit_whats().await.unwrap(), whats);
    let tail = store.audit_tail(2).await.unwrap();
    assert_eq!((tail.head.n, tail.rows.iter().map(|row| row.n).collect::<Vec<_>>()), (5, vec![4, 5]));
}

#[tokio::test]
async fn revoked_terminals_are_counted_by_the_index_of_those_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    for (sql, index) in [
        (crate::service::store::coverage::REVOKED, "terminals_revoked"),
        (crate::service::store::listing::SILENT_REVOKED, "terminals_revoked"),
        (crate::service::store::listing::SILENT, "terminals_by_contact"),
    ] {
        let plan = plan(&store, sql).await;
        assert!(plan.contains(index), "{sql}: {plan}");
    }
}

#[tokio::test]
async fn long_lists_are_read_along_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    for (sql, index) in [
        (rollouts::PAGE, "rollouts_by_state"),
        (rollouts::TROUBLES, "sqlite_autoindex_blamed_1"),
        (TROUBLES, "reports_of_a_kind"),
        (REPORTS_OF, "reports_by_terminal"),
        (FAULTS, "reports_by_outcome"),
    ] {
        let plan = plan(&store, sql).await;
        assert!(plan.contains(index) && !plan.contains("SCAN"), "{sql}: {plan}");
        // Groups are sorted: there are few, of a bounded time.
        assert!(sql == FAULTS || !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[tokio::test]
async fn marked_terminals_are_found_without_looking_at_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    for (mark, index) in
        [(Mark::Pending, "terminals_pending"), (Mark::Copied, "terminals_cloned"), (Mark::Revoked, "terminals_revoked")]
    {
        let plan = plan(&store, &mark.page()).await;
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{mark:?}: {plan}");
    }
}

#[tokio::test]
async fn a_search_looks_at_no_more_terminals_than_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir).await;
    let indexes = ["terminals_by_hardware", "terminals_by_os", "terminals_by_engine"];
    for (terminals, index) in [(0, ""), (9, "terminals_by_configuration"), (1_000_000, "terminals_by_enrolment")] {
        let ids = if terminals == 0 { vec![] } else { vec![3, 4] };
        let plan = plan(&store, &like_page(&Configured { ids, terminals })).await;
        for index in indexes.into_iter().chain([index]) {
            assert!(
                plan.contains(index) && !plan.contains("SCAN terminals") && !plan.contains("SCAN t\n"),
                "{index}: {plan}"
            );
        }
        // Each part comes in order by itself, but for the few that are sorted; what is sorted besides is a page of each.
        let parts = plan.split("SEARCH terminals").skip(1).filter(|part| !part.contains("by_configuration"));
        for part in parts {
            let own = part.lines().skip(1).take_while(|line| !line.contains("SCAN p"));
            assert_eq!(own.filter(|line| line.contains("TEMP B-TREE")).count(), 0, "{plan}");
        }
    }
}
