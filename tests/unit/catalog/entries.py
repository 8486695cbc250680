"""The shipped entries as the engine reads them, and what the real charts know of values."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.addons import catalog, layers
from ansible_collections.groundwork.platform.plugins.module_utils.addons.known import ChartKeys
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import Entry

from .shipped import CATALOG, load

# The values of an environment that has no file are those of values.yml.
ENVIRONMENTS = ("", "lab", "dev", "stage", "prod")


@cache
def the_catalog() -> dict[str, Entry]:
    return catalog.read_catalogs([str(CATALOG)], str(CATALOG / catalog.SCHEMA))


@cache
def merged(name: str, environment: str) -> dict[str, Any]:
    """What the chart is given before a site says anything."""
    return layers.merge_all(catalog.values_layers(the_catalog()[name], environment))


def runs(name: str) -> bool:
    """Whether its chart brings anything that runs: one of nothing but definitions does not."""
    entry = the_catalog()[name]
    return entry.chart is not None and any(probe.kind != "condition" for probe in entry.health)


@cache
def chart_keys(folder: Path) -> ChartKeys:
    """What a chart knows; of its subcharts those that the contracts have too."""
    subcharts = {}
    for dependency in load(folder / "Chart.yaml").get("dependencies", ()):
        below = folder.parent / dependency["name"]
        if (below / "values.yaml").is_file() and below != folder:
            subcharts[dependency.get("alias", dependency["name"])] = chart_keys(below)
    schema = folder / "values.schema.json"
    return ChartKeys(load(folder / "values.yaml"), load(schema) if schema.is_file() else {}, subcharts)
