//! Whole attempts on a whole worker, with real processes and a scripted scheduler.

mod bash;
mod docker_;
mod http;
mod kill;
mod logs;
mod notices;
mod postgres;
mod python;
mod sensors;
mod sql;
mod templates;
mod work;
