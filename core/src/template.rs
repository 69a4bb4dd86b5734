//! Templates: Jinja with Airflow's context, rendered without I/O.
//!
//! Owns the context a task's text may use, its evaluation under limits, and the rule that a run's
//! input never becomes shell text silently. Values that live elsewhere are asked for as
//! [`Lookup`]s: a render that misses some ends with [`RenderError::Needs`]. It must not read
//! files, variables, connections or a clock.

use std::collections::BTreeMap;

mod args;
mod assets;
mod braces;
mod check;
mod containers;
mod context;
mod engine;
mod error;
mod filters;
mod format_spec;
mod growth;
mod lookup;
mod lookups_of;
mod macros;
mod named_tuple;
mod names;
mod native;
mod object;
mod ops;
mod printf;
mod python_text;
mod ranges;
mod response;
mod rewrite;
mod scope;
mod sequences;
mod shell;
mod slices;
mod tags;
mod temporal;
mod text_methods;
mod turns;
mod value;
mod views;
mod walk;
mod work;
mod wrapping;
mod xcom;

pub(crate) use check::{What, context_names, uses};
pub use context::{PrevSuccess, TemplateContext};
pub use engine::Renderer;
pub use error::{RenderError, TemplateError, TemplateFault, removed_name};
pub use lookup::{Answer, Lookup, Lookups};
pub use response::ResponseView;
pub use scope::Scope;
pub use temporal::moment::install_zones;

/// Bounds of one render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instructions of the template engine.
    pub fuel: u64,
    /// Nested includes, macro calls and blocks.
    pub recursion: usize,
    /// Bytes of a template.
    pub source_bytes: usize,
    /// Bytes of the rendered text.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { fuel: 100_000, recursion: 64, source_bytes: 512 * 1024, output_bytes: 1024 * 1024 }
    }
}

/// The lookups that templates name outright (`xcom('a')`, `var.value.x`, `conn.db`), each once:
/// what a shell can fetch before the first render. Names that are computed are not among them.
pub fn static_lookups<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    context: &TemplateContext,
    files: &BTreeMap<String, String>,
) -> Vec<Lookup> {
    lookups_of::lookups_of(texts, context, files)
}

#[cfg(test)]
mod tests;
