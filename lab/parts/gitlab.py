"""A double of GitLab beside the hosts, where they reach it as they would a company's: over their network."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab import paths
from lab.parts import Row
from lab.parts.platform import play
from lab.process import CommandError
from lab.progress import step
from lab.topology import Topology

MODULE = "lab.doubles.gitlab"
PORT = 8929
PATIENCE = 30.0
NAMED = 6


class Gitlab:
    name = "gitlab"

    def up(self, topology: Topology) -> bool:
        # Its runners' package has a double too.
        play(topology, "../lab/doubles/packages/install.yml")
        address = _address(topology)
        if running() is not None and answers(url(address)):
            return False
        _stop()
        with step(f"starting the double of GitLab on {url(address)}"):
            _wait(_start(address), address)
        return True

    def down(self, topology: Topology) -> None:
        _stop()
        shutil.rmtree(directory(), ignore_errors=True)

    def status(self, topology: Topology) -> list[Row]:
        if not token_file().exists():
            return []
        address = _address(topology)
        if not answers(url(address)):
            return [Row("(gitlab)", address, "stopped", "./run lab up gitlab")]
        return list(_rows(address))


def directory() -> Path:
    """What the double keeps: its state, its token, its process, what it said."""
    return paths.cache() / "lab-gitlab"


def token_file() -> Path:
    """The administrator's token, made up on the first start; inventories/lab reads it from here."""
    return directory() / "token"


def url(address: str) -> str:
    return f"http://{address}:{PORT}"


def _address(topology: Topology) -> str:
    """The machine's own address in the hosts' network: podman gives it the first."""
    return str(next(ipaddress.ip_network(topology.networks[0].subnet).hosts()))


def running() -> int | None:
    """The process that was started here, if it is still that one."""
    try:
        process = int((directory() / "pid").read_text())
        command = Path(f"/proc/{process}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return process if MODULE.encode() in command.split(b"\0") else None


def answers(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/-/health", timeout=5) as answer:  # noqa: S310  # http of our own making
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _start(address: str) -> subprocess.Popen[bytes]:
    directory().mkdir(mode=0o700, exist_ok=True)
    if not token_file().exists():
        descriptor = os.open(token_file(), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(f"glpat-{secrets.token_hex(10)}\n")
    options = {
        "--address": address,
        "--port": str(PORT),
        "--state": str(directory() / "state.json"),
        "--token-file": str(token_file()),
    }
    command = [sys.executable, "-m", MODULE, *(word for option in options.items() for word in option)]
    with (directory() / "log").open("w") as log:
        # It outlives this program, and its terminal.
        process = subprocess.Popen(
            command,
            cwd=paths.REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (directory() / "pid").write_text(str(process.pid))
    return process


def _wait(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not answers(url(address)):
        said = (directory() / "log").read_text().strip()
        if process.poll() is not None:
            raise CommandError(f"the double of GitLab ended: {said or 'it said nothing'}")
        if time.monotonic() > deadline:
            raise CommandError(f"the double of GitLab does not answer on {url(address)}: {said}")
        time.sleep(0.1)


def _stop() -> None:
    process = running()
    if process is not None:
        os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while running() is not None and time.monotonic() < deadline:
            time.sleep(0.05)
    (directory() / "pid").unlink(missing_ok=True)


def _rows(address: str) -> Iterator[Row]:
    """The instance, each group with what is in it, each runner with whom it serves."""
    groups = _all(address, "/groups")
    projects = _all(address, "/projects")
    runners = _all(address, "/runners/all")
    version = _get(address, "/version")[0]["version"]
    counts = f"{len(groups)} groups, {len(projects)} projects, {len(runners)} runners"
    yield Row("(gitlab)", address, f"double of GitLab {version}: {counts}", url(address))
    for group in groups:
        inside = sorted(each["path"] for each in projects if each["namespace"]["id"] == group["id"])
        yield Row("", group["visibility"], f"group {group['full_path']}: {_some(inside)}", "")
    for runner in runners:
        detail = _get(address, f"/runners/{runner['id']}")[0]
        served = [each["path_with_namespace"] for each in detail["projects"]]
        served += [each["name"] for each in detail["groups"]]
        tags = f" [{', '.join(detail['tag_list'])}]" if detail["tag_list"] else ""
        runs = f"runner {runner['id']}{tags} for {_some(served) if served else 'everybody'}"
        yield Row("", runner["status"], runs, "")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}" if names else "no projects"


def _all(address: str, path: str) -> list[Any]:
    found: list[Any] = []
    page = "1"
    while page:
        rows, page = _get(address, f"{path}?per_page=100&page={page}")
        found += rows
    return found


def _get(address: str, path: str) -> tuple[Any, str]:
    """What is answered, and the number of the next page."""
    token = token_file().read_text().strip()
    request = urllib.request.Request(  # noqa: S310  # http of our own making
        f"{url(address)}/api/v4{path}", headers={"PRIVATE-TOKEN": token}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # http of our own making
        return json.load(answer), answer.headers.get("X-Next-Page", "")
