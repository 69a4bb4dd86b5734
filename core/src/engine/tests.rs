//! Tests of the engine: vectors, transcripts, and properties over random runs.

mod clears;
mod outcomes;
mod random;
mod rows;
mod scenario;
mod world;
