"""Inputs as files: the invalid are refused with the error that they name before anything is touched."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.integration.support import INVENTORY, ROOT, Played, RealHost, play

# By the first word of a role's name, for roles that converge hosts. Those that work on an API from the
# controller have a server for it in tests of their own, which read their files from the same folders.
PLAYBOOKS = {"host": "hosts", "ipban": "ipban", "wireguard": "vpn", "gitlab": "gitlab"}
# Among those of these floors.
FROM_CONTROLLER = ("gitlab_config",)
# Their packages can't be had here: of the playbook only what checks input is played.
WITHOUT_PACKAGES = ("gitlab",)

# Every file below the places that roles write to, with what would tell a write: content, mode, owner.
FINGERPRINT = (
    "find /etc /var/lib/groundwork /home -xdev -type f -printf '%p %m %u %g %s %T@\\n' 2>/dev/null"
    " | sort | sha256sum;"
    " dpkg-query -W | sha256sum; systemctl list-units --no-legend --plain | sha256sum"
)


def header(path: Path, key: str) -> str:
    found = re.search(rf"^# {key}: (.+)$", path.read_text(), re.MULTILINE)
    assert found, f"{path.name} has no line '# {key}: ...'"
    return found[1].strip()


def floor(path: Path) -> str:
    """The first word of the name of the file's role."""
    return header(path, "role").split("_")[0]


def inputs(folder: str) -> list[Path]:
    """The files for roles that converge hosts."""
    return [
        path for path in sorted((ROOT / "tests/inputs" / folder).glob("*.yml")) if floor(path) in PLAYBOOKS
    ]


INVALID = inputs("invalid")
VALID = [path for path in inputs("valid") if header(path, "role") not in FROM_CONTROLLER]


def playbook(path: Path) -> Path:
    """The playbook of the floor that the file's role is of."""
    return ROOT / "playbooks" / f"{PLAYBOOKS[floor(path)]}.yml"


def one_of_each_role() -> list[Path]:
    found = {header(path, "role"): path for path in INVALID}
    return [path for role, path in found.items() if role not in FROM_CONTROLLER]


def given(path: Path) -> list[str]:
    """The file as extra variables, after what the floor's other roles need that have no inventory here."""
    others = [other for other in VALID if floor(other) == floor(path) and floor(path) in WITHOUT_PACKAGES]
    return [word for each in (*others, path) for word in ("--extra-vars", f"@{each}")]


def messages(played: Played, host: str) -> str:
    return " ".join(str(result.get("msg", "")) for _, result in played.results(host))


@pytest.fixture(scope="module")
def refused(one_host: RealHost, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """All invalid inputs in one run: each is a host of its own name with the facts of the real one."""
    folder = tmp_path_factory.mktemp("inputs")
    hosts = {
        path.stem: {
            **yaml.safe_load(path.read_text()),
            "role_under_test": header(path, "role"),
            "ansible_host": one_host.address,
        }
        for path in INVALID
    }
    (folder / "inventory.yml").write_text(yaml.safe_dump({"inputs": {"hosts": hosts}}))
    facts = folder / "facts"
    facts.mkdir()
    gathered = play(
        ROOT / "playbooks" / "hosts.yml",
        *("--tags", "always", "--limit", one_host.name),
        ANSIBLE_CACHE_PLUGIN_CONNECTION=str(facts),
    )
    assert gathered.returncode == 0, gathered.output
    (cached,) = facts.glob(f"*{one_host.name}")
    for name in hosts:
        shutil.copy(cached, facts / cached.name.replace(one_host.name, name))
    return play(
        Path(__file__).parent / "validate.yml",
        *("--inventory", str(folder / "inventory.yml"), "--forks", "4"),
        inventory=INVENTORY,
        ANSIBLE_CACHE_PLUGIN_CONNECTION=str(facts),
    )


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_is_refused_with_its_error(path: Path, refused: Played) -> None:
    said = messages(refused, path.stem)
    assert refused.stats[path.stem]["failures"] == 1, f"accepted: {said}"
    assert header(path, "expect") in said


@pytest.mark.parametrize("path", one_of_each_role(), ids=lambda path: path.stem)
def test_one_bad_input_stops_the_whole_floor_before_anything_changes(path: Path, one_host: RealHost) -> None:
    before = one_host.output(FINGERPRINT)
    played = play(playbook(path), *given(path), "--limit", one_host.name)
    assert played.returncode != 0, f"accepted: {played.output}"
    assert header(path, "expect") in messages(played, one_host.name)
    assert played.stats[one_host.name]["changed"] == 0
    assert one_host.output(FINGERPRINT) == before


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_full_example_is_accepted_by_a_dry_run(path: Path, one_host: RealHost) -> None:
    # Everybody's input is checked, and the role that the example is of is played.
    tags = "always" if floor(path) in WITHOUT_PACKAGES else header(path, "role")
    played = play(playbook(path), "--check", "--tags", tags, *given(path), "--limit", one_host.name)
    assert played.returncode == 0, played.output


def test_the_inventory_without_its_group_is_refused(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {lonely: {ansible_connection: local}}}\n")
    played = play(ROOT / "playbooks" / "hosts.yml", inventory=inventory)
    assert played.returncode != 0
    assert "groups['servers']" in played.output
    assert "must name at least one host" in played.output
