//! Dynamic task mapping: over what a task is expanded, into how many instances, and what one
//! instance gets.
//!
//! Plain data and arithmetic. When a task is expanded is the engine's business; the values of
//! XComs come through lookups. Rules are Airflow's (`DictOfListsExpandInput`,
//! `ListOfDictsExpandInput`): several keys give their cross product in which the last key varies
//! fastest, a map gives pairs of key and value, a mapped task gives the list of its values.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::dag::{Dag, Task};
use crate::ids::TaskId;
use crate::template::{Answer, Lookup, Lookups};

/// The most instances of one mapped task when nothing else is set (Airflow: `max_map_length`).
pub const MAP_LENGTH_MAX: u32 = 1024;

/// Over what a task is expanded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// What varies.
    pub expand: Expand,
    /// The mapped task group that gives it; absent when the task is mapped itself.
    pub group: Option<MappedGroup>,
}

/// A task group of which there is a copy for every element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MappedGroup {
    /// Its whole name.
    pub id: String,
    /// Names for templates that all copies share.
    pub partial: Map<String, Value>,
}

/// What varies between the instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expand {
    /// Each key has its own elements (Airflow: `expand`).
    Product(IndexMap<String, Source>),
    /// Each element is a map of keys (Airflow: `expand_kwargs`).
    Maps(Source),
}

/// Where elements come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// They stand in the file.
    Literal(Vec<Value>),
    /// A task gives them.
    XCom {
        /// Which task.
        task_id: TaskId,
        /// `return_value` unless named.
        key: String,
    },
}

/// What a task gave to be mapped over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Length {
    /// So many elements.
    Elements {
        /// How many.
        count: u64,
        /// Whether every one is a map.
        are_maps: bool,
    },
    /// Nothing.
    Missing,
    /// Something that has no elements, in words.
    Wrong(&'static str),
}

/// Why nothing can be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmappable {
    /// This task gave nothing.
    Missing(TaskId),
    /// It gave the wrong thing, in words.
    Wrong(String),
}

/// What one instance gets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    /// Its values by key.
    pub values: Map<String, Value>,
    /// The keys whose texts stand in the file and so are templates (Airflow: values of XComs are
    /// never rendered).
    pub literal: Vec<String>,
    /// Whether the values are keys of the operator; those of a mapped group are only names.
    pub is_own: bool,
    /// Names that all instances share.
    pub partial: Map<String, Value>,
}

/// Why there is no item.
#[derive(Debug, Clone, PartialEq)]
pub enum NoItem {
    /// These are to be looked up first.
    Needs(Vec<Lookup>),
    /// There is no such element, in words.
    Gone(String),
}

impl Source {
    fn lookup(&self, index: u32) -> Option<Lookup> {
        match self {
            Self::Literal(_) => None,
            Self::XCom { task_id, key } => {
                Some(Lookup::Element { task_id: task_id.to_string(), key: key.clone(), index })
            }
        }
    }
}

