# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one seam to processes: Helm 3.17 and later, and Helm 4."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .model import AddonError
from .versions import Version, parse

OLDEST: Version = (3, 17, 0)
# Revisions of a release that are kept: enough to go back to, and few for the list of a no-op.
HISTORY = 5
# What a process may take beyond what Helm was given, in seconds: it ends by itself before.
GRACE = 30
# Helm ends with the run that started it: it would go on beside the next run, which takes it for gone.
LEASH = ("--pdeathsig", "KILL", "--")
_VERSION = re.compile(r"v\d+\.\d+\.\d+")


class HelmError(Exception):
    """Helm ended with an error; the text is what it said last."""


@dataclass(frozen=True)
class Target:
    """A release: its name and namespace."""

    release: str
    namespace: str


class Helm:
    """Runs Helm against one cluster. Values go over its standard input, and into no file or argument."""

    def __init__(self, binary: str, kubeconfig: str, context: str, cache: str) -> None:
        found = shutil.which(os.path.expanduser(binary))
        if found is None:
            raise AddonError([f"k8s_addons_helm is {binary}: no such program; Helm 3.17 or later is needed"])
        self.binary = found
        leash = shutil.which("setpriv")
        self._command = [leash, *LEASH, found] if leash is not None else [found]
        self.processes = 0
        self._lock = threading.Lock()
        self._cache = cache
        self._cluster = [
            *(["--kubeconfig", kubeconfig] if kubeconfig else []),
            *(["--kube-context", context] if context else []),
        ]
        self._version: Optional[Version] = None

    @property
    def version(self) -> Version:
        """Asked once for each program file ever seen: a run that changes nothing starts no process."""
        if self._version is None:
            self._version = parse(self._probe())
            if self._version < OLDEST:
                raise AddonError(
                    [f"k8s_addons_helm is {self.binary}, {_text(self._version)}: must be 3.17 or later"]
                )
        return self._version

    def _probe(self) -> str:
        status = os.stat(os.path.realpath(self.binary))
        key = f"{os.path.realpath(self.binary)}:{status.st_size}:{status.st_mtime_ns}"
        path = os.path.join(self._cache, "helm.json")
        known: Dict[str, str] = {}
        try:
            with open(path, encoding="utf-8") as opened:
                known = json.load(opened)
        except (OSError, ValueError):
            known = {}
        if key not in known:
            said = _VERSION.search(self.run(["version", "--short"], 30))
            if said is None:
                raise AddonError([f"k8s_addons_helm is {self.binary}: it does not tell a version of Helm"])
            known = {**known, key: said[0]}
            part = f"{path}.{os.getpid()}"
            try:
                os.makedirs(self._cache, exist_ok=True)
                with open(part, "w", encoding="utf-8") as opened:
                    json.dump(known, opened)
                os.replace(part, path)
            except OSError as error:
                raise AddonError([f"k8s_addons_cache is {self._cache}: {error}"]) from error
        return known[key]

    def upgrade(
        self, target: Target, chart: str, values: Mapping[str, Any], labels: Mapping[str, str], timeout: int
    ) -> None:
        """Install or upgrade a release from a local chart. Definitions and waiting are the engine's own."""
        server_side = ["--server-side=true", "--force-conflicts"] if self.version[0] >= 4 else []
        self.run(
            [
                "upgrade",
                target.release,
                chart,
                "--install",
                "--namespace",
                target.namespace,
                "--values=-",
                "--skip-crds",
                "--reset-values",
                f"--history-max={HISTORY}",
                f"--timeout={timeout}s",
                "--labels=" + ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
                "--output=json",
                *server_side,
                *self._cluster,
            ],
            timeout + GRACE,
            json.dumps(values),
        )

    def template(
        self,
        target: Target,
        chart: str,
        values: Mapping[str, Any],
        kubernetes: str,
        api_versions: Sequence[str],
        crds: bool = False,
    ) -> str:
        """The manifests that the chart renders to, without asking the cluster; ``crds``: with its crds/."""
        return self.run(
            [
                "template",
                target.release,
                chart,
                "--namespace",
                target.namespace,
                "--values=-",
                f"--kube-version={kubernetes}",
                *([f"--api-versions={','.join(api_versions)}"] if api_versions else []),
                *(["--include-crds"] if crds else ["--skip-crds"]),
            ],
            120,
            json.dumps(values),
        )

    def rollback(self, target: Target, revision: int, timeout: int) -> None:
        """Back to a revision that was good."""
        self.run(
            [
                "rollback",
                target.release,
                str(revision),
                "--namespace",
                target.namespace,
                f"--history-max={HISTORY}",
                f"--timeout={timeout}s",
                *(["--force-conflicts"] if self.version[0] >= 4 else []),
                *self._cluster,
            ],
            timeout + GRACE,
        )

    def uninstall(self, target: Target, timeout: int, wait: bool = True) -> None:
        """Take a release away; one that is not there is fine. Objects with finalizers are awaited."""
        self.run(
            [
                "uninstall",
                target.release,
                "--namespace",
                target.namespace,
                "--ignore-not-found",
                *(["--wait"] if wait else []),
                f"--timeout={timeout}s",
                *self._cluster,
            ],
            timeout + GRACE,
        )

    def pull(self, reference: str, version: str, folder: str) -> None:
        """Bring a chart's .tgz from ``oci://...``, or ``https://repository#name``, into a folder."""
        if reference.startswith("oci://"):
            where = [reference]
        else:
            repository, _hash, name = reference.rpartition("#")
            where = [name, "--repo", repository]
        self.run(["pull", *where, "--version", version, "--destination", folder], 300)

    def run(self, arguments: Sequence[str], timeout: int, stdin: Optional[str] = None) -> str:
        """What Helm prints. HelmError with its last words where it fails or takes too long."""
        with self._lock:
            self.processes += 1
        try:
            done = subprocess.run(
                [*self._command, *arguments],
                env=environment(os.environ),
                input=stdin if stdin is not None else "",
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise HelmError(f"helm {arguments[0]} did not end within {timeout} s") from error
        if done.returncode != 0:
            raise HelmError(_last_words(done.stderr or done.stdout))
        return done.stdout


def environment(given: Mapping[str, str]) -> Dict[str, str]:
    """What Helm sees of ours: nothing that leads it to another cluster or login than the engine's."""
    leading = ("HELM_KUBE", "HELM_NAMESPACE")
    kept = {key: value for key, value in given.items() if not key.startswith(leading)}
    return {**kept, "HELM_DRIVER": "secret", "HELM_DEBUG": "false"}


def _last_words(text: str) -> str:
    lines: List[str] = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("WARNING", "level=", "I0", "W0", "E0"))]
    return " ".join((told or lines or ["helm failed without a word"])[-6:])


def _text(version: Version) -> str:
    return ".".join(map(str, version))
