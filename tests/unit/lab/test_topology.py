"""The inventory describes the lab; what it can't mean is refused by host, variable and rule."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from lab import topology

NETWORK = {"name": "net", "subnet": "10.0.0.0/24", "subnet6": "fd00::/64"}
GATE = {
    "ansible_host": "10.0.0.11",
    "lab_address6": "fd00::11",
    "lab_image": "debian12",
    "lab_network": NETWORK,
}


def read(monkeypatch: pytest.MonkeyPatch, **hosts: dict[str, Any]) -> topology.Topology:
    listing = json.dumps({"_meta": {"hostvars": hosts}})
    monkeypatch.setattr(topology, "run", lambda *command: CompletedProcess(command, 0, listing, ""))
    return topology.read(Path("/"))


def test_hosts_without_an_image_are_not_the_labs(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, gate=GATE, cluster={"ansible_connection": "local"})
    assert [host.name for host in found.hosts] == ["gate"]
    assert found.hosts[0].container == "net-gate"
    assert found.networks == (topology.Network(**NETWORK),)


def test_a_changed_description_changes_the_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = read(monkeypatch, gate=GATE).hosts
    (after,) = read(monkeypatch, gate={**GATE, "lab_image": "debian13"}).hosts
    assert before.digest != after.digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ansible_host": "10.0.1.11"}, "gate: ansible_host is 10.0.1.11: must lie in 10.0.0.0/24"),
        ({"lab_address6": "fd01::11"}, "gate: lab_address6 is fd01::11: must lie in fd00::/64"),
    ],
)
def test_an_address_outside_its_network_is_refused(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], message: str
) -> None:
    with pytest.raises(topology.TopologyError, match=message):
        read(monkeypatch, gate={**GATE, **change})


def test_missing_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(topology.TopologyError, match="gate: lab_address6, lab_network not set"):
        read(monkeypatch, gate={"ansible_host": "10.0.0.11", "lab_image": "debian12"})


def test_an_inventory_without_lab_hosts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(topology.TopologyError, match="has no host with lab_image"):
        read(monkeypatch, cluster={"ansible_connection": "local"})
