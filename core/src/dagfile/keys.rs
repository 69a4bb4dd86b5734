//! The tables of keys: what a DAG, a task and a task group may say.
//!
//! One line a key: its name, other spellings, the shape of its value, whether it is read, and one
//! sentence about it. The readers look keys up here, unknown ones are answered from here, and an
//! editor's schema can be made from here. Must not read values.

mod case;
mod dag;
mod task;

pub use case::{CASE_KEYS, EXPECT_KEYS, STUB_KEYS};
pub(crate) use case::{ENDINGS, RUN_STATES};
pub use dag::{DAG_KEYS, GROUP_KEYS};
pub use task::TASK_KEYS;

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// The canonical spelling.
    pub name: &'static str,
    /// Other spellings, accepted with a note.
    pub aliases: &'static [&'static str],
    /// The shape of its value.
    pub kind: KeyKind,
    /// What becomes of it.
    pub support: Support,
    /// One sentence about it.
    pub doc: &'static str,
}

/// The shape of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// An id.
    Id,
    /// One text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number in a range, both ends included.
    Int(i64, i64),
    /// A number.
    Number,
    /// A duration.
    Duration,
    /// A date or an instant.
    Instant,
    /// A text or a list of texts.
    TextList,
    /// A map of texts.
    TextMap,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A list of callbacks.
    Callbacks,
    /// A shape of its own.
    Own,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is read.
    Read,
    /// It is accepted, and means nothing to a run.
    Silent,
    /// It would change what runs, and cannot yet: an error.
    Later,
    /// It belongs to Airflow and means nothing here: a warning that says what to do instead.
    Foreign(&'static str),
}

impl Key {
    /// A key that is read.
    const fn new(name: &'static str, kind: KeyKind, doc: &'static str) -> Self {
        Self { name, aliases: &[], kind, support: Support::Read, doc }
    }

    const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    const fn silent(name: &'static str, doc: &'static str) -> Self {
        Self { name, aliases: &[], kind: KeyKind::Own, support: Support::Silent, doc }
    }

    const fn later(name: &'static str, doc: &'static str) -> Self {
        Self { name, aliases: &[], kind: KeyKind::Own, support: Support::Later, doc }
    }

    const fn foreign(name: &'static str, instead: &'static str) -> Self {
        let support = Support::Foreign(instead);
        Self { name, aliases: &[], kind: KeyKind::Own, support, doc: instead }
    }
}

/// The key of a word in a table, canonical or alias.
pub(crate) fn find(table: &'static [Key], word: &str) -> Option<&'static Key> {
    table.iter().find(|key| key.name == word || key.aliases.contains(&word))
}

/// The canonical names of a table that are worth suggesting.
pub(crate) fn names(table: &'static [Key]) -> impl Iterator<Item = &'static str> {
    table
        .iter()
        .filter(|key| !matches!(key.support, Support::Foreign(_)))
        .flat_map(|key| std::iter::once(key.name).chain(key.aliases.iter().copied()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::operator::OPERATORS;

    #[test]
    fn every_word_means_one_key() {
        for table in [DAG_KEYS, TASK_KEYS, GROUP_KEYS, CASE_KEYS, STUB_KEYS, EXPECT_KEYS] {
            let mut seen = BTreeSet::new();
            for key in table {
                assert!(!key.doc.is_empty() && !key.doc.ends_with('.'), "{}", key.name);
                for word in std::iter::once(&key.name).chain(key.aliases) {
                    assert!(seen.insert(*word), "{word} twice");
                }
            }
        }
    }

    #[test]
    fn no_operator_takes_a_word_of_every_task() {
        for spec in OPERATORS {
            for field in spec.fields {
                for word in std::iter::once(&field.name).chain(field.aliases) {
                    assert!(find(TASK_KEYS, word).is_none(), "{}.{word}", spec.name);
                }
            }
        }
    }
}
