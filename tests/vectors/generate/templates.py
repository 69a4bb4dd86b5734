"""Records anew what Airflow 3.3.2 makes of the templates in templates_own.json.

Needs: pip install apache-airflow==3.3.2 time-machine
Run from tests/vectors: python generate/templates.py [new.json]
With a second file, its cases ({"cat", "context", "template"}) are recorded and added. Texts that
hold addresses or paths of this machine, and native values that are no JSON, are left out.
"""
import json
import sys

import jinja2
import pendulum
from airflow.sdk import Connection
from airflow.sdk.api.datamodels._generated import DagRunState, DagRunType
from airflow.sdk.definitions._internal.templater import NativeEnvironment, SandboxedEnvironment
from airflow.sdk.execution_time import macros

CONTEXTS = json.load(open("templates.json"))
pendulum.travel_to(pendulum.parse(CONTEXTS["meta"]["frozen_now"]), freeze=True)


class Names:
    """Attributes from a map."""

    def __init__(self, **names):
        self.__dict__.update(names)


def moment(text):
    return None if text is None else pendulum.parse(text)


class Variables:
    def __init__(self, of, as_json):
        self._of, self._as_json = of, as_json

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._shown(self._of[name])

    def get(self, name, default=None):
        return self._shown(self._of[name]) if name in self._of else default

    def _shown(self, value):
        return value if self._as_json or isinstance(value, str) else json.dumps(value)


class Connections:
    def __init__(self, of):
        self._of = of

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return Connection.from_uri(self._of[name], conn_id=name)

    def get(self, name, default=None):
        return getattr(self, name) if name in self._of else default


def context(given):
    at, begin, end = (moment(given[key]) for key in ("logical_date", "data_interval_start", "data_interval_end"))

    def xcom_pull(task_ids=None, dag_id=None, key="return_value", default=None):
        pulled = (lambda task: given["xcom"].get(task, {}).get(key, default)) if dag_id is None else (lambda task: default)
        return pulled(task_ids) if isinstance(task_ids, str) else [pulled(task) for task in task_ids]

    ids = {key: given[key] for key in ("dag_id", "task_id", "run_id", "try_number", "map_index")}
    params = json.loads(json.dumps(given["params"]))
    params.update({key: value for key, value in (given["conf"] or {}).items() if key in params})
    before = given.get("prev_success") or {}
    names = {
        "params": params,
        "run_id": given["run_id"],
        "macros": macros,
        "dag": Names(dag_id=given["dag_id"]),
        "task": Names(task_id=given["task_id"]),
        "ti": Names(xcom_pull=xcom_pull, **ids),
        "var": {"value": Variables(given["var"], False), "json": Variables(given["var"], True)},
        "conn": Connections(given["conn"]),
        "partition_key": given["partition_key"],
        "prev_start_date_success": moment(before.get("start_date")),
        "prev_end_date_success": moment(before.get("end_date")),
        "task_instance_key_str": f"{given['dag_id']}__{given['task_id']}__{given['run_id']}",
        "dag_run": Names(
            dag_id=given["dag_id"],
            run_id=given["run_id"],
            conf=json.loads(json.dumps(given["conf"])),
            logical_date=at,
            data_interval_start=begin,
            data_interval_end=end,
            run_after=moment(given["run_after"]),
            start_date=moment(given["dag_run_start_date"]),
            end_date=None,
            run_type=DagRunType(given["run_type"]),
            state=DagRunState.RUNNING,
            partition_key=given["partition_key"],
            clear_number=0,
            note=None,
        ),
    }
    names["task_instance"] = names["ti"]
    if at is not None:
        ts = at.isoformat()
        names.update(
            logical_date=at,
            data_interval_start=begin,
            data_interval_end=end,
            prev_data_interval_start_success=moment(before.get("data_interval_start")),
            prev_data_interval_end_success=moment(before.get("data_interval_end")),
            ds=at.strftime("%Y-%m-%d"),
            ds_nodash=at.strftime("%Y%m%d"),
            ts=ts,
            ts_nodash=at.strftime("%Y%m%dT%H%M%S"),
            ts_nodash_with_tz=ts.replace("-", "").replace(":", ""),
            task_instance_key_str=f"{given['dag_id']}__{given['task_id']}__{at.strftime('%Y%m%d')}",
        )
    return names


OPTIONS = {
    "undefined": jinja2.StrictUndefined,
    "extensions": ["jinja2.ext.do"],
    "cache_size": 0,
    "loader": jinja2.DictLoader({}),
}
TEXT, NATIVE = SandboxedEnvironment(**OPTIONS), NativeEnvironment(**OPTIONS)


def record(case):
    """The case with what it gives; none where that cannot be recorded."""
    case = {key: case[key] for key in ("id", "cat", "context", "template", "native") if key in case}
    native = case.get("native", False)
    try:
        template = (NATIVE if native else TEXT).from_string(case["template"])
        found = template.render(context(CONTEXTS["contexts"][case["context"]]))
        if not native and (" at 0x" in found or "site-packages" in found):
            return None
        if not native:
            found.encode()
    except Exception as error:  # every kind is recorded
        case["error"] = type(error).__name__
        return case
    if native:
        try:
            json.dumps(found, allow_nan=False)
        except (TypeError, ValueError):
            return None
    case["expected_json" if native else "expected"] = found
    return case


def main():
    own = json.load(open("templates_own.json"))
    cases = own["cases"] + [case for file in sys.argv[1:] for case in json.load(open(file))]
    recorded = [case for case in map(record, cases) if case is not None]
    lines = [json.dumps({**case, "id": f"own-{number:04}"}, ensure_ascii=False) for number, case in enumerate(recorded)]
    meta = {**own["meta"], "apache-airflow": "3.3.2"}
    with open("templates_own.json", "w") as out:
        out.write('{"meta": %s,\n"contexts": {},\n"cases": [\n%s\n]}\n' % (json.dumps(meta), ",\n".join(lines)))


if __name__ == "__main__":
    main()
