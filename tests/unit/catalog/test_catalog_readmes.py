"""What the READMEs and the guide say to write is what charts, definitions and the engine take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.addons import layers
from ansible_collections.groundwork.platform.plugins.module_utils.addons.known import unknown

from .crds import definitions, violations
from .entries import chart_keys, the_catalog
from .pages import GUIDE, PAGES, examples, things
from .shipped import CATALOG, ENTRIES, FILES, ROOT, load_all


def values_in(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Addon and values; a block that is neither a variable nor an object goes on with the addon's values."""
    found: list[tuple[str, dict[str, Any]]] = []
    for document in examples(PAGES[name]):
        found += document.get("k8s_addons_values", {}).items()
        own = any(key.startswith("k8s_addons_") or key in ("apiVersion", "id") for key in document)
        if name in ENTRIES and not own:
            found.append((name, document))
    return found


@pytest.mark.parametrize("name", PAGES)
def test_values_are_known_to_the_chart(name: str, contracts: Path) -> None:
    for addon, values in values_in(name):
        entry = the_catalog()[addon]
        assert entry.chart is not None
        folder = FILES / "charts" / addon if entry.chart.path else contracts / addon
        assert unknown(values, chart_keys(folder), entry.free_form) == []
        assert layers.secrets_in(values) == []


@pytest.fixture(scope="module")
def served(contracts: Path) -> dict[tuple[str, str], dict[str, Any]]:
    return definitions(contracts)


@pytest.mark.parametrize("name", PAGES)
def test_objects_meet_their_definitions(name: str, served: dict[Any, Any]) -> None:
    for thing in things(PAGES[name]):
        kinds = served.get((thing["apiVersion"], thing["kind"]))
        if kinds:
            assert violations(thing, kinds["schema"]) == []


def test_variables_are_those_of_the_role() -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "k8s_addons" / "defaults" / "main.yml").read_text())
    for path in PAGES.values():
        assert set(re.findall(r"\bk8s_addons_\w+", path.read_text())) <= set(defaults), path


def test_playbooks_are_there() -> None:
    for path in PAGES.values():
        for name in re.findall(r"playbooks/\w+\.yml", path.read_text()):
            assert (ROOT / name).is_file(), f"{path}: {name}"


def test_the_guide_names_every_entry_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \|[^|]*\|([^|]*)\|([^|]*)\|$", GUIDE.read_text(), re.MULTILINE)
    told = {
        name: (re.findall(r"`(.+?)`", needs), re.findall(r"`(.+?)`", gives)) for name, needs, gives in rows
    }
    entries = [the_catalog()[name] for name in ENTRIES]
    assert told == {entry.id: (list(entry.needs), list(entry.provides)) for entry in entries}


def test_the_readmes_name_what_there_is() -> None:
    """An alert or a ClusterIssuer that a README names is there under this name."""
    for name in ENTRIES:
        text = PAGES[name].read_text()
        for kind in ("ClusterIssuer", "ClusterSecretStore", "ValidatingPolicy"):
            own = {
                thing["metadata"]["name"]
                for path in (CATALOG / name).glob("resources/*.yml")
                for thing in load_all(path)
                if thing["kind"] == kind
            }
            assert {title for title in own if f"`{title}`" not in text} == set()
