//! YAML text → tree: aliases, merges, tags, duplicate keys, and the limits of all of them.
//!
//! The one place that touches the YAML crate. Must not know which keys a DAG has.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_saphyr::granit_parser as yaml;
use yaml::{Event, Parser, ScalarStyle, Tag};

use super::report::Report;
use super::source::Span;
use super::tree::{Entry, Kind, Node, Scalar, Style};
use super::yaml_error;

/// Values in one document after aliases are expanded; a DAG of a thousand tasks has some 30,000.
pub(crate) const NODES_MAX: usize = 200_000;

/// Maps and lists inside each other.
pub(crate) const DEPTH_MAX: usize = 48;

/// Bytes of text in one document after aliases are expanded.
pub(crate) const TEXT_BYTES_MAX: usize = 4 << 20;

/// Keys in one map.
pub(crate) const KEYS_MAX: usize = 10_000;

/// Reads the document `span` of the report's text. None when it is empty, or when the text is no
/// YAML; then the report says why.
pub(crate) fn compose(report: &mut Report<'_>, span: Span) -> Option<Node> {
    read(report, span, false)
}

/// The same with maps of one mark (`{$t: text}`) left as they are written: in another tool's file
/// a text without a mark means something else than one with it.
pub(crate) fn compose_marked(report: &mut Report<'_>, span: Span) -> Option<Node> {
    read(report, span, true)
}

fn read(report: &mut Report<'_>, span: Span, keeps_marks: bool) -> Option<Node> {
    let text = &report.source.text[span.start..span.end];
    let mut options = yaml::Options::default();
    options.emit_unresolved_aliases = true;
    options.emit_comments = false;
    options.flow_nesting_limit = DEPTH_MAX + 1;
    options.block_nesting_limit = DEPTH_MAX + 1;
    let mut composer = Composer {
        events: Parser::new_from_str_with_options(text, options),
        offset: span.start,
        anchors: HashMap::new(),
        open: Vec::new(),
        keeps_marks,
        size: Size::default(),
        kept: Size::default(),
        report,
    };
    composer.document().unwrap_or(None)
}

/// The document cannot be read further; the report says why.
struct Stop;

/// A finished anchor: its node, how large that is, and how deep.
struct Anchor {
    node: Node,
    size: Size,
    height: usize,
}

/// How much memory a tree takes: values, and bytes of their text.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.bytes += other.bytes;
    }

    /// What came since `before`.
    fn since(self, before: Self) -> Self {
        Self { nodes: self.nodes - before.nodes, bytes: self.bytes - before.bytes }
    }
}

struct Composer<'t, 'r, 'a> {
    events: Parser<'t, yaml::StrInput<'t>>,
    offset: usize,
    anchors: HashMap<usize, Anchor>,
    /// Anchors whose node is still being read.
    open: Vec<usize>,
    keeps_marks: bool,
    size: Size,
    /// What the values of anchors take: each is a copy.
    kept: Size,
    report: &'r mut Report<'a>,
}

/// A node with the height of its tree.
type Tall = (Node, usize);

