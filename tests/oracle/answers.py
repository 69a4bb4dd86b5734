#!/usr/bin/env python3
"""Asks croniter about random (expression, zone, instant) triples and writes its answers, a JSON
object a line: {"e": expression, "z": zone, "at": seconds, "next": [seconds, ...], "prev": seconds}.

croniter is asked about the wall clock without a zone; what a zone makes of its ticks is the rule
of README.md in a few lines of its own (`zoned_next`, `zoned_previous`). Beside it the
way in which Airflow drives croniter (`airflow_next`) is followed, and where the two part is counted
by reason: they may only part around a change of the clock.
"""

import argparse
import datetime as dt
import functools
import json
import random
import sys
import zoneinfo

from croniter import CroniterBadDateError, CroniterError, croniter

UTC = dt.timezone.utc
SECOND = dt.timedelta(seconds=1)
# Longer than any gap or overlap: Samoa once left out a whole day.
LONGEST_CHANGE = dt.timedelta(hours=25)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


class Expressions:
    """Random expressions of every feature of the grammar."""

    def __init__(self, rng):
        self.rng = rng

    def value(self, low, high, names=()):
        number = self.rng.randint(low, high)
        if names and self.rng.random() < 0.4:
            name = names[(number - low) % len(names)]
            return self.rng.choice([name, name.upper(), name.capitalize()])
        return f"{number:02d}" if self.rng.random() < 0.05 else str(number)

    def item(self, low, high, names=()):
        kind = self.rng.random()
        if kind < 0.4:
            return self.value(low, high, names)
        if kind < 0.65:  # also ranges that wrap
            text = f"{self.value(low, high, names)}-{self.value(low, high, names)}"
            return text + self.step(low, high) if self.rng.random() < 0.4 else text
        if kind < 0.9:
            return "*" + self.step(low, high)
        return self.value(low, high, names) + self.step(low, high)

    def step(self, low, high):
        return f"/{self.rng.randint(1, max(2, (high - low + 1) // 2))}"

    def field(self, low, high, star, names=()):
        if self.rng.random() < star:
            return "*"
        return ",".join(self.item(low, high, names) for _ in range(self.rng.choice([1, 1, 1, 2, 3])))

    def day(self):
        kind = self.rng.random()
        if kind < 0.1:
            return self.rng.choice(["L", "L,1", "15,L", "1-3,L"])
        if kind < 0.2:
            return f"{self.rng.randint(1, 31)}W"
        return "?" if kind < 0.23 else self.field(1, 31, 0.5)

    def weekday(self):
        kind = self.rng.random()
        if kind < 0.08:
            return f"L{self.rng.randint(0, 7)}"
        if kind < 0.2:
            nth = [f"{self.value(0, 6, DAYS)}#{self.rng.randint(1, 5)}" for _ in range(2)]
            return ",".join(nth[: self.rng.choice([1, 1, 2])])
        return "?" if kind < 0.23 else self.field(0, 7, 0.5, DAYS)

    def make(self):
        day, weekday = self.day(), self.weekday()
        if "W" in day or "#" in weekday or weekday.startswith("L"):
            # Together with another day they are refused: croniter ignores one of the two.
            day, weekday = (day, "*") if "W" in day else ("*", weekday)
        fields = [self.field(0, 59, 0.15), self.field(0, 23, 0.35), day]
        fields += [self.field(1, 12, 0.6, MONTHS), weekday]
        if self.rng.random() < 0.2:
            fields.append(self.field(0, 59, 0.2))
            if self.rng.random() < 0.3:
                fields.append(self.rng.choice(["*", "2020-2040", "2024", "2010-2090/3", "*/2"]))
        if self.rng.random() < 0.02:
            return self.rng.choice(["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@midnight"])
        return " ".join(fields)


