"""Addons: 45 charts installed and left unchanged by the engine, against a loop of kubernetes.core.helm."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lab import paths
from lab.kubernetes import build, local
from lab.progress import step
from tests.bench.addons import charts, helm3
from tests.bench.budgets import budget
from tests.bench.report import Figure

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
CLUSTER = "bench-addons"
COUNT = 45
INSTALLS = 2
NO_OPS = 3
LOOP_NAMESPACE = "bench-loop"
# Stands for Helm where its processes are counted, never where anything is timed.
COUNTING = '#!/bin/sh\necho >>"{count}"\nexec "{helm}" "$@"\n'


def measure() -> Sequence[Figure]:
    """Both over charts of the same shape on the same control plane, in namespaces of their own, in turn."""
    folder = paths.cache() / "bench-addons"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    helm = helm3.program()
    charts.write(folder, COUNT)
    kubeconfig = local.up(CLUSTER, nodes=2)
    try:
        return figures(Plays(folder, kubeconfig, helm))
    finally:
        # GROUNDWORK_KEEP=1 leaves it for a look.
        if not os.environ.get("GROUNDWORK_KEEP"):
            local.down(CLUSTER)
            shutil.rmtree(folder)


def figures(plays: Plays) -> Sequence[Figure]:
    """All figures, of a control plane that has nothing of either."""
    installs: list[tuple[float, float]] = []
    for number in range(INSTALLS):
        if number:
            # To take so many releases away lasts longer than to begin anew.
            local.down(CLUSTER)
            local.up(CLUSTER, nodes=2)
        with step(f"installing {COUNT} charts, round {number + 1} of {INSTALLS}"):
            installed, ours = plays.engine()
            _, peer = plays.loop()
        installs.append((ours, peer))
    with step("counting what a no-op starts"):
        unchanged, _ = plays.engine()
        processes = plays.counted()
    with step("timing no-ops"):
        pairs = [(plays.engine()[1], plays.loop()[1]) for _ in range(NO_OPS)]
    return (
        Figure("no-op: changes", float(unchanged["changed"]), "tasks", 0),
        Figure("no-op: requests", unchanged["stats"]["calls"], "requests", budget("addons_no_op_requests")),
        Figure(
            "no-op: processes", unchanged["stats"]["processes"], "processes", budget("addons_no_op_processes")
        ),
        Figure("no-op: processes of the loop", processes, "processes"),
        *compared("no-op", pairs, budget("addons_no_op_speedup")),
        Figure(
            "install: requests for each",
            installed["stats"]["calls"] / COUNT,
            "requests",
            budget("addons_install_requests"),
        ),
        Figure(
            "install: processes for each",
            installed["stats"]["processes"] / COUNT,
            "processes",
            budget("addons_install_processes"),
        ),
        *compared("install", installs, budget("addons_install_speedup")),
    )


def compared(what: str, pairs: Sequence[tuple[float, float]], goal: float) -> Sequence[Figure]:
    """Seconds of both tasks, and how many times faster ours is, pair by pair; medians."""
    return (
        Figure(f"{what}, {COUNT} charts", statistics.median(ours for ours, _ in pairs), "s"),
        Figure(f"{what}, loop over the same", statistics.median(peer for _, peer in pairs), "s"),
        Figure(
            f"{what}: times faster",
            statistics.median(peer / ours for ours, peer in pairs),
            "x",
            goal,
            "higher",
        ),
    )


class Plays:
    """Both playbooks over the same charts; each answers its task's result and seconds."""

    def __init__(self, folder: Path, kubeconfig: Path, helm: Path) -> None:
        self._folder = folder
        self._helm = helm
        self._variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "bench_kubeconfig": str(kubeconfig),
            "bench_folder": str(folder),
            "bench_names": charts.names(COUNT),
            "bench_namespace": LOOP_NAMESPACE,
            "bench_version": charts.VERSION,
            "bench_engine_helm": str(build.program("helm")),
        }

    def engine(self) -> tuple[dict[str, Any], float]:
        """By the engine."""
        return self._play("engine.yml")

    def loop(self, helm: Path | None = None) -> tuple[dict[str, Any], float]:
        """By the loop."""
        return self._play("loop.yml", bench_loop_helm=str(helm or self._helm))

    def counted(self) -> int:
        """How often the loop starts Helm where nothing is to be done."""
        count, counting = self._folder / "count", self._folder / "helm"
        count.write_text("")
        counting.write_text(COUNTING.format(count=count, helm=self._helm))
        counting.chmod(0o755)
        self.loop(counting)
        return len(count.read_text().splitlines())

    def _play(self, playbook: str, **variables: Any) -> tuple[dict[str, Any], float]:
        given = json.dumps({**self._variables, **variables})
        command = ["ansible-playbook", "--inventory=bench,", "--extra-vars", given, str(FOLDER / playbook)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
        )
        if done.returncode != 0:
            raise RuntimeError(f"{playbook}: exit code {done.returncode}\n{done.stdout[-4000:]}{done.stderr}")
        document = json.loads(done.stdout[done.stdout.index("{\n") :])
        ((task,),) = (play["tasks"] for play in document["plays"])
        lasted = [datetime.fromisoformat(task["task"]["duration"][key]) for key in ("start", "end")]
        return task["hosts"]["bench"], (lasted[1] - lasted[0]).total_seconds()
