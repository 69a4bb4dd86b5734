//! The table `api_token`: tokens for the API, sessions of the dashboard, workers' tokens.
//!
//! A token is 256 random bits, shown once; the table keeps its hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::db::{Reader, Sql, StoreError};
use crate::secret::{hex, random};
use crate::store::Store;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Scripts and people's tools.
    Api,
    /// A login at the dashboard.
    Session,
    /// A worker.
    Worker,
}

impl TokenKind {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Session => "session",
            Self::Worker => "worker",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Api, Self::Session, Self::Worker].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A token without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number.
    pub id: i64,
    /// What it is for.
    pub kind: TokenKind,
    /// Its name.
    pub name: String,
    /// What its bearer may do.
    pub role: String,
    /// The user that it stands for.
    pub user_name: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// The text of a token, to be shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

impl TokenText {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What a new token shall be.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// What it is for.
    pub kind: TokenKind,
    /// Its name.
    pub name: &'a str,
    /// What its bearer may do.
    pub role: &'a str,
    /// The user that it stands for.
    pub user_name: Option<&'a str>,
    /// When it ends; never when absent.
    pub expires_at: Option<Timestamp>,
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

/// Makes a token: `mr_` and 43 characters, in which no scanner for secrets can err.
pub async fn create(
    store: &Store,
    new: &NewToken<'_>,
    now: Timestamp,
) -> Result<(i64, TokenText), StoreError> {
    let bytes: [u8; 32] = random()
        .map_err(|source| StoreError::Secret { what: format!("token \"{}\"", new.name), source })?;
    let token = format!("mr_{}", URL_SAFE_NO_PAD.encode(bytes));
    let sql = Sql::new(
        "-- api_token::create
INSERT INTO api_token (kind, name, token_hash, role, user_name, created_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
    );
    let sql = sql
        .bind(new.kind.as_str())
        .bind(new.name)
        .bind(hash(&token))
        .bind(new.role)
        .bind(new.user_name)
        .bind(now)
        .bind(new.expires_at);
    let mut tx = store.db.begin().await?;
    let row = tx.row(sql).await?;
    tx.commit().await?;
    Ok((row.map_or(Ok(0), |row| row.reader().int())?, TokenText(token)))
}

const COLUMNS: &str = "id, kind, name, role, user_name, created_at, expires_at, last_used_at";

fn read(reader: &mut Reader<'_>) -> Result<ApiToken, StoreError> {
    Ok(ApiToken {
        id: reader.int()?,
        kind: reader.word(TokenKind::from_word)?,
        name: reader.text()?,
        role: reader.text()?,
        user_name: reader.opt_text()?,
        created_at: reader.time()?,
        expires_at: reader.opt_time()?,
        last_used_at: reader.opt_time()?,
    })
}

/// The token of a text, if it exists and has not ended. A token that stands for a user is only
/// good while that user exists and is not disabled, and has the user's role of today.
pub async fn verify(
    store: &Store,
    token: &str,
    now: Timestamp,
) -> Result<Option<ApiToken>, StoreError> {
    let sql = Sql::new(
        "-- api_token::verify
SELECT t.id, t.kind, t.name, COALESCE(u.role, t.role), t.user_name, t.created_at, t.expires_at,
    t.last_used_at
FROM api_token t LEFT JOIN user u ON u.name = t.user_name
WHERE t.token_hash = ? AND (t.expires_at IS NULL OR t.expires_at > ?)
  AND (t.user_name IS NULL OR u.is_disabled = 0)",
    );
    let Some(row) = store.db.row(sql.bind(hash(token)).bind(now)).await? else {
        return Ok(None);
    };
    let found = read(&mut row.reader())?;
    let is_fresh = |used: Timestamp| now.duration_since(used) < SignedDuration::from_mins(1);
    if !found.last_used_at.is_some_and(is_fresh) {
        let sql = Sql::new(
            "-- api_token::used
UPDATE api_token SET last_used_at = ? WHERE id = ?",
        );
        // For people to see; a request must not fail by it.
        if let Err(error) = store.db.exec(sql.bind(now).bind(found.id)).await {
            tracing::debug!(%error, "the last use of a token was not noted");
        }
    }
    Ok(Some(found))
}

/// The tokens of a kind, oldest first.
pub async fn list(store: &Store, kind: TokenKind) -> Result<Vec<ApiToken>, StoreError> {
    let text =
        format!("-- api_token::list\nSELECT {COLUMNS} FROM api_token WHERE kind = ? ORDER BY id");
    let rows = store.db.rows(Sql::new(text).bind(kind.as_str())).await?;
    rows.iter().map(|row| read(&mut row.reader())).collect()
}

/// Revokes a token by its number; whether there was one. The next request with it fails.
pub async fn revoke(store: &Store, id: i64) -> Result<bool, StoreError> {
    let sql = Sql::new(
        "-- api_token::revoke
DELETE FROM api_token WHERE id = ?",
    );
    Ok(store.db.exec(sql.bind(id)).await? > 0)
}

/// Revokes a token by its text: a logout.
pub async fn revoke_text(store: &Store, token: &str) -> Result<bool, StoreError> {
    let sql = Sql::new(
        "-- api_token::revoke_text
DELETE FROM api_token WHERE token_hash = ?",
    );
    Ok(store.db.exec(sql.bind(hash(token))).await? > 0)
}

/// Revokes all tokens and sessions of a user; how many.
pub async fn revoke_user(store: &Store, user_name: &str) -> Result<u64, StoreError> {
    let sql = Sql::new(
        "-- api_token::revoke_user
DELETE FROM api_token WHERE user_name = ?",
    );
    store.db.exec(sql.bind(user_name)).await
}

/// Deletes tokens that have ended; how many.
pub async fn clean(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let sql = Sql::new(
        "-- api_token::clean
DELETE FROM api_token WHERE expires_at <= ?",
    );
    store.db.exec(sql.bind(now)).await
}
