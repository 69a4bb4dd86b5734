//! Owns the rules by which a timetable's firings become dag runs: catchup, bounds, intervals.
//!
//! Must not read a clock (`now` is given), and must not know which runs exist beyond the last
//! automated data interval. The rules are those of Airflow 3.3's timetables (`trigger.py`,
//! `interval.py`, `events.py`, `simple.py`).

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;
use super::every::Every;
use super::firing;

/// The stretch of time that a run is about. Start and end are equal for timetables that fire at
/// an instant; otherwise the run starts when the interval has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DataInterval {
    /// Included.
    pub start: Timestamp,
    /// Excluded.
    pub end: Timestamp,
}

impl DataInterval {
    /// The interval of one instant.
    pub fn exact(at: Timestamp) -> Self {
        Self { start: at, end: at }
    }
}

/// What limits the runs that a timetable may plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// No logical date is earlier.
    pub start: Option<Timestamp>,
    /// No logical date is later.
    pub end: Option<Timestamp>,
    /// Plan every missed run, not only the latest.
    pub catchup: bool,
}

/// A run to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRun {
    /// The run may not start before.
    pub run_after: Timestamp,
    /// The run's name in time: the start of its data interval.
    pub logical_date: Timestamp,
    /// What the run is about.
    pub data_interval: DataInterval,
}

impl PlannedRun {
    pub(super) fn of(interval: DataInterval) -> Self {
        Self { run_after: interval.end, logical_date: interval.start, data_interval: interval }
    }

    fn exact(at: Timestamp) -> Self {
        Self::of(DataInterval::exact(at))
    }
}

/// What planning looks at.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) last: Option<DataInterval>,
    pub(super) bounds: &'a Bounds,
    pub(super) now: Timestamp,
}

impl Moment<'_> {
    fn allows(&self, at: Timestamp) -> bool {
        self.bounds.end.is_none_or(|end| at <= end)
    }
}

/// `@once`: at the start date, whatever catchup says.
pub(super) fn once(moment: &Moment<'_>) -> Option<PlannedRun> {
    let at = moment.bounds.start.unwrap_or(moment.now);
    (moment.last.is_none() && moment.allows(at)).then(|| PlannedRun::exact(at))
}

/// `@continuous`: the next run's interval begins where the last one's ended.
pub(super) fn continuous(moment: &Moment<'_>) -> Option<PlannedRun> {
    let now = moment.now;
    let first = moment.bounds.start.unwrap_or(now);
    let interval = match moment.last {
        None => DataInterval { start: first, end: first.max(now) },
        Some(last) if last.end > now => {
            let length = last.end.duration_since(last.start);
            DataInterval { start: first, end: first.checked_add(length).ok()? }
        }
        Some(last) => DataInterval { start: last.end, end: now },
    };
    moment.allows(interval.end).then(|| PlannedRun::of(interval))
}

/// Listed instants; without catchup those before now are passed over.
pub(super) fn events(instants: &[Timestamp], moment: &Moment<'_>) -> Option<PlannedRun> {
    let earliest = if moment.bounds.catchup {
        moment.bounds.start
    } else {
        moment.bounds.start.max(Some(moment.now))
    };
    let at = instants.iter().copied().find(|at| {
        earliest.is_none_or(|earliest| *at >= earliest)
            && moment.last.is_none_or(|last| *at > last.end)
    })?;
    moment.allows(at).then(|| PlannedRun::exact(at))
}

/// Crons that run at their ticks. Each is planned alone; with catchup the earliest is taken, and
/// without it the latest that is due, or else the earliest to come.
pub(super) fn cron_trigger(
    crons: &[Cron],
    zone: &TimeZone,
    moment: &Moment<'_>,
) -> Option<PlannedRun> {
    let due = |at: &Timestamp| !moment.bounds.catchup && *at <= moment.now;
    let ticks = crons.iter().filter_map(|cron| cron_trigger_tick(cron, zone, moment));
    let at = ticks.min_by(|left, right| match (due(left), due(right)) {
        (true, true) => right.cmp(left),
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => left.cmp(right),
    })?;
    Some(PlannedRun::exact(at))
}

fn cron_trigger_tick(cron: &Cron, zone: &TimeZone, moment: &Moment<'_>) -> Option<Timestamp> {
    let crons = std::slice::from_ref(cron);
    let after_last = |last: DataInterval| firing::next(crons, zone, last.end);
    let from_start = |start| firing::at_or_after(crons, zone, start);
    let at = match (moment.bounds.catchup, moment.last, moment.bounds.start) {
        (true, Some(last), _) => after_last(last)?.at,
        (true, None, Some(start)) => from_start(start)?.at,
        (true, None, None) => first_tick(crons, zone, moment.now)?,
        (false, last, start) => {
            let mut latest = firing::at_or_before(crons, zone, moment.now).map(|past| past.at);
            if let Some(last) = last {
                latest = latest.max(Some(after_last(last)?.at));
            } else if start.is_none() {
                latest = latest.max(Some(first_tick(crons, zone, moment.now)?));
            }
            if let Some(start) = start {
                latest = latest.max(Some(from_start(start)?.at));
            }
            latest?
        }
    };
    moment.allows(at).then_some(at)
}

