//! Owns when dag runs are due: cron, intervals, listed instants, zones and daylight saving.
//!
//! Must not read a clock, nor know the database: every function is given `now` and the last
//! automated data interval. Semantics are those of Airflow 3.3's timetables; where Airflow's own
//! results run backwards or end in the future around a change of the clock, ours do not.

mod cron;
mod cron_error;
mod describe;
mod every;
mod field;
mod firing;
mod plan;
mod preset;
mod tick;
mod zone;

#[cfg(test)]
mod cron_tests;
#[cfg(test)]
mod firing_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod vector_tests;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use cron::Cron;
pub use cron_error::{CronError, CronErrorKind};
pub use every::{Every, EveryError};
pub use field::Field;
pub use firing::{DstMark, Firing};
pub use plan::{Bounds, DataInterval, PlannedRun};
pub use zone::{ZoneError, Zones, zone, zone_name};

use plan::Moment;

/// When a dag runs by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Timetable {
    /// Only when somebody or something triggers it: `schedule: null`, and dags scheduled by
    /// assets, whose runs other parts create.
    #[default]
    Never,
    /// `@once`: one run, at the start date or at once.
    Once,
    /// `@continuous`: a new run whenever the last one has ended; never two at a time.
    Continuous,
    /// At the ticks of one or several crons; several that tick together make one run.
    Cron {
        /// At least one.
        crons: Vec<Cron>,
        /// Whose wall clock the crons read.
        zone: TimeZone,
        /// The run is about the interval between two ticks, and starts at its end.
        data_intervals: bool,
    },
    /// At a fixed interval.
    Every {
        /// The time between runs.
        every: Every,
        /// The run is about the interval, and starts at its end.
        data_intervals: bool,
    },
    /// At listed instants.
    Events {
        /// Ascending and without duplicates; [`Timetable::events`] sees to it.
        instants: Vec<Timestamp>,
    },
}

impl Timetable {
    /// Reads a `schedule` text: a cron expression or a preset, `@once` and `@continuous` included.
    pub fn parse(text: &str, zone: TimeZone, data_intervals: bool) -> Result<Self, CronError> {
        match preset::find(text.trim()) {
            Some(preset::Preset::Once) => Ok(Self::Once),
            Some(preset::Preset::Continuous) => Ok(Self::Continuous),
            _ => Ok(Self::Cron { crons: vec![Cron::parse(text)?], zone, data_intervals }),
        }
    }

    /// A timetable of listed instants, in any order.
    pub fn events(mut instants: Vec<Timestamp>) -> Self {
        instants.sort_unstable();
        instants.dedup();
        Self::Events { instants }
    }

    /// The next run to create, or none. It may lie in the past (a missed run) or in the future
    /// (then look again at its `run_after`).
    ///
    /// `last` is the data interval of the last automated run: scheduled or backfill, not manual.
    pub fn next_run(
        &self,
        last: Option<DataInterval>,
        bounds: &Bounds,
        now: Timestamp,
    ) -> Option<PlannedRun> {
        let moment = Moment { last, bounds, now };
        match self {
            Self::Never => None,
            Self::Once => plan::once(&moment),
            Self::Continuous => plan::continuous(&moment),
            Self::Cron { crons, zone, data_intervals: false } => {
                plan::cron_trigger(crons, zone, &moment)
            }
            Self::Cron { crons, zone, data_intervals: true } => {
                plan::cron_interval(crons, zone, &moment)
            }
            Self::Every { every, data_intervals: false } => plan::every_trigger(every, &moment),
            Self::Every { every, data_intervals: true } => plan::every_interval(every, &moment),
            Self::Events { instants } => plan::events(instants, &moment),
        }
    }

    /// All runs with a logical date from `from` to `to`, both included, ascending: what a
    /// backfill creates. Intervals that `to` cuts off are left to the caller's `run_after` check.
    pub fn runs_between(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = PlannedRun> + '_ {
        let bounds = Bounds { start: Some(from), end: Some(to), catchup: true };
        let mut last = None;
        std::iter::from_fn(move || {
            let run = match self {
                // A continuous timetable has no runs of its own in the past.
                Self::Continuous => None,
                _ => self.next_run(last, &bounds, to),
            }?;
            last = Some(run.data_interval);
            Some(run)
        })
    }

