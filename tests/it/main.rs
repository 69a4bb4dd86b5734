//! The integration tests: the real binary, real MariaDB, real Docker, a real browser.
//!
//! One binary, so that it links once. Nothing sleeps: everything waits for a condition with a
//! limit. What a test starts it stops, also when it fails.

mod harness;

mod assets;
mod backfill;
mod basics;
mod browser;
mod cli;
mod course;
mod crash;
mod deadline;
mod deployment;
mod failures;
mod folder;
mod house;
mod impossible;
mod layering;
mod mapping;
mod offline;
mod reference;
mod schedule;
mod second_oracle;
mod secrets;
mod waiting;
