//! Starts and stops real things: Millrace itself, MariaDB, Docker; waits for conditions.

mod docker;
mod http;
mod mariadb;
mod millrace;
mod processes;
mod stack;
mod wait;

pub(crate) use docker::{busybox, containers, created, docker};
pub(crate) use http::call;
pub(crate) use mariadb::{Metadata, free_port, mariadb_port, sql, sql_at};
pub(crate) use millrace::{Millrace, copy_folder};
pub(crate) use processes::{processes_with, unique};
pub(crate) use stack::{root, stack};
pub(crate) use wait::{now, wait_for};
