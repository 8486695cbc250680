"""The role, as ansible-playbook runs it: its lines, its check mode, several clusters, and inputs as files."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.addons.world import World
from tests.integration.support import ROOT, Played, play

PLAYBOOK = Path(__file__).parent / "play.yml"
INPUTS = ROOT / "tests" / "inputs"
INVALID = sorted((INPUTS / "invalid").glob("k8s_addons_*.yml"))
VALID = sorted((INPUTS / "valid").glob("k8s_addons*.yml"))


def header(path: Path, key: str) -> str:
    found = re.search(rf"^# {key}: (.+)$", path.read_text(), re.MULTILINE)
    assert found, f"{path.name} has no line '# {key}: ...'"
    return found[1].strip()


def inventory(folder: Path, hosts: dict[str, dict[str, Any]]) -> Path:
    path = folder / "clusters.yml"
    local = {"ansible_connection": "local"}
    path.write_text(
        yaml.safe_dump({"clusters": {"hosts": {name: {**local, **hosts[name]} for name in hosts}}})
    )
    return path


def variables(world: World, *selection: str) -> dict[str, Any]:
    return {
        "k8s_addons_kubeconfig": str(world.kubeconfig),
        "k8s_addons_catalogs": [str(world.catalog.folder)],
        "k8s_addons_selection": list(selection),
        "k8s_addons_charts_mirror": str(world.catalog.mirror),
        "k8s_addons_cache": str(world.cache),
        "k8s_addons_helm": world.helm,
    }


def result(played: Played, host: str) -> dict[str, Any]:
    return played.results(host)[-1][1]


def test_check_converge_and_once_more(world: World, tmp_path: Path) -> None:
    world.catalog.addon("one")
    hosts = inventory(tmp_path, {"shop": variables(world, "one")})
    told = play(PLAYBOOK, "--check", "--diff", inventory=hosts)
    assert told.returncode == 0, told.output
    assert told.stats["shop"]["changed"] == 1
    assert world.colour("one") is None
    done = play(PLAYBOOK, inventory=hosts)
    assert done.returncode == 0, done.output
    assert "[shop] one: applying 1.0.0" in done.output
    assert "[shop] one: ready in" in done.output
    assert world.colour("one") == "red"
    again = play(PLAYBOOK, inventory=hosts)
    assert again.stats["shop"]["changed"] == 0
    assert result(again, "shop")["stats"]["calls"] == 2
    gone = play(PLAYBOOK, "--extra-vars", "k8s_addons_state=absent", inventory=hosts)
    assert gone.stats["shop"]["changed"] == 1
    assert world.colour("one") is None


def test_secrets_are_not_in_the_output(world: World, tmp_path: Path) -> None:
    world.catalog.addon(
        "one", secrets=[{"name": "login", "keys": ["word"], "description": "What it logs in with."}]
    )
    given = {**variables(world, "one"), "k8s_addons_secrets": {"one": {"login": {"word": "opensesame"}}}}
    done = play(PLAYBOOK, "--diff", "-vvv", inventory=inventory(tmp_path, {"shop": given}))
    assert done.returncode == 0, done.output
    assert world.get("secret", "login") is not None
    assert "opensesame" not in done.output


def test_values_objects_and_secrets_out_of_the_vault(world: World, tmp_path: Path) -> None:
    """As an inventory has them, and in a namespace that is not there yet: all of it is in the plan."""
    word = tmp_path / "word"
    word.touch(mode=0o600)
    word.write_text("of the vault\n")
    vault = f"--vault-password-file={word}"
    encrypted = subprocess.run(
        ["ansible-vault", "encrypt_string", vault, "opensesame", "--name=word"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    world.catalog.addon(
        "one",
        namespace="vaulted",
        secrets=[{"name": "login", "keys": ["word"], "description": "What it logs in with."}],
    )
    objects = {"ConfigMap/vaulted/more": {"apiVersion": "v1", "data": {"colour": "{{ 'green' }}"}}}
    hosts = inventory(
        tmp_path,
        {
            "shop": {
                **variables(world, "one"),
                "k8s_addons_resources": {"one": objects},
                "k8s_addons_values": {"one": {"colour": "{{ inventory_hostname }}"}},
            }
        },
    )
    (tmp_path / "host_vars").mkdir()
    given = "k8s_addons_secrets:\n  one:\n    login:\n"
    (tmp_path / "host_vars" / "shop.yml").write_text(given + textwrap.indent(encrypted, " " * 6))
    told = play(PLAYBOOK, "--check", "--diff", vault, inventory=hosts)
    assert told.returncode == 0, told.output
    assert "colour: green" in told.output
    done = play(PLAYBOOK, "--diff", vault, inventory=hosts)
    assert done.returncode == 0, done.output
    assert "opensesame" not in told.output + done.output
    assert (world.colour("one", "vaulted"), world.colour("more", "vaulted")) == ("shop", "green")
    found = world.get("secret", "login", "vaulted")
    assert found is not None and base64.b64decode(found["data"]["word"]) == b"opensesame"
    assert result(play(PLAYBOOK, vault, inventory=hosts), "shop")["stats"]["calls"] == 2
    world.run(state="absent")
    world.kubectl("delete", "namespace", "vaulted", "--wait=false")


def test_keys_of_a_kubeconfig_are_left_in_no_file(world: World, tmp_path: Path) -> None:
    world.catalog.mirror.mkdir()
    given = {**variables(world), "k8s_addons_kubeconfig": str(world.admin)}
    assert "client-key-data" in world.admin.read_text()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    played = play(PLAYBOOK, inventory=inventory(tmp_path, {"shop": given}), TMPDIR=str(scratch))
    assert played.returncode == 0, played.output
    assert result(played, "shop")["stats"]["calls"] == 2
    assert [path.name for path in scratch.rglob("*") if path.is_file()] == []


def test_bad_input_of_one_cluster_stops_all_before_anything_changes(world: World, tmp_path: Path) -> None:
    world.catalog.addon("one")
    hosts = inventory(
        tmp_path, {"good": variables(world, "one"), "bad": variables(world, "one", "nothing-like-it")}
    )
    played = play(ROOT / "playbooks" / "kubernetes.yml", inventory=hosts)
    assert played.returncode != 0
    assert "k8s_addons_selection has nothing-like-it" in played.output
    assert world.colour("one") is None


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


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_full_example_is_accepted(path: Path, tmp_path: Path) -> None:
    given = yaml.safe_load(path.read_text())
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    given["k8s_addons_charts_mirror"] = str(mirror)
    hosts = inventory(tmp_path, {"shop": given})
    # Tags that no task has: what is always checked, and nothing else.
    played = play(PLAYBOOK, "--tags", "validation-only", inventory=hosts)
    assert played.returncode == 0, played.output


def test_the_inventory_without_its_group_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {lonely: {ansible_connection: local}}}\n")
    played = play(ROOT / "playbooks" / "kubernetes.yml", inventory=path)
    assert played.returncode != 0
    assert "groups['clusters']" in played.output


def test_the_lock_is_refreshed_from_a_mirror(world: World, tmp_path: Path) -> None:
    world.catalog.addon("one")
    catalogs = {"catalogs": [str(world.catalog.folder)], "charts_mirror": str(world.catalog.mirror)}
    given = ("--diff", "--extra-vars", json.dumps({**catalogs, "helm": world.helm}))
    hosts = inventory(tmp_path, {})
    told = play(ROOT / "playbooks" / "addons_lock.yml", "--check", *given, inventory=hosts)
    assert told.returncode == 0, told.output
    assert not (world.catalog.folder / "lock.yml").exists()
    assert play(ROOT / "playbooks" / "addons_lock.yml", *given, inventory=hosts).returncode == 0
    lock = yaml.safe_load((world.catalog.folder / "lock.yml").read_text())
    assert lock["charts"]["one"]["digest"].startswith("sha256:")
    assert world.run("one")["changed"]
    assert not any("trusting" in line for line in world.lines)
    # A version that is published twice.
    world.catalog.chart("one", "1.0.0", {"other.yaml": "# nothing"}, {})
    again = play(ROOT / "playbooks" / "addons_lock.yml", *given, inventory=hosts)
    assert again.returncode != 0
    assert "a version is never published twice" in again.output
