"""Entries meet the schema that editors use, the lock, each other, and what a complete entry has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import (
    catalog,
    layers,
    lock,
    resolve,
    schema,
)
from jsonschema import Draft202012Validator

from .entries import ENVIRONMENTS, merged, runs, the_catalog
from .shipped import CATALOG, ENTRIES, load, load_all

RULES = json.loads((CATALOG / catalog.SCHEMA).read_text())
FIRST = {
    "gateway-api-crds",
    "traefik",
    "cert-manager",
    "external-dns",
    "metrics-server",
    "external-secrets",
    "kyverno",
    "kube-prometheus-stack",
}
CHAPTERS = ("Configure", "Scale", "Back up and restore", "Upgrade")


def a_document(**changed: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": "demo",
        "category": "applications",
        "description": "An addon that is not there",
        "chart": {"name": "demo", "version": "1.2.3", "repository": "https://charts.example.com"},
        "release": "demo",
        "namespace": {"name": "demo", "pod_security": "restricted"},
        "kubernetes": ">=1.30",
        "crds": {"from": "none"},
        **changed,
    }
    return {key: value for key, value in document.items() if value is not None}


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(RULES)


def test_the_first_eight_are_there() -> None:
    assert set(ENTRIES) >= FIRST


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_meet_the_schema(name: str) -> None:
    document = load(CATALOG / name / "addon.yml")
    assert [error.message for error in Draft202012Validator(RULES).iter_errors(document)] == []
    assert document["id"] == name


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "a range of versions": (
        {"chart": {"name": "demo", "version": "1.x", "repository": "oci://h/d"}},
        "version",
    ),
    "neither repository nor path": ({"chart": {"name": "demo", "version": "1.2.3"}}, "chart"),
    "both": (
        {"chart": {"name": "d", "version": "1.2.3", "repository": "oci://h/d", "path": "charts/d"}},
        "chart",
    ),
    "a tag in the reference": (
        {"chart": {"name": "d", "version": "1.2.3", "repository": "oci://h/d@sha256:1"}},
        "repository",
    ),
    "a path that leaves the collection": (
        {"chart": {"name": "demo", "version": "1.2.3", "path": "charts/../../x"}},
        "path",
    ),
    "no release": ({"release": None}, "release"),
    "no namespace": ({"namespace": None}, "namespace"),
    "a level of Pod Security that is none": (
        {"namespace": {"name": "d", "pod_security": "open"}},
        "pod_security",
    ),
    "an unknown key": ({"need": ["x"]}, "need"),
    "a version of Kubernetes without a comparison": ({"kubernetes": "1.30"}, "kubernetes"),
    "files without names": ({"crds": {"from": "files"}}, "files"),
    "names of files, but none used": ({"crds": {"from": "chart", "files": ["crds/a.yml"]}}, "files"),
    "values for definitions that no chart renders": (
        {"crds": {"from": "none", "values": {"a": 1}}},
        "values",
    ),
    "groups of definitions that no chart has": (
        {"crds": {"from": "none", "groups": ["example.com"]}},
        "groups",
    ),
    "a probe of two things": ({"health": [{"deployment": "a", "daemonset": "b"}]}, "health"),
    "a webhook as health": ({"health": [{"webhook": "a"}]}, "health"),
    "an image without a tag": ({"images": ["docker.io/library/demo"]}, "images"),
    "a timeout without a unit": ({"timeout": "5"}, "timeout"),
    "a path that ends in a dot": ({"values_free_form": ["a."]}, "values_free_form"),
    "chart and manifests": ({"manifests": {"version": "v1.0.0", "url": "https://h/d.yaml"}}, "manifests"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_refused_by_editors_and_by_the_engine(case: str) -> None:
    change, word = BROKEN[case]
    document = a_document(**change)
    assert list(Draft202012Validator(RULES).iter_errors(document))
    assert word in "\n".join(schema.violations(document, RULES, RULES))


def test_a_good_one_is_not_refused() -> None:
    document = a_document(
        crds={"from": "chart", "keep": False, "values": {"crds": {"enabled": True}}},
        waits=[{"webhook": "demo"}, {"apiservice": "v1.demo.example.com"}, {"deployment": "demo"}],
        health=[{"condition": {"api_version": "v1", "kind": "Node", "name": "a", "type": "Ready"}}],
        values_free_form=["a.b", "*.labels", "grafana.grafana\\.ini"],
    )
    assert list(Draft202012Validator(RULES).iter_errors(document)) == []
    assert list(schema.violations(document, RULES, RULES)) == []


def together(first: str) -> list[str]:
    """An entry, and all others that can be in the same cluster."""
    chosen = [first]
    for name in ENTRIES:
        entry = the_catalog()[name]
        others = [the_catalog()[other] for other in chosen]
        if name != first and not any(
            set(entry.conflicts) & set(other.offers()) or set(other.conflicts) & set(entry.offers())
            for other in others
        ):
            chosen.append(name)
    return chosen


@pytest.mark.parametrize("name", ENTRIES)
def test_each_goes_with_all_that_it_does_not_conflict_with(name: str) -> None:
    assert name in resolve.resolve(together(name), the_catalog())


def test_all_together_can_be_ordered() -> None:
    order = list(resolve.resolve(together("kube-prometheus-stack"), the_catalog()))
    assert order.index("gateway-api-crds") < order.index("cert-manager") < order.index("traefik")
    assert order.index("gateway-api-crds") < order.index("external-dns")


def test_the_lock_is_of_these_entries() -> None:
    locked = lock.read([str(CATALOG)])
    assert lock.violations(the_catalog(), locked) == []
    assert set(locked) == {entry.id for entry in the_catalog().values() if entry.source()}


def test_versions_are_those_of_the_contracts(contracts: Path) -> None:
    index = {addon["name"]: addon for addon in load(contracts / "INDEX.yaml")["addons"]}
    for entry in the_catalog().values():
        if not entry.source():
            continue
        known = index[entry.id]
        assert entry.version() == known["version"]
        assert entry.source() in (known["repo"].rstrip("/"), known.get("repo_alternative", "").rstrip("/"))


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_are_complete(name: str) -> None:
    folder = CATALOG / name
    readme = (folder / "README.md").read_text()
    found = re.findall(r"^## (.+)$", readme, re.MULTILINE)
    assert [chapter for chapter in found if chapter in CHAPTERS] == list(CHAPTERS)
    entry = the_catalog()[name]
    if entry.chart is not None:
        assert (folder / "values.yml").is_file()
        assert entry.health
    if runs(name):
        assert list((folder / "policies").glob("*.yml"))
        assert load(folder / "addon.yml")["images"]
    if entry.source() and runs(name):
        assert list((folder / "alerts").glob("*.yml"))


@pytest.mark.parametrize("name", ENTRIES)
def test_files_are_where_the_engine_looks(name: str) -> None:
    allowed = re.compile(
        r"addon\.yml|README\.md|values(\.(lab|dev|stage|prod))?\.yml|(policies|resources|monitors|alerts)/[a-z0-9_-]+\.yml"
    )
    folder = CATALOG / name
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if not allowed.fullmatch(path)] == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("name", ENTRIES)
def test_values_hold_no_secrets(name: str, environment: str) -> None:
    assert layers.secrets_in(merged(name, environment)) == []


@pytest.mark.parametrize("name", ENTRIES)
def test_an_environment_says_only_what_differs(name: str) -> None:
    base = merged(name, "")
    for path in sorted((CATALOG / name).glob("values.*.yml")):
        environment = path.name.split(".")[1]
        assert merged(name, environment) != base, f"{path.name} changes nothing"
        assert _repeated(load(path), base) == [], f"{path.name} repeats values.yml"


def _repeated(values: Any, base: Any, path: str = "") -> list[str]:
    """Paths of what is the same in both."""
    found = []
    for key, value in values.items():
        here = f"{path}.{key}".lstrip(".")
        below = base.get(key) if isinstance(base, dict) else None
        if isinstance(value, dict) and isinstance(below, dict):
            found += _repeated(value, below, here)
        elif below is not None and value == below:
            found.append(here)
    return found


def test_the_lab_has_all_values_that_somebody_has_to_set() -> None:
    for entry in the_catalog().values():
        values = merged(entry.id, "lab")
        for path in load(CATALOG / entry.id / "addon.yml").get("values_required", ()):
            found: Any = values
            for key in path.split("."):
                found = (found or {}).get(key)
            assert found, f"{entry.id}: {path}"


@pytest.mark.parametrize("name", ENTRIES)
def test_what_probes_name_in_the_entry_is_there(name: str) -> None:
    """A custom resource that health waits for is one of the entry's own, or one that the chart makes."""
    own = {
        (thing["kind"], thing["metadata"]["name"])
        for path in (CATALOG / name).glob("resources/*.yml")
        for thing in load_all(path)
    }
    by_chart = {"CustomResourceDefinition", "GatewayClass", "Gateway", "Prometheus", "Alertmanager"}
    for probe in the_catalog()[name].health:
        if probe.kind == "condition" and probe.object_kind not in by_chart:
            assert (probe.object_kind, probe.name) in own
