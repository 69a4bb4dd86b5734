//! Secrets at rest: every value is sealed under a key of its own, which is sealed under the
//! installation's key.
//!
//! Owns the keys and the sealed form. XChaCha20-Poly1305; the additional data names the table, the
//! row and the column, so that a value copied to another place does not open. Keys never enter the
//! database, and nothing here prints one.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

use crate::db::{Sql, StoreError};
use crate::store::Store;

/// The environment variable that holds the installation's key, base64 of 32 bytes; several keys
/// are separated by commas, and the first one seals.
pub const KEY_VARIABLE: &str = "MILLRACE_SECRET_KEY";
/// The file of the key in the home folder, where the variable is not set.
pub const KEY_FILE: &str = "secret.key";

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Why a secret could not be sealed or opened. No text shows a key or a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The text is not a key.
    #[error(
        "{place} is not a key: write the base64 of 32 random bytes (`openssl rand -base64 32`)"
    )]
    Key {
        /// Where the text stands.
        place: String,
    },
    /// The key file cannot be read or made.
    #[error("cannot read or make the key file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others may read the key file.
    #[error("everybody can read the key file {path}; run: chmod 600 {path}")]
    Readable {
        /// Which.
        path: PathBuf,
    },
    /// The key that sealed the value is not here.
    #[error(
        "it was sealed with key {key_id}, which is not here; put that key into MILLRACE_SECRET_KEY, after the current one and a comma"
    )]
    UnknownKey {
        /// The first digits of the key's hash.
        key_id: String,
    },
    /// The value was changed or copied from another row.
    #[error("it was changed outside of Millrace or copied from another row; set it again")]
    Tampered,
    /// No key was loaded.
    #[error("no key was loaded in this process; this is a mistake in Millrace")]
    NoKey,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// The installation's keys. The first seals; all open.
#[derive(Clone)]
pub struct Secrets {
    keys: Arc<[Key]>,
}

struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

/// Where a value stands; part of what it is sealed with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) row: &'a str,
    pub(crate) column: &'static str,
}

impl Place<'_> {
    fn data(self) -> Vec<u8> {
        // JSON, so that no two places have the same text.
        serde_json::json!(["millrace", 1, self.table, self.row, self.column])
            .to_string()
            .into_bytes()
    }

    pub(crate) fn failed(self, source: SecretError) -> StoreError {
        let what = format!("{} of {} \"{}\"", self.column, self.table, self.row);
        StoreError::Secret { what, source }
    }
}

impl Secrets {
    /// The keys of a text as in [`KEY_VARIABLE`].
    ///
    /// # Errors
    /// [`SecretError::Key`] without repeating the text.
    pub fn from_text(text: &str, place: &str) -> Result<Self, SecretError> {
        let wrong = || SecretError::Key { place: place.to_owned() };
        let keys: Option<Vec<Key>> = text.split(',').map(|part| Key::parse(part.trim())).collect();
        Ok(Self { keys: keys.ok_or_else(wrong)?.into() })
    }

