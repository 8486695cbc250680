"""Inputs as files: the invalid are refused with the error that they name before anything is touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.support import ROOT, RealHost, play

INVALID = sorted((ROOT / "tests" / "inputs" / "invalid").glob("*.yml"))
VALID = sorted((ROOT / "tests" / "inputs" / "valid").glob("*.yml"))
PLAYBOOK = ROOT / "playbooks" / "hosts.yml"

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


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_is_refused_before_anything_changes(path: Path, one_host: RealHost) -> None:
    before = one_host.output(FINGERPRINT)
    # The whole floor, as users run it: the last role's input is refused before the first role works.
    played = play(PLAYBOOK, "--extra-vars", f"@{path}", "--limit", one_host.name)
    assert played.returncode != 0, f"accepted: {played.output}"
    said = " ".join(message for _, result in played.results(one_host.name) for message in _messages(result))
    assert header(path, "expect") in said, said
    assert played.stats[one_host.name]["changed"] == 0
    assert one_host.output(FINGERPRINT) == before


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_full_example_is_accepted_by_a_dry_run(path: Path, one_host: RealHost) -> None:
    played = play(PLAYBOOK, "--check", "--extra-vars", f"@{path}", "--limit", one_host.name)
    assert played.returncode == 0, played.output


def test_the_inventory_without_its_group_is_refused(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {lonely: {ansible_connection: local}}}\n")
    played = play(ROOT / "playbooks" / "hosts.yml", inventory=inventory)
    assert played.returncode != 0
    assert "groups['servers']" in played.output
    assert "must name at least one host" in played.output


def _messages(result: dict[str, object]) -> list[str]:
    return [str(result.get(key, "")) for key in ("msg", "argument_errors")]
