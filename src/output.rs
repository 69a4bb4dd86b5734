//! How commands print: aligned tables for people, JSON for programs.

use std::io::Write;

use clap::ValueEnum;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::failure::Failure;

/// The form of a command's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Aligned columns
    Table,
    /// JSON
    Json,
}

/// One option of the commands that export.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct ExportFormat {
    /// YAML instead of JSON
    #[arg(long)]
    yaml: bool,
}

impl ExportFormat {
    /// Prints a map so that the import reads it.
    pub(crate) fn print(self, map: serde_json::Map<String, Value>) -> Result<(), Failure> {
        let value = Value::Object(map);
        if !self.yaml {
            return print_json(&value);
        }
        let text = millrace_core::dagfile::to_yaml(&value).map_err(Failure::defect)?;
        print(text.trim_end())
    }
}

/// One option that every asking command has.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Format {
    /// The form of the answer
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

impl Format {
    /// Prints records: the named fields as columns, or everything as JSON.
    pub(crate) fn records(self, records: &[Value], columns: &[&str]) -> Result<(), Failure> {
        match self.output {
            Output::Json => print_json(&Value::Array(records.to_vec())),
            Output::Table => {
                let rows: Vec<Vec<String>> = records
                    .iter()
                    .map(|record| columns.iter().map(|column| cell(&record[*column])).collect())
                    .collect();
                print(&table(columns, &rows))
            }
        }
    }

    /// Prints one record: a line for each field that has a value, or JSON.
    pub(crate) fn record(self, record: &Value) -> Result<(), Failure> {
        match (self.output, record.as_object()) {
            (Output::Table, Some(map)) => {
                let rows: Vec<_> = map
                    .iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| vec![key.clone(), cell(value)])
                    .collect();
                print(&table(&[], &rows))
            }
            _ => print_json(record),
        }
    }
}

/// A value as one cell.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.replace('\n', "⏎"),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Columns two spaces apart; a header line when there are headers.
pub(crate) fn table(headers: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headers.iter().map(|header| header.width()).collect();
    for row in rows {
        for (column, text) in row.iter().enumerate() {
            if column == widths.len() {
                widths.push(0);
            }
            widths[column] = widths[column].max(text.width());
        }
    }
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for (text, width) in cells.iter().zip(&widths) {
            line.push_str(text);
            line.push_str(&" ".repeat(width - text.width() + 2));
        }
        line.trim_end().to_owned()
    };
    let mut lines = Vec::new();
    if !headers.is_empty() {
        lines.push(line(headers.to_vec()));
    }
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// Says something beside the answer, on stderr.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints JSON, indented for a terminal and for people's diffs.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).map_err(Failure::defect)?)
}

/// Prints lines. A reader that went away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::defect(format!("stdout: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_text_takes_two_columns() {
        let rows = vec![vec!["가나".into(), "x".into()], vec!["abcd".into(), "y".into()]];
        assert_eq!(table(&["a", "b"], &rows), "a     b\n가나  x\nabcd  y");
    }
}