impl Mapping {
    /// What it is expanded over, with the key for messages.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let (many, one) = match &self.expand {
            Expand::Product(keys) => (Some(keys), None),
            Expand::Maps(source) => (None, Some(source)),
        };
        many.into_iter().flat_map(IndexMap::values).chain(one)
    }

    /// How many instances there are when everything stands in the file.
    pub fn literal_count(&self) -> Option<u64> {
        self.sources().try_fold(1_u64, |product, source| match source {
            Source::Literal(items) => Some(product.saturating_mul(items.len() as u64)),
            Source::XCom { .. } => None,
        })
    }

    /// How many instances there are. `length` tells what a task gave.
    ///
    /// # Errors
    /// [`Unmappable`] when a task gave nothing, or nothing that has elements.
    pub fn count(
        &self,
        mut length: impl FnMut(&TaskId, &str) -> Length,
    ) -> Result<u64, Unmappable> {
        let wants_maps = matches!(self.expand, Expand::Maps(_));
        let mut product = 1_u64;
        for source in self.sources() {
            let count = match source {
                Source::Literal(items) => items.len() as u64,
                Source::XCom { task_id, key } => match length(task_id, key) {
                    Length::Missing => return Err(Unmappable::Missing(task_id.clone())),
                    Length::Elements { count, are_maps } if are_maps || !wants_maps => count,
                    Length::Elements { .. } => {
                        let text = format!(
                            "\"{task_id}\" must give a list of maps to expand over, one map of \
                             keys an instance"
                        );
                        return Err(Unmappable::Wrong(text));
                    }
                    Length::Wrong(what) => {
                        let text = format!(
                            "\"{task_id}\" gave {what} as `{key}`; only a list or a map can be \
                             expanded over"
                        );
                        return Err(Unmappable::Wrong(text));
                    }
                },
            };
            product = product.saturating_mul(count);
        }
        Ok(product)
    }

    /// What the instance of an index gets.
    ///
    /// # Errors
    /// [`NoItem::Needs`] while lookups are missing, [`NoItem::Gone`] when what is mapped over has
    /// become shorter than the index.
    pub fn item(&self, map_index: u32, lookups: &Lookups) -> Result<Item, NoItem> {
        let mut item = Item {
            is_own: self.group.is_none(),
            partial: self.group.as_ref().map(|group| group.partial.clone()).unwrap_or_default(),
            ..Item::default()
        };
        match &self.expand {
            Expand::Maps(source) => {
                let element = element(source, map_index, lookups)?;
                let Value::Object(map) = element else {
                    return Err(NoItem::Gone(format!(
                        "element {map_index} of what it is expanded over is not a map"
                    )));
                };
                if matches!(source, Source::Literal(_)) {
                    item.literal = map.keys().cloned().collect();
                }
                item.values = map;
            }
            Expand::Product(keys) => {
                let indexes = indexes(keys, map_index, lookups)?;
                let mut needs = Vec::new();
                for ((key, source), index) in keys.iter().zip(indexes) {
                    match element(source, index, lookups) {
                        Ok(value) => {
                            if matches!(source, Source::Literal(_)) {
                                item.literal.push(key.clone());
                            }
                            item.values.insert(key.clone(), value);
                        }
                        Err(NoItem::Needs(more)) => needs.extend(more),
                        Err(gone) => return Err(gone),
                    }
                }
                if !needs.is_empty() {
                    return Err(NoItem::Needs(needs));
                }
            }
        }
        Ok(item)
    }
}

impl Item {
    /// The names that templates see beside Airflow's: `item` with everything, and in a mapped
    /// group every key by itself.
    pub fn names(&self) -> Map<String, Value> {
        let mut names = if self.is_own { Map::new() } else { self.partial.clone() };
        if !self.is_own {
            names.extend(self.values.clone());
        }
        names.insert("item".to_owned(), Value::Object(self.values.clone()));
        names
    }

    /// Whether the texts of a key are templates.
    pub fn is_template(&self, key: &str) -> bool {
        self.literal.iter().any(|literal| literal == key)
    }
}

/// The place in each key's elements: the last key varies fastest.
fn indexes(
    keys: &IndexMap<String, Source>,
    map_index: u32,
    lookups: &Lookups,
) -> Result<Vec<u32>, NoItem> {
    let mut needs = Vec::new();
    let mut lengths = Vec::with_capacity(keys.len());
    for (place, source) in keys.values().enumerate() {
        lengths.push(match source {
            // What varies slowest needs no length.
            _ if place == 0 => u32::MAX,
            Source::Literal(items) => u32::try_from(items.len()).unwrap_or(u32::MAX),
            Source::XCom { task_id, key } => {
                let lookup = Lookup::Length { task_id: task_id.to_string(), key: key.clone() };
                match lookups.get(&lookup) {
                    Some(Answer::Value(value)) => {
                        value.as_u64().map_or(0, |length| u32::try_from(length).unwrap_or(u32::MAX))
                    }
                    Some(_) => 0,
                    None => {
                        needs.push(lookup);
                        1
                    }
                }
            }
        });
    }
    if !needs.is_empty() {
        return Err(NoItem::Needs(needs));
    }
    let mut rest = map_index;
    let mut indexes = Vec::with_capacity(keys.len());
    for length in lengths.into_iter().rev() {
        if length == 0 {
            return Err(NoItem::Gone(gone(map_index)));
        }
        indexes.push(rest % length);
        rest /= length;
    }
    indexes.reverse();
    Ok(indexes)
}

