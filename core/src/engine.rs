//! The engine: the state of every unfinished run, and what follows from each event.
//!
//! `engine.step(event, now)` is the only door. It changes the engine's memory and returns
//! [`Effects`]: the rows to write, and what may be done once they are written. The shell applies
//! the rows of many steps in one transaction; when that fails it throws the engine away and makes
//! it again by [`Engine::restore`], so memory and database cannot drift apart. The engine reads no
//! clock, does no I/O and logs nothing.

mod event;
pub mod transition;

pub use event::{
    Clear, DagLoaded, Effects, Event, Mark, Order, QueuedTi, Refusal, Selection, Trigger,
};
