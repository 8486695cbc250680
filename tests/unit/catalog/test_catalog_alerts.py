"""Rule files as Prometheus reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .entries import the_catalog
from .shipped import CATALOG, ENTRIES, load, load_all

FILES = sorted(CATALOG.glob("*/alerts/*.yml"))
CAUGHT: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
NAMES = [str(path.relative_to(CATALOG)) for path in FILES]


def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not there: it comes with Debian's package prometheus")
    return found


def rules() -> list[tuple[str, dict[str, Any]]]:
    """The alerts, each with its addon; series that are recorded for them are none."""
    return [
        (path.parent.parent.name, rule)
        for path in FILES
        for group in load(path)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_promtool_takes_them(path: Path) -> None:
    command = [promtool(), "check", "rules", "--lint=all", "--lint-fatal", str(path)]
    done = subprocess.run(command, **CAUGHT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_says_how_bad_it_is_and_what_it_means() -> None:
    for name, rule in rules():
        assert set(rule["annotations"]) == {"summary", "description"}, (name, rule["alert"])
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), (name, rule["alert"])
        assert "for" in rule, (name, rule["alert"])


def test_no_two_alerts_have_the_same_name() -> None:
    names = [rule["alert"] for _name, rule in rules()]
    assert len(names) == len(set(names))


def test_what_is_alerted_on_is_measured() -> None:
    """A job that an expression names is one that a monitor of the same addon makes."""
    for name in ENTRIES:
        jobs = {
            job
            for owner, rule in rules()
            if owner == name
            for job in re.findall(r'\bjob="([^"]+)"', rule["expr"])
        }
        monitors = [thing for path in (CATALOG / name / "monitors").glob("*.yml") for thing in load_all(path)]
        entry = the_catalog()[name]
        if entry.provides == ("metrics",):
            assert not jobs
            continue
        assert bool(jobs) == bool(monitors), name
        for job in jobs:
            assert job.startswith(entry.release), (name, job)


TESTS = sorted((Path(__file__).parent / "alerts").glob("*.yml"))


@pytest.mark.parametrize("path", TESTS, ids=[path.name for path in TESTS])
def test_they_fire_when_they_should_and_not_else(path: Path) -> None:
    done = subprocess.run([promtool(), "test", "rules", path.name], cwd=path.parent, **CAUGHT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tried_both_ways() -> None:
    silent: set[str] = set()
    fired: set[str] = set()
    for path in TESTS:
        for case in load(path)["tests"]:
            for tried in case.get("alert_rule_test", ()):
                (fired if tried.get("exp_alerts") else silent).add(tried["alertname"])
    names = {rule["alert"] for _name, rule in rules()}
    assert fired == silent == names
