"""The peers' file on disk: nothing half written, nothing forgotten that a merge has broken."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.groundwork.platform.plugins.plugin_utils.wireguard.peers_file import PeersFile


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    assert PeersFile(str(tmp_path / "none.yml")).read() == ("", {})


def test_it_is_replaced_as_a_whole_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "peers.yml"
    link.symlink_to("real/peers.yml")
    there = PeersFile(str(link))
    with there.locked():
        there.write("wireguard_revision: 1\n")
    assert link.is_symlink()
    assert there.read() == ("wireguard_revision: 1\n", {"wireguard_revision": 1})
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["peers.yml"]
    assert (tmp_path / "real" / "peers.yml").stat().st_mode & 0o777 == 0o644


def test_a_write_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = PeersFile(str(tmp_path / "peers.yml"))
    there.write("wireguard_revision: 1\n")

    def fails(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="No space left"):
        there.write("wireguard_revision: 2\n")
    assert there.read()[0] == "wireguard_revision: 1\n"
    assert len(list(tmp_path.iterdir())) == 1


def raise_by_one(path: str) -> None:
    there = PeersFile(path)
    for _ in range(20):
        with there.locked():
            revision = there.read()[1].get("wireguard_revision", 0)
            there.write(f"wireguard_revision: {revision + 1}\n")


def test_runs_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    path = str(tmp_path / "peers.yml")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=raise_by_one, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert PeersFile(path).read()[1] == {"wireguard_revision": 60}


def test_times_stay_text(tmp_path: Path) -> None:
    (tmp_path / "peers.yml").write_text("wireguard_peers: [{expires_at: 2027-01-31T12:00:00Z}]\n")
    (peer,) = PeersFile(str(tmp_path / "peers.yml")).read()[1]["wireguard_peers"]
    assert peer == {"expires_at": "2027-01-31T12:00:00Z"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "<<<<<<< HEAD\nwireguard_revision: 1\n=======\nwireguard_revision: 2\n",
            "without conflicts of a merge",
        ),
        ("wireguard_peers: []\nwireguard_peers: []\n", "wireguard_peers is there twice"),
        ("wireguard_peers: [{name: a, name: b}]\n", "name is there twice"),
        ("- name: anna\n", "must define wireguard_peers"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "must not be encrypted"),
        ("wireguard_peers: !!python/object:os.system {}\n", "must be YAML"),
    ],
)
def test_what_is_wrong_with_the_whole(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "peers.yml"
    path.write_text(text)
    with pytest.raises(AnsibleActionFail, match=says) as error:
        PeersFile(str(path)).read()
    assert f"wireguard_peers_file is {path}: " in str(error.value)


def test_the_environments_beside_this_one(tmp_path: Path) -> None:
    texts = {
        "stage": "wireguard_pools: [{networks: [10.81.0.0/24, '{{ more }}', 'fd42:81::/64']}, '{{ x }}']",
        "tagged": "wireguard_pools: [{name: !vault x, networks: [10.82.0.0/24]}]",
        "copy": "wireguard_environment: dev\nwireguard_pools: [{networks: [10.83.0.0/24]}]",
        "list": "- wireguard_pools",
        "broken": "<<<<<<< HEAD\nwireguard_pools: []",
        "secret": "$ANSIBLE_VAULT;1.1;AES256\n6162",
        "other": "wireguard_pools: '{{ somewhere }}'",
        "dev": "wireguard_pools: [{name: own, networks: [10.80.0.0/24]}]",
    }
    for name, text in texts.items():
        folder = tmp_path / name / "group_vars" / "all"
        folder.mkdir(parents=True)
        (folder / "wireguard.yml").write_text(text + "\n")
    there = PeersFile(str(tmp_path / "dev" / "group_vars" / "all" / "wireguard_peers.yml"))
    found = {name: [str(one) for one in pools] for name, pools in there.environments("dev").items()}
    read = {name: pools for name, pools in found.items() if pools}
    assert read == {"stage": ["10.81.0.0/24", "fd42:81::/64"], "tagged": ["10.82.0.0/24"]}
    assert PeersFile(str(tmp_path / "peers.yml")).environments("dev") == {}
