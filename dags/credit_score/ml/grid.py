"""The parameter grid: which parameters exist, their limits, and every combination of them.

Checked before pandas is even imported, so that a typo costs milliseconds and not a GPU hour. The
DAG's `params` schema says the same, and refuses a wrong grid before a run is created at all.
"""

import itertools
import json
from dataclasses import dataclass

from common import refuse


@dataclass(frozen=True)
class Range:
    kind: type
    low: float
    high: float

    def holds(self, value: object) -> bool:
        # bool is a kind of int in Python, but `depth: true` is a mistake
        if isinstance(value, bool):
            return False
        kinds = (int,) if self.kind is int else (int, float)
        return isinstance(value, kinds) and self.low <= value <= self.high

    def __str__(self) -> str:
        kind = "a whole number" if self.kind is int else "a number"
        return f"{kind} from {self.low} to {self.high}"


LIMITS = {
    "depth": Range(int, 1, 10),
    "l2_leaf_reg": Range(float, 0, 100),
    "learning_rate": Range(float, 0.0001, 1),
    "iterations": Range(int, 1, 5000),
}
DEFAULTS = {"depth": [4, 6], "l2_leaf_reg": [3, 7], "learning_rate": [0.3], "iterations": [120]}


def parse(text: str) -> dict[str, list]:
    """A grid from JSON text such as {"depth": [4, 6]}; what it does not name has its default."""
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        refuse(f"--grid is not JSON: {error}")
    if not isinstance(given, dict):
        refuse(f"--grid must be a JSON object, not {text}")
    grid = dict(DEFAULTS)
    for name, values in given.items():
        if name not in LIMITS:
            refuse(f"unknown parameter {name!r} in the grid; there are {', '.join(LIMITS)}")
        values = values if isinstance(values, list) else [values]
        limit = LIMITS[name]
        wrong = [value for value in values if not limit.holds(value)]
        if wrong or not values:
            what = f"{wrong[0]!r} is not" if wrong else "the list is empty; it must hold"
            refuse(f"{name}: {what} {limit}")
        grid[name] = values
    return grid


def combinations(grid: dict[str, list]) -> list[dict]:
    """Every way to take one value of each parameter."""
    return [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
