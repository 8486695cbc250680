"""What a no-op of the hosts floor costs, and that it is one."""

from __future__ import annotations

import pytest

from tests.bench.budgets import budget
from tests.integration.support import ROOT, Played, RealHost, play

FIRST = {"host_packages", "host_accounts", "host_ssh", "host_firewall"}


@pytest.fixture(scope="module")
def no_op(topology: object) -> Played:
    playbook = ROOT / "playbooks" / "hosts.yml"
    first = play(playbook)
    assert first.returncode == 0, first.output
    return play(playbook)


def test_second_run_changes_nothing(no_op: Played, host: RealHost) -> None:
    changed = [name for name, result in no_op.results(host.name) if result.get("changed")]
    assert no_op.returncode == 0, no_op.output
    assert changed == []


def test_no_op_stays_within_its_budget_of_tasks(no_op: Played, host: RealHost) -> None:
    executed = [*no_op.executed("localhost"), *no_op.executed(host.name)]
    later = [name for name in executed if " : " in name and name.split(" : ")[0].split(".")[-1] not in FIRST]
    assert len(executed) <= budget("hosts_floor_no_op_tasks"), "\n".join(executed)
    assert len(executed) - len(later) <= budget("hosts_no_op_tasks"), "\n".join(executed)
