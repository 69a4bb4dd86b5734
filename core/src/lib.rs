//! The pure core of Millrace: the whole semantics of the product without a single `.await`.
//!
//! Nothing in this crate does I/O, reads a clock, draws a random number or logs: the same input
//! gives the same output, byte for byte. The shells (`store`, `scheduler`, `worker`, `api`, `src`)
//! carry its values in and out.

pub mod asset;
pub mod backfill;
pub mod cases;
pub mod connection;
pub mod dag;
pub mod dagfile;
pub mod decision;
mod demand;
pub mod diagnostic;
pub mod engine;
pub mod ids;
pub mod log_line;
pub mod mapping;
pub mod operator;
pub mod params;
pub mod picture;
pub mod record;
pub mod redact;
pub mod render;
pub mod retry;
pub mod state;
mod suggest;
pub mod template;
pub mod time;
pub mod timetable;
pub mod trigger_rule;
#[cfg(test)]
mod vectors;
pub mod wait;
pub mod wire;
