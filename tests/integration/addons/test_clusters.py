"""Two clusters, by one run of the playbook: each as its own inventory host says, and side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.kubernetes import local
from tests.integration.addons.catalogs import CONFIG, DEPLOYMENT
from tests.integration.addons.test_faults import eventually
from tests.integration.addons.test_role import inventory, result, variables
from tests.integration.addons.world import World
from tests.integration.support import ROOT, play

NAME = "engine-second"
LABEL = "nodes"
PLAYBOOK = ROOT / "playbooks" / "kubernetes.yml"
ADDONS = ("--tags", "k8s_addons")


@pytest.fixture(scope="module")
def second_admin() -> Iterator[Path]:
    yield local.up(NAME, nodes=1)
    if not os.environ.get("GROUNDWORK_KEEP"):
        local.down(NAME)


@pytest.fixture
def clusters(world: World, second_admin: Path) -> Iterator[dict[str, World]]:
    """Both empty, with one catalog. Nothing gets ready in either until a node has the label ``nodes``."""
    other = World(second_admin, second_admin, world.catalog, world.cache, world.helm)
    other.clear()
    both = {"east": world, "west": other}
    yield both
    for each in both.values():
        each.kubectl("label", "nodes", "--all", f"{LABEL}-")


def test_two_clusters_converge_side_by_side(clusters: dict[str, World], tmp_path: Path) -> None:
    world = clusters["east"]
    templates = {"main.yaml": DEPLOYMENT, "config.yaml": CONFIG}
    world.catalog.addon("one", templates, health=[{"deployment": "one"}], timeout="5m")
    hosts = inventory(
        tmp_path,
        {
            name: {
                **variables(each, "one"),
                "k8s_addons_values": {"one": {"nodes": "there", "colour": name}},
            }
            for name, each in clusters.items()
        },
    )

    def half_way(each: World) -> bool:
        record = each.record("one")
        return record is not None and record["state"] == "applying" and each.revisions("one") != []

    with ThreadPoolExecutor(max_workers=1) as pool:
        playing = pool.submit(play, PLAYBOOK, *ADDONS, inventory=hosts)
        try:
            # One after the other the second would never begin: the first one waits for what comes below.
            eventually(lambda: all(map(half_way, clusters.values())), "both clusters half way")
        finally:
            for each in clusters.values():
                each.kubectl("label", "nodes", "--all", f"{LABEL}=there")
        played = playing.result()
    assert played.returncode == 0, played.output
    for name, each in clusters.items():
        assert each.colour("one") == name
        assert f"[{name}] one: ready in" in played.output
    again = play(PLAYBOOK, *ADDONS, inventory=hosts)
    for name in clusters:
        assert again.stats[name]["changed"] == 0
        (stats,) = (found["stats"] for _, found in again.results(name) if "stats" in found)
        assert (stats["calls"], stats["processes"]) == (2, 0)


def test_one_cluster_that_fails_keeps_no_other_one_back(clusters: dict[str, World], tmp_path: Path) -> None:
    clusters["east"].catalog.addon("one")
    hosts = {name: variables(each, "one") for name, each in clusters.items()}
    (tmp_path / "file").touch()
    hosts["west"]["k8s_addons_cache"] = str(tmp_path / "file" / "cache")
    played = play(PLAYBOOK, *ADDONS, inventory=inventory(tmp_path, hosts))
    assert played.returncode != 0
    assert (played.stats["east"]["failures"], played.stats["west"]["failures"]) == (0, 1)
    assert f"k8s_addons_cache is {tmp_path}/file/cache: " in result(played, "west")["msg"]
    assert clusters["east"].colour("one") == "red"
    assert clusters["west"].colour("one") is None