    /// The key of a home folder, made with the first start; readable by its owner alone.
    ///
    /// # Errors
    /// [`SecretError`] when the file cannot be read or made, or everybody may read it.
    pub fn from_home(home: &Path) -> Result<Self, SecretError> {
        let path = home.join(KEY_FILE);
        let failed = |source| SecretError::File { path: path.clone(), source };
        if !path.exists() {
            make_key_file(home, &path)?;
        }
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(SecretError::Readable { path });
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failed)?;
        Self::from_text(text.trim(), &format!("the key file {}", path.display()))
    }

    /// A new key, as [`KEY_VARIABLE`] wants it.
    ///
    /// # Errors
    /// [`SecretError::Random`].
    pub fn generate() -> Result<String, SecretError> {
        Ok(STANDARD.encode(random::<KEY_BYTES>()?))
    }

    /// The name of the key that seals: the first digits of its hash.
    pub fn key_id(&self) -> &str {
        self.keys.first().map_or("", |key| &key.id)
    }

    fn has(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.id == key_id)
    }

    pub(crate) fn seal(&self, place: Place<'_>, text: &str) -> Result<String, StoreError> {
        self.try_seal(place, text).map_err(|source| place.failed(source))
    }

    fn try_seal(&self, place: Place<'_>, text: &str) -> Result<String, SecretError> {
        let key = self.keys.first().ok_or(SecretError::NoKey)?;
        let data = place.data();
        let own: [u8; KEY_BYTES] = random()?;
        let cipher = XChaCha20Poly1305::new(&own.into());
        let wrapped = encrypt(&key.cipher, &own, &data)?;
        let sealed = encrypt(&cipher, text.as_bytes(), &data)?;
        Ok(format!("v1.{}.{}.{}", key.id, STANDARD.encode(wrapped), STANDARD.encode(sealed)))
    }

    pub(crate) fn open(&self, place: Place<'_>, sealed: &str) -> Result<String, StoreError> {
        self.try_open(place, sealed).map_err(|source| place.failed(source))
    }

    fn try_open(&self, place: Place<'_>, sealed: &str) -> Result<String, SecretError> {
        let mut parts = sealed.split('.');
        let (Some("v1"), Some(key_id), Some(wrapped), Some(value), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SecretError::Tampered);
        };
        let unknown = || SecretError::UnknownKey { key_id: key_id.chars().take(16).collect() };
        let key = self.keys.iter().find(|key| key.id == key_id).ok_or_else(unknown)?;
        let data = place.data();
        let own = decrypt(&key.cipher, wrapped, &data)?;
        let cipher = XChaCha20Poly1305::new_from_slice(&own).map_err(|_| SecretError::Tampered)?;
        String::from_utf8(decrypt(&cipher, value, &data)?).map_err(|_| SecretError::Tampered)
    }

    /// Whether a sealed value should be sealed again: its key is not the first.
    pub(crate) fn is_old(&self, sealed: &str) -> bool {
        sealed.split('.').nth(1) != Some(self.key_id())
    }
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok().filter(|bytes| bytes.len() == KEY_BYTES)?;
        let mut hash = Sha256::new();
        hash.update(b"millrace key id");
        hash.update(&bytes);
        let id = hex(&hash.finalize()[..6]);
        Some(Self { id, cipher: XChaCha20Poly1305::new_from_slice(&bytes).ok()? })
    }
}

/// Nonce and ciphertext.
fn encrypt(cipher: &XChaCha20Poly1305, text: &[u8], data: &[u8]) -> Result<Vec<u8>, SecretError> {
    let nonce: [u8; NONCE_BYTES] = random()?;
    let payload = Payload { msg: text, aad: data };
    // It fails only for texts beyond 256 GiB.
    let sealed =
        cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SecretError::Tampered)?;
    Ok([&nonce[..], &sealed].concat())
}

fn decrypt(cipher: &XChaCha20Poly1305, text: &str, data: &[u8]) -> Result<Vec<u8>, SecretError> {
    let bytes = STANDARD.decode(text).map_err(|_| SecretError::Tampered)?;
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or(SecretError::Tampered)?;
    let payload = Payload { msg: sealed, aad: data };
    cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SecretError::Tampered)
}

fn make_key_file(home: &Path, path: &Path) -> Result<(), SecretError> {
    let failed = |source| SecretError::File { path: path.to_path_buf(), source };
    std::fs::create_dir_all(home).map_err(failed)?;
    // Written aside and linked: of two first starts at once, both read the same whole key.
    let aside = home.join(format!("{KEY_FILE}.{}", hex(&random::<8>()?)));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)
        .map_err(failed)?;
    let written = file
        .write_all(format!("{}\n", Secrets::generate()?).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&aside, path));
    let removed = std::fs::remove_file(&aside);
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.and(removed).map_err(failed),
    }
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SecretError::Random)?;
    Ok(bytes)
}

