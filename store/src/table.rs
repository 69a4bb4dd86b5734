//! Statements that follow from a list of columns: SELECT lists, multi-row inserts and upserts.
//!
//! Owns the texts alone. All names come from constants of the table modules, never from input.

use crate::db::{Arg, Dialect, Sql};

/// Most rows of one statement. Statements come in powers of two up to it, so that the drivers'
/// caches of prepared statements hold every shape.
pub(crate) const ROWS_MAX: usize = 64;

/// A table: its name and its columns, in the order of its `args` and `read`.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its columns; not those that the database fills by itself.
    pub(crate) columns: &'static [&'static str],
    /// The columns of the key that an upsert goes by.
    pub(crate) key: &'static [&'static str],
}

impl Table {
    /// `t.a, t.b, t.c`
    pub(crate) fn list(&self, alias: &str) -> String {
        let columns: Vec<_> = self.columns.iter().map(|name| format!("{alias}.{name}")).collect();
        columns.join(", ")
    }

    fn insert_text(&self, tag: &str, rows: usize) -> String {
        let marks = format!("({})", vec!["?"; self.columns.len()].join(", "));
        format!(
            "-- {tag}\nINSERT INTO {} ({}) VALUES {}",
            self.name,
            self.columns.join(", "),
            vec![marks.as_str(); rows].join(", "),
        )
    }

    /// Inserts as many rows as `rows` gives.
    pub(crate) fn insert<'a>(&self, tag: &str, rows: Vec<Vec<Arg<'a>>>) -> Sql<'a> {
        Sql::new(self.insert_text(tag, rows.len())).bind_all(rows.into_iter().flatten())
    }

    /// Inserts rows, or replaces all columns but the key of those that exist.
    pub(crate) fn upsert<'a>(
        &self,
        dialect: Dialect,
        tag: &str,
        rows: Vec<Vec<Arg<'a>>>,
    ) -> Sql<'a> {
        let changed: Vec<_> = self
            .columns
            .iter()
            .filter(|name| !self.key.contains(name))
            .map(|name| match dialect {
                Dialect::MariaDb => format!("{name} = VALUES({name})"),
                Dialect::Sqlite => format!("{name} = excluded.{name}"),
            })
            .collect();
        let clause = match dialect {
            Dialect::MariaDb => "ON DUPLICATE KEY UPDATE".to_owned(),
            Dialect::Sqlite => format!("ON CONFLICT ({}) DO UPDATE SET", self.key.join(", ")),
        };
        let insert = self.insert_text(tag, rows.len());
        Sql::new(format!("{insert} {clause} {}", changed.join(", ")))
            .bind_all(rows.into_iter().flatten())
    }
}

/// Cuts a slice into pieces of 64, 32, 16, 8, 4, 2 and 1.
pub(crate) fn pieces<T>(mut rest: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = match rest.len() {
            0 => return None,
            few => (1 << few.ilog2()).min(ROWS_MAX),
        };
        let (piece, others) = rest.split_at(size);
        rest = others;
        Some(piece)
    })
}

/// `?, ?, ?`
pub(crate) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_powers_of_two() {
        let check = |count: usize, expected: &[usize]| {
            let rows = vec![(); count];
            assert_eq!(pieces(&rows).map(<[()]>::len).collect::<Vec<_>>(), expected, "{count}");
        };
        check(0, &[]);
        check(1, &[1]);
        check(7, &[4, 2, 1]);
        check(64, &[64]);
        check(200, &[64, 64, 64, 8]);
    }
}
