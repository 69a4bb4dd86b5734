//! Names that people choose: dag ids, task ids and run ids, checked where they enter.
//!
//! An id is used in URLs, log paths, labels and shell environments, so its alphabet is closed
//! (`A-Z a-z 0-9 _ . ~ : + @ -`, at most 250 characters, no `..`, no leading `-` or `.`).
//! This module must not know what an id refers to.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id, in characters (Airflow: `dag_id` is at most 250).
pub const ID_CHARS_MAX: usize = 250;

/// Why a text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("{what} is empty; give it a name of letters, digits, `_`, `-` or `.`")]
    Empty {
        /// Which kind of id, e.g. `dag_id`.
        what: &'static str,
    },
    /// The text is longer than [`ID_CHARS_MAX`].
    #[error("{what} has {chars} characters; at most {ID_CHARS_MAX} are allowed")]
    TooLong {
        /// Which kind of id.
        what: &'static str,
        /// Its length in characters.
        chars: usize,
    },
    /// The text has a character outside the alphabet.
    #[error(
        "{what} \"{text}\" has the character {character:?}; use letters, digits, `_`, `-`, `.`{extra}"
    )]
    Character {
        /// Which kind of id.
        what: &'static str,
        /// The text, cut to 80 characters.
        text: String,
        /// The first character that is not allowed.
        character: char,
        /// Further characters that this kind of id allows.
        extra: &'static str,
    },
    /// The text could climb out of a folder or pass for an option.
    #[error("{what} \"{text}\" must not start with `-` or `.` nor contain `..`")]
    Path {
        /// Which kind of id.
        what: &'static str,
        /// The text, cut to 80 characters.
        text: String,
    },
}

fn check(what: &'static str, text: &str, extra: &'static str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    let chars = text.chars().count();
    if chars > ID_CHARS_MAX {
        return Err(IdError::TooLong { what, chars });
    }
    let short = || text.chars().take(80).collect::<String>();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c) || extra.contains(c);
    if let Some(character) = text.chars().find(|&c| !allowed(c)) {
        return Err(IdError::Character { what, text: short(), character, extra });
    }
    if text.starts_with(['-', '.']) || text.contains("..") {
        return Err(IdError::Path { what, text: short() });
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $extra:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and makes it an id.
            ///
            /// # Errors
            /// [`IdError`] when the text is empty, too long or outside the alphabet.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                check($what, text.as_ref(), $extra)?;
                Ok(Self(text.as_ref().into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.to_string()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }
    };
}

id!(
    /// The name of a DAG, unique in an installation.
    DagId,
    "dag_id",
    ""
);
id!(
    /// The name of a task, unique in its DAG; tasks of a group are `group.task`.
    TaskId,
    "task_id",
    ""
);
id!(
    /// The name of a DAG run, unique in its DAG (`scheduled__2025-08-21T06:00:00+00:00`).
    RunId,
    "run_id",
    "~:+@"
);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        let got = RunId::new(text).map(|_| ()).map_err(|e| e.to_string());
        match (got, expected) {
            (Ok(()), Ok(())) => {}
            (Err(got), Err(part)) => assert!(got.contains(part), "{text:?}: {got}"),
            (got, expected) => panic!("{text:?}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn ids_have_a_closed_alphabet() {
        check("scheduled__2025-08-21T06:00:00+00:00", Ok(()));
        check("a", Ok(()));
        check("", Err("is empty"));
        check("..", Err("must not start"));
        check("a..b", Err("must not start"));
        check("-rf", Err("must not start"));
        check("a/b", Err("character '/'"));
        check("a b", Err("character ' '"));
        check("a\0", Err("character '\\0'"));
        check("가", Err("character '가'"));
        check(&"x".repeat(251), Err("251 characters"));
        assert!(DagId::new("a:b").is_err(), "a dag id has no colon");
    }
}