    /// The data interval of a run that somebody triggers for a logical date: the last complete
    /// one before it where runs have intervals, otherwise the instant itself.
    pub fn manual_interval(&self, logical_date: Timestamp) -> DataInterval {
        match self {
            Self::Cron { crons, zone, data_intervals: true } => {
                plan::cron_manual_interval(crons, zone, logical_date)
            }
            Self::Every { every, data_intervals: true } => {
                every.before(logical_date).map_or(DataInterval::exact(logical_date), |start| {
                    DataInterval { start, end: logical_date }
                })
            }
            _ => DataInterval::exact(logical_date),
        }
    }

    /// The instants at which runs start, strictly after `after` and within the bounds, ascending.
    ///
    /// An interval without a start date counts from `after`; `@once` without one, `@continuous`
    /// and `Never` have no firings that can be foreseen.
    pub fn firings(&self, after: Timestamp, bounds: &Bounds) -> impl Iterator<Item = Firing> + '_ {
        let Bounds { start, end, .. } = *bounds;
        let anchor = start.unwrap_or(after);
        let mut last = None;
        std::iter::from_fn(move || {
            let firing = match last {
                Some(last) => self.next_firing(anchor, last),
                None if anchor > after => self.first_firing(anchor),
                None => self.next_firing(anchor, after),
            }?;
            last = Some(firing.at);
            end.is_none_or(|end| firing.at <= end).then_some(firing)
        })
    }

    /// The last firing strictly before an instant; for an interval, one interval before it.
    pub fn previous(&self, before: Timestamp) -> Option<Firing> {
        match self {
            Self::Never | Self::Once | Self::Continuous => None,
            Self::Cron { crons, zone, .. } => firing::previous(crons, zone, before),
            Self::Every { every, .. } => every.before(before).map(Firing::normal),
            Self::Events { instants } => {
                instants.iter().rev().find(|at| **at < before).copied().map(Firing::normal)
            }
        }
    }

    /// Whether runs come by themselves, again and again. Airflow: `timetable_periodic`.
    pub fn is_periodic(&self) -> bool {
        matches!(self, Self::Cron { .. } | Self::Every { .. } | Self::Events { .. })
    }

    /// The timetable in words, as Airflow's UI shows it; empty where Airflow has none.
    pub fn describe(&self) -> String {
        match self {
            Self::Never => "Never, external triggers only".to_owned(),
            Self::Once => "Once, as soon as possible".to_owned(),
            Self::Continuous => "As frequently as possible, but only one run at a time.".to_owned(),
            Self::Cron { crons, .. } => join(crons.iter().map(describe::describe)),
            Self::Every { every, .. } => every.describe(),
            Self::Events { instants } => match instants.as_slice() {
                [] => "No events".to_owned(),
                [first, .., last] => {
                    format!("{} events between {first} and {last}", instants.len())
                }
                [only] => format!("1 event at {only}"),
            },
        }
    }

    /// The schedule as a short text: the cron expressions, `@once`, `every 30m`.
    pub fn summary(&self) -> String {
        match self {
            Self::Never => "None".to_owned(),
            Self::Once => "@once".to_owned(),
            Self::Continuous => "@continuous".to_owned(),
            Self::Cron { crons, .. } => join(crons.iter().map(|cron| cron.summary().to_owned())),
            Self::Every { every, .. } => every.summary(),
            Self::Events { instants } => format!("{} events", instants.len()),
        }
    }

    /// The first firing that is not before the start date.
    fn first_firing(&self, start: Timestamp) -> Option<Firing> {
        match self {
            Self::Never | Self::Continuous => None,
            Self::Once | Self::Every { .. } => Some(Firing::normal(start)),
            Self::Cron { crons, zone, .. } => firing::at_or_after(crons, zone, start),
            Self::Events { instants } => {
                instants.iter().find(|at| **at >= start).copied().map(Firing::normal)
            }
        }
    }

    fn next_firing(&self, anchor: Timestamp, after: Timestamp) -> Option<Firing> {
        match self {
            Self::Never | Self::Once | Self::Continuous => None,
            Self::Cron { crons, zone, .. } => firing::next(crons, zone, after),
            Self::Every { every, .. } => every.next_on_grid(anchor, after).map(Firing::normal),
            Self::Events { instants } => {
                instants.iter().find(|at| **at > after).copied().map(Firing::normal)
            }
        }
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
