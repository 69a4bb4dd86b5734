//! Jinja2's `cycler` and `joiner`: values that change each time they are asked.
//!
//! Owns their state, which lives as long as the render.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use minijinja::value::{Object, ObjectRepr, Rest};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::args::{Args, Given};
use super::temporal::fault;

/// Adds the functions.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_function("cycler", |items: Rest<Value>| {
        if items.is_empty() {
            return Err(fault("cycler() takes the values to go through"));
        }
        Ok(Value::from_object(Cycler { items: items.0, at: AtomicUsize::new(0) }))
    });
    env.add_function("joiner", |given: Given| {
        let values = given.into_values();
        let mut args = Args::new("joiner", &values)?;
        let separator = args.text("sep")?.unwrap_or_else(|| ", ".to_owned());
        args.finish()?;
        Ok::<_, Error>(Value::from_object(Joiner { separator, used: AtomicBool::new(false) }))
    });
}

/// `cycler('odd', 'even')`.
struct Cycler {
    items: Vec<Value>,
    at: AtomicUsize,
}

impl Cycler {
    fn current(&self) -> Value {
        self.items[self.at.load(Ordering::Relaxed) % self.items.len()].clone()
    }
}

impl fmt::Debug for Cycler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<cycler>")
    }
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "current" => Some(self.current()),
            "pos" => Some(Value::from(self.at.load(Ordering::Relaxed) % self.items.len())),
            "items" => Some(Value::from(minijinja::value::Tuple::from(self.items.clone()))),
            _ => None,
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let value = match method {
            "next" => {
                let current = self.current();
                self.at.fetch_add(1, Ordering::Relaxed);
                current
            }
            "reset" => {
                self.at.store(0, Ordering::Relaxed);
                Value::from(())
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        Args::new(method, args)?.finish()?;
        Ok(value)
    }
}

/// `joiner(', ')`: nothing at first, then the separator.
struct Joiner {
    separator: String,
    used: AtomicBool,
}

impl fmt::Debug for Joiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<joiner>")
    }
}

impl Object for Joiner {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        Args::new("joiner", args)?.finish()?;
        let was_used = self.used.swap(true, Ordering::Relaxed);
        Ok(Value::from(if was_used { self.separator.as_str() } else { "" }))
    }
}
