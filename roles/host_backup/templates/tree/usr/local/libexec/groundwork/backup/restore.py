"""Giving data back: first aside, then held against the manifest, and only then to where it is wanted."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import manifest
import state
from repository import Repository, nanoseconds, scratch
from settings import MANIFESTS, BackupError, alone, say, settings

# More are counted, not kept.
KEPT_DIFFERENCES = 10000


@dataclass(frozen=True)
class Staged:
    """A snapshot that was restored aside, and what it came to."""

    folder: str
    snapshot: dict[str, Any]
    paths: list[str]
    entries: int
    size: int
    differences: list[dict[str, Any]]
    moved: list[str]


def find(repository: Repository, job: str, wanted: str) -> dict[str, Any]:
    snapshots = repository.snapshots(job)
    if not snapshots:
        raise BackupError(f"{repository.url} has no snapshot of {job} of the host {repository.host}")
    if wanted == "latest":
        return snapshots[-1]
    found = [snapshot for snapshot in snapshots if len(wanted) >= 4 and snapshot["id"].startswith(wanted)]
    if len(found) != 1:
        known = ", ".join(snapshot["short_id"] for snapshot in snapshots)
        raise BackupError(f"{wanted} is no snapshot of {job}; there are {known}")
    return found[0]


@contextlib.contextmanager
def staged(
    repository: Repository, job: str, wanted: str, near: str, includes: tuple[str, ...] = ()
) -> Iterator[Staged]:
    """Restore below the folder ``near`` and compare; whatever is left there afterwards is removed."""
    snapshot = find(repository, job, wanted)
    folder = scratch(near, ".groundwork-restore-")
    try:
        record = f"{folder}/manifest"
        with open(record, "w", encoding="utf-8") as file:
            repository.run("dump", snapshot["id"], manifest.path_of(job), into=file)
        header = manifest.read_header(record)
        paths = _chosen(header["paths"], includes)

        def recorded() -> Iterator[manifest.Entry]:
            return (entry for entry in manifest.read(record) if _within(entry["path"], paths))

        entries = size = 0
        for entry in recorded():
            entries += 1
            size += entry.get("size", 0)
        if not entries:
            raise BackupError(f"the snapshot has nothing of {', '.join(paths)}")
        free = shutil.disk_usage(folder).free
        if size > free * 0.95:
            raise BackupError(f"{near} has {free} bytes left, the snapshot needs {size}")
        data = f"{folder}/data"
        os.mkdir(data, 0o700)
        arguments = [] if "/" in paths else [word for path in paths for word in ("--include", _escaped(path))]
        if repository.version() >= (0, 15):
            arguments.append("--sparse")
        repository.run("restore", snapshot["id"], "--target", data, *arguments)
        # Another name of the same file may not be among what was chosen.
        keys = [key for key in manifest.COMPARED if key != "same_as" or not includes]
        walker = manifest.Walker(data)
        found = list(
            itertools.islice(manifest.compare(recorded(), walker.walk(paths), keys), KEPT_DIFFERENCES)
        )
        found += [
            {"path": path, "what": "unreadable", "expected": None, "found": None}
            for path in walker.unreadable
        ]
        differences, moved = _sort_out(repository, job, snapshot, header, found)
        yield Staged(data, snapshot, paths, entries, size, differences, moved)
    finally:
        shutil.rmtree(folder)


def _chosen(paths: list[str], includes: tuple[str, ...]) -> list[str]:
    if not includes:
        return paths
    for include in includes:
        if os.path.normpath(include) != include or not _within(include, paths):
            raise BackupError(f"{include} is not below what the job backs up: {', '.join(paths)}")
    return sorted(includes, key=manifest.order)


def _within(path: str, roots: list[str]) -> bool:
    return any(root == "/" or path == root or path.startswith(f"{root}/") for root in roots)


def _escaped(path: str) -> str:
    return re.sub(r"([*?\[\]\\])", r"\\\1", path)


def _sort_out(
    repository: Repository,
    job: str,
    snapshot: dict[str, Any],
    header: dict[str, Any],
    found: list[dict[str, Any]],
) -> tuple[list[dict[str, Any]], list[str]]:
    """Tell loss from what changed between manifest and snapshot: only the latter has another change time."""
    if not found:
        return [], []
    suspects = {difference["path"] for difference in found}
    seen = {}
    for line in repository.stream("ls", "--json", snapshot["id"]):
        node = json.loads(line)
        if node.get("path") in suspects:
            seen[node["path"]] = nanoseconds(node["ctime"])
    last = state.load()["jobs"].get(job, {})
    in_motion = set(last.get("moved", [])) if snapshot["id"].startswith(last.get("snapshot", "-")) else set()
    differences, moved = [], set()
    for difference in found:
        path, entry = difference["path"], difference.pop("entry", {})
        ctime = seen.get(path)
        if difference["what"] == "unexpected":
            changed = ctime is not None and ctime >= header["created_ns"]
        else:
            changed = ctime is not None and ctime != entry.get("ctime")
        if changed or path in in_motion:
            moved.add(path)
        else:
            differences.append(difference)
    return differences, sorted(moved)


def list_snapshots(job: str, host: str, as_json: bool) -> None:
    repository = Repository(host)
    repository.open()
    found = repository.snapshots(job, any_host=host == "all")
    if as_json:
        say(
            json.dumps(
                [
                    {key: one[key] for key in ("short_id", "job", "hostname", "time", "paths")}
                    for one in found
                ],
                indent=2,
            )
        )
        return
    if not found:
        say("There are no snapshots.")
    for one in found:
        paths = ", ".join(path for path in one["paths"] if not path.startswith(MANIFESTS))
        say(f"{one['short_id']}  {one['time'][:19]}  {one['hostname']}  {one['job']}  {paths}")


def restore(
    job: str,
    wanted: str,
    target: str | None,
    host: str,
    includes: tuple[str, ...],
    subset: str,
    anyway: bool,
) -> None:
    """Restore to ``target``, or, without one, to where the data was."""
    if target is not None:
        target = os.path.abspath(target)
        if os.path.lexists(target) and (
            os.path.islink(target) or not os.path.isdir(target) or os.listdir(target)
        ):
            raise BackupError(f"{target} is not an empty folder; nothing is restored over what is there")
        near = os.path.dirname(target)
        if not os.path.isdir(near):
            raise BackupError(f"there is no {near}")
    else:
        near = str(settings()["scratch"])
    with alone():
        repository = Repository(host)
        say("Checking the repository")
        try:
            repository.check(subset)
        except BackupError as failure:
            raise BackupError(f"nothing is restored: {failure}") from None
        with staged(repository, job, wanted, near, includes) as found:
            for path in found.moved[:20]:
                say(f"Changed while it was backed up: {path}")
            for difference in found.differences[:20]:
                say(f"Differs: {describe(difference)}")
            if found.differences and not anyway:
                raise BackupError(
                    f"nothing is restored: {len(found.differences)} differences from the manifest; "
                    "see --accept-differences"
                )
            if target is not None:
                os.rename(found.folder, target)
            else:
                _in_place(found)
            say(
                f"Restored {found.entries} paths, {found.size} bytes of {job}, "
                f"snapshot {found.snapshot['short_id']}, to {target or '/'}"
            )


def _in_place(found: Staged) -> None:
    """Live data is replaced path by path; what has been added since stays."""
    if "/" in found.paths:
        raise BackupError(
            "the whole system can't be replaced while it runs; restore to a target, from a rescue system"
        )
    for path in found.paths:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # All attributes, links and holes; never through a link that lies in the way.
        copy = [
            "cp",
            "--archive",
            "--sparse=auto",
            "--remove-destination",
            "--no-target-directory",
            "--",
            f"{found.folder}{path}",
            path,
        ]
        done = subprocess.run(copy, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BackupError(f"{path} was not replaced as a whole: {done.stderr.strip()[-1000:]}")
    # A folder inherits what its parent hands down, such as the bit of the group, and cp leaves it at that.
    keys = [key for key in manifest.COMPARED if key != "same_as"]
    walks = (manifest.Walker(found.folder).walk(found.paths), manifest.Walker().walk(found.paths))
    for difference in manifest.compare(*walks, keys):
        path, entry = difference["path"], difference["entry"]
        if difference["what"] == "mode":
            os.chmod(path, int(entry["mode"], 8))
        elif difference["what"] == "xattrs":
            for name in set(difference["found"] or ()) - set(difference["expected"] or ()):
                os.removexattr(path, name, follow_symlinks=False)
        elif difference["what"] != "unexpected":
            raise BackupError(f"{path} is not as it should be: {describe(difference)}")


def describe(difference: dict[str, Any]) -> str:
    if difference["what"] in ("missing", "unexpected", "unreadable"):
        return f"{difference['path']} is {difference['what']}"
    values = f"is {difference['found']}, the manifest has {difference['expected']}"
    return f"{difference['path']}: {difference['what']} {values}"
