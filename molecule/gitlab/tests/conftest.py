"""Both hosts from all sides, the operator's playbooks, and the double of the API with jobs to give."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gitlab
import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "molecule" / "hosts" / "tests"))

from attack import Target, find  # noqa: E402  # because the other scenario's folder has to be on the path

FOLDER = Path(os.environ["GROUNDWORK_CACHE"]).expanduser() / "molecule-gitlab"
TOKEN = "glpat-only-for-the-test"  # noqa: S105  # because it opens nothing but a double
STATE = "/var/opt/gitlab/double"

Played = subprocess.CompletedProcess[str]


class Instance:
    """The double of the API, by an independent client, and jobs that wait for a runner."""

    def __init__(self) -> None:
        self.api = gitlab.Gitlab("http://10.91.0.1:8930", private_token=TOKEN)

    def project(self, path: str) -> int:
        return int(self.api.projects.get(path).id)

    def job(self, project: str, *tags: str, ref: str = "main") -> int:
        """A new job; which one it is."""
        name = f"job-{time.monotonic_ns()}"
        wanted = {"project_id": self.project(project), "ref": ref, "tags": list(tags)}
        (FOLDER / f"{name}.new").write_text(json.dumps(wanted))
        (FOLDER / f"{name}.new").rename(FOLDER / f"{name}.json")
        assert soon((FOLDER / f"{name}.id").exists)
        return int((FOLDER / f"{name}.id").read_text())

    def status(self, project: str, job: int) -> str:
        found = [one for one in self.api.projects.get(project).jobs.list(all=True) if one.id == job]
        return str(found[0].status)

    def end(self, job: int) -> None:
        """Say what the runner's double never says: that the job is done."""
        self.api.http_put(f"/jobs/{job}", post_data={"token": f"glcbt-{job}", "state": "success"})

    def runner(self, label: str) -> Any:
        everyone = self.api.runners_all.list(all=True)
        found = [one for one in everyone if one.description == label]
        return self.api.runners.get(found[0].id) if found else None


def soon(holds: Callable[[], bool], seconds: float = 15) -> bool:
    """Whether it holds within this time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.2)
    return holds()


@pytest.fixture(scope="session")
def instance() -> Instance:
    return Instance()


@pytest.fixture(scope="session")
def inventory(request: pytest.FixtureRequest) -> str:
    return str(request.config.option.ansible_inventory)


@pytest.fixture(scope="session")
def first(inventory: str) -> Target:
    """The node that runs the migrations, and the host of the runners of shop/api."""
    return find(inventory, "debian12")


@pytest.fixture(scope="session")
def second(inventory: str) -> Target:
    """The other node, and the host of the runner of blog/site."""
    return find(inventory, "debian13")


@pytest.fixture(scope="session")
def play(inventory: str) -> Callable[..., Played]:
    """``play("gitlab.yml", "--check", variable="value")``; ``parts``: the folder of the second inventory."""

    def runner(playbook: str, *arguments: str, parts: str = "inventory", **variables: Any) -> Played:
        extra = ["--extra-vars", json.dumps(variables)] if variables else []
        inventories = ["--inventory", inventory, "--inventory", str(HERE.parent / parts)]
        return subprocess.run(
            ["ansible-playbook", *inventories, *arguments, *extra, playbook],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    return runner


def commands(host: Target) -> list[dict[str, Any]]:
    """What the double of the package was told, since the last time."""
    lines = host.output(f"cat {STATE}/commands.log 2>/dev/null; rm -f {STATE}/commands.log").splitlines()
    return [json.loads(line) for line in lines]


def told(host: Target) -> list[str]:
    return [" ".join(entry["command"]) for entry in commands(host)]
