//! Schedules of the other dialects → ours: lists of assets, conditions, timetables as objects.
//!
//! Must not judge whether an expression is right; the reader of DAG files does.

use super::super::source::Span;
use super::super::tree::{Entry, Kind, Node, Scalar, Style};
use super::carry::{add, entry};
use super::marks::{Values, text};

/// How deep schedules may stand inside each other.
const DEPTH_MAX: usize = 8;

/// A schedule, and what its timetable says about the DAG.
#[derive(Debug)]
pub(super) struct Carried {
    /// The value of `schedule`.
    pub(super) schedule: Node,
    /// The zone of the timetable.
    pub(super) zone: Option<Node>,
    /// Whether its runs are for the interval that has just ended.
    pub(super) data_intervals: bool,
}

/// A Python object that is written as data: dag-factory's `__type__`, Airflow's `uses` and `with`.
struct Object<'n> {
    class: &'n str,
    named: Vec<&'n Entry>,
    args: &'n [Node],
}

impl<'n> Object<'n> {
    fn of(node: &'n Node) -> Option<Self> {
        let class = node.get("__type__").or_else(|| node.get("uses")).and_then(Node::text)?;
        let args = match node.get("__args__").map(|args| &args.kind) {
            Some(Kind::List(items)) => items.as_slice(),
            _ => &[],
        };
        let own = node.map().unwrap_or_default().iter();
        let with = node.get("with").and_then(Node::map).unwrap_or_default().iter();
        let is_argument = |e: &&Entry| !["__type__", "__args__", "uses", "with"].contains(&&*e.key);
        let named = own.filter(is_argument).chain(with).collect();
        Some(Self { class: class.rsplit('.').next().unwrap_or(class), named, args })
    }

    /// An argument by one of its names, or by its place.
    fn argument(&self, names: &[&str], place: usize) -> Option<&'n Node> {
        let named = self.named.iter().find(|entry| names.contains(&entry.key.as_str()));
        named.map(|entry| &entry.value).or_else(|| self.args.get(place))
    }
}

