//! Query strings: filters, pages and orders, each checked; a parameter that nobody asks for is
//! ignored, as in Airflow.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use jiff::Timestamp;
use millrace_store::Paging;
use millrace_store::page::Direction;
use serde_json::Value;

use crate::body::instant;
use crate::problem::{Invalid, Problem};

/// The rows of a page when nothing is said (Airflow: 50).
const LIMIT: u32 = 50;
/// The most rows of a page (Airflow: `maximum_page_limit` is 100).
const LIMIT_MAX: u32 = 100;
/// The most values of one parameter.
const VALUES_MAX: usize = 200;
/// The longest value of a parameter, in bytes.
const VALUE_BYTES_MAX: usize = 1000;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    problems: Vec<Invalid>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut params = Self::default();
        match Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) {
            Ok(Query(pairs)) => params.pairs = pairs,
            Err(_) => params.complain("query", "query_invalid", "not a query string", ""),
        }
        if let Some((name, _)) =
            params.pairs.iter().find(|(_, value)| value.len() > VALUE_BYTES_MAX)
        {
            let name = name.chars().take(80).collect::<String>();
            params.complain(&name, "string_too_long", "at most 1000 bytes are allowed", "");
        }
        Ok(params)
    }
}

impl Params {
    fn complain(&mut self, name: &str, kind: &'static str, msg: &str, input: &str) {
        self.problems.push(Invalid {
            kind,
            loc: vec!["query".into(), name.into()],
            msg: msg.to_owned(),
            input: Value::from(input),
        });
    }

    /// A text; the last one when it is repeated.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let found = self.pairs.iter().rev().find(|(key, _)| key == name)?;
        Some(found.1.clone()).filter(|text| !text.is_empty())
    }

    /// A text that must be there; an empty one stands in until [`Params::close`] refuses.
    pub(crate) fn required(&mut self, name: &str) -> String {
        self.text(name).unwrap_or_else(|| {
            self.complain(name, "missing", "Field required", "");
            String::new()
        })
    }

    /// Every text of a repeated parameter.
    pub(crate) fn texts(&mut self, name: &str) -> Vec<String> {
        let of = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone());
        let found: Vec<String> = of.collect();
        if found.len() > VALUES_MAX {
            self.complain(name, "too_long", "at most 200 values are allowed", "");
        }
        found
    }

    /// A pattern: `~` is any text, as in Airflow.
    pub(crate) fn pattern(&self, name: &str) -> Option<String> {
        self.text(name).map(|text| text.replace('~', "%"))
    }

    /// A number.
    pub(crate) fn number<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        let read = text.parse().ok();
        if read.is_none() {
            let msg = "Input should be a valid integer, unable to parse string as an integer";
            self.complain(name, "int_parsing", msg, &text);
        }
        read
    }

    /// A yes or no.
    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let text = self.text(name)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => {
                self.complain(name, "bool_parsing", "Input should be a valid boolean", &text);
                None
            }
        }
    }

    /// An instant.
    pub(crate) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        // A `+` of an offset that was not escaped arrives as a blank.
        let read = instant(&text).or_else(|| instant(&text.replace(' ', "+")));
        if read.is_none() {
            let msg = "Input should be a valid datetime with an offset";
            self.complain(name, "datetime_parsing", msg, &text);
        }
        read
    }

    /// The lower end of a range: `{name}_gte`.
    pub(crate) fn from(&mut self, name: &str) -> Option<Timestamp> {
        self.time(&format!("{name}_gte"))
    }

    /// The upper end of a range: `{name}_lte`.
    pub(crate) fn to(&mut self, name: &str) -> Option<Timestamp> {
        self.time(&format!("{name}_lte"))
    }

    /// Words of a closed list.
    pub(crate) fn words<T>(&mut self, name: &str, of: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for text in self.texts(name) {
            match of(&text) {
                Some(word) => found.push(word),
                None => {
                    self.complain(name, "enum", "Input should be one of the known words", &text);
                }
            }
        }
        found
    }

    /// `limit` and `offset`.
    pub(crate) fn paging(&mut self) -> Paging {
        let mut number = |name: &str, default: u32| {
            let Some(value) = self.number::<i64>(name) else { return default };
            if value < 0 {
                let msg = "Input should be greater than or equal to 0";
                self.complain(name, "greater_than_equal", msg, &value.to_string());
            }
            u32::try_from(value.max(0)).unwrap_or(u32::MAX)
        };
        let limit = number("limit", LIMIT).min(LIMIT_MAX);
        Paging { limit, offset: number("offset", 0).min(i32::MAX.unsigned_abs()) }
    }

    /// `order_by`: one of the names, with `-` before it for the other way.
    pub(crate) fn order<T: Copy>(
        &self,
        names: &[(&str, T)],
        default: (T, Direction),
    ) -> Result<(T, Direction), Problem> {
        order_of(self.text("order_by").as_deref(), names, default)
    }

    /// Refuses the request if anything was wrong.
    pub(crate) fn close(self) -> Result<(), Problem> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problem::invalid(self.problems)) }
    }
}

/// `page_limit` and `page_offset` of a body.
pub(crate) fn page_of(body: &mut crate::body::Body) -> Paging {
    let mut number = |name: &str, default: u32| {
        let Some(value) = body.optional::<i64>(name) else { return default };
        if value < 0 {
            let msg = "Input should be greater than or equal to 0";
            body.complain("greater_than_equal", name, msg, value.into());
        }
        u32::try_from(value.max(0)).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs())
    };
    let limit = number("page_limit", LIMIT_MAX).min(LIMIT_MAX);
    Paging { limit, offset: number("page_offset", 0) }
}

/// See [`Params::order`].
pub(crate) fn order_of<T: Copy>(
    text: Option<&str>,
    names: &[(&str, T)],
    default: (T, Direction),
) -> Result<(T, Direction), Problem> {
    let Some(text) = text else { return Ok(default) };
    let (name, direction) = match text.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (text, Direction::Ascending),
    };
    let found = names.iter().find(|(known, _)| *known == name);
    found.map(|(_, order)| (*order, direction)).ok_or_else(|| {
        Problem::bad_request(format!(
            "Ordering with '{}' is disallowed or the attribute does not exist on the model",
            name.chars().take(80).collect::<String>()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        let uri = format!("http://h/?{query}").parse().expect("a URI");
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).expect("pairs");
        Params { pairs, problems: Vec::new() }
    }

    #[test]
    fn pages_are_bounded() {
        let check = |query: &str, expected: Option<(u32, u32)>| {
            let mut params = params(query);
            let paging = params.paging();
            let got = params.close().ok().map(|()| (paging.limit, paging.offset));
            assert_eq!(got, expected, "{query}");
        };
        check("", Some((50, 0)));
        check("limit=2&offset=4", Some((2, 4)));
        check("limit=1000000000", Some((100, 0)));
        check("limit=-1", None);
        check("offset=-1", None);
        check("limit=99999999999999999999", None);
        check("limit=1%3B%20DROP%20TABLE", None);
    }

    #[test]
    fn orders_are_closed_lists() {
        let check = |query: &str, expected: Option<(u8, Direction)>| {
            let names = [("id", 1), ("start_date", 2)];
            let got = params(query).order(&names, (0, Direction::Ascending)).ok();
            assert_eq!(got, expected, "{query}");
        };
        check("", Some((0, Direction::Ascending)));
        check("order_by=-start_date", Some((2, Direction::Descending)));
        check("order_by=id", Some((1, Direction::Ascending)));
        check("order_by=id%3B--", None);
    }
}
