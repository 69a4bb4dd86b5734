//! Pages of long lists, and the pieces of WHERE clauses that filters make.
//!
//! Owns limits and patterns; what may be filtered is said by the table modules.

use crate::db::{Arg, Sql};

/// The most rows of a page.
pub const LIMIT_MAX: u32 = 1000;

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// How many rows; cut to [`LIMIT_MAX`].
    pub limit: u32,
    /// How many rows to leave out before.
    pub offset: u32,
}

impl Default for Paging {
    fn default() -> Self {
        Self { limit: 100, offset: 0 }
    }
}

/// A part of a list, with the length of the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many rows there are on all pages.
    pub total: u64,
}

impl<T> Page<T> {
    /// The page with other rows.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(change).collect(), total: self.total }
    }
}

/// Which way a list runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

impl Direction {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

/// A WHERE clause in the making: constant texts, and the values of their `?`s.
#[derive(Default)]
pub(crate) struct Filter<'a> {
    parts: Vec<String>,
    args: Vec<Arg<'a>>,
}

impl<'a> Filter<'a> {
    /// Adds a condition with one value, if there is a value.
    pub(crate) fn when(mut self, text: &'static str, value: Option<impl Into<Arg<'a>>>) -> Self {
        if let Some(value) = value {
            self.parts.push(text.to_owned());
            self.args.push(value.into());
        }
        self
    }

    /// Adds `column IN (…)`, if there are values.
    pub(crate) fn one_of<T: Into<Arg<'a>>>(
        mut self,
        column: &'static str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let values: Vec<Arg<'a>> = values.into_iter().map(Into::into).collect();
        if !values.is_empty() {
            self.parts.push(format!("{column} IN ({})", crate::table::marks(values.len())));
            self.args.extend(values);
        }
        self
    }

    /// Adds a condition with any values.
    pub(crate) fn also(
        mut self,
        text: String,
        values: impl IntoIterator<Item = impl Into<Arg<'a>>>,
    ) -> Self {
        self.parts.push(text);
        self.args.extend(values.into_iter().map(Into::into));
        self
    }

    fn clause(&self) -> String {
        if self.parts.is_empty() { "1 = 1".to_owned() } else { self.parts.join(" AND ") }
    }

    /// `{head} WHERE … {tail} LIMIT ? OFFSET ?`
    pub(crate) fn page(&self, head: &str, tail: &str, paging: Paging) -> Sql<'a> {
        Sql::new(format!("{head} WHERE {} {tail} LIMIT ? OFFSET ?", self.clause()))
            .bind_all(self.args.clone())
            .bind(paging.limit.min(LIMIT_MAX))
            .bind(paging.offset)
    }

    /// `{head} WHERE … {tail}`
    pub(crate) fn all(&self, head: &str, tail: &str) -> Sql<'a> {
        Sql::new(format!("{head} WHERE {} {tail}", self.clause())).bind_all(self.args.clone())
    }
}

/// A pattern of people for `LOWER(…) LIKE ? ESCAPE '|'`: with `%` as it is (`%` any text, `_` any
/// character, as in Airflow's `dag_id_pattern`), without as "contains this text".
pub(crate) fn like(pattern: &str) -> String {
    let pattern = pattern.to_lowercase().replace('|', "||");
    if pattern.contains('%') { pattern } else { format!("%{}%", pattern.replace('_', "|_")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_words() {
        let check = |pattern: &str, expected: &str| assert_eq!(like(pattern), expected);
        check("my_DAG", "%my|_dag%");
        check("my_dag%", "my_dag%");
        check("a|b", "%a||b%");
        check("", "%%");
    }
}
