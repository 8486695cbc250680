"""What the repository promises about itself: versions, the bridge, playbooks that AWX can list."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible.release import __version__ as ansible_core
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))


def test_the_ansible_core_that_is_tested_is_the_oldest_minor_that_is_promised() -> None:
    promised = SpecifierSet(yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"])
    (oldest,) = (Version(spec.version) for spec in promised if spec.operator == ">=")
    assert Version(ansible_core) in promised
    assert Version(ansible_core).release[:2] == oldest.release[:2]


def test_every_place_that_names_the_version_names_the_same() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    found = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert found
    assert found[1] == GALAXY["version"]


@pytest.mark.parametrize("name", ["galaxy.yml", "meta", "playbooks", "plugins", "roles"])
def test_the_bridge_leads_to_the_checkout(name: str) -> None:
    link = ROOT / "collections" / "ansible_collections" / GALAXY["namespace"] / GALAXY["name"] / name
    assert link.is_symlink()
    assert link.resolve() == ROOT / name


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_a_playbook_can_be_a_job_template_and_be_called_by_its_full_name(playbook: Path) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*\.yml", playbook.name)
    plays = yaml.safe_load(playbook.read_text())
    assert any("hosts" in play for play in plays), "AWX lists only playbooks that have a play of their own"


def test_collections_that_are_used_are_declared() -> None:
    """Everything that the artifact calls by a full name comes from a declared dependency."""
    used = set()
    for folder in ("playbooks", "roles", "plugins"):
        for path in (ROOT / folder).rglob("*.yml"):
            used |= set(
                re.findall(r"^\s+(?:- )?([a-z_]+\.[a-z_]+)\.[a-z_]+:\s*$", path.read_text(), re.MULTILINE)
            )
    undeclared = used - {"ansible.builtin", "groundwork.platform"} - set(GALAXY["dependencies"])
    assert undeclared == set()
