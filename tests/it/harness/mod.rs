//! Starts and stops real things: Millrace itself, MariaDB, Docker; waits for conditions.

mod http;
mod mariadb;
mod millrace;
mod stack;
mod wait;

pub(crate) use http::call;
pub(crate) use mariadb::{Metadata, free_port, mariadb_port, sql};
pub(crate) use millrace::{Millrace, copy_folder};
pub(crate) use stack::{root, stack};
pub(crate) use wait::wait_for;
