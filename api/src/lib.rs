//! HTTP: the REST API, the worker protocol's routes, live events and the dashboard's files.
//!
//! Owns every HTTP shape. It reads through `millrace_store`, and writes by putting orders into the
//! inbox, which the scheduler carries out; it never plans, never runs anything that an author of
//! a DAG wrote, and never touches a state itself.

mod access;
mod app;
mod attempt_log;
mod backfills;
mod body;
mod dags;
mod graph;
mod guard;
mod headers;
mod inbox;
mod login;
mod path;
mod problem;
mod query;
mod routes;
mod serve;
mod shape;
mod ui;
mod uuid;
mod v1;
mod v2;
mod wire;

#[cfg(test)]
mod tests;

pub use access::Role;
pub use app::{Api, Clock, SystemClock};
pub use serve::{router, serve};
