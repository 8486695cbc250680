"""What a backup must give back: each path's checksum and metadata, written when the backup is made.

A manifest is a file of JSON lines, compressed: a header, one line for each path, a footer. The paths come in
one fixed order, so that two manifests, or a manifest and a tree, are compared in one pass.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dropins import Job
from settings import MANIFESTS, BackupError

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}
# What a restored path is held against. A restored file has another inode and another change time.
COMPARED = ("type", "mode", "uid", "gid", "size", "mtime", "sha256", "target", "xattrs", "device", "same_as")

Entry = dict[str, Any]


def path_of(job: str) -> str:
    return f"{MANIFESTS}/{job}.jsonl.gz"


def order(path: str) -> tuple[bytes, ...]:
    return tuple(os.fsencode(path).rstrip(b"/").split(b"/"))


def matcher(excludes: Iterable[str]) -> re.Pattern[str] | None:
    """The drop-in's patterns as restic reads them: a name counts at any depth."""
    parts = []
    for exclude in excludes:
        pattern = re.escape(exclude).replace(r"/\*\*", "(?:/.*)?").replace(r"\*\*", ".*")
        pattern = pattern.replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        parts.append(pattern if exclude.startswith("/") else f".*/{pattern}")
    return re.compile("|".join(f"(?:{part})" for part in parts), re.DOTALL) if parts else None


class Walker:
    """Visits paths in order. ``base`` is put before each path, for a tree that was restored elsewhere."""

    def __init__(self, base: str = "", excludes: Sequence[str] = (), one_file_system: bool = False) -> None:
        self.base = base
        self.excluded = matcher(excludes)
        self.one_file_system = one_file_system
        self.unreadable: list[str] = []
        self._links: dict[tuple[int, int], str] = {}

    def walk(self, roots: Iterable[str], known: Iterable[Entry] = ()) -> Iterator[Entry]:
        """``known`` are entries of an earlier walk: what has not changed since is not read again."""
        earlier = _Cursor(known)
        for root in sorted(roots, key=order):
            device = None
            pending = [root]
            while pending:
                path = pending.pop()
                if path.startswith(MANIFESTS) or (self.excluded and self.excluded.fullmatch(path)):
                    continue
                try:
                    found = os.lstat(self.base + path)
                    device = device or found.st_dev
                    kind = TYPES.get(stat.S_IFMT(found.st_mode))
                    foreign = self.one_file_system and found.st_dev != device
                    if kind is None or (foreign and kind != "directory"):
                        continue
                    names = [] if kind != "directory" or foreign else os.listdir(self.base + path)
                    yield self._entry(path, kind, found, earlier.at(path))
                except FileNotFoundError:
                    continue
                except OSError as error:
                    self.unreadable.append(f"{path}: {error.strerror}")
                    continue
                for name in sorted(names, key=os.fsencode, reverse=True):
                    pending.append(f"{path.rstrip('/')}/{name}")

    def _entry(self, path: str, kind: str, found: os.stat_result, earlier: Entry | None) -> Entry:
        place = self.base + path
        entry: Entry = {
            "path": path,
            "type": kind,
            "mode": f"{stat.S_IMODE(found.st_mode):04o}",
            "uid": found.st_uid,
            "gid": found.st_gid,
            "mtime": found.st_mtime_ns,
            "ctime": found.st_ctime_ns,
            "inode": found.st_ino,
        }
        xattrs = {
            name: base64.b64encode(os.getxattr(place, name, follow_symlinks=False)).decode()
            for name in os.listxattr(place, follow_symlinks=False)
        }
        if xattrs:
            entry["xattrs"] = xattrs
        if kind == "link":
            entry["target"] = os.readlink(place)
        elif kind.endswith("device"):
            entry["device"] = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
        elif kind == "file":
            entry["size"] = found.st_size
            same = earlier and all(
                entry[key] == earlier.get(key) for key in ("size", "mtime", "ctime", "inode")
            )
            entry["sha256"] = earlier["sha256"] if earlier and same else _checksum(place)
        if kind != "directory" and found.st_nlink > 1:
            first = self._links.setdefault((found.st_dev, found.st_ino), path)
            if first != path:
                entry["same_as"] = first
        return entry


class _Cursor:
    """Finds entries by path as long as they are asked for in order."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = iter(entries)
        self._next = next(self._entries, None)

    def at(self, path: str) -> Entry | None:
        wanted = order(path)
        while self._next is not None and order(self._next["path"]) < wanted:
            self._next = next(self._entries, None)
        return self._next if self._next is not None and self._next["path"] == path else None


def _checksum(place: str) -> str:
    digest = hashlib.sha256()
    descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def record(job: Job, excludes: Sequence[str], header: Entry) -> Walker:
    """Write the job's manifest; the one before it spares reading what has not changed."""
    walker = Walker("", excludes, job.one_file_system)
    path = path_of(job.name)
    entries = size = 0
    aside = f"{path}.new"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, 0) as file:
        file.write(_line({"groundwork_manifest": 1, **header}))
        for entry in walker.walk(job.paths, _of_before(path)):
            file.write(_line(entry))
            entries += 1
            size += entry.get("size", 0)
        file.write(_line({"entries": entries, "bytes": size}))
    os.rename(aside, path)
    return walker


def _of_before(path: str) -> Iterator[Entry]:
    try:
        yield from read(path)
    except BackupError:
        return


def _line(value: Entry) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def read(path: str) -> Iterator[Entry]:
    """The entries. Raises :exc:`BackupError` for what is no whole manifest."""
    entries = 0
    footer = None
    try:
        with gzip.open(path, "rb") as file:
            if "groundwork_manifest" not in json.loads(file.readline()):
                raise BackupError(f"{path} is no manifest")
            for line in file:
                entry = json.loads(line)
                if "path" not in entry:
                    footer = entry
                    break
                entries += 1
                yield entry
    except (OSError, EOFError, ValueError) as error:
        raise BackupError(f"the manifest can't be read: {error}") from error
    if not footer or footer.get("entries") != entries:
        raise BackupError("the manifest has no end")


def read_header(path: str) -> Entry:
    try:
        with gzip.open(path, "rb") as file:
            return dict(json.loads(file.readline()))
    except (OSError, EOFError, ValueError) as error:
        raise BackupError(f"the manifest can't be read: {error}") from error


def moved_since(path: str) -> list[str]:
    """Paths that changed or went away after the manifest was written."""
    moved = []
    for entry in read(path):
        try:
            found = os.lstat(entry["path"])
        except OSError:
            moved.append(entry["path"])
            continue
        if found.st_ctime_ns != entry["ctime"]:
            moved.append(entry["path"])
    return moved


def compare(
    expected: Iterable[Entry], found: Iterable[Entry], keys: Sequence[str] = COMPARED
) -> Iterator[Entry]:
    """Differences: ``path``, ``what``, ``expected``, ``found``, and the whole line as ``entry``."""
    left, right = iter(expected), iter(found)
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and order(a["path"]) < order(b["path"])):
            assert a is not None  # noqa: S101 - for the type checker
            yield {"path": a["path"], "what": "missing", "expected": a["type"], "found": None, "entry": a}
            a = next(left, None)
        elif a is None or order(b["path"]) < order(a["path"]):
            yield {"path": b["path"], "what": "unexpected", "expected": None, "found": b["type"], "entry": b}
            b = next(right, None)
        else:
            for key in keys:
                if a.get(key) != b.get(key):
                    yield {
                        "path": a["path"],
                        "what": key,
                        "expected": a.get(key),
                        "found": b.get(key),
                        "entry": a,
                    }
            a, b = next(left, None), next(right, None)
