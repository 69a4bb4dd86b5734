//! Jinja2's filters and tests of lists: what they take, in which order, and what they refuse.
//!
//! Owns sorting, grouping and the like by Python's order; what cannot be walked (none, a number) is
//! an error here as it is there.
#![expect(clippy::needless_pass_by_value, reason = "the engine hands values over by value")]

use std::cmp::Ordering;

use minijinja::value::{Tuple, ValueKind};
use minijinja::{Environment, Error, State, Value, filters};

use super::args::{Args, Given};
use super::containers::new_list;
use super::growth::bounded;
use super::named_tuple::{NamedTuple, is_tuple};
use super::object::Temporal;
use super::ops;
use super::ranges::PyRange;
use super::temporal::fault;

/// Adds the filters and tests.
pub(crate) fn register(env: &mut Environment<'_>) {
    env.add_filter("list", |value: Value| items(&value, "list").map(new_list));
    env.add_filter("first", |value: Value| {
        Ok::<_, Error>(items(&value, "first")?.first().cloned().unwrap_or_default())
    });
    env.add_filter("last", last);
    env.add_filter("reverse", reverse);
    env.add_filter("random", random);
    env.add_filter("sort", sort);
    env.add_filter("unique", unique);
    env.add_filter("min", |value: Value, args: Given| extreme(&value, &args.into_values(), true));
    env.add_filter("max", |value: Value, args: Given| extreme(&value, &args.into_values(), false));
    env.add_filter("sum", sum);
    env.add_filter("dictsort", dictsort);
    env.add_filter("groupby", groupby);
    for (name, keeps) in [("selectattr", true), ("rejectattr", false)] {
        env.add_filter(name, move |state: &mut State<'_, '_>, value: Value, args: Given| {
            by_attribute(state, &value, &args.into_values(), keeps)
        });
    }
    env.add_test("odd", |value: Value| {
        remainder(&value, 2, "odd").map(|rest| rest == Value::from(1))
    });
    env.add_test("even", |value: Value| {
        remainder(&value, 2, "even").map(|rest| rest == Value::from(0))
    });
    env.add_test("divisibleby", |value: Value, by: i64| {
        if by == 0 {
            return Err(fault("test \"divisibleby\" takes a number that is not zero"));
        }
        remainder(&value, by, "divisibleby").map(|rest| rest == Value::from(0))
    });
    env.add_test("sameas", |value: Value, other: Value| {
        // A date of the context is made anew each time that it is asked for.
        match (Temporal::of(&value), Temporal::of(&other)) {
            (Some(a), Some(b)) => format!("{a:?}") == format!("{b:?}"),
            _ => minijinja::tests::is_sameas(&value, &other),
        }
    });
    env.add_test("sequence", |value: Value| {
        matches!(value.kind(), ValueKind::Seq | ValueKind::String | ValueKind::Map)
    });
}

/// What walking a value gives: items, keys, characters.
///
/// # Errors
/// A value that Python cannot walk; `filter` is for its text.
pub(crate) fn items(value: &Value, filter: &str) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::Undefined => return Err(Error::from(minijinja::ErrorKind::UndefinedError)),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            return Ok(text.chars().map(|letter| Value::from(String::from(letter))).collect());
        }
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Bytes => {}
        _ => {
            let kind = ops::type_name(value);
            return Err(fault(format!("filter \"{filter}\" takes a list, not {kind}")));
        }
    }
    value.try_iter()?.checked().collect()
}

/// Sorts by Python's order; equal items keep theirs, also backwards.
pub(crate) fn sorted(items: Vec<Value>, reverse: bool) -> Result<Vec<Value>, Error> {
    let keyed = items.into_iter().map(|item| (item.clone(), item)).collect();
    Ok(sorted_by_key(keyed, reverse)?.into_iter().map(|(_, item)| item).collect())
}

