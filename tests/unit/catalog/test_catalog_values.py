"""The values of each environment, held against the real charts: a key that none knows does nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import layers
from ansible_collections.groundwork.platform.plugins.module_utils.addons.known import ChartKeys, unknown
from jsonschema import Draft7Validator

from .entries import ENVIRONMENTS, chart_keys, merged, the_catalog
from .shipped import CONTRACTS, ENTRIES, load

CHARTS = [name for name in ENTRIES if the_catalog()[name].chart and the_catalog()[name].source()]
WITH_SCHEMA = [name for name in CHARTS if (CONTRACTS / name / "values.schema.json").is_file()]


def rendered_with(name: str, environment: str) -> list[dict[str, Any]]:
    """What the release, and the rendering of the definitions, are given."""
    values = merged(name, environment)
    return [values, layers.merge(values, the_catalog()[name].crds.values)]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", CHARTS)
def test_the_chart_knows_every_key(name: str, environment: str, contracts: Path) -> None:
    keys = chart_keys(contracts / name)
    for values in rendered_with(name, environment):
        assert unknown(values, keys, the_catalog()[name].free_form) == []


@pytest.mark.parametrize("name", CHARTS)
def test_free_form_maps_are_there(name: str, contracts: Path) -> None:
    """A path that leads nowhere is a slip; the last key may be one that the chart has as a comment only."""
    keys = chart_keys(contracts / name)
    for form in the_catalog()[name].free_form:
        above = [part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", form)][:-1]
        assert not above or any(_found(keys, above)), form


def _found(chart: ChartKeys, path: list[str]) -> Iterator[bool]:
    if not path:
        yield True
        return
    for key in chart.defaults if path[0] == "*" else path[:1]:
        if key in chart.subcharts:
            yield from _found(chart.subcharts[key], path[1:])
        below = chart.defaults.get(key)
        if isinstance(below, dict):
            yield from _found(ChartKeys(below), path[1:])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", WITH_SCHEMA)
def test_values_meet_the_charts_own_schema(name: str, environment: str, contracts: Path) -> None:
    path = contracts / name / "values.schema.json"
    defaults = load(contracts / name / "values.yaml")
    validator = Draft7Validator(load(path))
    for values in rendered_with(name, environment):
        errors = validator.iter_errors(_coalesced(defaults, values))
        assert [f"{error.json_path}: {error.message[:200]}" for error in errors] == []


def _coalesced(defaults: Any, values: Any) -> Any:
    """As Helm does it: null takes a default away."""
    if not isinstance(defaults, dict) or not isinstance(values, dict):
        return values
    both = {**defaults, **{key: _coalesced(defaults.get(key), value) for key, value in values.items()}}
    return {key: value for key, value in both.items() if value is not None or key not in values}


@pytest.mark.parametrize(
    ("name", "key"),
    [("traefik", "deploymnet"), ("kyverno", "admissionControler"), ("kube-prometheus-stack", "promtheus")],
)
def test_a_slip_is_found(name: str, key: str, contracts: Path) -> None:
    keys = chart_keys(contracts / name)
    assert unknown({key: {"replicas": 1}}, keys, the_catalog()[name].free_form) == [key]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", CHARTS)
def test_the_release_has_no_definitions(name: str, environment: str) -> None:
    """What `crds.values` turns on is off in the release: else removing it removes all custom resources."""
    entry = the_catalog()[name]
    for key, value in _leaves(entry.crds.values):
        found: Any = merged(name, environment)
        for part in key:
            found = found[part]
        assert (found, value) == (False, True)


def _leaves(values: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if not isinstance(values, dict):
        return [(path, values)]
    return [leaf for key, below in values.items() for leaf in _leaves(below, (*path, key))]
