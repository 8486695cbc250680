"""The GitHub workflows: pinned, with the least rights, and nothing of a caller inside a script."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.ci_templates import project

FOLDER = project.PROJECT.parent / "ci_github"
PATHS = sorted((FOLDER / ".github" / "workflows").glob("*.yml"))
RIGHTS = {
    "build": {"contents": "read"},
    "scan": {"contents": "read"},
    "sign": {"contents": "read", "packages": "write", "id-token": "write"},
    "aws": {"contents": "read", "id-token": "write"},
}
each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The workflow and its one job. YAML 1.1 reads the key ``on`` as true."""
    workflow = yaml.safe_load(path.read_text())
    (job,) = workflow["jobs"].values()
    return workflow, job


def test_the_four_are_there() -> None:
    assert {path.stem for path in PATHS} == set(RIGHTS)


@each
def test_it_is_called_and_every_input_is_described_and_used(path: Path) -> None:
    workflow, _job = read(path)
    trigger = workflow[True]
    assert set(trigger) == {"workflow_call"}
    inputs = (trigger["workflow_call"] or {}).get("inputs", {})
    assert all(one["description"] and one["type"] == "string" for one in inputs.values())
    assert set(re.findall(r"\$\{\{ inputs\.(\w+) \}\}", path.read_text())) == set(inputs)
    readme = (FOLDER / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if line.startswith(f"| `{path.name}`")]
    assert set(re.findall(r"`(\w+)`", row.rsplit("|", 2)[1])) == set(inputs)


@each
def test_rights_are_the_least(path: Path) -> None:
    workflow, job = read(path)
    assert workflow["permissions"] == {}
    assert job["permissions"] == RIGHTS[path.stem]
    assert isinstance(job["timeout-minutes"], int)
    if "write" in RIGHTS[path.stem].values():
        assert "github.event_name != 'pull_request'" in job["if"]
        assert job["concurrency"]["cancel-in-progress"] is False


@each
def test_actions_are_pinned_by_commit_and_images_by_digest(path: Path) -> None:
    text = path.read_text()
    uses = re.findall(r"uses: (.*)", text)
    assert uses
    for one in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one
    for step in read(path)[1]["steps"]:
        for name, value in step.get("env", {}).items():
            if f'"${name}"' in step["run"] and "/" in str(value):
                assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", value), name
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each
def test_nothing_of_a_caller_is_part_of_a_script(path: Path, tmp_path: Path) -> None:
    scripts = [step["run"] for step in read(path)[1]["steps"] if "run" in step]
    for number, script in enumerate(scripts):
        assert "${{" not in script
        (tmp_path / f"{number}.sh").write_text("#!/usr/bin/env bash\n" + script)
    if scripts:
        paths = [str(one) for one in sorted(tmp_path.glob("*.sh"))]
        result = subprocess.run(["shellcheck", *paths], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout


def test_both_worlds_use_the_same_images() -> None:
    ours = {one.inputs["image"].get("default") for one in project.templates()} - {None}
    names = {image.partition("@")[0].rpartition(":")[0] for image in ours}
    for path in PATHS:
        for image in re.findall(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", path.read_text()):
            if image.partition("@")[0].rpartition(":")[0] in names:
                assert image in ours, f"{path.name}: {image}"
