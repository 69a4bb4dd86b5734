//! Placeholder until the timetable module lands.
/// When a DAG runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Timetable {
    /// Never by itself.
    Never,
}
