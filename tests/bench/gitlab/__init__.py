"""gitlab: a no-op of 200 projects against community.general's tasks for the comparable part, 5 ms away."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import paths
from lab.doubles.gitlab import Server
from lab.doubles.gitlab.seed import new_user
from tests.bench.budgets import budget
from tests.bench.report import Figure
from tests.bench.timing import paired

FOLDER = Path(__file__).parent
OURS = paths.REPOSITORY / "playbooks" / "gitlab.yml"
PROJECTS = 200
# The peer starts a process for each section of each project: what all take follows from some of them.
SAMPLE = 4
LATENCY = 0.005
ROUNDS = 3

USERS = {"ada": "maintainer", "bob": "developer", "eve": "developer"}
BRANCHES = ("main", "release/*")
SETTINGS = {
    "merge_method": "ff",
    "squash_option": "default_on",
    "only_allow_merge_if_pipeline_succeeds": True,
}
DESCRIPTION = "One of many"
HOOK = "https://ci.example.com/hook"
LABELS = {"bug": "#ff0000", "feature": "#00ff00", "debt": "#0000ff", "blocked": "#777777"}
VARIABLES = {f"VARIABLE_{number}": f"value of {number}" for number in range(10)}


def measure() -> Sequence[Figure]:
    """Make all projects once with ours, see that both sides find nothing to do, then time them in turn."""
    with tempfile.TemporaryDirectory() as folder, Server(latency=LATENCY) as server:
        for name in USERS:
            with server.state.lock:
                new_user(server.state, name, name.capitalize(), f"{name}@example.com")
        inputs = write_inputs(Path(folder), server)
        play(OURS, inputs)
        play(FOLDER / "peer.yml", inputs)
        ours = requests_of(server, OURS, inputs)
        peer = requests_of(server, FOLDER / "peer.yml", inputs)
        start = statistics.median(seconds(FOLDER / "nothing.yml", inputs) for _round in range(ROUNDS))
        times = paired(lambda: play(OURS, inputs), lambda: play(FOLDER / "peer.yml", inputs), ROUNDS)
    everything = start + (times.peer - start) * PROJECTS / SAMPLE
    return (
        Figure(f"gitlab_config, no-op of {PROJECTS} projects", times.ours, "s"),
        Figure(f"community.general, no-op of {SAMPLE} projects", times.peer, "s"),
        Figure(f"of it, the start that is not repeated for {PROJECTS}", start, "s"),
        Figure(f"community.general, for {PROJECTS} projects", everything, "s"),
        Figure("times faster", everything / times.ours, "x", budget("gitlab_no_op_speedup"), "higher"),
        Figure(
            "reads of a project, no-op",
            ours[0] / PROJECTS,
            "requests",
            budget("gitlab_no_op_reads_per_project"),
        ),
        Figure("writes of all projects, no-op", ours[1], "requests", budget("gitlab_no_op_writes")),
        Figure("community.general's reads of a project", peer[0] / SAMPLE, "requests"),
        Figure("community.general's writes of a project", peer[1] / SAMPLE, "requests"),
    )


def write_inputs(folder: Path, server: Server) -> Path:
    """The same company for both sides, as variables in a file; the token is in one of its own."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(server.root_token)
    names = [f"project-{number:03}" for number in range(PROJECTS)]
    variables = {
        "gitlab_config_url": server.url,
        "gitlab_config_token_file": str(token),
        "gitlab_config_groups": [
            {
                "path": "bench",
                "visibility": "private",
                "defaults": {"projects": project()},
                "projects": [{"path": name} for name in names],
            }
        ],
        "bench_projects": names[:SAMPLE],
        "bench_settings": {**SETTINGS, "description": DESCRIPTION},
        "bench_members": [{"name": name, "access_level": level} for name, level in USERS.items()],
        "bench_branches": BRANCHES,
        "bench_hook": HOOK,
        "bench_labels": [{"name": name, "color": color} for name, color in LABELS.items()],
        "bench_variables": [{"name": name, "value": value} for name, value in VARIABLES.items()],
    }
    file = folder / "inputs.json"
    file.write_text(json.dumps(variables))
    return file


def project() -> dict[str, Any]:
    """What each project has, in the words of gitlab_config."""
    return {
        "visibility": "private",
        "description": DESCRIPTION,
        "settings": SETTINGS,
        "members": USERS,
        "protected_branches": {name: {"push": "no one", "merge": "maintainer"} for name in BRANCHES},
        "variables": VARIABLES,
        "hooks": {HOOK: {"push_events": True, "pipeline_events": True}},
        "labels": LABELS,
    }


def play(playbook: Path, inputs: Path) -> str:
    """Play one side; a benchmark of something that fails would measure nothing."""
    command = ["ansible-playbook", "--inventory", str(FOLDER / "inventory"), "--extra-vars", f"@{inputs}"]
    done = subprocess.run(
        [*command, str(playbook)],
        check=False,
        capture_output=True,
        text=True,
        cwd=paths.REPOSITORY,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{playbook.name} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def requests_of(server: Server, playbook: Path, inputs: Path) -> tuple[int, int]:
    """The reads and writes of a play that has to find nothing to do."""
    server.requests.clear()
    told = play(playbook, inputs)
    if not re.search(r"changed=0 ", told):
        raise RuntimeError(f"{playbook.name} is no no-op:\n{told[-3000:]}")
    writes = len(server.requests.writes)
    return len(server.requests) - writes, writes


def seconds(playbook: Path, inputs: Path) -> float:
    begun = time.monotonic()
    play(playbook, inputs)
    return time.monotonic() - begun
