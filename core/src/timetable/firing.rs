//! Owns the step from wall-clock ticks to instants: the daylight-saving rules.
//!
//! Must not know runs, catchup or bounds. The firings of a cron in a zone are one fixed set of
//! instants, so that going on and going back lead over the same ones:
//!
//! - A cron with fixed hours fires once for each tick. A tick that a gap skips fires later by the
//!   gap's length; one that an overlap repeats fires at its second occurrence.
//! - A cron whose hour is `*` fires at each instant whose wall clock matches: in both rounds of an
//!   overlap, and not for what a gap skips.
//!
//! Asked for the next firing from within the first round of an overlap, a cron with fixed hours
//! takes what the wall clock has already shown as past, as Airflow does. Unlike Airflow, nothing
//! runs backwards, and clocks that move by 30 minutes (Lord Howe) keep to the pattern.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;

/// How far a tick's instant can be from its wall clock read as UTC, with room to spare.
const OFFSET_MARGIN: SignedDuration = SignedDuration::from_hours(48);
const NANOSECOND: SignedDuration = SignedDuration::from_nanos(1);

/// What daylight saving did to a firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DstMark {
    /// Nothing.
    Normal,
    /// The wall-clock time does not exist that day: it fires later by the length of the gap.
    GapShifted,
    /// The wall-clock time exists twice: this is the second time.
    OverlapSecond,
}

/// An instant at which a timetable fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firing {
    /// When.
    pub at: Timestamp,
    /// What daylight saving did to it.
    pub mark: DstMark,
}

impl Firing {
    pub(super) fn normal(at: Timestamp) -> Self {
        Self { at, mark: DstMark::Normal }
    }
}

/// The first firing of any of the crons strictly after an instant.
pub(super) fn next(crons: &[Cron], zone: &TimeZone, after: Timestamp) -> Option<Firing> {
    crons.iter().filter_map(|cron| next_of(cron, zone, after)).min()
}

/// The last firing of any of the crons strictly before an instant.
pub(super) fn previous(crons: &[Cron], zone: &TimeZone, before: Timestamp) -> Option<Firing> {
    let latest = |firing: &Firing| (firing.at, std::cmp::Reverse(firing.mark));
    crons.iter().filter_map(|cron| previous_of(cron, zone, before)).max_by_key(latest)
}

/// The firing at exactly an instant or the first one after it. Airflow: `_align_to_next`.
pub(super) fn at_or_after(crons: &[Cron], zone: &TimeZone, at: Timestamp) -> Option<Firing> {
    let exact = at_or_before(crons, zone, at).filter(|firing| firing.at == at);
    exact.or_else(|| next(crons, zone, at))
}

/// The firing at exactly an instant or the last one before it. Airflow: `_align_to_prev`.
pub(super) fn at_or_before(crons: &[Cron], zone: &TimeZone, at: Timestamp) -> Option<Firing> {
    previous(crons, zone, at.checked_add(NANOSECOND).ok()?)
}

