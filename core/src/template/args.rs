//! Python's calling conventions for template functions: positional or by name, none left over.
//!
//! Owns only the reading of arguments.

use minijinja::value::{Kwargs, Rest, ValueOrKwargs};
use minijinja::{Error, ErrorKind, Value};

/// All arguments of a filter or function, by place and by name, as the engine hands them over.
pub(crate) type Given = Rest<ValueOrKwargs>;

/// The arguments of one call, taken one by one.
pub(crate) struct Args<'a> {
    function: &'a str,
    positional: &'a [Value],
    named: Option<Kwargs>,
    next: usize,
}

impl<'a> Args<'a> {
    /// Prepares to read a call's arguments; `function` is for error texts.
    pub(crate) fn new(function: &'a str, values: &'a [Value]) -> Result<Args<'a>, Error> {
        let (positional, named) = match values.split_last() {
            Some((last, rest)) if last.is_kwargs() => (rest, Some(Kwargs::try_from(last.clone())?)),
            _ => (values, None),
        };
        Ok(Args { function, positional, named, next: 0 })
    }

    /// The next argument, by place or by `name`; `None` where it was not given.
    pub(crate) fn take(&mut self, name: &str) -> Result<Option<Value>, Error> {
        let place = self.next;
        self.next += 1;
        let by_name = match &self.named {
            Some(named) if named.has(name) => Some(named.get::<Value>(name)?),
            _ => None,
        };
        match (self.positional.get(place), by_name) {
            (Some(_), Some(_)) => Err(self.fault(&format!("got \"{name}\" twice"))),
            (Some(value), None) => Ok(Some(value.clone())),
            (None, by_name) => Ok(by_name),
        }
        .and_then(|value| match value {
            Some(value) if value.is_undefined() => {
                Err(self.fault(&format!("argument \"{name}\" is undefined")))
            }
            value => Ok(value),
        })
    }

    /// An argument that only its name can give.
    pub(crate) fn take_named(&mut self, name: &str) -> Result<Option<Value>, Error> {
        match &self.named {
            Some(named) if named.has(name) => Ok(Some(named.get::<Value>(name)?)),
            _ => Ok(None),
        }
    }

    /// All arguments that are given by name and were not asked for yet.
    pub(crate) fn take_all_named(&mut self) -> Result<Vec<(String, Value)>, Error> {
        let Some(named) = &self.named else { return Ok(Vec::new()) };
        let names: Vec<String> = named.args().map(str::to_owned).collect();
        names.into_iter().map(|name| Ok((name.clone(), named.get::<Value>(&name)?))).collect()
    }

    /// The next argument, which must be given.
    pub(crate) fn require(&mut self, name: &str) -> Result<Value, Error> {
        match self.take(name)? {
            Some(value) => Ok(value),
            None => Err(self.fault(&format!("missing argument \"{name}\""))),
        }
    }

    /// The next argument as text.
    pub(crate) fn require_text(&mut self, name: &str) -> Result<String, Error> {
        let value = self.require(name)?;
        self.as_text(name, &value)
    }

    /// The next argument as text; none and absent are the same.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name)? {
            None => Ok(None),
            Some(value) if value.is_none() => Ok(None),
            Some(value) => self.as_text(name, &value).map(Some),
        }
    }

    /// The next argument as a whole number; none and absent are the same.
    pub(crate) fn int(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let value = self.take(name)?;
        self.as_int(name, value)
    }

    /// A whole number that only its name can give.
    pub(crate) fn named_int(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let value = self.take_named(name)?;
        self.as_int(name, value)
    }

    /// The next argument as a number with a fraction.
    pub(crate) fn float(&mut self, name: &str) -> Result<Option<f64>, Error> {
        match self.take(name)? {
            None => Ok(None),
            Some(value) => match f64::try_from(value.clone()) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.wrong(name, "a number", &value)),
            },
        }
    }

    /// The next argument as true or false.
    pub(crate) fn flag(&mut self, name: &str, default: bool) -> Result<bool, Error> {
        Ok(self.take(name)?.map_or(default, |value| value.is_true()))
    }

    /// Ends the reading: refuses arguments that nothing asked for.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.positional.len() > self.next {
            return Err(self.fault(&format!(
                "takes {} arguments but {} were given",
                self.next,
                self.positional.len()
            )));
        }
        match &self.named {
            Some(named) => named
                .assert_all_used()
                .map_err(|error| self.fault(error.detail().unwrap_or("unknown keyword argument"))),
            None => Ok(()),
        }
    }

    /// An error that names the function.
    pub(crate) fn fault(&self, message: &str) -> Error {
        Error::new(ErrorKind::InvalidOperation, format!("{}(): {message}", self.function))
    }

    fn as_text(&self, name: &str, value: &Value) -> Result<String, Error> {
        if let Some(text) = value.as_str() {
            return Ok(text.to_string());
        }
        match super::names::enum_text(value) {
            Some(text) => Ok(text.to_string()),
            None => Err(self.wrong(name, "text", value)),
        }
    }

    fn as_int(&self, name: &str, value: Option<Value>) -> Result<Option<i64>, Error> {
        match value {
            None => Ok(None),
            Some(value) if value.is_none() => Ok(None),
            Some(value) => match i64::try_from(value.clone()) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.wrong(name, "a whole number", &value)),
            },
        }
    }

    fn wrong(&self, name: &str, expected: &str, value: &Value) -> Error {
        self.fault(&format!("\"{name}\" must be {expected}, not {}", super::ops::type_name(value)))
    }
}