class Zone:
    """A zone's changes of the clock from 1900 to 2061: croniter looks back 50 years."""

    def __init__(self, name):
        self.name, self.info = name, zoneinfo.ZoneInfo(name)
        self.changes = []
        at, end = dt.datetime(1900, 1, 1, tzinfo=UTC), dt.datetime(2061, 1, 1, tzinfo=UTC)
        step, offset = dt.timedelta(days=4), self.offset(at)
        while at < end:
            following = self.offset(at + step)
            if offset != following:
                self.changes.append(self.find(at, at + step))
            at, offset = at + step, following
        # Near these are the instants that are asked about.
        self.recent = [change for change in self.changes if change.year > 1970]

    def offset(self, at):
        return at.astimezone(self.info).utcoffset()

    def find(self, low, high):
        before = self.offset(low)
        while high - low > SECOND:
            middle = low + dt.timedelta(seconds=int((high - low).total_seconds()) // 2)
            low, high = (middle, high) if self.offset(middle) == before else (low, middle)
        return high

    def jump_near(self, at):
        """Twice the longest jump of the clock that could matter at an instant, or nothing."""
        near = [one for one in self.changes if abs(one - at) <= LONGEST_CHANGE]
        return 2 * max((abs(self.offset(one) - self.offset(one - SECOND)) for one in near), default=SECOND * 0)

    def local(self, at):
        return at.astimezone(self.info).replace(tzinfo=None)

    def instant(self, wall):
        """A wall-clock time as an instant: the second of two; one that is missing is moved on by
        the length of the gap."""
        first = wall.replace(tzinfo=self.info, fold=0).astimezone(UTC)
        second = wall.replace(tzinfo=self.info, fold=1).astimezone(UTC)
        if first > second:  # missing: fold 0 uses the offset before the gap
            return first
        return second


def ticks(expression, start, forwards):
    walk = croniter(expression, start)
    while True:
        try:
            yield walk.get_next(dt.datetime) if forwards else walk.get_prev(dt.datetime)
        except (CroniterBadDateError, OverflowError, ValueError):
            return


@functools.lru_cache(maxsize=64)
def every_hour(expression):
    return croniter.expand(expression)[0][1] == ["*"]


def zoned_next(expression, zone, at):
    if not every_hour(expression):
        # Within the first round of an overlap, what the wall clock has shown is past.
        at = max(at, zone.instant(zone.local(at)))
    else:
        # Every real instant at which the wall clock satisfies the expression.
        while True:
            end = next((change for change in zone.changes if change > at), None)
            offset = zone.offset(at)
            tick = next(ticks(expression, (at + offset).replace(tzinfo=None), True), None)
            found = tick and (tick - offset).replace(tzinfo=UTC)
            if end is None or (found and found < end):
                return found
            if found is None and tick is None:
                return None
            if croniter.match(expression, zone.local(end)) and zone.local(end).microsecond == 0 and (
                zone.local(end).second == 0 or len(expression.split()) > 5
            ):
                return end
            at = end
    plain = next(ticks(expression, zone.local(at), True), None)
    if plain is None:
        return None
    margin = max(zone.jump_near(at), zone.jump_near(zone.instant(plain)))
    if not margin:
        return zone.instant(plain)
    best = None
    for tick in ticks(expression, zone.local(at) - margin, True):
        found = zone.instant(tick)
        if found > at:
            best = found if best is None else min(best, found)
        if best and tick - zone.local(best) > margin:
            break
    return best


def zoned_previous(expression, zone, at):
    if every_hour(expression):
        while True:
            start = next((change for change in reversed(zone.changes) if change < at), None)
            offset = zone.offset(at - SECOND)
            tick = next(ticks(expression, (at + offset).replace(tzinfo=None), False), None)
            found = tick and (tick - offset).replace(tzinfo=UTC)
            if start is None or tick is None or found >= start:
                return found
            at = start
    plain = next(ticks(expression, zone.local(at), False), None)
    if plain is None:
        return None
    margin = max(zone.jump_near(at), zone.jump_near(zone.instant(plain)))
    if not margin:
        return zone.instant(plain)
    best = None
    for tick in ticks(expression, zone.local(at) + margin, False):
        found = zone.instant(tick)
        if found < at:
            best = found if best is None else max(best, found)
        if best and zone.local(best) - tick > margin:
            break
    return best


def airflow_next(expression, zone, at):
    wall = zone.local(at)
    tick = next(ticks(expression, wall, True), None)
    if tick is None:
        return None
    return at + (tick - wall) if every_hour(expression) else zone.instant(tick)


def instant(rng, zone):
    if zone.recent and rng.random() < 0.5:
        near = rng.choice(zone.recent) + dt.timedelta(minutes=rng.randint(-3000, 300))
        return near.replace(second=0) if rng.random() < 0.7 else near
    at = dt.datetime(1972, 1, 1, tzinfo=UTC) + dt.timedelta(seconds=rng.randrange(84 * 31_557_600))
    return at.replace(second=0, minute=0) if rng.random() < 0.3 else at


def seconds(at):
    return None if at is None else int(at.timestamp())


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--until", type=int, default=2056, help="no instant is later than this year")
    options = options.parse_args()
    rng = random.Random(options.seed)
    names = sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")
    zones, expressions, parted = {}, Expressions(rng), {}
    written = 0
    while written < options.count:
        text = expressions.make()
        if not croniter.is_valid(text):
            continue
        if rng.random() < 0.01 or len(zones) < 60:
            name = rng.choice(names)
            zone = zones.get(name) or zones.setdefault(name, Zone(name))
        else:
            zone = zones[rng.choice(list(zones))]
        at = instant(rng, zone)
        if at.year > options.until:
            continue
        try:
            following = [zoned_next(text, zone, at)]
            following.append(following[0] and zoned_next(text, zone, following[0]))
            previous = zoned_previous(text, zone, at)
            airflow = airflow_next(text, zone, at)
        except CroniterError:
            continue
        if airflow != following[0]:
            latest = max(one for one in (airflow, following[0], at) if one)
            around = any(at - LONGEST_CHANGE <= change <= latest for change in zone.changes)
            hours = "hour *" if every_hour(text) else "fixed hours"
            reason = f"{hours}, {'around a change of the clock' if around else 'ELSEWHERE'}"
            parted[reason] = parted.get(reason, 0) + 1
        case = {"e": text, "z": zone.name, "at": seconds(at)}
        case |= {"next": [seconds(one) for one in following], "prev": seconds(previous)}
        print(json.dumps(case, separators=(",", ":")))
        written += 1
    print(f"{written} triples in {len(zones)} zones, seed {options.seed}", file=sys.stderr)
    print(f"Airflow's own next differs from the rule: {parted or 'nowhere'}", file=sys.stderr)
    if any("ELSEWHERE" in reason for reason in parted):
        sys.exit("Airflow differs where no clock changes")


if __name__ == "__main__":
    main()
