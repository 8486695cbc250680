"""What entries say for the refusals of the plan, and that they themselves are never refused."""

from __future__ import annotations

import re

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import catalog, checks, layers

from .entries import ENVIRONMENTS, merged, the_catalog
from .shipped import CATALOG, ENTRIES


@pytest.mark.parametrize("name", [name for name in ENTRIES if the_catalog()[name].default_ingress_class])
def test_an_entry_says_whether_its_class_is_the_default(name: str) -> None:
    """The chart's own default is not known to the plan."""
    path = the_catalog()[name].default_ingress_class
    for environment in ENVIRONMENTS:
        assert isinstance(layers.at(merged(name, environment), path), bool)


def test_those_that_bring_classes_are_known() -> None:
    assert {name for name in ENTRIES if the_catalog()[name].default_ingress_class} >= {
        "traefik",
        "ingress-nginx",
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_entries_fit_together(environment: str) -> None:
    zones = {"external-dns": {"domainFilters": ["example.com"]}}
    asked = [
        checks.Asked(
            the_catalog()[name],
            layers.merge(merged(name, environment), zones.get(name, {})),
            tuple(
                thing
                for kind in ("policies", "resources", "monitors")
                for thing in catalog.objects(the_catalog()[name], kind)
            ),
        )
        for name in ENTRIES
    ]
    assert checks.violations(asked) == []


@pytest.mark.parametrize("name", ENTRIES)
def test_the_readme_names_what_removal_leaves(name: str) -> None:
    """That nothing else is left is seen in a cluster: tests/integration/addons/test_leftovers.py."""
    entry = the_catalog()[name]
    told = (CATALOG / name / "README.md").read_text().partition("\n## Remove\n")[2]
    assert told, "it has no chapter Remove"
    if entry.namespace is not None:
        assert "namespace" in told
    if entry.crds.source != "none" and entry.crds.keep:
        assert re.search(r"definitions|\bkinds?\b", told)
    for thing in (thing for kind in ("policies", "resources") for thing in catalog.objects(entry, kind)):
        if thing["kind"] == "PersistentVolumeClaim":
            assert thing["metadata"]["name"] in told
