//! All SQL of Millrace, on MariaDB and SQLite. Nothing else speaks to the database.
//!
//! A module is a table: its functions take a [`Store`], its statements begin with
//! `-- module::function`. The leader's writes go through [`apply`] alone, in one fenced
//! transaction. Nothing here decides what a state becomes; that is `millrace_core::engine`.
//! No clock is read: where an instant matters, it is an argument.

pub mod api_token;
pub mod apply;
pub mod asset;
pub mod asset_event;
pub mod asset_queue;
pub mod backfill;
pub mod connection;
pub mod dag;
pub mod dag_run;
pub mod dag_version;
mod db;
pub mod event;
pub mod grid;
pub mod import_error;
pub mod inbox;
pub mod leader;
pub mod logs;
pub mod migrate;
pub mod notice;
pub mod page;
pub mod pool;
pub mod preflight;
pub mod restore;
pub mod secret;
pub mod setting;
mod store;
mod table;
pub mod task_attempt;
pub mod task_instance;
pub mod user;
pub mod variable;
pub mod worker;
pub mod xcom;

#[cfg(test)]
mod asset_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use apply::{Applied, ApplyError};
pub use db::{Dialect, StoreError};
pub use leader::Epoch;
pub use page::{Page, Paging};
pub use secret::Secrets;
pub use store::{OpenError, Store};