impl<'t> Composer<'t, '_, '_> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                event => root = Some(self.node(event, span, 1)?.0),
            }
        }
        Ok(root.filter(|node: &Node| !node.is_blank()))
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, yaml::Span)>, Stop> {
        match self.events.next() {
            None => Ok(None),
            Some(Ok(pair)) => Ok(Some(pair)),
            Some(Err(error)) => {
                yaml_error::explain(self.report, &error, self.offset);
                Err(Stop)
            }
        }
    }

    fn span(&self, span: yaml::Span) -> Span {
        let byte = |marker: yaml::Marker| marker.byte_offset().unwrap_or(0) + self.offset;
        Span::new(byte(span.start), byte(span.end))
    }

    fn stop<T>(
        &mut self,
        span: Span,
        code: &'static str,
        message: String,
        help: &str,
    ) -> Result<T, Stop> {
        self.report.error(span, code, message).help(help);
        Err(Stop)
    }

    fn node(&mut self, event: Event<'t>, at: yaml::Span, depth: usize) -> Result<Tall, Stop> {
        let span = self.span(at);
        let before = self.size;
        let bytes = if let Event::Scalar(text, ..) = &event { text.len() } else { 0 };
        self.count(Size { nodes: 1, bytes }, depth, span)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(text, style, tag.as_deref(), at);
                self.keep(anchor, before, &node, 1)?;
                Ok((node, 1))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), at);
                self.collection(anchor, span, depth, before, Self::list)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.collection_tag(tag.as_deref(), at);
                self.collection(anchor, span, depth, before, Self::map)
            }
            Event::Alias(anchor) => self.alias(anchor, span, depth),
            Event::UnresolvedAlias(name) => {
                yaml_error::unknown_alias(self.report, span, &name);
                let scalar = Scalar { text: format!("*{name}"), style: Style::Quoted };
                Ok((Node { span, kind: Kind::Scalar(scalar) }, 1))
            }
            _ => self.stop(span, "yaml", "this is not YAML".to_owned(), "check the line above"),
        }
    }

    fn count(&mut self, more: Size, depth: usize, span: Span) -> Result<(), Stop> {
        self.size.add(more);
        self.check_size(self.size, span)?;
        if self.report.is_full() {
            return Err(Stop);
        }
        if depth > DEPTH_MAX {
            return self.stop(
                span,
                "too-deep",
                format!("more than {DEPTH_MAX} maps and lists inside each other"),
                "a DAG file is rarely deeper than 10; look for unclosed brackets or runaway indentation",
            );
        }
        Ok(())
    }

    fn check_size(&mut self, size: Size, span: Span) -> Result<(), Stop> {
        let (most, what) = if size.nodes > NODES_MAX {
            (NODES_MAX, "values")
        } else if size.bytes > TEXT_BYTES_MAX {
            (TEXT_BYTES_MAX, "bytes of text")
        } else {
            return Ok(());
        };
        self.stop(
            span,
            "too-many-values",
            format!("the document has more than {most} {what} once its aliases are expanded"),
            "split the file, or remove the aliases (`*name`) that multiply each other",
        )
    }

    /// Keeps the value of an anchor, which is what was counted since `before`.
    fn keep(
        &mut self,
        anchor: usize,
        before: Size,
        node: &Node,
        height: usize,
    ) -> Result<(), Stop> {
        if anchor != 0 {
            let size = self.size.since(before);
            self.kept.add(size);
            self.check_size(self.kept, node.span)?;
            self.anchors.insert(anchor, Anchor { node: node.clone(), size, height });
        }
        Ok(())
    }

    fn collection(
        &mut self,
        anchor: usize,
        span: Span,
        depth: usize,
        before: Size,
        read: fn(&mut Self, Span, usize) -> Result<Tall, Stop>,
    ) -> Result<Tall, Stop> {
        self.open.push(anchor);
        let (node, height) = read(self, span, depth)?;
        self.open.pop();
        self.keep(anchor, before, &node, height)?;
        Ok((node, height))
    }

    fn alias(&mut self, anchor: usize, span: Span, depth: usize) -> Result<Tall, Stop> {
        if self.open.contains(&anchor) {
            return self.stop(
                span,
                "alias-loop",
                "this alias stands inside the value that it names".to_owned(),
                "a value cannot contain itself; write it out",
            );
        }
        let Some(known) = self.anchors.get(&anchor) else {
            return self.stop(
                span,
                "yaml",
                "unknown alias".to_owned(),
                "define it with `&name` above",
            );
        };
        let (size, height) = (known.size, known.height);
        self.count(size, depth + height - 1, span)?;
        Ok((self.anchors[&anchor].node.clone(), height))
    }

    fn list(&mut self, span: Span, depth: usize) -> Result<Tall, Stop> {
        let mut items = Vec::new();
        let mut height = 0;
        while let Some((event, at)) = self.next()? {
            if event == Event::SequenceEnd {
                let span = Span::new(span.start, self.span(at).end);
                return Ok((Node { span, kind: Kind::List(items) }, height + 1));
            }
            let (node, below) = self.node(event, at, depth + 1)?;
            height = height.max(below);
            items.push(node);
        }
        Err(Stop)
    }

    fn map(&mut self, span: Span, depth: usize) -> Result<Tall, Stop> {
        let mut map = MapBuilder::default();
        let mut height = 0;
        while let Some((event, at)) = self.next()? {
            if event == Event::MappingEnd {
                let end = self.span(at).end;
                let entries = map.finish();
                let marked = if self.keeps_marks { None } else { raw_map(&entries) };
                let kind = marked.unwrap_or(Kind::Map(entries));
                return Ok((Node { span: Span::new(span.start, end), kind }, height + 1));
            }
            let merge =
                matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let flow_key = matches!(event, Event::MappingStart(..));
            let (key, _) = self.node(event, at, depth + 1)?;
            let Some((event, at)) = self.next()? else { return Err(Stop) };
            let (value, below) = self.node(event, at, depth + 1)?;
            height = height.max(below);
            if merge {
                map.merge(self.report, key.span, value);
                continue;
            }
            match key.kind {
                Kind::Scalar(Scalar { text, .. }) => {
                    map.add(self.report, Entry { key: text, key_span: key.span, value });
                }
                _ if flow_key => yaml_error::template_as_map(self.report, span, key.span),
                _ => {
                    self.report
                        .error(key.span, "key-not-text", "a key must be a text, not a list")
                        .help("quote it if it is meant to be one text");
                }
            }
            if map.entries.len() > KEYS_MAX {
                let message = format!("a map with more than {KEYS_MAX} keys");
                return self.stop(
                    span,
                    "too-many-keys",
                    message,
                    "split the file into several DAGs",
                );
            }
        }
        Err(Stop)
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: yaml::Span,
    ) -> Node {
        let span = self.span(at);
        let text = match (&style, span.start == span.end) {
            // The parser spells a missing value `~`.
            (ScalarStyle::Plain, true) => String::new(),
            _ => text.into_owned(),
        };
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
            _ => Style::Quoted,
        };
        let kind = match tag {
            None => Kind::Scalar(Scalar { text, style }),
            Some(tag) if tag.handle() == "!" && tag.suffix() == "raw" => Kind::Raw(text),
            Some(tag) if tag.is_yaml_core_schema_tag("str") => {
                let style = if style == Style::Plain { Style::Quoted } else { style };
                Kind::Scalar(Scalar { text, style })
            }
            Some(tag) => {
                if !tag.is_yaml_core_schema() && !tag.suffix().is_empty() {
                    yaml_error::foreign_tag(self.report, self.tag_span(at), self.span(at).end, tag);
                }
                Kind::Scalar(Scalar { text, style })
            }
        };
        Node { span, kind }
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, at: yaml::Span) {
        if let Some(tag) = tag
            && !tag.is_yaml_core_schema()
        {
            yaml_error::foreign_tag(self.report, self.tag_span(at), self.span(at).end, tag);
        }
    }

    fn tag_span(&self, at: yaml::Span) -> Span {
        at.tag_span().map_or_else(|| self.span(at), |tag| self.span(tag))
    }
}

