"""A benchmark's last line is one JSON object, and a missed goal is a failure."""

from __future__ import annotations

import json

import pytest

from tests.bench.report import Figure, render


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("speedup", 12.0, "times", 12, "higher"), True),
        (Figure("speedup", 11.9, "times", 12, "higher"), False),
        (Figure("tasks", 20, "tasks", 20), True),
        (Figure("tasks", 21, "tasks", 20), False),
        (Figure("seconds", 99.0, "s"), True),
    ],
)
def test_a_goal_is_met_on_its_better_side(figure: Figure, holds: bool) -> None:
    assert figure.holds is holds
    document = json.loads(render("x", [figure]).splitlines()[-1])
    assert document["holds"] is holds
    assert document["figures"][0]["goal"] == figure.goal