fn sorted_by_key(
    mut keyed: Vec<(Value, Value)>,
    reverse: bool,
) -> Result<Vec<(Value, Value)>, Error> {
    let mut failed = None;
    keyed.sort_by(|(a, _), (b, _)| {
        let order = compared(a, b).unwrap_or_else(|error| {
            failed.get_or_insert(error);
            Ordering::Equal
        });
        if reverse { order.reverse() } else { order }
    });
    failed.map_or(Ok(keyed), Err)
}

/// Python's order; lists and tuples are compared part by part.
fn compared(a: &Value, b: &Value) -> Result<Ordering, Error> {
    if a.kind() == ValueKind::Seq && b.kind() == ValueKind::Seq {
        let (a, b) = (items(a, "sort")?, items(b, "sort")?);
        for (a, b) in a.iter().zip(&b) {
            match compared(a, b)? {
                Ordering::Equal => {}
                order => return Ok(order),
            }
        }
        return Ok(a.len().cmp(&b.len()));
    }
    if a == b && a.kind() == ValueKind::None {
        return Err(fault("none has no order; leave it out: | select"));
    }
    ops::compared(a, b)
}

/// `item.attribute`, where the attribute is a path (`a.b.0`) or a position.
fn attribute_of(item: &Value, attribute: &Value) -> Result<Value, Error> {
    let Some(path) = attribute.as_str() else { return item.get_item(attribute) };
    path.split('.').try_fold(item.clone(), |value, part| {
        if value.is_undefined() {
            return Err(Error::from(minijinja::ErrorKind::UndefinedError));
        }
        match part.parse::<i64>() {
            Ok(index) => value.get_item(&Value::from(index)),
            Err(_) => value.get_item(&Value::from(part)),
        }
    })
}

/// What an item is compared by; upper and lower case are the same unless the template says so.
fn key_of(
    item: &Value,
    attribute: Option<&Value>,
    default: Option<&Value>,
    case_sensitive: bool,
) -> Result<Value, Error> {
    let mut key = match attribute {
        Some(attribute) => attribute_of(item, attribute)?,
        None => item.clone(),
    };
    if key.is_undefined() {
        key = default.cloned().unwrap_or(key);
    }
    Ok(match key.as_str() {
        Some(text) if !case_sensitive => Value::from(text.to_lowercase()),
        _ => key,
    })
}

