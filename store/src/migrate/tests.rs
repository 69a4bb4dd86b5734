//! The schema on both databases: repeatable, lockable, commented, and never of the future.

use super::*;
use crate::testing::{Fixture, at, both, mariadb};

#[tokio::test]
async fn migrating_twice_and_at_once_does_it_once() {
    both(|Fixture { store, url, folder }| async move {
        assert_eq!(store.migrate(at(1)).await.unwrap().applied, Vec::<String>::new());
        let fresh = match store.dialect() {
            Dialect::Sqlite => format!("sqlite:{}/fresh/fresh.db", folder.display()),
            Dialect::MariaDb => {
                let fresh = format!("{url}_fresh");
                let name = fresh.rsplit('/').next().unwrap().to_owned();
                store.db.exec(Sql::new(format!("CREATE DATABASE {name}"))).await.unwrap();
                fresh
            }
        };
        let (one, two) = (Store::open(&fresh).await.unwrap(), Store::open(&fresh).await.unwrap());
        assert_eq!(one.schema_version().await.unwrap(), (0, MIGRATIONS.len()));
        let (a, b) = tokio::join!(one.migrate(at(0)), two.migrate(at(0)));
        let applied = a.unwrap().applied.len() + b.unwrap().applied.len();
        assert_eq!(applied, MIGRATIONS.len());
        assert_eq!(one.schema_version().await.unwrap().0, MIGRATIONS.len());
    })
    .await;
}

#[tokio::test]
async fn other_schemas_are_refused() {
    both(|Fixture { store, .. }| async move {
        let exec = async |text: &'static str| store.db.exec(Sql::new(text)).await.unwrap();
        exec("INSERT INTO schema_migration VALUES (1000, '1000_future', 'x', 0)").await;
        let error = store.migrate(at(1)).await.unwrap_err();
        assert!(matches!(error, MigrateError::Newer { .. }), "{error}");
        exec("DELETE FROM schema_migration WHERE version = 1000").await;
        exec("UPDATE schema_migration SET checksum = 'x' WHERE version = 3").await;
        let error = store.migrate(at(1)).await.unwrap_err();
        assert!(error.to_string().contains("0003_dag"), "{error}");
    })
    .await;
}

/// A crash between a statement and its row: the statement runs again.
#[tokio::test]
async fn a_half_done_migration_repairs_itself() {
    let (_kept, Fixture { store, .. }) = mariadb().await;
    let exec = async |text: &'static str| store.db.exec(Sql::new(text)).await.unwrap();
    exec("DELETE FROM schema_migration WHERE version >= 5").await;
    exec("DROP TABLE xcom").await;
    let done = store.migrate(at(1)).await.unwrap();
    assert_eq!(done.applied.len(), MIGRATIONS.len() - 4);
    assert_eq!(store.restore().await.unwrap().pools.len(), 1);
}

#[test]
fn mariadb_files_hold_one_statement_that_may_run_twice() {
    for migration in MIGRATIONS {
        let text = migration.mariadb.trim_end();
        // Outside of quotes; none of the texts escapes one.
        let bare: String = text.split('\'').step_by(2).collect();
        assert_eq!(bare.matches(';').count(), 1, "{}", migration.name);
        assert!(text.ends_with(';'), "{}", migration.name);
        let repeatable = ["IF NOT EXISTS", "IF EXISTS", "INSERT IGNORE"];
        assert!(repeatable.iter().any(|part| text.contains(part)), "{}", migration.name);
    }
}

#[tokio::test]
async fn every_column_is_commented() {
    let (_kept, Fixture { store, .. }) = mariadb().await;
    let sql = Sql::new(
        "SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns
         WHERE table_schema = DATABASE() AND column_comment = ''",
    );
    assert_eq!(store.db.rows(sql).await.unwrap().len(), 0, "columns without a comment");
    for migration in MIGRATIONS {
        let mut in_table = false;
        for line in migration.sqlite.lines() {
            let is_column = in_table
                && line.starts_with("    ")
                && !line.contains("PRIMARY KEY (")
                && !line.contains("CONSTRAINT");
            assert!(!is_column || line.contains("-- "), "{}: {line}", migration.name);
            in_table = (in_table || line.starts_with("CREATE TABLE")) && !line.starts_with(')');
        }
    }
}

/// Both dialects have the same tables and columns.
#[tokio::test]
async fn both_dialects_have_the_same_columns() {
    let texts = |rows: Vec<crate::db::Row>| {
        let mut texts: Vec<_> =
            rows.iter().map(|row| row.reader().text().unwrap().to_lowercase()).collect();
        texts.sort();
        texts
    };
    let (_kept, my) = mariadb().await;
    let sql = Sql::new(
        "SELECT CONCAT(table_name, '.', column_name) FROM information_schema.columns
         WHERE table_schema = DATABASE()",
    );
    let on_mariadb = texts(my.store.db.rows(sql).await.unwrap());
    let (_kept, lite) = crate::testing::sqlite().await;
    let sql = Sql::new(
        "SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
    );
    assert_eq!(texts(lite.store.db.rows(sql).await.unwrap()), on_mariadb);
}
