"""Hosts from all sides, as in the scenario ``hosts``, and the operator's playbook."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "molecule" / "hosts" / "tests"))

from attack import Target, find  # noqa: E402  # because the other scenario's folder has to be on the path

Operator = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def inventory(request: pytest.FixtureRequest) -> str:
    return str(request.config.option.ansible_inventory)


@pytest.fixture(scope="module")
def target(inventory: str, host: Host) -> Target:
    return find(inventory, host.backend.get_hostname())


@pytest.fixture(scope="session")
def outsider(inventory: str) -> Target:
    return find(inventory, "outsider")


@pytest.fixture(scope="session")
def store(inventory: str) -> Target:
    return find(inventory, "debian13")


@pytest.fixture(scope="session")
def importer(inventory: str) -> Target:
    return find(inventory, "debian12")


@pytest.fixture(scope="session")
def fleet(store: Target, importer: Target) -> tuple[Target, ...]:
    """All hosts with agents, for what a ban does everywhere at once."""
    return store, importer


@pytest.fixture(scope="session")
def operator(inventory: str) -> Operator:
    """``operator(ban="192.0.2.7", reason="scans")`` plays playbooks/ban.yml."""

    def play(**variables: str) -> subprocess.CompletedProcess[str]:
        extra = [word for name, value in variables.items() for word in ("--extra-vars", f"{name}={value}")]
        return subprocess.run(
            [
                *(
                    "ansible-playbook",
                    "--inventory",
                    inventory,
                    "--inventory",
                    str(HERE.parent / "inventory"),
                ),
                *extra,
                "playbooks/ban.yml",
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return play


@pytest.fixture(scope="module")
def banned(operator: Operator, outsider: Target) -> Iterator[str]:
    """The outsider is banned by both of its addresses; what the playbook said."""
    both = f"{outsider.address},{outsider.address6}"
    done = operator(ban=both, reason="knocks at every door", expires_in="2h")
    assert done.returncode == 0, done.stdout
    yield done.stdout
    opened = operator(unban=both)
    assert opened.returncode == 0, opened.stdout
