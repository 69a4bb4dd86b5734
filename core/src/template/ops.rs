//! Python's operators as functions: the targets of `rewrite`.
//!
//! Dates, lengths, enum words and text formatting are answered here; everything else goes to the
//! engine's own operator. Unlike the engine, comparing text with a number is an error, as in
//! Python: a branch decision must not depend on the kinds of its operands by accident.

use std::cmp::Ordering;

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::names::plain_value;
use super::object::Temporal;
use super::ranges::PyRange;
use super::temporal::delta::{Delta, Interval};
use super::temporal::moment::{Moment, Shift};
use super::temporal::{fault, scale_to_micros};
use super::work::look_at;

/// The longest text or list that `*` or a format width may make, in characters or items.
const MAX_REPEATED: usize = 1_000_000;

/// Adds the operator functions to an environment.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_function("__mr_add", add);
    env.add_function("__mr_sub", subtract);
    env.add_function("__mr_mul", multiply);
    env.add_function("__mr_div", |state: &State<'_, '_>, a: Value, b: Value| {
        divide(state, &a, &b, false)
    });
    env.add_function("__mr_floordiv", |state: &State<'_, '_>, a: Value, b: Value| {
        divide(state, &a, &b, true)
    });
    env.add_function("__mr_mod", modulo);
    env.add_function("__mr_neg", negate);
    env.add_function("__mr_iter", walkable);
    env.add_function("__mr_eq", |a: Value, b: Value| equal(&a, &b));
    env.add_function("__mr_ne", |a: Value, b: Value| equal(&a, &b).map(|same| !same));
    env.add_function("__mr_lt", |a: Value, b: Value| ordered("<", &a, &b, Ordering::is_lt));
    env.add_function("__mr_le", |a: Value, b: Value| ordered("<=", &a, &b, Ordering::is_le));
    env.add_function("__mr_gt", |a: Value, b: Value| ordered(">", &a, &b, Ordering::is_gt));
    env.add_function("__mr_ge", |a: Value, b: Value| ordered(">=", &a, &b, Ordering::is_ge));
    env.add_function("__mr_in", |state: &State<'_, '_>, a: Value, b: Value| {
        contained(state, &a, &b)
    });
    env.add_function("__mr_not_in", |state: &State<'_, '_>, a: Value, b: Value| {
        contained(state, &a, &b).map(|found| !found)
    });
    env.add_function("__mr_chain", |state: &State<'_, '_>, parts: Rest<Value>| {
        chain(state, &parts)
    });
}

/// Python's name for a value's type, for error texts.
pub(crate) fn type_name(value: &Value) -> &'static str {
    if let Some(temporal) = Temporal::of(value) {
        return temporal.type_name();
    }
    match value.kind() {
        ValueKind::Undefined => "undefined",
        ValueKind::None => "None",
        ValueKind::Bool => "bool",
        ValueKind::Number if value.is_integer() => "int",
        ValueKind::Number => "float",
        ValueKind::String => "str",
        ValueKind::Bytes => "bytes",
        ValueKind::Seq => "list",
        ValueKind::Map => "dict",
        ValueKind::Iterable => "iterable",
        _ => "object",
    }
}

pub(crate) fn add(state: &State<'_, '_>, left: &Value, right: &Value) -> Result<Value, Error> {
    match (Temporal::of(left), Temporal::of(right)) {
        (Some(a), Some(b)) => sum(a, b).unwrap_or_else(|| Err(unsupported("+", left, right))),
        (None, None) if is_no_list(left) || is_no_list(right) => Err(unsupported("+", left, right)),
        (None, None) => {
            check_length(left, right)?;
            native(state, "a + b", left, right)
        }
        // Python's sum() starts at 0: 0 + timedelta is not allowed there either.
        _ => Err(unsupported("+", left, right)),
    }
}

/// A view or a range, which Python walks as a list but does not join.
fn is_no_list(value: &Value) -> bool {
    super::views::is_view(value) || value.downcast_object_ref::<PyRange>().is_some()
}

fn subtract(state: &State<'_, '_>, left: &Value, right: &Value) -> Result<Value, Error> {
    match (Temporal::of(left), Temporal::of(right)) {
        (Some(a), Some(b)) => {
            difference(a, b).unwrap_or_else(|| Err(unsupported("-", left, right)))
        }
        (None, None) => native(state, "a - b", left, right),
        _ => Err(unsupported("-", left, right)),
    }
}