impl Values<'_, '_, '_> {
    /// Rewrites a schedule.
    pub(super) fn schedule(&mut self, node: &Node) -> Carried {
        self.schedule_at(node, 0)
    }

    fn schedule_at(&mut self, node: &Node, depth: usize) -> Carried {
        let plain = |schedule| Carried { schedule, zone: None, data_intervals: false };
        if depth > DEPTH_MAX {
            return plain(node.clone());
        }
        match &node.kind {
            Kind::List(_) => return plain(self.by_assets(node)),
            Kind::Map(entries) if !entries.is_empty() => {}
            _ => return plain(self.value(node)),
        }
        if let Some(object) = Object::of(node) {
            return self.by_object(node, &object, depth);
        }
        let assets = ["datasets", "assets"].iter().find_map(|key| node.get(key));
        if assets.is_none() && node.get("timetable").is_none() {
            let is_condition = node.get("__and__").or_else(|| node.get("__or__")).is_some();
            return plain(if is_condition { self.by_assets(node) } else { self.value(node) });
        }
        self.either(node, assets, node.get("timetable"), depth)
    }

    /// Assets, a timetable, or both beside each other.
    fn either(
        &mut self,
        node: &Node,
        assets: Option<&Node>,
        timetable: Option<&Node>,
        depth: usize,
    ) -> Carried {
        let head = node.span.head();
        let mut whole = Carried { schedule: node.clone(), zone: None, data_intervals: false };
        let mut entries = Vec::new();
        if let Some(assets) = assets {
            entries.push(entry("assets", head, self.condition(assets)));
        }
        if let Some(timetable) = timetable {
            let by_time = self.schedule_at(timetable, depth + 1);
            whole.zone = by_time.zone;
            whole.data_intervals = by_time.data_intervals;
            match by_time.schedule.kind {
                Kind::Map(inner) => inner.into_iter().for_each(|entry| add(&mut entries, entry)),
                _ if by_time.schedule.is_null() => {}
                _ => entries.push(entry("cron", head, by_time.schedule)),
            }
        }
        whole.schedule = Node { span: node.span, kind: Kind::Map(entries) };
        whole
    }

    fn by_assets(&mut self, node: &Node) -> Node {
        let condition = self.condition(node);
        of_key("assets", node.span, condition)
    }

    /// Assets and conditions over them, in our words.
    fn condition(&mut self, node: &Node) -> Node {
        let kind = match &node.kind {
            Kind::List(items) => {
                Kind::List(items.iter().map(|item| self.condition(item)).collect())
            }
            Kind::Map(entries) if node.get("__type__").is_none() => {
                let word = |key: &str| match key {
                    "__and__" => "all".to_owned(),
                    "__or__" => "any".to_owned(),
                    key => key.to_owned(),
                };
                let rewritten = entries.iter().map(|old| {
                    let value = self.condition(&old.value);
                    Entry { key: word(&old.key), key_span: old.key_span, value }
                });
                Kind::Map(rewritten.collect())
            }
            _ => return self.value(node),
        };
        Node { span: node.span, kind }
    }

    fn by_object(&mut self, node: &Node, object: &Object<'_>, depth: usize) -> Carried {
        let zone = |place| object.argument(&["timezone"], place).cloned();
        let plain = |schedule| Carried { schedule, zone: None, data_intervals: false };
        let named = |words: &[&str]| object.argument(words, 0).cloned();
        let found = match object.class {
            "CronTriggerTimetable" | "CronDataIntervalTimetable" => {
                named(&["cron"]).map(|schedule| Carried {
                    schedule,
                    zone: zone(1),
                    data_intervals: object.class == "CronDataIntervalTimetable",
                })
            }
            "MultipleCronTriggerTimetable" => named(&["crons"]).map(|first| {
                let all = Kind::List(object.args.to_vec());
                let crons = match object.args {
                    [] => first,
                    _ => Node { span: node.span, kind: all },
                };
                let schedule = of_key("cron", node.span, crons);
                Carried { schedule, zone: zone(usize::MAX), data_intervals: false }
            }),
            "DeltaTriggerTimetable" | "DeltaDataIntervalTimetable" => {
                named(&["delta"]).map(|delta| Carried {
                    schedule: of_key("every", node.span, self.value(&delta)),
                    zone: None,
                    data_intervals: object.class == "DeltaDataIntervalTimetable",
                })
            }
            "timedelta" => Some(plain(of_key("every", node.span, self.value(node)))),
            "Asset" | "Dataset" => {
                let one = self.value(node);
                let list = Node { span: node.span, kind: Kind::List(vec![one]) };
                Some(plain(of_key("assets", node.span, list)))
            }
            "list" => named(&["items"]).map(|items| plain(self.by_assets(&items))),
            "AssetOrTimeSchedule" | "DatasetOrTimeSchedule" => {
                let assets = object.argument(&["assets", "datasets"], 1);
                Some(self.either(node, assets, object.argument(&["timetable"], 0), depth))
            }
            "EventsTimetable" => named(&["event_dates"])
                .map(|dates| plain(of_key("events", node.span, self.value(&dates)))),
            "NullTimetable" => Some(plain(never(node.span))),
            "OnceTimetable" => Some(plain(text(node, "@once".to_owned()))),
            "ContinuousTimetable" => Some(plain(text(node, "@continuous".to_owned()))),
            _ => None,
        };
        found.unwrap_or_else(|| {
            let message = format!("the schedule by {} cannot be carried over", object.class);
            self.report
                .warning(node.span.head(), "not-carried", message)
                .help("it stands as null, so that nothing starts by itself; write a cron expression, {every: 30m}, {events: […]} or {assets: […]}");
            plain(never(node.span))
        })
    }
}

/// A map of one key.
fn of_key(key: &str, span: Span, value: Node) -> Node {
    Node { span, kind: Kind::Map(vec![entry(key, span.head(), value)]) }
}

fn never(span: Span) -> Node {
    Node { span, kind: Kind::Scalar(Scalar { text: "null".to_owned(), style: Style::Plain }) }
}
