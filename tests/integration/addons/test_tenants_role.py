"""The role k8s_tenants, as ansible-playbook runs it: its lines, its check mode, and inputs as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.addons.accounts import account, kubectl
from tests.integration.addons.tenants import CLUSTER_ROLE
from tests.integration.addons.test_role import INPUTS, header, inventory, result
from tests.integration.support import ROOT, Played, play

PLAYBOOK = Path(__file__).parent / "tenants_play.yml"
INVALID = sorted((INPUTS / "invalid").glob("k8s_tenants_*.yml"))
VALID = INPUTS / "valid" / "k8s_tenants.yml"


@pytest.fixture(scope="module")
def given(admin: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    kubeconfig = account(admin, "tenants", CLUSTER_ROLE, tmp_path_factory.mktemp("role"))
    return {"k8s_tenants_kubeconfig": str(kubeconfig), "k8s_tenants_namespaces": [{"name": "played"}]}


def test_check_converge_once_more_and_away(admin: Path, given: dict[str, Any], tmp_path: Path) -> None:
    hosts = inventory(tmp_path, {"shop": given})
    told = play(PLAYBOOK, "--check", "--diff", inventory=hosts)
    assert told.returncode == 0, told.output
    assert told.stats["shop"]["changed"] == 1
    assert "NetworkPolicy played/groundwork-default-deny (create)" in told.output
    assert "played" not in kubectl(admin, "get", "namespaces", "--output=name")
    done = play(PLAYBOOK, inventory=hosts)
    assert done.returncode == 0, done.output
    assert "[shop] played: + Namespace, NetworkPolicy (3)" in done.output
    again = play(PLAYBOOK, inventory=hosts)
    assert again.stats["shop"]["changed"] == 0
    assert result(again, "shop")["plan"] == []
    gone = play(PLAYBOOK, "--extra-vars", "k8s_tenants_state=absent", inventory=hosts)
    assert gone.stats["shop"]["changed"] == 1
    assert "played" not in kubectl(admin, "get", "namespaces", "--output=name")


def test_a_site_runs_addons_and_tenants_by_one_playbook(given: dict[str, Any], tmp_path: Path) -> None:
    """Bad tenants of one cluster stop all clusters before the first addon of any is changed."""
    bad = {**given, "k8s_tenants_namespaces": [{"name": "bad", "quota": {"pods": -1}}]}
    # That of the addons is the tenants' too: nobody ends up in the cluster of KUBECONFIG by forgetting it.
    good = {
        "k8s_addons_kubeconfig": given["k8s_tenants_kubeconfig"],
        "k8s_tenants_namespaces": [{"name": "good"}],
    }
    hosts = inventory(tmp_path, {"good": good, "bad": bad})
    played = play(ROOT / "playbooks" / "kubernetes.yml", inventory=hosts)
    assert played.returncode != 0
    assert "k8s_tenants_namespaces.bad.quota.pods is -1" in played.output
    assert [task for task in played.executed("good") if "configure |" in task] == []
    told = play(
        ROOT / "playbooks" / "kubernetes.yml",
        "--limit=localhost,good",
        "--tags=k8s_tenants",
        "--check",
        inventory=hosts,
        KUBECONFIG="/nowhere/kubeconfig",
    )
    assert told.returncode == 0, told.output
    assert told.stats["good"]["changed"] == 1


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """All invalid inputs in one run, without a cluster: each is a host of its own."""
    hosts = {path.stem: yaml.safe_load(path.read_text()) for path in INVALID}
    return play(PLAYBOOK, inventory=inventory(tmp_path_factory.mktemp("inputs"), hosts))


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_is_refused_with_its_error(path: Path, refused: Played) -> None:
    said = " ".join(str(found.get("msg", "")) for _, found in refused.results(path.stem))
    assert refused.stats[path.stem]["failures"] == 1, f"accepted: {said}"
    assert header(path, "expect") in said
    assert "only-an-example" not in json.dumps(refused.results(path.stem)[-1][1].get("msg", ""))


def test_a_full_example_is_accepted(tmp_path: Path) -> None:
    hosts = inventory(tmp_path, {"shop": yaml.safe_load(VALID.read_text())})
    # Tags that no task has: what is always checked, and nothing else.
    played = play(PLAYBOOK, "--tags", "validation-only", inventory=hosts)
    assert played.returncode == 0, played.output
