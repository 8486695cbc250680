"""The action plugins, played for real on the controller: they need no host."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from wireguard_world import POLICY, key

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOK = Path(__file__).parent / "playbook.yml"
SCRIPT = ROOT / "roles" / "wireguard" / "files" / "groundwork-vpn"
NO_OFFICE = [
    {**group, "rules": [rule for rule in group["rules"] if "peer:office" not in rule["to"]]}
    for group in POLICY["wireguard_groups"]
]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inventories") / "dev"
    variables = folder / "group_vars" / "all"
    variables.mkdir(parents=True)
    policy = {**POLICY, "wireguard_groups": NO_OFFICE, "wireguard_inside_rules": []}
    (variables / "wireguard.yml").write_text(yaml.safe_dump(policy))
    hosts = {"all": {"children": {"wireguard_hubs": {"hosts": {"gate": {}, "gate2": {}}}}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    return folder


@pytest.fixture(scope="module")
def results(inventory: Path) -> dict[str, Any]:
    given = {
        "hub_key": key("hub gate"),
        "other_key": key("another"),
        "public_key": key("bob"),
        "script": str(SCRIPT),
    }
    shared = {hub: {"public_key": key("hub gate"), "port": 51820} for hub in ("gate", "gate2")}
    (inventory / "shared.yml").write_text(yaml.safe_dump({"wireguard_hub_keys": shared}))
    command = ["ansible-playbook", "--inventory", str(inventory), "--extra-vars", json.dumps(given)]
    done = subprocess.run(
        [*command, str(PLAYBOOK)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "USER": "dave"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (play,) = json.loads(done.stdout[done.stdout.index("{") :])["plays"]
    return {task["task"]["name"].lower(): next(iter(task["hosts"].values())) for task in play["tasks"]}


def test_hubs_tell_their_keys_once(results: dict[str, Any]) -> None:
    assert not results["nothing there yet"]["changed"]
    assert results["nothing there yet"]["hub_keys_missing"] == ["gate", "gate2"]
    told = results["keys"]
    assert told["changed"]
    assert told["revision"] == 1
    assert told["hub_keys_missing"] == ["gate2"]
    assert told["hub_keys"] == {"gate": {"public_key": key("hub gate"), "port": 51820}}
    assert [change["key"] for change in told["plan"]] == ["hub gate"]
    assert not results["keys again"]["changed"]


def test_a_hub_that_shares_a_key_follows(results: dict[str, Any]) -> None:
    changes = results["keys of hubs that are one"]["plan"]
    assert [(change["key"], change["after"]["public_key"]) for change in changes] == [
        ("hub gate", key("another")),
        ("hub gate2", key("another")),
    ]


def test_all_hubs_get_their_settings_whoever_is_in_the_play(results: dict[str, Any]) -> None:
    found = results["add"]["settings"]
    assert {hub: [peer["name"] for peer in found[hub]["peers"]] for hub in found} == {
        "gate": ["bob"],
        "gate2": ["bob"],
    }
    assert [other["name"] for other in found["gate2"]["hubs"]] == ["gate"]


def test_a_proposal_writes_nothing(results: dict[str, Any]) -> None:
    found = results["propose"]
    assert not found["changed"]
    assert found["peer"]["addresses"] == ["10.80.0.16", "fd42:80::10"]
    assert found["peer"]["public_key"] == ""
    assert [one["file"] for one in found["configurations"]] == ["dev-gate.conf"]
    assert "# PublicKey" not in found["configurations"][0]["text"]


def test_check_mode_tells_the_same_and_writes_nothing(results: dict[str, Any]) -> None:
    would, did = results["would add"], results["add"]
    assert would["changed"]
    assert did["changed"]
    assert [change["key"] for change in would["plan"]] == ["peer bob"]
    assert (would["revision"], did["revision"]) == (2, 2)
    assert "+  - name: bob" not in would["diff"][0]["before"]
    assert "  - name: bob" in would["diff"][0]["after"]


def test_who_did_it(results: dict[str, Any]) -> None:
    assert results["add"]["peer"]["added_by"] == "carol"


def test_a_second_time_changes_nothing(results: dict[str, Any]) -> None:
    assert not results["add again"]["changed"]
    assert results["add again"]["revision"] == 2
    assert not results["handover again"]["changed"]
    (removed,) = results["handover after a hub has gone"]["removed"]
    assert removed.endswith("/handover/bob/dev-old.conf")


def test_refusals_say_all_at_once(results: dict[str, Any]) -> None:
    found = results["refused"]
    assert found["violations"] == [
        f'wireguard_peers[eve].public_key is "{key("bob")}": must not be the key of bob',
        'wireguard_peers[eve].group is "nobody": must be a group: developers, services, sites',
    ]
    assert found["msg"] == "\n".join(found["violations"])


def test_what_is_handed_over(results: dict[str, Any], inventory: Path) -> None:
    assert "preshared has no key of gate for bob" in results["without a preshared key"]["msg"]
    folder = inventory / "handover" / "bob"
    files = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert files == {"dev-gate.conf": 0o600, "instructions.md": 0o600, "groundwork-vpn": 0o700}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "PresharedKey = a-secret-of-the-hubs\n" in (folder / "dev-gate.conf").read_text()
    assert "a-secret-of-the-hubs" not in json.dumps(results)
    bundled = inventory / "bundles" / "bob"
    assert {path.name for path in bundled.iterdir()} == {"bundle.age", "instructions.md"}
    assert (bundled / "bundle.age").read_text() == "encrypted"


def test_who_is_gone_leaves_a_trace(results: dict[str, Any], inventory: Path) -> None:
    assert results["revoke"]["settings"]["gate"]["peers"] == []
    shown = results["show"]
    assert (shown["peer"], shown["peers"], shown["configurations"]) == ({}, [], [])
    (trace,) = shown["released"]
    assert (trace["released_by"], trace["reason"], trace["public_key"]) == ("carol", "left", key("bob"))
    assert 'name is "nobody": is not in the peers\' file' in results["show nobody"]["msg"]
    written = yaml.safe_load((inventory / "group_vars" / "all" / "wireguard_peers.yml").read_text())
    assert written["wireguard_revision"] == 3
