"""The role and the playbooks as an operator runs them, against a double that they reach over the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.doubles.gitlab import Fault
from tests.integration.gitlab.world import World, acme, world
from tests.integration.support import ROOT, Played, play

INPUTS = ROOT / "tests" / "inputs"
SECRET = "a-secret-of-the-playbook"  # noqa: S105  # because it opens nothing
ROLE = """---
- hosts: gitlab_instances
  gather_facts: false
  roles: [groundwork.platform.gitlab_config]
"""


@pytest.fixture(scope="module")
def ce() -> Iterator[World]:
    with world("ce") as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "role.yml").write_text(ROLE)
    return tmp_path


def inventory(folder: Path, world: World, **variables: Any) -> Path:
    """A GitLab as a host, whose token stands in a file."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(f"{world.server.root_token}\n")
    host = {
        "ansible_connection": "local",
        "gitlab_config_url": world.server.url,
        "gitlab_config_token_file": str(token),
        "gitlab_config_digest_key": "only-for-the-tests",
        **variables,
    }
    # Another one, which is to be left alone: nothing listens there.
    resting = {**host, "gitlab_config_url": "http://127.0.0.1:9", "gitlab_config_state": "absent"}
    path = folder / "hosts.yml"
    path.write_text(yaml.safe_dump({"gitlab_instances": {"hosts": {"hub": host, "resting": resting}}}))
    return path


def told(played: Played) -> dict[str, Any]:
    (result,) = (one for name, one in played.results("hub") if "configure | Bring" in name)
    return result


def test_the_role_from_the_plan_to_a_clean_run(ce: World, folder: Path) -> None:
    (folder / "templates").mkdir()
    (folder / "templates" / "readme.md.j2").write_text(
        "# {{ gitlab_project.name }} of {{ inventory_hostname }}\n"
    )
    model = acme(
        {
            "path": "web",
            "name": "The Web",
            "files": {"README.md": {"template": "readme.md.j2"}},
            "variables": {"KEY": {"value": SECRET, "hidden": True}},
        }
    )
    hosts = inventory(folder, ce, gitlab_config_groups=model)
    dry = play(folder / "role.yml", "--check", "--diff", "--limit", "hub", inventory=hosts)
    assert dry.returncode == 0, dry.output
    assert told(dry)["changed"]
    assert not ce.root.projects.list(search="web")
    made = play(folder / "role.yml", "--diff", "-vvv", "--limit", "hub", inventory=hosts)
    assert made.returncode == 0, made.output
    assert [change["key"] for change in told(made)["plan"]] == [
        "acme",
        "acme/web",
        "acme/web files README.md",
        "acme/web variables KEY",
    ]
    assert ce.project().files.get("README.md", ref="main").decode() == b"# The Web of hub\n"
    clean = play(folder / "role.yml", inventory=hosts)
    assert clean.returncode == 0, clean.output
    assert clean.stats["resting"]["failures"] == clean.stats["resting"]["changed"] == 0
    assert not told(clean)["changed"]
    assert told(clean)["stats"]["writes"] == 0
    for output in (dry.output, made.output, clean.output):
        assert SECRET not in output
        assert ce.server.root_token not in output


def test_a_failure_tells_what_was_done_and_what_is_left(ce: World, folder: Path) -> None:
    hosts = inventory(folder, ce, gitlab_config_groups=[{"path": "broken", "labels": {"bug": "#ff0000"}}])
    ce.server.faults.add(Fault(method="POST", path="/labels", status=500, times=1))
    played = play(folder / "role.yml", "--limit", "hub", inventory=hosts)
    ce.server.faults.clear()
    assert played.returncode != 0
    # A line as it happens, before the task is over and tells its result.
    assert played.output.startswith(
        "[hub] create broken\n[hub] FAILED create broken labels bug: POST /groups/"
    )
    result = told(played)
    assert result["msg"].startswith("create broken labels bug: POST /groups/")
    assert [change["key"] for change in result["applied"]] == ["broken"]
    assert play(folder / "role.yml", "--limit", "hub", inventory=hosts).returncode == 0


def test_absent_takes_away_what_is_confirmed_and_nothing_else(ce: World, folder: Path) -> None:
    model = [{"path": "leaving", "projects": [{"path": "shop"}]}, {"path": "staying"}]
    hosts = inventory(folder, ce, gitlab_config_groups=model)
    assert play(folder / "role.yml", "--limit", "hub", inventory=hosts).returncode == 0
    absent = ("-e", "gitlab_config_state=absent", "--limit", "hub")
    confirmed = (*absent, "-e", '{"gitlab_config_confirm_deletion": ["leaving"]}')
    number = ce.root.groups.get("leaving").id
    for arguments, changed, marked in (
        (absent, 0, False),
        ((*confirmed, "--check"), 1, False),
        (confirmed, 1, True),
        (confirmed, 0, True),
    ):
        played = play(folder / "role.yml", *arguments, inventory=hosts)
        assert played.returncode == 0, played.output
        assert played.stats["hub"]["changed"] == changed
        assert bool(ce.root.groups.get(number).marked_for_deletion_on) == marked
    assert not ce.root.groups.get("staying").marked_for_deletion_on


def test_a_token_file_that_others_can_read_is_refused(ce: World, folder: Path) -> None:
    hosts = inventory(folder, ce, gitlab_config_groups=acme())
    (folder / "token").chmod(0o644)
    ce.server.requests.clear()
    played = play(folder / "role.yml", "--limit", "hub", inventory=hosts)
    assert played.returncode != 0
    assert "must be readable by its owner alone, its mode is 0644" in told(played)["msg"]
    assert len(ce.server.requests) == 0


def test_export_and_converge(ce: World, folder: Path) -> None:
    ce.run([{"path": "kept", "variables": {"KEY": {"value": SECRET, "masked": True}}}])
    hosts = inventory(folder, ce)
    file = folder / "config.yml"
    exported = play(
        ROOT / "playbooks" / "gitlab_export.yml",
        *("-e", f"export_to={file}", "-e", "export_groups=kept", "--limit", "hub,localhost"),
        inventory=hosts,
    )
    assert exported.returncode == 0, exported.output
    assert file.stat().st_mode & 0o777 == 0o600
    assert SECRET not in file.read_text() + exported.output
    values = folder / "values.yml"
    clean = play(folder / "role.yml", "-e", f"@{file}", "--limit", "hub", inventory=hosts)
    assert clean.returncode == 0, clean.output
    assert told(clean)["plan"] == []
    values.write_text(yaml.safe_dump({"gitlab_config_values": {"kept:KEY": "another-value"}}))
    other = play(
        folder / "role.yml",
        "--check",
        "-e",
        f"@{file}",
        "-e",
        f"@{values}",
        "--limit",
        "hub",
        inventory=hosts,
    )
    assert [change["key"] for change in told(other)["plan"]] == ["kept variables KEY"]


def test_the_valid_example_is_converged_and_clean(folder: Path) -> None:
    with world("ce") as fresh:
        hosts = inventory(folder, fresh)
        extra = ("-e", f"@{INPUTS / 'valid' / 'gitlab_config.yml'}", "-e", f"double_url={fresh.server.url}")
        arguments = (
            *extra,
            "-e",
            f"double_token={fresh.server.root_token}",
            "-e",
            "gitlab_config_token_file=",
        )
        made = play(folder / "role.yml", *arguments, "--limit", "hub", inventory=hosts)
        assert made.returncode == 0, made.output
        clean = play(folder / "role.yml", *arguments, "--limit", "hub", inventory=hosts)
        assert told(clean)["plan"] == []