fn element(source: &Source, index: u32, lookups: &Lookups) -> Result<Value, NoItem> {
    match source {
        Source::Literal(items) => {
            items.get(index as usize).cloned().ok_or_else(|| NoItem::Gone(gone(index)))
        }
        Source::XCom { .. } => {
            let Some(lookup) = source.lookup(index) else { return Err(NoItem::Gone(gone(index))) };
            match lookups.get(&lookup) {
                Some(Answer::Value(value)) => Ok(value.clone()),
                Some(_) => Err(NoItem::Gone(gone(index))),
                None => Err(NoItem::Needs(vec![lookup])),
            }
        }
    }
}

fn gone(index: u32) -> String {
    format!(
        "what it is expanded over has no element {index} any more; clear the task that gives it, \
         with what is downstream"
    )
}

/// The tasks of the mapped group of a task, itself among them.
pub fn siblings(dag: &Dag, task: &Task) -> Vec<TaskId> {
    let group = |task: &Task| Some(task.mapping.as_ref()?.group.as_ref()?.id.clone());
    let Some(own) = group(task) else { return Vec::new() };
    let same = dag.tasks.iter().filter(|task| group(task).as_ref() == Some(&own));
    same.map(|task| task.task_id.clone()).collect()
}

/// What one task gave under one key, with the map indexes in order: what there is to map over.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a>(pub &'a [(i32, &'a Value)]);

