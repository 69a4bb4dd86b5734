//! Opening a database from its URL.
//!
//! Owns connection settings: durability, isolation, character set, time zone, pool sizes. The
//! URL's password lives in the driver's options and is never printed.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Database, Executor as _, MySql, Sqlite};

use crate::db::{Db, Dialect, Sql, StoreError};
use crate::secret::{Place, SecretError, Secrets};

/// Connections to MariaDB at most, and readers of SQLite.
const POOL_CONNECTIONS_MAX: u32 = 8;
/// How long a caller waits for a connection before the database counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that rested for longer is tested before its next use; testing each time would cost
/// every transaction a round trip.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long SQLite waits for another process's write lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Statement shapes kept prepared by each connection; multi-row inserts come in powers of two.
const STATEMENT_CACHE: usize = 400;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is of another kind.
    #[error(
        "the database URL begins with \"{scheme}\"; write sqlite:PATH or mysql://USER:PASSWORD@HOST:PORT/NAME"
    )]
    Scheme {
        /// What stands before the first colon.
        scheme: String,
    },
    /// The URL names no database.
    #[error("the database URL {location} names no database; add /NAME at its end")]
    NoName {
        /// Where, without a password.
        location: String,
    },
    /// The URL cannot be read. The reason is not passed on: it may repeat the password.
    #[error(
        "the mysql URL cannot be read; write mysql://USER:PASSWORD@HOST:PORT/NAME, with special characters of the password percent-encoded"
    )]
    Url,
    /// The database file or its folder cannot be made.
    #[error("cannot make the database file {path}; check the folder's permissions")]
    Folder {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database does not answer.
    #[error("cannot open the database {location}; check that it runs, its name and the password")]
    Connect {
        /// Where, without a password.
        location: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
}

/// The database. Clones are cheap and share their connections.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Db,
    location: Arc<str>,
    file: Option<Arc<Path>>,
    secrets: Arc<OnceLock<Secrets>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.location)
    }
}

impl Store {
    /// Opens `sqlite:PATH` (created when missing) or `mysql://…`, and makes one connection, so
    /// that a wrong name or password is told at once.
    ///
    /// # Errors
    /// [`OpenError`]; none of them repeats the URL's password.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let scheme = url.split(':').next().unwrap_or_default();
        match scheme {
            "sqlite" => open_sqlite(sqlite_path(url)).await,
            "mysql" | "mariadb" => open_mariadb(url).await,
            other => Err(OpenError::Scheme { scheme: other.chars().take(20).collect::<String>() }),
        }
    }

    /// Which dialect it speaks.
    pub fn dialect(&self) -> Dialect {
        self.db.dialect()
    }

    /// Where it is, for people: a URL without a password.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The database file, for SQLite.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Gives it the installation's keys; the first call counts.
    pub fn set_secrets(&self, secrets: Secrets) {
        // A second call is harmless: one process has one installation's keys.
        let _ = self.secrets.set(secrets);
    }

    pub(crate) fn loaded_secrets(&self) -> Option<&Secrets> {
        self.secrets.get()
    }

    pub(crate) fn secrets(&self, place: Place<'_>) -> Result<&Secrets, StoreError> {
        self.secrets.get().ok_or_else(|| place.failed(SecretError::NoKey))
    }

    /// The number in the only column of the only row.
    pub(crate) async fn count(&self, sql: Sql<'_>) -> Result<u64, StoreError> {
        self.db.row(sql).await?.map_or(Ok(0), |row| row.reader().num())
    }

    /// Ends all connections; SQLite's write-ahead log is merged into its file.
    pub async fn close(&self) {
        match &self.db {
            Db::My(pool) => pool.close().await,
            Db::Lite { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

/// `sqlite:a.db`, `sqlite://a.db` and `sqlite:///x/a.db` → the path; a query part is dropped.
fn sqlite_path(url: &str) -> PathBuf {
    let rest = url.trim_start_matches("sqlite:");
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    PathBuf::from(rest.split('?').next().unwrap_or_default())
}

async fn open_sqlite(path: PathBuf) -> Result<Store, OpenError> {
    let location = format!("sqlite:{}", path.display());
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|source| OpenError::Folder { path: path.clone(), source })?;
    }
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(false)
        .statement_cache_capacity(STATEMENT_CACHE)
        .disable_statement_logging();
    // The file holds more than its owner's secrets; SQLite gives its log the same mode.
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    if let Err(source) = made
        && source.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(OpenError::Folder { path, source });
    }
    // FULL: with NORMAL, a power cut could take back commits that were answered.
    let writer = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let failed = |source| OpenError::Connect { location: location.clone(), source };
    let write = pool_options::<Sqlite>()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(writer)
        .await
        .map_err(failed)?;
    let read = pool_options::<Sqlite>()
        .max_connections(POOL_CONNECTIONS_MAX)
        .connect_lazy_with(options.read_only(true));
    let file = Some(path.into());
    Ok(Store {
        db: Db::Lite { write, read },
        location: location.into(),
        file,
        secrets: Arc::default(),
    })
}

/// What all pools have in common.
fn pool_options<DB: Database>() -> PoolOptions<DB> {
    PoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).test_before_acquire(false).before_acquire(
        |connection: &mut DB::Connection, rested| {
            Box::pin(async move {
                if rested.idle_for > TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        },
    )
}

async fn open_mariadb(url: &str) -> Result<Store, OpenError> {
    let options = MySqlConnectOptions::from_str(&url.replacen("mariadb://", "mysql://", 1))
        .map_err(|_| OpenError::Url)?
        .charset("utf8mb4")
        .collation("utf8mb4_bin")
        .timezone(Some("+00:00".to_owned()))
        .statement_cache_capacity(STATEMENT_CACHE)
        .disable_statement_logging();
    let name = options.get_database().unwrap_or_default();
    let place = options.get_socket().map_or_else(
        || format!("{}:{}", options.get_host(), options.get_port()),
        |socket| socket.display().to_string(),
    );
    let location = format!("mysql://{}@{place}/{name}", options.get_username());
    if name.is_empty() {
        return Err(OpenError::NoName { location });
    }
    let pool = pool_options::<MySql>()
        .max_connections(POOL_CONNECTIONS_MAX)
        .after_connect(|connection, _| {
            Box::pin(async move {
                // READ COMMITTED: no gap locks, hence no deadlocks between claims and inserts.
                connection
                    .execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                    .await?;
                connection
                    .execute(
                        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES'), \
                         innodb_lock_wait_timeout = 10",
                    )
                    .await?;
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await;
    let pool = match pool {
        Ok(pool) => pool,
        // The pool tried until its time was over, and forgot why.
        Err(sqlx::Error::PoolTimedOut) => {
            let source = options.connect().await.err().unwrap_or(sqlx::Error::PoolTimedOut);
            return Err(OpenError::Connect { location, source });
        }
        Err(source) => return Err(OpenError::Connect { location, source }),
    };
    Ok(Store { db: Db::My(pool), location: location.into(), file: None, secrets: Arc::default() })
}
