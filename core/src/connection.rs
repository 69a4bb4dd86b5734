//! Placeholder until the template module lands.
/// A connection.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Connection {}
