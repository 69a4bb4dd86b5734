//! Tests of the whole router, in process, on a real database, with the real engine for the orders.

mod assets;
mod auth;
mod backfills;
mod dashboard;
mod golden;
mod harness;
mod orders;
mod protocol;
