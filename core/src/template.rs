//! Placeholder until the template module lands.
/// One lookup.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Lookup {}
/// Answers.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Lookups {}