/// `{$raw: text}` is what `!raw text` means; `{$t: text}` (Airflow's own YAML) is a template, as
/// every text is.
fn raw_map(entries: &[Entry]) -> Option<Kind> {
    let [Entry { key, value: Node { kind: Kind::Scalar(scalar), .. }, .. }] = entries else {
        return None;
    };
    match key.as_str() {
        "$raw" | "$const" => Some(Kind::Raw(scalar.text.clone())),
        "$t" => Some(Kind::Scalar(Scalar { text: scalar.text.clone(), style: Style::Quoted })),
        _ => None,
    }
}

/// From so many keys on a map is searched by hash.
const SMALL_MAP: usize = 16;

/// A map that is being read: its own entries, and what `<<` brings.
#[derive(Default)]
struct MapBuilder {
    entries: Vec<Entry>,
    /// Where each key stands in `entries`, once there are enough of them.
    index: HashMap<String, usize>,
    merged: Vec<Entry>,
}

impl MapBuilder {
    /// Adds an entry; the second of two equal keys is an error, and not read.
    fn add(&mut self, report: &mut Report<'_>, entry: Entry) {
        if let Some(first) = self.find(&entry.key) {
            let (line, _) = report.source.position(self.entries[first].key_span.start);
            let message = format!("the key \"{}\" stands here a second time", entry.key);
            report
                .error(entry.key_span, "duplicate-key", message)
                .help(format!("the first is at line {line}; keep one of them"));
            return;
        }
        self.push(entry);
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        if self.entries.len() == SMALL_MAP {
            self.index = self.entries.iter().enumerate().map(|(i, e)| (e.key.clone(), i)).collect();
        } else if self.entries.len() > SMALL_MAP {
            let last = self.entries.len() - 1;
            self.index.insert(self.entries[last].key.clone(), last);
        }
    }

