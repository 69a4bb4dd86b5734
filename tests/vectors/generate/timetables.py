"""Asks Airflow's own timetables about random schedules; writes files of the kinds of cron_next,
cron_nocatchup, cron_manual, cron_validate and delta_next.

Needs: pip install apache-airflow-core==3.3.2 croniter==7.0.0
Run from the top of the repository:
  python tests/vectors/generate/timetables.py FOLDER [--seed 1] [--count 1000]
  cp -n tests/vectors/*.json FOLDER && MILLRACE_VECTORS=FOLDER cargo test --workspace --lib vectors
All zones with a region are asked about, half of the instants around a change of the clock, years
2000 to 2035.
"""
import argparse
import datetime as dt
import json
import os
import pathlib
import random
import sys
import tempfile

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp())
os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "oracle"))

import pendulum
import time_machine
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable, DeltaTriggerTimetable
from answers import Expressions, Zone
from croniter import croniter
from dateutil.relativedelta import relativedelta

UTC = dt.timezone.utc
START = "2025-01-01T00:00:00Z"


def stamp(at):
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(at):
    return pendulum.instance(at, tz="UTC")


def span(interval):
    return [stamp(interval.start), stamp(interval.end)]


class Asker:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.expressions = Expressions(self.rng)
        import zoneinfo

        names = sorted(name for name in zoneinfo.available_timezones() if "/" in name)
        self.names = [name for name in names if not name.startswith(("Etc/", "SystemV/"))] + ["UTC"]
        self.zones = {}
        self.last = None

    def zone(self):
        if len(self.zones) < 40 or self.rng.random() < 0.02:
            name = self.rng.choice(self.names)
            self.zones.setdefault(name, Zone(name))
        return self.zones[self.rng.choice(list(self.zones))]

    def instant(self, zone):
        changes = [at for at in zone.changes if 2000 <= at.year <= 2035]
        if changes and self.rng.random() < 0.5:
            near = self.rng.choice(changes) + dt.timedelta(minutes=15 * self.rng.randint(-200, 40))
            return near.replace(second=0, microsecond=0)
        at = dt.datetime(2000, 1, 1, tzinfo=UTC)
        return at + dt.timedelta(minutes=self.rng.randrange(35 * 525_960))

    def expression(self):
        """One that is accepted and fires; the plain kinds more often than croniter's own."""
        while True:
            text = self.expressions.make() if self.rng.random() < 0.5 else self.plain()
            try:
                if croniter.is_valid(text) and croniter(text, dt.datetime(2020, 1, 1)).get_next():
                    return text
            except Exception:
                continue

    def plain(self):
        minute, hour = self.rng.choice([0, 15, 30, 45]), self.rng.randint(0, 23)
        step = self.rng.choice([2, 3, 4, 5, 6, 7, 8, 12])
        return self.rng.choice([
            f"{minute} * * * *", f"*/{step} * * * *", f"{minute} {hour} * * *", f"{minute} */{step} * * *",
            f"{minute} {self.rng.randint(0, 4)} * * *", f"{minute} {hour} * * {self.rng.randint(0, 7)}",
            f"{minute} {hour} {self.rng.randint(1, 28)} * *", f"0 {hour}-23/{step} * * MON-FRI",
            "@hourly", "@daily", "@weekly", "@monthly", f"{minute},59 0-5 * * *",
        ])


def runs_of(timetable, restriction, count):
    runs, last = [], None
    for _ in range(count):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            break
        runs.append(info)
        last = info.data_interval
    return runs


def cron_next(asker, number):
    zone = asker.zone()
    text, after = asker.expression(), asker.instant(zone)
    case = {"id": f"fresh-{number:05}", "expr": text, "tz": zone.name, "after": stamp(after)}
    trigger = CronTriggerTimetable(text, timezone=zone.name)
    by_interval = CronDataIntervalTimetable(text, timezone=zone.name)
    at, following = moment(after), []
    for _ in range(5):
        at = trigger._get_next(at)
        following.append(stamp(at))
    restriction = TimeRestriction(earliest=moment(after), latest=None, catchup=True)
    case["next5"] = following
    case["prev1"] = stamp(trigger._get_prev(moment(after)))
    case["trigger_catchup5"] = [stamp(run.run_after) for run in runs_of(trigger, restriction, 5)]
    case["interval_catchup5"] = [span(run.data_interval) for run in runs_of(by_interval, restriction, 5)]
    return case