fn multiply(state: &State<'_, '_>, left: &Value, right: &Value) -> Result<Value, Error> {
    let (temporal, factor) = match (Temporal::of(left), Temporal::of(right)) {
        (Some(temporal), None) => (temporal, right),
        (None, Some(temporal)) => (temporal, left),
        (Some(_), Some(_)) => return Err(unsupported("*", left, right)),
        (None, None) if is_no_list(left) || is_no_list(right) => {
            return Err(unsupported("*", left, right));
        }
        (None, None) => {
            check_repetition(left, right)?;
            let negative = |value: &Value| value.as_i64().is_some_and(|count| count < 0);
            for (text, count) in [(left, right), (right, left)] {
                if text.as_str().is_some() && negative(count) {
                    return Ok(Value::from(""));
                }
            }
            return native(state, "a * b", left, right);
        }
    };
    match temporal {
        Temporal::Relative(relative) => {
            let factor = i64::try_from(factor.clone())
                .map_err(|_| fault("relativedelta can only be multiplied by a whole number"))?;
            Ok(Temporal::Relative(Box::new(relative.times(factor))).into())
        }
        _ => match (temporal.length(), f64::try_from(factor.clone())) {
            (Some(length), Ok(factor)) => scaled(length, factor),
            _ => Err(unsupported("*", left, right)),
        },
    }
}

fn divide(state: &State<'_, '_>, left: &Value, right: &Value, floor: bool) -> Result<Value, Error> {
    let symbol = if floor { "//" } else { "/" };
    let Some(length) = Temporal::of(left).and_then(Temporal::length) else {
        if Temporal::of(left).is_some() || Temporal::of(right).is_some() {
            return Err(unsupported(symbol, left, right));
        }
        return native(state, if floor { "a // b" } else { "a / b" }, left, right);
    };
    if let Some(by) = Temporal::of(right).and_then(Temporal::length) {
        if by.0 == 0 {
            return Err(fault("division by zero"));
        }
        return Ok(if floor {
            Value::from(length.0.div_euclid(by.0))
        } else {
            Value::from(length.total_seconds() / by.total_seconds())
        });
    }
    match f64::try_from(right.clone()) {
        Ok(0.0) => Err(fault("division by zero")),
        Ok(by) => scaled(length, 1.0 / by),
        Err(_) => Err(unsupported(symbol, left, right)),
    }
}

fn modulo(state: &State<'_, '_>, left: &Value, right: &Value) -> Result<Value, Error> {
    let Some(layout) = left.as_str() else {
        if let (Some(a), Some(b)) = (
            Temporal::of(left).and_then(Temporal::length),
            Temporal::of(right).and_then(Temporal::length),
        ) && b.0 != 0
        {
            return Ok(Temporal::Delta(Delta(a.0.rem_euclid(b.0))).into());
        }
        return native(state, "a % b", left, right);
    };
    refuse_undefined(right)?;
    super::printf::percent(layout, right)
}

fn negate(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    match Temporal::of(value) {
        None => native(state, "-a", value, &Value::from(())),
        Some(Temporal::Relative(relative)) => {
            Ok(Temporal::Relative(Box::new(relative.negated())).into())
        }
        Some(temporal) => match temporal.length() {
            Some(length) => Ok(Temporal::Delta(Delta(-length.0)).into()),
            None => Err(fault(format!("bad operand type for unary -: {}", temporal.type_name()))),
        },
    }
}

/// How Python orders two values.
///
/// # Errors
/// Values that have no order, as Python's `TypeError`.
pub(crate) fn compared(left: &Value, right: &Value) -> Result<Ordering, Error> {
    Ok(if ordered("<", left, right, Ordering::is_lt)? {
        Ordering::Less
    } else if ordered("<", right, left, Ordering::is_lt)? {
        Ordering::Greater
    } else {
        Ordering::Equal
    })
}

fn look_at_both(left: &Value, right: &Value) -> Result<(), Error> {
    look_at(left)?;
    look_at(right)
}

/// What a loop walks, if Python can walk it.
fn walkable(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number => Err(fault(format!(
            "a loop needs a list, not {}; for a value that may be missing write: (value or [])",
            type_name(&value)
        ))),
        _ => Ok(value),
    }
}

fn equal(left: &Value, right: &Value) -> Result<bool, Error> {
    refuse_undefined(left)?;
    refuse_undefined(right)?;
    look_at_both(left, right)?;
    Ok(plain_value(left) == plain_value(right))
}