fn next_of(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Option<Firing> {
    let mut segment = Segment::at(zone, after)?;
    let mut after = segment.past_first_round(cron, after)?;
    if segment.end.is_some_and(|end| after >= end) {
        segment = Segment::at(zone, after)?;
    }
    loop {
        if let Some(firing) = segment.next(cron, after) {
            return Some(firing);
        }
        // Nothing before the next change of the clock: go to it, or near the next tick at once if
        // that is years away.
        let end = segment.end?;
        let tick = cron.next_tick(segment.offset.to_datetime(end.checked_sub(SPAN).ok()?))?;
        let near =
            tick.to_zoned(TimeZone::UTC).ok()?.timestamp().checked_sub(OFFSET_MARGIN).ok()?;
        let from = near.max(end);
        after = from.checked_sub(NANOSECOND).ok()?;
        segment = Segment::at(zone, from)?;
    }
}

fn previous_of(cron: &Cron, zone: &TimeZone, before: Timestamp) -> Option<Firing> {
    let mut before = before;
    let mut segment = Segment::at(zone, before.checked_sub(NANOSECOND).ok()?)?;
    loop {
        if let Some(firing) = segment.previous(cron, before) {
            return Some(firing);
        }
        let start = segment.start?;
        let tick = cron.previous_tick(segment.offset.to_datetime(start.checked_add(SPAN).ok()?))?;
        let near =
            tick.to_zoned(TimeZone::UTC).ok()?.timestamp().checked_add(OFFSET_MARGIN).ok()?;
        before = near.min(start);
        segment = Segment::at(zone, before.checked_sub(NANOSECOND).ok()?)?;
    }
}

/// Around a change of the clock a tick may belong to either side.
const SPAN: SignedDuration = SignedDuration::from_hours(26);

/// A stretch of time in which the zone's offset does not change.
struct Segment {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    offset: jiff::tz::Offset,
    offset_before: jiff::tz::Offset,
    offset_after: jiff::tz::Offset,
}

impl Segment {
    fn at(zone: &TimeZone, at: Timestamp) -> Option<Self> {
        let offset = zone.to_offset(at);
        let start = zone
            .preceding(at.checked_add(NANOSECOND).ok()?)
            .next()
            .map(|transition| transition.timestamp());
        let end = zone.following(at).next().map(|transition| transition.timestamp());
        let before = start.and_then(|start| start.checked_sub(NANOSECOND).ok());
        Some(Self {
            start,
            end,
            offset,
            offset_before: before.map_or(offset, |before| zone.to_offset(before)),
            offset_after: end.map_or(offset, |end| zone.to_offset(end)),
        })
    }

    fn next(&self, cron: &Cron, after: Timestamp) -> Option<Firing> {
        let plain = cron
            .next_tick(self.offset.to_datetime(after))
            .and_then(|tick| self.offset.to_timestamp(tick).ok())
            .filter(|at| self.limit(cron).is_none_or(|limit| *at < limit))
            .map(|at| self.marked(at));
        let shifted = self.shifted_span(cron).and_then(|(start, end)| {
            let from = after.max(start.checked_sub(NANOSECOND).ok()?);
            let tick = cron.next_tick(self.offset_before.to_datetime(from))?;
            let at = self.offset_before.to_timestamp(tick).ok().filter(|at| *at < end)?;
            Some(Firing { at, mark: DstMark::GapShifted })
        });
        plain.into_iter().chain(shifted).min()
    }

    fn previous(&self, cron: &Cron, before: Timestamp) -> Option<Firing> {
        let until = self.limit(cron).map_or(before, |limit| limit.min(before));
        let plain = cron
            .previous_tick(self.offset.to_datetime(until))
            .and_then(|tick| self.offset.to_timestamp(tick).ok())
            .filter(|at| self.start.is_none_or(|start| *at >= start))
            .map(|at| self.marked(at));
        let shifted = self.shifted_span(cron).and_then(|(start, end)| {
            let tick = cron.previous_tick(self.offset_before.to_datetime(before.min(end)))?;
            let at = self.offset_before.to_timestamp(tick).ok().filter(|at| *at >= start)?;
            Some(Firing { at, mark: DstMark::GapShifted })
        });
        let latest = |firing: &Firing| (firing.at, std::cmp::Reverse(firing.mark));
        plain.into_iter().chain(shifted).max_by_key(latest)
    }

    /// Where this segment's own firings end: before the first round of an overlap, if the cron
    /// only fires in the second.
    fn limit(&self, cron: &Cron) -> Option<Timestamp> {
        let overlap = self.offset.duration_since(self.offset_after);
        if cron.covers_every_hour() || !overlap.is_positive() {
            return self.end;
        }
        self.end.and_then(|end| end.checked_sub(overlap).ok())
    }

    /// Within the first round of an overlap, the same wall-clock time of the second round: what
    /// the wall clock has shown counts as past, as in Airflow.
    fn past_first_round(&self, cron: &Cron, at: Timestamp) -> Option<Timestamp> {
        if self.limit(cron).is_none_or(|limit| at < limit) {
            return Some(at);
        }
        at.checked_add(self.offset.duration_since(self.offset_after)).ok()
    }

    /// Where the ticks fire that the gap before this segment has skipped.
    fn shifted_span(&self, cron: &Cron) -> Option<(Timestamp, Timestamp)> {
        let gap = self.offset.duration_since(self.offset_before);
        if cron.covers_every_hour() || !gap.is_positive() {
            return None;
        }
        let start = self.start?;
        Some((start, start.checked_add(gap).ok()?))
    }

    fn marked(&self, at: Timestamp) -> Firing {
        let overlap = self.offset_before.duration_since(self.offset);
        let second = self.start.is_some_and(|start| {
            overlap.is_positive() && start.checked_add(overlap).is_ok_and(|end| at < end)
        });
        let mark = if second { DstMark::OverlapSecond } else { DstMark::Normal };
        Firing { at, mark }
    }
}
