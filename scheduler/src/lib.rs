//! The engine's shell: reads the DAG folder, takes turns, commits, hands work to workers.
//!
//! Decides nothing about states (that is `core::engine`) and writes no SQL (that is `store`). It
//! never executes anything that a DAG author wrote.

mod asset_lookups;
mod batch;
mod clock;
mod command;
mod config;
mod current;
mod dates;
mod decide;
pub mod disk;
mod folder;
mod hand_out;
mod lead;
mod link;
mod lookups;
mod notices;
mod orders;
mod prepared;
mod registry;
mod term;
mod upkeep;
mod versions;
mod waits;

pub use clock::{Clock, SystemClock};
pub use config::{ASSET_EVENT_DAYS, SchedulerConfig};
pub use lead::Scheduler;