fn ordered(
    symbol: &str,
    left: &Value,
    right: &Value,
    accept: fn(Ordering) -> bool,
) -> Result<bool, Error> {
    refuse_undefined(left)?;
    refuse_undefined(right)?;
    look_at_both(left, right)?;
    let (left, right) = (plain_value(left), plain_value(right));
    if let (Some(a), Some(b)) = (Temporal::of(&left), Temporal::of(&right)) {
        return match a.compare(b) {
            Some(ordering) => Ok(accept(ordering)),
            None => Err(incomparable(symbol, &left, &right)),
        };
    }
    let numeric = |kind| matches!(kind, ValueKind::Number | ValueKind::Bool);
    let comparable = match (left.kind(), right.kind()) {
        (a, b) if numeric(a) && numeric(b) => true,
        (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => true,
        (a, b) => a == b && matches!(a, ValueKind::String | ValueKind::Bytes),
    };
    if !comparable {
        return Err(incomparable(symbol, &left, &right));
    }
    if let (Ok(a), Ok(b)) = (f64::try_from(as_number(&left)), f64::try_from(as_number(&right))) {
        // NaN compares false with everything.
        if a.is_nan() || b.is_nan() {
            return Ok(false);
        }
    }
    Ok(accept(as_number(&left).cmp(&as_number(&right))))
}

fn contained(state: &State<'_, '_>, item: &Value, container: &Value) -> Result<bool, Error> {
    let (item, container) = (plain_value(item), plain_value(container));
    if container.as_str().is_some() && item.as_str().is_none() {
        return Err(unsupported("in", &item, &container));
    }
    native(state, "a in b", &item, &container).map(|found| found.is_true())
}

/// `a < b <= c …`: operands and operator names in turn.
fn chain(state: &State<'_, '_>, parts: &[Value]) -> Result<bool, Error> {
    for step in parts.windows(3).step_by(2) {
        let (left, right) = (&step[0], &step[2]);
        let holds = match step[1].as_str().unwrap_or_default() {
            "==" => equal(left, right)?,
            "!=" => !equal(left, right)?,
            "<" => ordered("<", left, right, Ordering::is_lt)?,
            "<=" => ordered("<=", left, right, Ordering::is_le)?,
            ">" => ordered(">", left, right, Ordering::is_gt)?,
            ">=" => ordered(">=", left, right, Ordering::is_ge)?,
            "in" => contained(state, left, right)?,
            _ => !contained(state, left, right)?,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sum(left: &Temporal, right: &Temporal) -> Option<Result<Value, Error>> {
    Some(match (left, right) {
        (Temporal::Moment(moment), other) | (other, Temporal::Moment(moment)) => {
            moved(moment, other, false)?.map(Value::from)
        }
        (Temporal::Date(date), other) | (other, Temporal::Date(date)) => {
            let midnight = Moment::naive(date.to_datetime(jiff::civil::Time::midnight()));
            let moved = moved(&midnight, other, false)?;
            moved.map(|moment| date_or_moment(&moment, other))
        }
        (Temporal::Relative(a), Temporal::Relative(b)) => {
            Ok(Temporal::Relative(Box::new(a.combined(**b))).into())
        }
        (a, b) => length_of(a.length()?.0.checked_add(b.length()?.0)),
    })
}

fn difference(left: &Temporal, right: &Temporal) -> Option<Result<Value, Error>> {
    Some(match (left, right) {
        (Temporal::Moment(a), Temporal::Moment(b)) if a.zone().is_none() && b.zone().is_none() => {
            // Those without a zone are Python's own (`macros.datetime`).
            a.micros_since(b).map(|micros| Temporal::Delta(Delta(micros)).into())
        }
        (Temporal::Moment(a), Temporal::Moment(b)) => Interval::between(b, a, false)
            .map(|interval| Temporal::Interval(Box::new(interval)).into()),
        (Temporal::Moment(moment), other) => moved(moment, other, true)?.map(Value::from),
        (Temporal::Date(a), Temporal::Date(b)) => {
            let midnight = |date: &jiff::civil::Date| {
                Moment::naive(date.to_datetime(jiff::civil::Time::midnight()))
            };
            Interval::between(&midnight(b), &midnight(a), false)
                .map(|interval| Temporal::Interval(Box::new(interval.of_dates())).into())
        }
        (Temporal::Date(date), other) => {
            let midnight = Moment::naive(date.to_datetime(jiff::civil::Time::midnight()));
            let moved = moved(&midnight, other, true)?;
            moved.map(|moment| date_or_moment(&moment, other))
        }
        (Temporal::Relative(a), Temporal::Relative(b)) => {
            Ok(Temporal::Relative(Box::new(a.combined(b.negated()))).into())
        }
        (a, b) => length_of(a.length()?.0.checked_sub(b.length()?.0)),
    })
}

/// `moment ± other`; `None` where `other` is no length.
fn moved(moment: &Moment, other: &Temporal, back: bool) -> Option<Result<Moment, Error>> {
    Some(match other {
        // pendulum counts a plain timedelta in absolute seconds.
        Temporal::Delta(delta) => moment.plus_micros(if back { -delta.0 } else { delta.0 }),
        Temporal::Interval(interval) => {
            let shift: Shift = interval.shift();
            moment.plus(if back { shift.negated() } else { shift })
        }
        Temporal::Relative(relative) => {
            if back {
                relative.negated().added_to(moment)
            } else {
                relative.added_to(moment)
            }
        }
        _ => return None,
    })
}

/// A date moved by days stays a date; dateutil gives a date-time when hours were set.
fn date_or_moment(moment: &Moment, by: &Temporal) -> Value {
    match by {
        Temporal::Relative(relative) if relative.hours != 0 || relative.minutes != 0 => {
            moment.clone().into()
        }
        _ => Temporal::Date(moment.date()).into(),
    }
}

fn scaled(length: Delta, factor: f64) -> Result<Value, Error> {
    let micros = scale_to_micros(factor, length.total_seconds() * 1e6)?;
    Ok(Temporal::Delta(Delta(micros)).into())
}

fn length_of(micros: Option<i64>) -> Result<Value, Error> {
    micros
        .map(|micros| Temporal::Delta(Delta(micros)).into())
        .ok_or_else(|| fault("timedelta is out of range"))
}

/// The usual arithmetic, without the cost of compiling the engine's own operator.
fn quick(code: &str, left: &Value, right: &Value) -> Option<Value> {
    if left.kind() != ValueKind::Number || right.kind() != ValueKind::Number {
        return match (code, left.as_str(), right.as_str()) {
            ("a + b", Some(a), Some(b)) => Some(Value::from(format!("{a}{b}"))),
            _ => None,
        };
    }
    if left.is_integer() && right.is_integer() {
        let (a, b) = (left.as_i64()?, right.as_i64()?);
        return Some(Value::from(match code {
            "a + b" => a.checked_add(b)?,
            "a - b" => a.checked_sub(b)?,
            "a * b" => a.checked_mul(b)?,
            _ => return None,
        }));
    }
    let (a, b) = (f64::try_from(left.clone()).ok()?, f64::try_from(right.clone()).ok()?);
    Some(Value::from(match code {
        "a + b" => a + b,
        "a - b" => a - b,
        "a * b" => a * b,
        _ => return None,
    }))
}

/// The engine's own operator.
fn native(state: &State<'_, '_>, code: &str, left: &Value, right: &Value) -> Result<Value, Error> {
    refuse_undefined(left)?;
    refuse_undefined(right)?;
    look_at_both(left, right)?;
    if let Some(value) = quick(code, left, right) {
        return Ok(value);
    }
    let context = minijinja::context! { a => left.clone(), b => right.clone() };
    state.env().compile_expression(code)?.eval(context).map_err(|error| {
        match error.detail() {
            // The place inside the helper expression means nothing to the author.
            Some(detail) => Error::new(error.kind(), detail.to_string()),
            None => Error::from(error.kind()),
        }
    })
}

fn as_number(value: &Value) -> Value {
    if value.kind() == ValueKind::Bool {
        Value::from(i64::from(value.is_true()))
    } else {
        value.clone()
    }
}

fn check_repetition(left: &Value, right: &Value) -> Result<(), Error> {
    for (repeated, count) in [(left, right), (right, left)] {
        if matches!(repeated.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Iterable)
            && let (Some(length), Some(count)) = (repeated.len(), count.as_usize())
            && length.saturating_mul(count) > MAX_REPEATED
        {
            return Err(fault(format!("\"*\" would make more than {MAX_REPEATED} items")));
        }
    }
    Ok(())
}

/// Refuses a sum of texts or lists that is too long.
fn check_length(left: &Value, right: &Value) -> Result<(), Error> {
    if let (Some(a), Some(b)) = (left.len(), right.len())
        && a.saturating_add(b) > MAX_REPEATED
    {
        return Err(fault(format!("\"+\" would make more than {MAX_REPEATED} items")));
    }
    Ok(())
}

fn refuse_undefined(value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    Ok(())
}

fn incomparable(symbol: &str, left: &Value, right: &Value) -> Error {
    fault(format!(
        "\"{symbol}\" cannot compare {} with {}; convert one, for example with | int, | float or | to_datetime",
        type_name(left),
        type_name(right)
    ))
}

fn unsupported(symbol: &str, left: &Value, right: &Value) -> Error {
    if left.is_undefined() || right.is_undefined() {
        return Error::from(ErrorKind::UndefinedError);
    }
    fault(format!(
        "\"{symbol}\" is not possible between {} and {}",
        type_name(left),
        type_name(right)
    ))
}
