"""Records anew what Jinja2 and pendulum make of the templates in templates_own.json.

Needs: pip install pendulum==3.3.0 Jinja2==3.1.6 python-dateutil time-machine
Run from tests/vectors: python generate/templates.py [new.json]
With a second file, its cases ({"cat", "context", "template"}) are recorded and added.
"""
import datetime
import json
import sys
import time
import types

import dateutil.parser
import dateutil.relativedelta
import jinja2
import jinja2.nativetypes
import jinja2.sandbox
import pendulum

CONTEXTS = json.load(open("templates.json"))
pendulum.travel_to(pendulum.parse(CONTEXTS["meta"]["frozen_now"]), freeze=True)


class Names:
    """Attributes from a map."""

    def __init__(self, **names):
        self.__dict__.update(names)


def filter_of(show):
    return lambda value: None if value is None else show(value)


FILTERS = {
    "ds": filter_of(lambda at: at.strftime("%Y-%m-%d")),
    "ds_nodash": filter_of(lambda at: at.strftime("%Y%m%d")),
    "ts": filter_of(lambda at: at.isoformat()),
    "ts_nodash": filter_of(lambda at: at.strftime("%Y%m%dT%H%M%S")),
    "ts_nodash_with_tz": filter_of(lambda at: at.isoformat().replace("-", "").replace(":", "")),
}


def ds_add(ds, days):
    if not days:
        return str(ds)
    return (datetime.datetime.strptime(str(ds), "%Y-%m-%d") + datetime.timedelta(days)).strftime("%Y-%m-%d")


MACROS = types.SimpleNamespace(
    ds_add=ds_add,
    ds_format=lambda ds, read, write: datetime.datetime.strptime(str(ds), read).strftime(write),
    datetime_diff_for_humans=lambda at, since=None: pendulum.instance(at).diff_for_humans(since),
    datetime=datetime.datetime,
    timedelta=datetime.timedelta,
    dateutil=dateutil,
    time=time,
    json=json,
)


def moment(text):
    return None if text is None else pendulum.parse(text)


class Variables:
    def __init__(self, of, as_json):
        self._of, self._as_json = of, as_json

    def __getattr__(self, name):
        return self._shown(self._of[name])

    def get(self, name, default=None):
        return self._shown(self._of[name]) if name in self._of else default

    def _shown(self, value):
        return value if self._as_json or isinstance(value, str) else json.dumps(value)


def context(given):
    at, begin, end = (moment(given[key]) for key in ("logical_date", "data_interval_start", "data_interval_end"))

    def xcom_pull(task_ids=None, key="return_value", default=None):
        if isinstance(task_ids, str):
            return given["xcom"].get(task_ids, {}).get(key, default)
        return [given["xcom"].get(task, {}).get(key, default) for task in task_ids]

    ids = {key: given[key] for key in ("dag_id", "task_id", "run_id", "try_number", "map_index")}
    names = {
        "params": dict(given["params"]),
        "run_id": given["run_id"],
        "macros": MACROS,
        "dag": Names(dag_id=given["dag_id"]),
        "task": Names(task_id=given["task_id"]),
        "ti": Names(xcom_pull=xcom_pull, **ids),
        "var": Names(value=Variables(given["var"], False), json=Variables(given["var"], True)),
        "dag_run": Names(
            run_id=given["run_id"],
            conf=given["conf"],
            logical_date=at,
            data_interval_start=begin,
            data_interval_end=end,
            run_after=moment(given["run_after"]),
            start_date=moment(given["dag_run_start_date"]),
        ),
    }
    names["task_instance"] = names["ti"]
    if at is not None:
        names.update(logical_date=at, data_interval_start=begin, data_interval_end=end)
        names.update({name: show(at) for name, show in FILTERS.items()})
    return names


def environment(*bases):
    class Sandbox(*bases, jinja2.sandbox.SandboxedEnvironment):
        def is_safe_attribute(self, obj, attr, value):
            return not jinja2.sandbox.is_internal_attribute(obj, attr)

    found = Sandbox(undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"], cache_size=0)
    found.filters.update(FILTERS)
    return found


TEXT, NATIVE = environment(), environment(jinja2.nativetypes.NativeEnvironment)


def record(case):
    case = {key: case[key] for key in ("id", "cat", "context", "template", "native") if key in case}
    native = case.get("native", False)
    try:
        template = (NATIVE if native else TEXT).from_string(case["template"])
        case["expected_json" if native else "expected"] = template.render(
            context(CONTEXTS["contexts"][case["context"]])
        )
    except Exception as error:  # every kind is recorded
        case["error"] = type(error).__name__
    return case


own = json.load(open("templates_own.json"))
cases = own["cases"] + [case for file in sys.argv[1:] for case in json.load(open(file))]
lines = []
for number, case in enumerate(cases):
    lines.append(json.dumps(record({**case, "id": f"own-{number:04}"}), ensure_ascii=False))
with open("templates_own.json", "w") as out:
    out.write('{"meta": %s,\n"contexts": {},\n"cases": [\n%s\n]}\n' % (json.dumps(own["meta"]), ",\n".join(lines)))