/// `0a1b…`
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Store {
    /// Loads the installation's key, from the environment ([`KEY_VARIABLE`]) or the home folder.
    /// Call it once, before variables and connections are used.
    ///
    /// # Errors
    /// [`SecretError`] when there is no good key.
    pub fn load_secrets(&self, home: &Path) -> Result<(), SecretError> {
        let secrets = match std::env::var(KEY_VARIABLE) {
            Ok(text) if !text.trim().is_empty() => Secrets::from_text(&text, KEY_VARIABLE)?,
            _ => Secrets::from_home(home)?,
        };
        self.set_secrets(secrets);
        Ok(())
    }

    /// The names of keys that sealed something here and were not loaded: what they sealed cannot
    /// be read.
    pub async fn missing_keys(&self) -> Result<Vec<String>, StoreError> {
        // A sealed value begins with `v1.` and the twelve digits of its key's name.
        let sql = Sql::new(
            "-- secret::missing_keys
SELECT SUBSTR(value, 4, 12) FROM variable
UNION SELECT SUBSTR(password, 4, 12) FROM connection WHERE password IS NOT NULL
UNION SELECT SUBSTR(extra, 4, 12) FROM connection WHERE extra IS NOT NULL",
        );
        let mut missing = Vec::new();
        for row in self.db.rows(sql).await? {
            let key_id = row.reader().text()?;
            if !self.loaded_secrets().is_some_and(|secrets| secrets.has(&key_id)) {
                missing.push(key_id);
            }
        }
        Ok(missing)
    }

    /// Seals anew everything that an older key sealed; how many values. Afterwards the older key
    /// may be taken out of [`KEY_VARIABLE`].
    pub async fn rotate_secrets(&self) -> Result<u64, StoreError> {
        let variables = crate::variable::rotate(self).await?;
        Ok(variables + crate::connection::rotate(self).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { table: "variable", row: "a", column: "value" };

    fn secrets() -> Secrets {
        Secrets::from_text(&Secrets::generate().unwrap(), "test").unwrap()
    }

    #[test]
    fn a_value_opens_only_where_it_was_sealed() {
        let secrets = secrets();
        let sealed = secrets.seal(PLACE, "canary 🐤").unwrap();
        assert!(!sealed.contains("canary"));
        assert_ne!(sealed, secrets.seal(PLACE, "canary 🐤").unwrap(), "nonces differ");
        let check = |place: Place<'_>, sealed: &str, expected: Result<&str, &str>| match (
            secrets.open(place, sealed),
            expected,
        ) {
            (Ok(text), expected) => assert_eq!(Ok(text.as_str()), expected),
            (Err(error), Err(part)) => {
                let text = std::error::Error::source(&error).unwrap().to_string();
                assert!(text.contains(part), "{text}");
            }
            (Err(error), Ok(_)) => panic!("{error:?}"),
        };
        check(PLACE, &sealed, Ok("canary 🐤"));
        check(Place { row: "b", ..PLACE }, &sealed, Err("copied from another row"));
        check(Place { column: "x", ..PLACE }, &sealed, Err("copied from another row"));
        check(Place { table: "y", ..PLACE }, &sealed, Err("copied from another row"));
        check(PLACE, "", Err("changed"));
        check(PLACE, "canary", Err("changed"));
        check(PLACE, &sealed.replacen("v1.", "v1.0", 1), Err("is not here"));
    }

    #[test]
    fn no_flipped_bit_opens() {
        let secrets = secrets();
        let sealed = secrets.seal(PLACE, "canary").unwrap();
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(secrets.open(PLACE, &changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn keys_rotate() {
        let (old, new) = (Secrets::generate().unwrap(), Secrets::generate().unwrap());
        let sealed = Secrets::from_text(&old, "test").unwrap().seal(PLACE, "x").unwrap();
        let both = Secrets::from_text(&format!("{new}, {old}"), "test").unwrap();
        assert_eq!(both.open(PLACE, &sealed).unwrap(), "x");
        assert!(both.is_old(&sealed));
        assert!(!both.is_old(&both.seal(PLACE, "x").unwrap()));
        let alone = Secrets::from_text(&new, "test").unwrap();
        assert!(format!("{:?}", alone.open(PLACE, &sealed).unwrap_err()).contains("UnknownKey"));
    }

    #[test]
    fn the_key_file_is_the_owners() {
        let home = tempfile::tempdir().unwrap();
        let first = Secrets::from_home(home.path()).unwrap();
        assert_eq!(Secrets::from_home(home.path()).unwrap().key_id(), first.key_id());
        let path = home.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left aside");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Secrets::from_home(home.path()), Err(SecretError::Readable { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "c2hvcnQ=").unwrap();
        let error = Secrets::from_home(home.path()).unwrap_err().to_string();
        assert!(error.contains("is not a key") && !error.contains("c2hvcnQ"), "{error}");
        assert_eq!(format!("{first:?}"), "Secrets(***)");
    }
}
