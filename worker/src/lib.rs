//! The worker: claims attempts, runs their operators, streams their logs, kills process groups.
//!
//! It knows the scheduler only as a [`millrace_core::wire::WorkerProtocol`], in the same process
//! or over HTTP, and never the database. Start reading at [`Worker::run`].

mod assets;
mod attempt;
mod clock;
mod config;
mod environment;
mod folder;
mod http_link;
mod log;
mod notice;
mod operator;
mod probe;
mod process;
mod recover;
mod render;
mod report;
mod slots;
mod stop;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod worker;
mod xcom;

pub use clock::{Clock, SystemClock};
pub use config::WorkerConfig;
pub use http_link::{HttpLink, HttpLinkError};
pub use probe::probe;
pub use worker::{Worker, WorkerError};
