"""The catalog's own objects against the real definitions, as the API server itself checks them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import (
    api,
    catalog,
    documents,
    objects,
)
from ansible_collections.groundwork.platform.plugins.module_utils.addons.charts import Store
from ansible_collections.groundwork.platform.plugins.module_utils.addons.cluster import Cluster
from ansible_collections.groundwork.platform.plugins.module_utils.addons.helm import Helm
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Meter

from lab.kubernetes import build, local
from tests.integration.addons.world import SCHEMA
from tests.unit.catalog.shipped import CONTRACTS, NO_CONTRACTS, there

CATALOG = SCHEMA.parent
ENTRIES = catalog.read_catalogs([str(CATALOG)], str(SCHEMA))
NAME = "engine-contracts"
# Folders of the contracts with definitions that the catalog's objects are of.
DEFINITIONS = (
    "argo-cd",
    "cert-manager",
    "envoy-gateway",
    "external-dns",
    "external-secrets",
    "gateway-api-crds",
    "kyverno",
    "prometheus-operator-crds",
    "traefik",
    "velero",
)

pytestmark = pytest.mark.skipif(not there(), reason=NO_CONTRACTS)


@pytest.fixture(scope="module")
def cluster(cache: Path) -> Iterator[Cluster]:
    """An API of its own with all definitions, and the namespaces that entries and their objects name.

    To take so many definitions away again would last minutes.
    """
    admin = local.up(NAME, nodes=0)
    connection = api.connect(str(admin), "", Meter(), "contracts")
    helm = Helm(str(build.program("helm")), str(admin), "", str(cache))
    made = Cluster("contracts", connection, api.Kinds(connection), helm, Store(str(cache), "", helm))
    definitions = [
        thing
        for folder in DEFINITIONS
        for path in sorted((CONTRACTS / folder / "crds").glob("*.yaml"))
        for thing in documents.load_all(path.read_bytes(), str(path))
        if objects.is_crd(thing)
    ]
    made.define(definitions, "contracts", keep=False, timeout=120)
    for name in sorted({objects.ref(thing).namespace for found in ENTRIES for thing in every(found)} - {""}):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        connection.apply(f"/api/v1/namespaces/{name}", namespace)
    yield made
    local.down(NAME)


def every(name: str) -> list[dict[str, object]]:
    """All objects beside the chart of an entry."""
    entry = ENTRIES[name]
    kinds = ("policies", "resources", "monitors")
    return [
        *(thing for kind in kinds for thing in catalog.objects(entry, kind)),
        *catalog.alerts(entry),
    ]


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_every_object_is_accepted(name: str, cluster: Cluster) -> None:
    refused = []
    for thing in every(name):
        ref = cluster.located(thing)
        try:
            cluster.api.apply(cluster.kinds.path(ref), objects.owned(thing, name), dry_run=True)
        except api.ApiError as error:
            refused.append(f"{ref.title()}: {error.message}")
    assert refused == []
