//! The shapes of Airflow's REST API: plain data for answers, made from rows.
//!
//! Nothing here asks the database; what a shape needs is brought.

mod admin;
mod asset;
mod backfill;
mod dag;
mod event;
mod run;
mod task;
mod ti;
mod version;

pub(crate) use admin::{ConnectionShape, MASK, PoolShape, VariableShape};
pub(crate) use asset::{AssetEventShape, AssetShape, QueuedEventShape};
pub(crate) use backfill::{BackfillShape, DateShape, DryRunDate, PlanShape, ProgressShape};
pub(crate) use dag::{DagDetails, DagShape, DagView, params};
pub(crate) use event::{EventShape, ImportErrorShape};
pub(crate) use run::{RunPage, RunShape};
pub(crate) use task::TaskShape;
pub(crate) use ti::{TiNames, TiPage, TiShape, TryShape, XComShape};
pub(crate) use version::{BUNDLE, VersionShape};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// An instant in Airflow's spelling, `2026-11-20T09:31:05.079453Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(pub(crate) Timestamp);

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&millrace_core::time::rest(self.0))
    }
}

impl At {
    pub(crate) fn maybe(at: Option<Timestamp>) -> Option<Self> {
        at.map(Self)
    }
}

/// Seconds from one instant to another.
pub(crate) fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    Some(to?.duration_since(from?).as_secs_f64())
}

/// What every page of a list has.
macro_rules! page {
    ($(#[$doc:meta])* $name:ident { $field:ident: $item:ty }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize)]
        pub(crate) struct $name {
            pub(crate) $field: Vec<$item>,
            pub(crate) total_entries: u64,
        }
    };
}
pub(crate) use page;
