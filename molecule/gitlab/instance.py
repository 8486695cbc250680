"""The GitLab of this scenario: the lab's double with two projects, and jobs that tests ask for by files.

``python instance.py up FOLDER ADDRESS PORT`` leaves it running, ``python instance.py down FOLDER`` ends it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import gitlab

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

TOKEN = "glpat-only-for-the-test"  # noqa: S105  # because it opens nothing but a double
PROJECTS = (("shop", "api"), ("blog", "site"))


def up(folder: Path, address: str, port: str) -> None:
    """Start it in the background, and return when it answers."""
    down(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, "serve", str(folder), address, port],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    (folder / "pid").write_text(str(process.pid))
    deadline = time.monotonic() + 20
    while not (folder / "ready").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit((folder / "log").read_text())
        time.sleep(0.1)


def down(folder: Path) -> None:
    """End it, and forget all that it had."""
    with suppress(FileNotFoundError, ProcessLookupError):
        process = int((folder / "pid").read_text())
        # The number may be another process's by now.
        if __file__ in Path(f"/proc/{process}/cmdline").read_text().split("\0"):
            os.kill(process, signal.SIGTERM)
    for file in folder.glob("*"):
        file.unlink()


def serve(folder: Path, address: str, port: int) -> None:
    """Answer requests, and turn files that tests put into the folder into jobs."""
    from lab.doubles.gitlab import Server
    from lab.doubles.gitlab.resources.jobs import new_job

    server = Server(address, port, root_token=TOKEN)
    server.start()
    client = gitlab.Gitlab(server.url, private_token=TOKEN)
    for group, project in PROJECTS:
        parent = client.groups.create({"name": group, "path": group})
        made = client.projects.create({"name": project, "namespace_id": parent.id})
        made.protectedbranches.create({"name": "release"})
    (folder / "ready").touch()
    while True:
        for file in folder.glob("job-*.json"):
            wanted = json.loads(file.read_text())
            rows = server.state.peek("projects").values()
            project_row = next(row for row in rows if row["id"] == wanted["project_id"])
            job = new_job(server.state, project_row, wanted["ref"], wanted["tags"])
            file.unlink()
            file.with_suffix(".id").write_text(str(job["id"]))
        time.sleep(0.2)


if __name__ == "__main__":
    verb, place, *rest = sys.argv[1:]
    if verb == "up":
        up(Path(place), *rest)
    elif verb == "down":
        down(Path(place))
    else:
        serve(Path(place), rest[0], int(rest[1]))