    fn find(&self, key: &str) -> Option<usize> {
        if self.entries.len() < SMALL_MAP {
            return self.entries.iter().position(|entry| entry.key == key);
        }
        self.index.get(key).copied()
    }

    /// Takes in the entries of `<<`: a map, or a list of maps of which the first wins.
    fn merge(&mut self, report: &mut Report<'_>, at: Span, value: Node) {
        match value.kind {
            Kind::Map(entries) => self.merged.extend(entries),
            Kind::List(items) => {
                for item in items {
                    self.merge(report, at, item);
                }
            }
            _ => {
                let what = Node { span: value.span, kind: value.kind }.describe();
                report
                    .error(at, "merge", format!("`<<` takes in a map, not {what}"))
                    .help("write `<<: *name`, where `&name` marks a map above");
            }
        }
    }

    /// The entries; keys of the map itself win over merged ones.
    fn finish(mut self) -> Vec<Entry> {
        for entry in std::mem::take(&mut self.merged) {
            if self.find(&entry.key).is_none() {
                self.push(entry);
            }
        }
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn codes(text: &str) -> Vec<String> {
        let source = Source::new("x", text);
        let mut report = Report::new(&source);
        compose(&mut report, Span::new(0, text.len()));
        report.found.iter().map(|found| format!("{}: {}", found.code, found.message)).collect()
    }

    #[test]
    fn what_aliases_bring_is_bounded() {
        let refused = |text: &str, what: &str| {
            let found = codes(text);
            let expected = format!(
                "too-many-values: the document has more than {what} once its aliases are expanded"
            );
            assert_eq!(found, [expected], "{}", &text[..text.len().min(80)]);
        };
        let texts = |count: usize| {
            format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(count))
        };
        let values = |count: usize| {
            format!("a: &a [{}]\nb: [{}]\n", "x, ".repeat(10_000), "*a, ".repeat(count))
        };
        // Anchors around anchors: each is a copy of what is inside.
        let kept = |count: usize| {
            let mut text = "a: ".to_owned();
            (0..count).for_each(|n| text.extend(["&n", &n.to_string(), " ["]));
            text + &"x, ".repeat(9_000) + &"]".repeat(count) + "\n"
        };
        refused(&texts(41), "4194304 bytes of text");
        refused(&values(19), "200000 values");
        refused(&kept(23), "200000 values");
        assert_eq!(codes(&texts(40)), [""; 0]);
        assert_eq!(codes(&values(18)), [""; 0]);
        assert_eq!(codes(&kept(22)), [""; 0]);
    }

    #[test]
    fn reading_ends_when_no_more_is_reported() {
        let found = codes(&format!("a: {{{}}}\nb: [", "k: 1, ".repeat(50_000)));
        assert_eq!(found.len(), 200);
        assert!(found.iter().all(|found| found.starts_with("duplicate-key: ")), "{found:?}");
    }
}
