//! Tests of the engine: vectors, transcripts, and properties over random runs.

mod asset;
mod backfill;
mod callbacks;
mod clears;
mod deadline;
mod explanation;
mod histories;
mod keys;
mod limits;
mod mapping;
mod model;
mod model_rules;
mod order;
mod outcomes;
mod plan;
mod planned;
mod random;
mod rows;
mod scenario;
mod waiting;
mod world;
