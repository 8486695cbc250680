"""What READMEs and guides say to write, as a real API takes it with the real definitions, strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.kubernetes import client
from tests.unit.catalog.pages import PAGES, things

# Of charts that are not in the catalog.
ELSEWHERE = {"ObjectStore"}


def found_in(name: str) -> list[dict[str, Any]]:
    """Whole objects. In READMEs those of Kubernetes itself may be no more than the lines that matter."""
    return [
        thing
        for thing in things(PAGES[name])
        if thing["kind"] not in ELSEWHERE
        and "name" in thing.get("metadata", {})
        and (name == "combinations" or "." in thing["apiVersion"].removesuffix(".k8s.io/v1"))
    ]


WITH_OBJECTS = [name for name in PAGES if found_in(name)]


@pytest.fixture(scope="module")
def namespaces(definitions: Path) -> Path:
    """The same with the namespaces that examples are in."""
    names = {
        thing["metadata"]["namespace"]
        for name in WITH_OBJECTS
        for thing in found_in(name)
        if "namespace" in thing["metadata"]
    }
    there = set(client.kubectl(definitions, "get", "namespaces", "--output=name").split())
    client.apply(
        definitions,
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            for name in sorted(names)
            if f"namespace/{name}" not in there
        ],
    )
    return definitions


def applied(kubeconfig: Path, found: list[dict[str, Any]]) -> str:
    items = {"apiVersion": "v1", "kind": "List", "items": found}
    return client.kubectl(
        kubeconfig,
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"),
        "--filename=-",
        stdin=json.dumps(items),
    )


@pytest.mark.parametrize("name", WITH_OBJECTS)
def test_the_api_takes_it(name: str, namespaces: Path) -> None:
    found = found_in(name)
    assert len(applied(namespaces, found).splitlines()) == len(found)


def test_the_combinations_are_all_there() -> None:
    kinds = {thing["kind"] for thing in things(PAGES["combinations"])}
    assert kinds >= {"ScaledObject", "TriggerAuthentication", "Cluster", "ScheduledBackup"}
    assert kinds >= {"BackupStorageLocation", "Schedule", "NetworkPolicy", "Ingress", "ExternalSecret"}
    assert kinds >= ELSEWHERE
