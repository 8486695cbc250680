"""Control planes without a real node: side by side, in seconds, and gone without a trace."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.kubernetes import local
from lab.process import CommandError

from .clusters import Cluster, deployment, eventually


@pytest.fixture(scope="module")
def planes() -> Iterator[dict[str, Cluster]]:
    names = ("test-first", "test-second")
    yield {name: Cluster(local.up(name, nodes=1)) for name in names}
    for name in names:
        local.down(name)


def processes(kubeconfig: Path) -> dict[str, int]:
    state = json.loads((kubeconfig.parent / "state.json").read_text())
    return {name: process["pid"] for name, process in state["processes"].items()}


def test_they_know_nothing_of_each_other(planes: dict[str, Cluster]) -> None:
    planes["test-first"].kubectl("create", "configmap", "only-here")
    found = planes["test-second"].kubectl("get", "configmaps", "--output=name")
    assert "only-here" not in found


def test_pods_are_played(planes: dict[str, Cluster]) -> None:
    plane = planes["test-first"]
    plane.apply(deployment("played", "registry.example.com/none:1"))
    plane.settled("deployment", "played")
    (pod,) = plane.pods("played")
    assert pod["spec"]["nodeName"] == "capacity1"


def test_one_that_runs_is_found_again(planes: dict[str, Cluster]) -> None:
    kubeconfig = planes["test-first"].kubeconfig
    before = processes(kubeconfig)
    assert local.up("test-first", nodes=1) == kubeconfig
    assert processes(kubeconfig) == before


def test_one_that_lost_a_component_is_started_anew(planes: dict[str, Cluster]) -> None:
    kubeconfig = planes["test-second"].kubeconfig
    before = processes(kubeconfig)
    os.kill(before["kube-scheduler"], 9)
    assert eventually(lambda: not local.running("test-second"))
    local.up("test-second", nodes=1)
    after = processes(kubeconfig)
    assert set(after) == set(before)
    assert not set(after.values()) & set(before.values())


def test_nothing_of_it_is_left() -> None:
    kubeconfig = local.up("test-third", nodes=0)
    pids = processes(kubeconfig)
    local.down("test-third")
    assert not kubeconfig.parent.exists()
    assert not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()]
    assert "test-third" not in local.names()


@pytest.mark.parametrize("name", ["", "a b", "../etc", "a/b"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="its name must be letters, digits and dashes"):
        local.up(name, nodes=0)
