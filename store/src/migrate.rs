//! The schema: migrations for both dialects, embedded, append-only, checked by their hashes.
//!
//! On MariaDB a statement of DDL commits by itself, so a file there holds one statement that may
//! be run twice (`IF NOT EXISTS`); a crash between it and its row in `schema_migration` repairs
//! itself. On SQLite all pending files run in one transaction.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::db::{Db, Dialect, Sql, StoreError, Tx};
use crate::store::Store;

/// One step of the schema.
struct Migration {
    name: &'static str,
    mariadb: &'static str,
    sqlite: &'static str,
}

macro_rules! migration {
    ($name:literal) => {
        Migration {
            name: $name,
            mariadb: include_str!(concat!("../../migrations/mariadb/", $name, ".sql")),
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
        }
    };
}

/// In order, for ever: the place in this list, from 1, is the version.
const MIGRATIONS: &[Migration] = &[
    migration!("0001_leader"),
    migration!("0002_key_floor"),
    migration!("0003_dag"),
    migration!("0004_dag_tag"),
    migration!("0005_dag_owner"),
    migration!("0006_dag_version"),
    migration!("0007_import_error"),
    migration!("0008_dag_run"),
    migration!("0009_task_instance"),
    migration!("0010_task_attempt"),
    migration!("0011_xcom"),
    migration!("0012_pool"),
    migration!("0013_variable"),
    migration!("0014_connection"),
    migration!("0015_event"),
    migration!("0016_notice"),
    migration!("0017_inbox"),
    migration!("0018_api_token"),
    migration!("0019_user"),
    migration!("0020_setting"),
    migration!("0021_worker"),
    migration!("0022_default_pool"),
    migration!("0023_rendered_map_index"),
    migration!("0025_task_instance_wait"),
    migration!("0027_asset"),
    migration!("0027_asset_event"),
    migration!("0027_asset_reference"),
    migration!("0028_asset_queue"),
    migration!("0028_asset_run"),
    migration!("0029_backfill"),
    migration!("0030_backfill_dag_run"),
    migration!("0031_dag_run_deadlines"),
    migration!("0031_notice_cause"),
    migration!("0032_dag_about"),
];

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database was migrated by a newer program.
    #[error(
        "the database has schema version {found}, this program knows {known}; start a newer program, or restore a backup from before the upgrade"
    )]
    Newer {
        /// The version of the database.
        found: usize,
        /// The version of this program.
        known: usize,
    },
    /// A migration that ran differs from the one in this program.
    #[error(
        "migration {name} ran with another text than this program has; the database was migrated by a build that was never released"
    )]
    Changed {
        /// Which.
        name: String,
    },
    /// Another process migrates for too long.
    #[error(
        "another process migrates the database and did not end within {waited_secs} s; stop it"
    )]
    Locked {
        /// How long was waited.
        waited_secs: u64,
    },
    /// A statement failed.
    #[error("migration {name} failed")]
    Failed {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What [`Store::migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The migrations that ran, by name; empty when the schema was up to date.
    pub applied: Vec<String>,
    /// The version now.
    pub version: usize,
}

/// How long to wait for another process that migrates.
const LOCK_SECS: u64 = 60;

impl Store {
    /// Brings the schema up to date. Running it again does nothing; two processes may start it at
    /// once.
    ///
    /// # Errors
    /// [`MigrateError`]; nothing is half done afterwards that the next run does not complete.
    pub async fn migrate(&self, now: Timestamp) -> Result<Migrated, MigrateError> {
        if up_to_date(&self.db).await? {
            return Ok(Migrated { applied: Vec::new(), version: MIGRATIONS.len() });
        }
        match self.dialect() {
            Dialect::MariaDb => migrate_mariadb(&self.db, now).await,
            Dialect::Sqlite => migrate_sqlite(&self.db, now).await,
        }
    }

    /// The version of the database's schema and that of this program; 0 before the first
    /// migration.
    pub async fn schema_version(&self) -> Result<(usize, usize), StoreError> {
        let found = match applied(&self.db).await {
            Ok(found) => found.len(),
            Err(StoreError::Refused { .. }) => 0,
            Err(error) => return Err(error),
        };
        Ok((found, MIGRATIONS.len()))
    }
}

const CREATE_MARIADB: &str = "-- migrate::create
CREATE TABLE IF NOT EXISTS schema_migration (
    version BIGINT NOT NULL COMMENT 'place in the list of migrations, from 1',
    name VARCHAR(250) NOT NULL COMMENT 'its file',
    checksum VARCHAR(64) NOT NULL COMMENT 'SHA-256 of its text, hexadecimal',
    applied_at BIGINT NOT NULL COMMENT 'when it ran; microseconds UTC',
    PRIMARY KEY (version)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin
    COMMENT = 'The migrations that ran.'";

const CREATE_SQLITE: &str = "-- migrate::create
CREATE TABLE IF NOT EXISTS schema_migration (
    version INTEGER PRIMARY KEY NOT NULL, -- place in the list of migrations, from 1
    name TEXT NOT NULL, -- its file
    checksum TEXT NOT NULL, -- SHA-256 of its text, hexadecimal
    applied_at INTEGER NOT NULL -- when it ran; microseconds UTC
) STRICT";

const LIST: &str = "-- migrate::list
SELECT name, checksum FROM schema_migration ORDER BY version";

async fn applied(db: &Db) -> Result<Vec<(String, String)>, StoreError> {
    read(&db.rows(Sql::new(LIST)).await?)
}

fn read(rows: &[crate::db::Row]) -> Result<Vec<(String, String)>, StoreError> {
    rows.iter()
        .map(|row| {
            let mut reader = row.reader();
            Ok((reader.text()?, reader.text()?))
        })
        .collect()
}

async fn up_to_date(db: &Db) -> Result<bool, MigrateError> {
    match applied(db).await {
        Ok(found) => Ok(check(&found, db.dialect())? == MIGRATIONS.len()),
        // No such table: a new database.
        Err(StoreError::Refused { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How many migrations ran, if they are the first of ours.
fn check(found: &[(String, String)], dialect: Dialect) -> Result<usize, MigrateError> {
    if found.len() > MIGRATIONS.len() {
        return Err(MigrateError::Newer { found: found.len(), known: MIGRATIONS.len() });
    }
    for ((name, checksum), ours) in found.iter().zip(MIGRATIONS) {
        if name != ours.name || *checksum != ours.checksum(dialect) {
            return Err(MigrateError::Changed { name: name.clone() });
        }
    }
    Ok(found.len())
}

impl Migration {
    fn text(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::MariaDb => self.mariadb,
            Dialect::Sqlite => self.sqlite,
        }
    }

    fn checksum(&self, dialect: Dialect) -> String {
        crate::secret::hex(&Sha256::digest(self.text(dialect)))
    }
}

async fn record(
    tx: &mut Tx,
    version: usize,
    migration: &Migration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let checksum = migration.checksum(tx.dialect());
    let sql = Sql::new(
        "-- migrate::record
INSERT INTO schema_migration (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
    );
    let version = i64::try_from(version).unwrap_or(i64::MAX);
    tx.exec(sql.bind(version).bind(migration.name).bind(checksum).bind(now)).await?;
    Ok(())
}

async fn migrate_sqlite(db: &Db, now: Timestamp) -> Result<Migrated, MigrateError> {
    // BEGIN IMMEDIATE is the lock: a second process waits here, then finds nothing to do.
    let mut tx = db.begin().await?;
    tx.script(CREATE_SQLITE).await?;
    let done = check(&read(&tx.rows(Sql::new(LIST)).await?)?, Dialect::Sqlite)?;
    let mut applied = Vec::new();
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let failed = |source| MigrateError::Failed { name: migration.name.to_owned(), source };
        tx.script(migration.sqlite).await.map_err(failed)?;
        record(&mut tx, at + 1, migration, now).await.map_err(failed)?;
        applied.push(migration.name.to_owned());
    }
    tx.commit().await?;
    Ok(Migrated { applied, version: MIGRATIONS.len() })
}

async fn migrate_mariadb(db: &Db, now: Timestamp) -> Result<Migrated, MigrateError> {
    // The lock belongs to this transaction's connection and ends with it.
    let mut lock = db.begin().await?;
    let sql = Sql::new(
        "-- migrate::lock
SELECT GET_LOCK(CONCAT('millrace-migrate-', MD5(DATABASE())), ?)",
    );
    let got = lock.row(sql.bind(i64::try_from(LOCK_SECS).unwrap_or(60))).await?;
    if got.map(|row| row.reader().opt_int()).transpose()?.flatten() != Some(1) {
        return Err(MigrateError::Locked { waited_secs: LOCK_SECS });
    }
    let result = migrate_locked(db, now).await;
    let unlock = "-- migrate::unlock
SELECT RELEASE_LOCK(CONCAT('millrace-migrate-', MD5(DATABASE())))";
    lock.rows(Sql::new(unlock)).await?;
    lock.commit().await?;
    result
}

async fn migrate_locked(db: &Db, now: Timestamp) -> Result<Migrated, MigrateError> {
    let mut tx = db.begin().await?;
    tx.script(CREATE_MARIADB).await?;
    tx.commit().await?;
    let done = check(&applied(db).await?, Dialect::MariaDb)?;
    let mut applied = Vec::new();
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        let failed = |source| MigrateError::Failed { name: migration.name.to_owned(), source };
        let mut tx = db.begin().await?;
        tx.script(migration.mariadb).await.map_err(failed)?;
        record(&mut tx, at + 1, migration, now).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        applied.push(migration.name.to_owned());
    }
    Ok(Migrated { applied, version: MIGRATIONS.len() })
}
