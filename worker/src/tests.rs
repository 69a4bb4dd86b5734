//! Whole attempts on a whole worker, with real processes and a scripted scheduler.

mod bash;
mod kill;
mod logs;
mod templates;
mod work;
