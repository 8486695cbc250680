"""A control plane without a real node, as processes of this machine on 127.0.0.1: up in seconds, for tests.

Pods are scheduled onto nodes that kwok plays: they get ready without ever running anything.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from lab import paths
from lab.kubernetes import build, capacity, certificates, client, components
from lab.kubernetes.components import Cluster, Component
from lab.process import CommandError
from lab.progress import say, step

NODE = "none"
STOP_SECONDS = 5.0


def up(name: str, nodes: int) -> Path:
    """Bring the control plane ``name`` up, or find it running; the path of its kubeconfig."""
    build.build()
    folder = _folder(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        state = _read_state(folder)
        if state.get("programs") == build.digest() and _all_run(folder, state):
            return folder / "kubeconfig"
        _stop(folder, state)
        begun = time.monotonic()
        with step(f"starting the control plane {name}"):
            _start(name, folder, nodes)
        say(f"control plane {name} is ready after {time.monotonic() - begun:.1f} s")
    return folder / "kubeconfig"


def down(name: str) -> None:
    """Stop it and remove all that it had; nothing to do where there is none."""
    folder = _folder(name)
    if folder.is_dir():
        with _alone(folder):
            _stop(folder, _read_state(folder))
        shutil.rmtree(folder)


def names() -> list[str]:
    """All control planes that were brought up on this machine."""
    return sorted(entry.parent.name for entry in _root().glob("*/state.json"))


def running(name: str) -> bool:
    folder = _folder(name)
    return _all_run(folder, _read_state(folder))


def _start(name: str, folder: Path, nodes: int) -> None:
    cluster = Cluster(
        name=name,
        address="127.0.0.1",
        port=_free_port(),
        programs=PurePosixPath(build.folder().resolve()),
        certificates=PurePosixPath(folder / "certificates"),
        data=PurePosixPath(folder),
    )
    subjects = (*certificates.clients(NODE), *certificates.servers(components.API_NAMES, (NODE,)))
    certificates.ensure(folder / "certificates", subjects)
    for subject, file in (
        ("admin", "kubeconfig"),
        ("controller-manager", "controller-manager.kubeconfig"),
        ("scheduler", "scheduler.kubeconfig"),
        ("kwok", "kwok.kubeconfig"),
    ):
        text = certificates.kubeconfig(folder / "certificates", subject, cluster.server, f"groundwork-{name}")
        certificates.write_private(folder / file, text)
    etcd, apiserver, *others = components.control_plane(cluster)
    started: dict[str, dict[str, int]] = {}
    try:
        for component in (etcd, apiserver):
            started[component.name] = _spawn(folder, component)
            _write_state(folder, started)
        kubeconfig = folder / "kubeconfig"
        client.wait_until_ready(kubeconfig, lambda: _first_dead(folder, started))
        for component in (*others, components.kwok(cluster)):
            started[component.name] = _spawn(folder, component)
            _write_state(folder, started)
        capacity.ensure(kubeconfig, nodes, tainted=False)
        # Until the controllers are at work no pod can be made.
        client.kubectl(
            folder / "kubeconfig", "wait", "--for=create", "serviceaccount/default", "--timeout=60s"
        )
    except BaseException:
        _stop(folder, _read_state(folder))
        raise


def _spawn(folder: Path, component: Component) -> dict[str, int]:
    logs = folder / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    with (logs / f"{component.name}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(build.folder().resolve() / component.name), *component.arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return {"pid": process.pid, "started": _started(process.pid) or 0}


def _stop(folder: Path, state: dict[str, object]) -> None:
    """End what was started, clients before servers, and wait for each: a port is free only then."""
    processes = state.get("processes")
    assert isinstance(processes, dict) or processes is None  # noqa: S101  # we wrote it
    for name, process in reversed(list((processes or {}).items())):
        # An API server drains its watches for a minute, and nothing here is worth the wait.
        first = signal.SIGKILL if name == "kube-apiserver" else signal.SIGTERM
        for number in (first, signal.SIGKILL):
            if not _runs(process):
                break
            os.kill(process["pid"], number)
            _await_end(process)
    (folder / "state.json").unlink(missing_ok=True)
    for left in ("etcd", "logs"):
        shutil.rmtree(folder / left, ignore_errors=True)


def _await_end(process: dict[str, int]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while _runs(process) and time.monotonic() < deadline:
        time.sleep(0.05)
    # Started by this very process it would stay in the list of processes until somebody asks how it ended.
    if not _runs(process):
        with suppress(ChildProcessError):
            os.waitpid(process["pid"], 0)


def _all_run(folder: Path, state: dict[str, object]) -> bool:
    processes = state.get("processes")
    return (
        isinstance(processes, dict)
        and "kwok" in processes
        and all(_runs(process) for process in processes.values())
        and client.is_ready(folder / "kubeconfig")
    )


def _first_dead(folder: Path, processes: dict[str, dict[str, int]]) -> str | None:
    for name, process in processes.items():
        if not _runs(process):
            tail = (folder / "logs" / f"{name}.log").read_text(errors="replace").splitlines()[-10:]
            return f"{name} ended:\n" + "\n".join(tail)
    return None


def _runs(process: dict[str, int]) -> bool:
    """A number alone may be another process by now: the time of its start tells."""
    return _started(process["pid"]) == process["started"]


def _started(pid: int) -> int | None:
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(fields[18])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _root() -> Path:
    return paths.cache() / "kubernetes" / "clusters"


def _folder(name: str) -> Path:
    if not name.replace("-", "").isalnum():
        raise CommandError(f"control plane {name!r}: its name must be letters, digits and dashes")
    return _root() / name


def _read_state(folder: Path) -> dict[str, object]:
    try:
        state: dict[str, object] = json.loads((folder / "state.json").read_text())
    except FileNotFoundError:
        return {}
    return state


def _write_state(folder: Path, processes: dict[str, dict[str, int]]) -> None:
    state = {"programs": build.digest(), "processes": processes}
    certificates.write_private(folder / "state.json", json.dumps(state, indent=2) + "\n")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def logs(name: str) -> Sequence[Path]:
    """Where its components write what they do."""
    return sorted((_folder(name) / "logs").glob("*.log"))
