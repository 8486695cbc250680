"""Every entry of the catalog in a cluster, and gone again: nothing is left but what entries say is left."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kubernetes import build
from tests.integration.addons.stubs import Stubs, controllers
from tests.integration.addons.world import SYSTEM, World

# What Kubernetes writes by itself into a namespace, or about what happens.
_ITS_OWN = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
_PASSING = ("events", "events.events.k8s.io", "componentstatuses", "leases.coordination.k8s.io")
# Garbage is collected after its owner is gone.
_SECONDS = 60

Thing = tuple[str, str, str]


@pytest.fixture
def stubs(tmp_path: Path) -> Stubs:
    return Stubs(tmp_path)


@pytest.fixture
def world(admin: Path, engine: Path, cache: Path, stubs: Stubs) -> Iterator[World]:
    made = World(admin, engine, stubs.catalog, cache, os.environ.get("HELM") or str(build.program("helm")))
    made.clear()
    yield made
    made.run(state="absent", remove_crds=True)


def everything(world: World) -> set[Thing]:
    """Kind, namespace and name of all that is in the cluster."""
    kinds = world.kubectl("api-resources", "--verbs=list,delete", "--output=name").split()
    wanted = ",".join(kind for kind in kinds if kind not in _PASSING)
    listed = json.loads(world.kubectl("get", wanted, "--all-namespaces", "--output=json"))
    return {
        (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])
        for item in listed["items"]
    }


def named(stubs: Stubs, selection: list[str]) -> set[Thing]:
    """What stays by what entries say: namespaces, volumes, and definitions where they are kept."""
    found: set[Thing] = {("Namespace", "", SYSTEM)}
    for name in selection:
        entry = stubs.entries[name]
        if entry.namespace is not None:
            found.add(("Namespace", "", entry.namespace.name))
        for thing in stubs.objects(entry):
            if thing["kind"] in ("Namespace", "PersistentVolumeClaim"):
                metadata = thing["metadata"]
                found.add((thing["kind"], metadata.get("namespace", ""), metadata["name"]))
        for definition in stubs.defined(entry) if entry.crds.keep else ():
            found.add(("CustomResourceDefinition", "", definition["metadata"]["name"]))
            (version,) = definition["spec"]["versions"]
            # The API server keeps one for each group and version that it serves.
            found.add(("APIService", "", f"{version['name']}.{definition['spec']['group']}"))
    return found


def left(world: World, before: set[Thing], expected: set[Thing]) -> set[Thing]:
    """What is there beyond what is expected, once Kubernetes had the time to clean up."""
    deadline = time.monotonic() + _SECONDS
    while True:
        surplus = {
            thing for thing in everything(world) - before - expected if (thing[0], thing[2]) not in _ITS_OWN
        }
        if not surplus or time.monotonic() > deadline:
            return surplus
        time.sleep(1)


def test_removal_leaves_nothing_but_what_entries_name(world: World, stubs: Stubs) -> None:
    before = everything(world)
    seen: set[str] = set()
    for selection in stubs.selections():
        given = {"values": {name: stubs.values[name] for name in selection if name in stubs.values}}
        with controllers(world, {name: stubs.entries[name] for name in selection}):
            done = world.run(*selection, secrets=stubs.secrets(selection), workers=12, **given)
        assert not done.get("failed"), done["msg"]
        ready = {name for name, found in done["addons"].items() if found["state"] == "ready"}
        assert ready >= set(selection)
        again = world.run(*selection, secrets=stubs.secrets(selection), **given)
        assert (again["changed"], again["stats"]["calls"], again["stats"]["processes"]) == (False, 2, 0)
        gone = world.run(state="absent", workers=12)
        assert not gone.get("failed"), gone["msg"]
        expected = named(stubs, selection)
        assert sorted(left(world, before, expected)) == []
        assert expected - everything(world) == set(), (
            "an entry says of something that it stays, and it does not"
        )
        before |= expected
        seen |= set(selection)
    assert seen == set(stubs.entries)