def cron_nocatchup(asker, number):
    zone = asker.zone()
    text, now = asker.expression(), asker.instant(zone)
    kind = asker.rng.choice(["trigger", "interval"])
    maker = CronTriggerTimetable if kind == "trigger" else CronDataIntervalTimetable
    timetable = maker(text, timezone=zone.name)
    start = asker.rng.choice([None, now - dt.timedelta(minutes=asker.rng.randrange(600_000)),
                              now + dt.timedelta(minutes=asker.rng.randrange(20_000))])
    last = None
    if asker.rng.random() < 0.5:
        earlier = moment(now - dt.timedelta(minutes=asker.rng.randrange(200_000)))
        end = timetable._get_prev(earlier)
        last = DataInterval(end if kind == "trigger" else timetable._get_prev(end), end)
    restriction = TimeRestriction(earliest=start and moment(start), latest=None, catchup=False)
    with time_machine.travel(now, tick=False):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
    return {
        "id": f"fresh-{number:05}", "timetable": kind, "expr": text, "tz": zone.name, "now": stamp(now),
        "start_date": stamp(start), "last_interval": last and span(last),
        "expect": info and {"run_after": stamp(info.run_after), "logical_date": stamp(info.logical_date),
                            "data_interval": span(info.data_interval)},
    }


def cron_manual(asker, number):
    zone = asker.zone()
    text, at = asker.expression(), asker.instant(zone)
    case = {"id": f"fresh-{number:05}", "expr": text, "tz": zone.name, "run_after": stamp(at)}
    for name, maker in [("trigger", CronTriggerTimetable), ("interval", CronDataIntervalTimetable)]:
        timetable = maker(text, timezone=zone.name)
        case[name] = span(timetable.infer_manual_data_interval(run_after=moment(at)))
    return case


def cron_validate(asker, _number):
    """A whole expression, or one that was damaged in some places."""
    text = asker.expressions.make()
    rng = asker.rng
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
        place = rng.randint(0, len(text))
        letter = rng.choice(" */-,LW#?0123456789xHRrlw@\t.")
        text = text[:place] + letter + text[place + rng.choice([0, 1]):]
    case = {"expr": text}
    try:
        timetable = CronTriggerTimetable(text, timezone="UTC")
        timetable.validate()
    except Exception as error:
        return case | {"valid": False, "error": type(error).__name__, "message": str(error)}
    case |= {"valid": True, "normalized": timetable.summary, "description": timetable.description}
    case["fields"] = [[str(one) for one in field] for field in croniter.expand(timetable._expression)[0]]
    try:
        timetable._get_next(pendulum.datetime(2000, 1, 1))
    except Exception as error:
        case["runtime_error"] = f"{type(error).__name__}: {error}"
    return case


def delta_next(asker, number):
    rng = asker.rng
    kind = rng.choice(["delta_trigger", "delta_interval"])
    maker = DeltaTriggerTimetable if kind == "delta_trigger" else DeltaDataIntervalTimetable
    if rng.random() < 0.6:
        seconds = rng.choice([1, 60, 3600, 86400]) * rng.randint(1, 48)
        text, delta = f"PT{seconds}S", dt.timedelta(seconds=seconds)
    else:
        parts = {unit: rng.randint(1, 5) for unit in rng.sample(["years", "months", "weeks", "days", "hours"], rng.randint(1, 2))}
        text, delta = "rd:" + ",".join(f"{unit}={count}" for unit, count in parts.items()), relativedelta(**parts)
    start = dt.datetime(2015, 1, 1, tzinfo=UTC) + dt.timedelta(minutes=rng.randrange(10 * 525_960))
    timetable = maker(delta)
    triple = lambda run: span(run.data_interval) + [stamp(run.run_after)]
    case = {"id": f"fresh-{number:05}", "timetable": kind, "delta": text, "start_date": stamp(start)}
    restriction = TimeRestriction(earliest=moment(start), latest=None, catchup=True)
    case["catchup5"] = [triple(run) for run in runs_of(timetable, restriction, 5)]
    now = start + dt.timedelta(minutes=rng.randrange(3 * 525_960))
    restriction = TimeRestriction(earliest=moment(start), latest=None, catchup=False)
    with time_machine.travel(now, tick=False):
        info = timetable.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    case[f"nocatchup_at_{stamp(now)}"] = info and triple(info)
    case[f"manual_at_{stamp(now)}"] = span(timetable.infer_manual_data_interval(run_after=moment(now)))
    return case


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=pathlib.Path)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=1000)
    options = options.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for make in [cron_next, cron_nocatchup, cron_manual, cron_validate, delta_next]:
        asker = Asker(f"{make.__name__} {options.seed}")
        cases, errors = {}, {}
        while len(cases) < options.count:
            try:
                case = make(asker, len(cases))
            except Exception as error:
                # Airflow itself fails, around changes of the clock.
                errors[type(error).__name__] = errors.get(type(error).__name__, 0) + 1
                continue
            cases.setdefault(case.get("id") or case["expr"], case)
        found = {"count": len(cases), "airflow_errors": errors, "cases": list(cases.values())}
        path = options.folder / f"{make.__name__}.json"
        path.write_text(json.dumps(found, indent=0, ensure_ascii=False))
        print(f"{path}: {len(cases)} cases; Airflow itself failed: {errors or 'never'}", file=sys.stderr)


if __name__ == "__main__":
    main()