impl Given<'_> {
    /// How many elements there are: those of the value of a plain task, or the values of a mapped
    /// one.
    pub fn length(self) -> Length {
        let of = |count: usize, are_maps: bool| Length::Elements { count: count as u64, are_maps };
        match self.0 {
            [] => Length::Missing,
            [(..0, value)] => match value {
                Value::Array(items) => of(items.len(), items.iter().all(Value::is_object)),
                Value::Object(map) => of(map.len(), false),
                Value::Null => Length::Wrong("null"),
                Value::Bool(_) => Length::Wrong("a truth value"),
                Value::Number(_) => Length::Wrong("a number"),
                Value::String(_) => Length::Wrong("a text"),
            },
            values => of(values.len(), values.iter().all(|(_, value)| value.is_object())),
        }
    }

    /// The element of a place; a map gives a pair of key and value.
    pub fn element(self, index: u32) -> Option<Value> {
        let at = index as usize;
        match self.0 {
            [(..0, Value::Array(items))] => items.get(at).cloned(),
            [(..0, Value::Object(map))] => {
                let (key, value) = map.iter().nth(at)?;
                Some(Value::Array(vec![Value::from(key.as_str()), value.clone()]))
            }
            [(..0, _)] => None,
            values => values.get(at).map(|(_, value)| (*value).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn xcom(task: &str) -> Source {
        let task_id = TaskId::new(task).expect("a task id");
        Source::XCom { task_id, key: "return_value".to_owned() }
    }

    fn product(keys: &[(&str, Source)]) -> Mapping {
        let keys = keys.iter().map(|(key, source)| ((*key).to_owned(), source.clone()));
        Mapping { expand: Expand::Product(keys.collect()), group: None }
    }

    fn literal(items: &Value) -> Source {
        Source::Literal(items.as_array().expect("a list").clone())
    }

    #[test]
    fn several_keys_give_their_product_and_the_last_varies_fastest() {
        let mapping =
            product(&[("a", literal(&json!([1, 2]))), ("b", literal(&json!(["x", "y", "z"])))]);
        assert_eq!(mapping.literal_count(), Some(6));
        let check = |index: u32, expected: Value| {
            let item = mapping.item(index, &Lookups::new()).expect("an item");
            assert_eq!(Value::Object(item.values), expected, "{index}");
        };
        check(0, json!({"a": 1, "b": "x"}));
        check(1, json!({"a": 1, "b": "y"}));
        check(3, json!({"a": 2, "b": "x"}));
        check(5, json!({"a": 2, "b": "z"}));
        let gone = mapping.item(6, &Lookups::new()).expect_err("there are six");
        assert!(matches!(gone, NoItem::Gone(text) if text.contains("no element 2 any more")));
    }

    #[test]
    fn what_a_task_gave_is_asked_for_and_never_a_template() {
        let mapping = product(&[("a", xcom("x")), ("b", xcom("y")), ("c", literal(&json!(["l"])))]);
        let Err(NoItem::Needs(first)) = mapping.item(5, &Lookups::new()) else { panic!("needs") };
        assert_eq!(first.len(), 1, "the length of what varies slowest is not needed");
        let mut lookups = Lookups::new();
        lookups.insert(first[0].clone(), Answer::Value(json!(4)));
        let Err(NoItem::Needs(wanted)) = mapping.item(5, &lookups) else { panic!("needs") };
        let asked: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        assert_eq!(asked, ["element 1 of task \"x\"", "element 1 of task \"y\""]);
        for lookup in wanted {
            lookups.insert(lookup, Answer::Value(json!("{{ ds }}")));
        }
        let item = mapping.item(5, &lookups).expect("an item");
        assert_eq!(item.literal, ["c"]);
        assert!(!item.is_template("a"));
    }

    #[test]
    fn lengths_are_those_of_lists_maps_and_mapped_tasks() {
        let check = |given: &[(i32, &Value)], count: Result<u64, &str>, third: Value| {
            let given = Given(given);
            let mapping = product(&[("a", xcom("x"))]);
            let got = mapping.count(|_, _| given.length());
            assert_eq!(got, count.map_err(|text| Unmappable::Wrong(text.to_owned())));
            assert_eq!(given.element(2).unwrap_or_default(), third);
        };
        check(&[(-1, &json!([1, 2, 3]))], Ok(3), json!(3));
        check(&[(-1, &json!({"p": 1, "q": 2, "r": 3}))], Ok(3), json!(["r", 3]));
        check(&[(-1, &json!([]))], Ok(0), Value::Null);
        check(&[(0, &json!(1)), (2, &json!("b")), (3, &json!([2]))], Ok(3), json!([2]));
        let text = "\"x\" gave a text as `return_value`; only a list or a map can be expanded over";
        check(&[(-1, &json!("abc"))], Err(text), Value::Null);
        let maps = Mapping { expand: Expand::Maps(xcom("x")), group: None };
        let (map, number) = (json!({"a": 1}), json!(2));
        let given = [(0, &map), (1, &number)];
        let wrong = maps.count(|_, _| Given(&given).length()).expect_err("one is no map");
        assert!(matches!(wrong, Unmappable::Wrong(text) if text.contains("a list of maps")));
        let missing = maps.count(|_, _| Length::Missing).expect_err("nothing");
        assert!(matches!(missing, Unmappable::Missing(task) if task == "x"));
    }

    #[test]
    fn a_group_gives_names() {
        let group = MappedGroup {
            id: "g".to_owned(),
            partial: json!({"base": 1}).as_object().expect("a map").clone(),
        };
        let mut mapping = product(&[("day", literal(&json!(["mon", "tue"])))]);
        mapping.group = Some(group);
        let names = mapping.item(1, &Lookups::new()).expect("an item").names();
        assert_eq!(Value::Object(names), json!({"base": 1, "day": "tue", "item": {"day": "tue"}}));
    }
}