/// `sort(reverse=false, case_sensitive=false, attribute=none)`.
fn sort(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("sort", &values)?;
    let reverse = args.flag("reverse", false)?;
    let case_sensitive = args.flag("case_sensitive", false)?;
    let attribute = args.take("attribute")?.filter(|attribute| !attribute.is_none());
    args.finish()?;
    bounded(&value)?;
    let keys: Vec<Value> = match attribute.as_ref().and_then(Value::as_str) {
        Some(names) => names.split(',').map(Value::from).collect(),
        None => attribute.into_iter().collect(),
    };
    let keyed = items(&value, "sort")?
        .into_iter()
        .map(|item| {
            let key = match keys.as_slice() {
                [] => key_of(&item, None, None, case_sensitive)?,
                keys => keys
                    .iter()
                    .map(|key| key_of(&item, Some(key), None, case_sensitive))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Value::from)?,
            };
            Ok((key, item))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let sorted = sorted_by_key(keyed, reverse)?;
    Ok(new_list(sorted.into_iter().map(|(_, item)| item).collect()))
}

/// `unique(case_sensitive=false, attribute=none)`.
fn unique(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("unique", &values)?;
    let case_sensitive = args.flag("case_sensitive", false)?;
    let attribute = args.take("attribute")?.filter(|attribute| !attribute.is_none());
    args.finish()?;
    bounded(&value)?;
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::new();
    for item in items(&value, "unique")? {
        let key = key_of(&item, attribute.as_ref(), None, case_sensitive)?;
        let changes = key.kind() == ValueKind::Seq && !is_tuple(&key);
        if changes || key.kind() == ValueKind::Map {
            let kind = ops::type_name(&key);
            return Err(fault(format!(
                "filter \"unique\" cannot compare values of type {kind}; name an attribute of them"
            )));
        }
        if seen.insert(key) {
            kept.push(item);
        }
    }
    Ok(Value::from(kept))
}

/// `min(case_sensitive=false, attribute=none)` and `max`; of nothing it is undefined.
fn extreme(value: &Value, values: &[Value], least: bool) -> Result<Value, Error> {
    let name = if least { "min" } else { "max" };
    let mut args = Args::new(name, values)?;
    let case_sensitive = args.flag("case_sensitive", false)?;
    let attribute = args.take("attribute")?.filter(|attribute| !attribute.is_none());
    args.finish()?;
    let mut best: Option<(Value, Value)> = None;
    for item in items(value, name)? {
        let key = key_of(&item, attribute.as_ref(), None, case_sensitive)?;
        let wins = match &best {
            None => true,
            Some((known, _)) => {
                let order = compared(&key, known)?;
                if least { order.is_lt() } else { order.is_gt() }
            }
        };
        if wins {
            best = Some((key, item));
        }
    }
    Ok(best.map_or(Value::UNDEFINED, |(_, item)| item))
}

/// `sum(attribute=none, start=0)`.
fn sum(state: &State<'_, '_>, value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("sum", &values)?;
    let attribute = args.take("attribute")?.filter(|attribute| !attribute.is_none());
    let mut total = args.take("start")?.unwrap_or_else(|| Value::from(0));
    args.finish()?;
    for item in items(&value, "sum")? {
        let item = match &attribute {
            Some(attribute) => attribute_of(&item, attribute)?,
            None => item,
        };
        total = ops::add(state, &total, &item)?;
    }
    Ok(total)
}

/// `dictsort(case_sensitive=false, by='key', reverse=false)`.
fn dictsort(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("dictsort", &values)?;
    let case_sensitive = args.flag("case_sensitive", false)?;
    let by = args.text("by")?.unwrap_or_else(|| "key".to_owned());
    let reverse = args.flag("reverse", false)?;
    args.finish()?;
    let place = match by.as_str() {
        "key" => 0,
        "value" => 1,
        _ => return Err(fault("dictsort(): \"by\" must be \"key\" or \"value\"")),
    };
    if value.kind() != ValueKind::Map {
        let kind = ops::type_name(&value);
        return Err(fault(format!("filter \"dictsort\" takes a dict, not {kind}")));
    }
    bounded(&value)?;
    let keyed = items(&value, "dictsort")?
        .into_iter()
        .map(|key| {
            let item = value.get_item(&key)?;
            let pair = [key, item];
            let key = key_of(&pair[place], None, None, case_sensitive)?;
            Ok((key, Value::from(Tuple::from(pair))))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let sorted = sorted_by_key(keyed, reverse)?;
    Ok(new_list(sorted.into_iter().map(|(_, pair)| pair).collect()))
}

/// `groupby(attribute, default=none, case_sensitive=false)`: pairs with the names `grouper` and
/// `list`.
fn groupby(value: Value, given: Given) -> Result<Value, Error> {
    let values = given.into_values();
    let mut args = Args::new("groupby", &values)?;
    let attribute = args.require("attribute")?;
    let default = args.take("default")?;
    let case_sensitive = args.flag("case_sensitive", false)?;
    args.finish()?;
    bounded(&value)?;
    let keyed = items(&value, "groupby")?
        .into_iter()
        .map(|item| {
            let key = key_of(&item, Some(&attribute), default.as_ref(), case_sensitive)?;
            Ok((key, item))
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for (key, item) in sorted_by_key(keyed, false)? {
        match groups.last_mut() {
            Some((known, _, group)) if *known == key => group.push(item),
            _ => {
                // The group is called as its first item says, not in lower case.
                let shown = key_of(&item, Some(&attribute), default.as_ref(), true)?;
                groups.push((key, shown, vec![item]));
            }
        }
    }
    Ok(groups
        .into_iter()
        .map(|(_, shown, group)| {
            NamedTuple::value(None, vec![("grouper", shown), ("list", Value::from(group))])
        })
        .collect())
}

/// `selectattr(attribute, test, …)` and `rejectattr`: without a test an absent attribute is an
/// error, as each undefined value in a condition is.
fn by_attribute(
    state: &mut State<'_, '_>,
    value: &Value,
    values: &[Value],
    keeps: bool,
) -> Result<Value, Error> {
    let Some((attribute, rest)) = values.split_first() else {
        return Err(fault("selectattr and rejectattr take the name of an attribute"));
    };
    if value.is_none() {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    let mut kept = Vec::new();
    for item in items(value, "selectattr")? {
        let found = attribute_of(&item, attribute)?;
        let holds = match rest.split_first() {
            None if found.is_undefined() => {
                let name = attribute.to_string();
                return Err(fault(format!(
                    "an item has no \"{name}\"; ask first: selectattr('{name}', 'defined')"
                )));
            }
            None => found.is_true(),
            Some((test, args)) => {
                let name = test.as_str().unwrap_or_default();
                let args: Vec<Value> = [found].into_iter().chain(args.iter().cloned()).collect();
                state.perform_test(name, &args)?
            }
        };
        if holds == keeps {
            kept.push(item);
        }
    }
    Ok(Value::from(kept))
}

fn last(value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::Iterable && !super::views::is_view(&value) {
        return filters::last(value);
    }
    Ok(items(&value, "last")?.pop().unwrap_or_default())
}

/// Backwards: text as text, anything else item by item.
fn reverse(value: Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        return Ok(Value::from(text.chars().rev().collect::<String>()));
    }
    bounded(&value)?;
    let mut items = items(&value, "reverse")?;
    items.reverse();
    Ok(Value::from(items))
}

/// One of the items, the same for the same attempt of the same task.
fn random(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    if value.kind() == ValueKind::Map {
        return Err(fault("filter \"random\" takes a list, not dict; take its keys: | list"));
    }
    let items = items(&value, "random")?;
    let draw = super::scope::draw_of(state)?;
    let at = u128::try_from(items.len()).ok().and_then(|len| draw.checked_rem(len));
    Ok(at
        .and_then(|at| usize::try_from(at).ok())
        .and_then(|at| items.get(at).cloned())
        .unwrap_or_default())
}

/// What is left of a number after division, as Python's `%`.
fn remainder(value: &Value, by: i64, test: &str) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(minijinja::ErrorKind::UndefinedError)),
        ValueKind::Bool => Ok(Value::from(i64::from(value.is_true()).rem_euclid(by))),
        ValueKind::Number if value.is_integer() => {
            Ok(Value::from(i128::try_from(value.clone())?.rem_euclid(i128::from(by))))
        }
        #[expect(clippy::cast_precision_loss, reason = "as Python makes a float of an int")]
        ValueKind::Number => Ok(Value::from(f64::try_from(value.clone())?.rem_euclid(by as f64))),
        _ => {
            let kind = ops::type_name(value);
            Err(fault(format!("test \"{test}\" takes a number, not {kind}")))
        }
    }
}

/// Refuses what Python's `json` does not write: views, ranges, dates, what is undefined.
pub(crate) fn check_json(value: &Value) -> Result<(), Error> {
    fn walk(value: &Value) -> Result<(), Error> {
        let is_foreign = value.is_undefined()
            || super::views::is_view(value)
            || Temporal::of(value).is_some()
            || value.downcast_object_ref::<PyRange>().is_some();
        if is_foreign {
            let kind = ops::type_name(value);
            return Err(fault(format!(
                "JSON has no values of type {kind}; make it text or a list first: | string, | list"
            )));
        }
        match value.kind() {
            ValueKind::Seq => value.try_iter()?.try_for_each(|item| walk(&item)),
            ValueKind::Map => value.try_iter()?.try_for_each(|key| walk(&value.get_item(&key)?)),
            _ => Ok(()),
        }
    }
    bounded(value)?;
    walk(value)
}
