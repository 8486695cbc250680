"""A real API with the real definitions in it, and no addon: what the catalog has is tried against it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.kubernetes import client, local
from tests.unit.catalog.pages import PAGES, things
from tests.unit.catalog.shipped import CATALOG, CONTRACTS, NO_CONTRACTS, load, load_all, there

NAME = "catalog"
LEVEL = "pod-security.kubernetes.io/enforce"
KINDS = ("policies", "resources", "monitors")


@pytest.fixture(scope="package")
def cluster() -> Iterator[Path]:
    """Its kubeconfig; GROUNDWORK_KEEP=1 leaves it for the next run."""
    kubeconfig = local.up(NAME, nodes=1)
    client.apply(
        kubeconfig,
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LEVEL: level}}}
            for name, level in namespaces().items()
        ],
    )
    yield kubeconfig
    if not os.environ.get("GROUNDWORK_KEEP"):
        local.down(NAME)


@pytest.fixture(scope="package")
def definitions(cluster: Path) -> Path:
    """The same with the real definition of every kind that the catalog has objects of."""
    if not there():
        pytest.skip(NO_CONTRACTS)
    examples = (thing for page in PAGES.values() for thing in things(page))
    wanted = {(thing["apiVersion"].split("/")[0], thing["kind"]) for thing in (*objects(), *examples)}
    # What alerts become.
    wanted.add(("monitoring.coreos.com", "PrometheusRule"))
    groups = {group for group, _kind in wanted}
    found = []
    for path in sorted(CONTRACTS.glob("*/crds/*.yaml")):
        # Names are PLURAL.GROUP.yaml; to read all of the files would take a minute.
        if path.name.removesuffix(".yaml").partition(".")[2] in groups:
            definition = load(path)
            if (definition["spec"].get("group"), definition["spec"].get("names", {}).get("kind")) in wanted:
                found.append(definition)
    client.apply(cluster, found)
    client.kubectl(
        cluster,
        "wait",
        "--for=condition=Established",
        *(f"crd/{definition['metadata']['name']}" for definition in found),
    )
    return cluster


def objects() -> Iterator[dict[str, Any]]:
    """All objects of all entries."""
    for kind in KINDS:
        for path in sorted(CATALOG.glob(f"*/{kind}/*.yml")):
            yield from load_all(path)


def namespaces() -> dict[str, str]:
    """Names and Pod Security levels of all that the catalog has."""
    found = {}
    for path in sorted(CATALOG.glob("*/addon.yml")):
        (entry,) = load_all(path)
        if "namespace" in entry:
            found[entry["namespace"]["name"]] = entry["namespace"]["pod_security"]
    for thing in objects():
        if thing["kind"] == "Namespace":
            found[thing["metadata"]["name"]] = thing["metadata"]["labels"][LEVEL]
    return found
