//! The table `user`: people who log in with a password, kept as Argon2id.
//!
//! Hashing takes tens of milliseconds and 19 MiB, so it runs on threads for blocking work, two at
//! once. Limits on guessing belong to the API.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::api_token::TokenText;
use crate::db::{Sql, StoreError};
use crate::secret::random;
use crate::store::Store;

/// The user of the first start.
pub const ADMIN: &str = "admin";

/// OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

static HASHING: Semaphore = Semaphore::const_new(2);

/// A person who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// What the person may do.
    pub role: String,
    /// Whether logging in is forbidden.
    pub is_disabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Creates a user.
///
/// # Errors
/// [`StoreError::Duplicate`] when the name is taken.
pub async fn create(
    store: &Store,
    name: &str,
    password: &str,
    role: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let hash = hash(password).await?;
    let sql = Sql::new(
        "-- user::create
INSERT INTO user (name, password_hash, role, is_disabled, created_at) VALUES (?, ?, ?, 0, ?)",
    );
    store.db.exec(sql.bind(name).bind(hash).bind(role).bind(now)).await?;
    Ok(())
}

/// Creates the user [`ADMIN`] with a random password, if there is no user at all; the password, to
/// be printed once.
pub async fn create_first(
    store: &Store,
    role: &str,
    now: Timestamp,
) -> Result<Option<TokenText>, StoreError> {
    let count = Sql::new(
        "-- user::count
SELECT COUNT(*) FROM user",
    );
    if store.count(count).await? > 0 {
        return Ok(None);
    }
    let bytes: [u8; 15] = random().map_err(|source| password_error(ADMIN, source))?;
    let password = URL_SAFE_NO_PAD.encode(bytes);
    match create(store, ADMIN, &password, role, now).await {
        Ok(()) => Ok(Some(TokenText::new(password))),
        // Another process was first and printed its own.
        Err(StoreError::Duplicate { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The user, if the password is right and the user is not disabled. It takes as long for users
/// that do not exist.
pub async fn verify(store: &Store, name: &str, password: &str) -> Result<Option<User>, StoreError> {
    let sql = Sql::new(
        "-- user::verify
SELECT name, role, is_disabled, created_at, password_hash FROM user WHERE name = ?",
    );
    let row = store.db.row(sql.bind(name)).await?;
    let found = row
        .map(|row| {
            let mut reader = row.reader();
            Ok::<_, StoreError>((read(&mut reader)?, reader.text()?))
        })
        .transpose()?;
    let Some((user, stored)) = found else {
        hash(password).await?;
        return Ok(None);
    };
    let is_right = matches(password, &stored).await?;
    Ok((is_right && !user.is_disabled).then_some(user))
}

fn read(reader: &mut crate::db::Reader<'_>) -> Result<User, StoreError> {
    Ok(User {
        name: reader.text()?,
        role: reader.text()?,
        is_disabled: reader.flag()?,
        created_at: reader.time()?,
    })
}

/// Every user, by name.
pub async fn list(store: &Store) -> Result<Vec<User>, StoreError> {
    let sql = Sql::new(
        "-- user::list
SELECT name, role, is_disabled, created_at FROM user ORDER BY name",
    );
    store.db.rows(sql).await?.iter().map(|row| read(&mut row.reader())).collect()
}

/// Sets a password and ends all sessions and tokens of the user; whether there is such a user.
pub async fn set_password(store: &Store, name: &str, password: &str) -> Result<bool, StoreError> {
    let hash = hash(password).await?;
    let sql = Sql::new(
        "-- user::set_password
UPDATE user SET password_hash = ? WHERE name = ?",
    );
    let found = store.db.exec(sql.bind(hash).bind(name)).await? > 0;
    crate::api_token::revoke_user(store, name).await?;
    Ok(found)
}

/// Sets the role of a user, and whether it is disabled; whether there is such a user. Its tokens
/// follow at once.
pub async fn set_role(
    store: &Store,
    name: &str,
    role: &str,
    is_disabled: bool,
) -> Result<bool, StoreError> {
    let sql = Sql::new(
        "-- user::set_role
UPDATE user SET role = ?, is_disabled = ? WHERE name = ?",
    );
    Ok(store.db.exec(sql.bind(role).bind(is_disabled).bind(name)).await? > 0)
}

/// Deletes a user and all its tokens; whether there was one.
pub async fn delete(store: &Store, name: &str) -> Result<bool, StoreError> {
    let sql = Sql::new(
        "-- user::delete
DELETE FROM user WHERE name = ?",
    );
    let found = store.db.exec(sql.bind(name)).await? > 0;
    crate::api_token::revoke_user(store, name).await?;
    Ok(found)
}

fn password_error(name: &str, source: crate::secret::SecretError) -> StoreError {
    StoreError::Secret { what: format!("password of user \"{name}\""), source }
}

/// `argon2id.19456.2.1.SALT.HASH`
async fn hash(password: &str) -> Result<String, StoreError> {
    let salt: [u8; 16] = random().map_err(|source| password_error("", source))?;
    let hash = derive(password, salt.to_vec(), [MEMORY_KIB, PASSES, LANES]).await?;
    Ok(format!(
        "argon2id.{MEMORY_KIB}.{PASSES}.{LANES}.{}.{}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    ))
}

async fn matches(password: &str, stored: &str) -> Result<bool, StoreError> {
    let corrupt = || StoreError::Corrupt {
        statement: "user::verify".to_owned(),
        what: "a password hash of another form".to_owned(),
    };
    let parts: Vec<_> = stored.split('.').collect();
    let ["argon2id", memory, passes, lanes, salt, expected] = parts[..] else {
        return Err(corrupt());
    };
    let number = |text: &str| text.parse::<u32>().map_err(|_| corrupt());
    let settings = [number(memory)?, number(passes)?, number(lanes)?];
    let salt = STANDARD_NO_PAD.decode(salt).map_err(|_| corrupt())?;
    let expected = STANDARD_NO_PAD.decode(expected).map_err(|_| corrupt())?;
    let found = derive(password, salt, settings).await?;
    let differs = found.iter().zip(&expected).fold(0, |bits, (a, b)| bits | (a ^ b));
    Ok(differs == 0 && expected.len() == found.len())
}

async fn derive(
    password: &str,
    salt: Vec<u8>,
    [memory, passes, lanes]: [u32; 3],
) -> Result<[u8; 32], StoreError> {
    let failed = |what: String| StoreError::Corrupt { statement: "user::hash".to_owned(), what };
    let password = password.to_owned();
    let permit = HASHING.acquire().await.map_err(|error| failed(error.to_string()))?;
    let work = tokio::task::spawn_blocking(move || {
        let params = Params::new(memory, passes, lanes, Some(32))?;
        let mut hash = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
            password.as_bytes(),
            &salt,
            &mut hash,
        )?;
        Ok(hash)
    });
    let result: Result<_, argon2::Error> = work.await.map_err(|error| failed(error.to_string()))?;
    drop(permit);
    result.map_err(|error| failed(error.to_string()))
}