/// The first tick of a dag without a start date: the one just past if it is not older than a
/// tenth of the gap between ticks (at least five minutes), else the one to come.
///
/// Airflow: `CronTriggerTimetable._calc_first_run`.
fn first_tick(crons: &[Cron], zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let past = firing::at_or_before(crons, zone, now);
    let coming = firing::at_or_after(crons, zone, now);
    match (past, coming) {
        (Some(past), Some(coming)) => {
            let gap = coming.at.duration_since(past.at);
            let buffer = (gap / 10).max(SignedDuration::from_mins(5));
            let recent = now.duration_since(past.at) <= buffer;
            Some(if recent { past.at } else { coming.at })
        }
        (past, coming) => coming.or(past).map(|firing| firing.at),
    }
}

/// Crons whose ticks bound data intervals: a run starts when its interval has ended.
pub(super) fn cron_interval(
    crons: &[Cron],
    zone: &TimeZone,
    moment: &Moment<'_>,
) -> Option<PlannedRun> {
    let start_date = match moment.bounds.start {
        Some(start) => Some(firing::at_or_after(crons, zone, start)?.at),
        None => None,
    };
    let earliest = if moment.bounds.catchup {
        start_date
    } else {
        start_date.max(Some(latest_interval_start(crons, zone, moment.now)?))
    };
    let aligned = |last: DataInterval| match firing::at_or_before(crons, zone, last.end) {
        Some(firing) => Some(firing.at),
        None => firing::at_or_after(crons, zone, last.end).map(|firing| firing.at),
    };
    let next = |at| firing::next(crons, zone, at).map(|firing| firing.at);
    interval_run(moment, earliest, aligned, next)
}

/// The start of the latest interval that is complete at `now`; before the second tick there is
/// none, and the first tick is it.
fn latest_interval_start(crons: &[Cron], zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let Some(end) = firing::at_or_before(crons, zone, now) else {
        return firing::at_or_after(crons, zone, now).map(|firing| firing.at);
    };
    Some(firing::previous(crons, zone, end.at).map_or(end.at, |start| start.at))
}

/// The complete interval before an instant, for a manual run.
pub(super) fn cron_manual_interval(crons: &[Cron], zone: &TimeZone, at: Timestamp) -> DataInterval {
    let end = firing::at_or_before(crons, zone, at);
    let start = end.and_then(|end| firing::previous(crons, zone, end.at));
    match (start, end) {
        (Some(start), Some(end)) => DataInterval { start: start.at, end: end.at },
        _ => DataInterval::exact(at),
    }
}

/// A fixed interval whose runs start at its instants, from the start date on.
pub(super) fn every_trigger(every: &Every, moment: &Moment<'_>) -> Option<PlannedRun> {
    let after_last = |last: DataInterval| every.after(last.end);
    let at = match (moment.bounds.catchup, moment.last) {
        (true, Some(last)) => after_last(last)?,
        (true, None) => moment.bounds.start.unwrap_or(moment.now),
        (false, last) => {
            let next = match last {
                Some(last) => Some(after_last(last)?),
                None => None,
            };
            moment
                .now
                .max(next.unwrap_or(moment.now))
                .max(moment.bounds.start.unwrap_or(moment.now))
        }
    };
    moment.allows(at).then(|| PlannedRun::exact(at))
}

/// A fixed interval that is the runs' data interval.
pub(super) fn every_interval(every: &Every, moment: &Moment<'_>) -> Option<PlannedRun> {
    let start = moment.bounds.start;
    let earliest = if moment.bounds.catchup {
        start
    } else {
        let latest = every.floor(moment.now, start.unwrap_or(moment.now))?;
        start.max(Some(every.before(latest)?))
    };
    interval_run(moment, earliest, |last| Some(last.end), |at| every.after(at))
}

/// What both interval timetables share: go on where the last interval ended, not before
/// `earliest`, and never at or before the last one's start, which would be the same run again.
///
/// Airflow: `_DataIntervalTimetable.next_dagrun_info`.
fn interval_run(
    moment: &Moment<'_>,
    earliest: Option<Timestamp>,
    aligned_end: impl Fn(DataInterval) -> Option<Timestamp>,
    next: impl Fn(Timestamp) -> Option<Timestamp>,
) -> Option<PlannedRun> {
    let start = match moment.last {
        None => earliest?,
        Some(last) => {
            let mut start = aligned_end(last)?.max(earliest.unwrap_or(Timestamp::MIN));
            while start <= last.start {
                start = next(start)?;
            }
            start
        }
    };
    if !moment.allows(start) {
        return None;
    }
    Some(PlannedRun::of(DataInterval { start, end: next(start)? }))
}
