# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree owns on the host: the manifest, and the backups of what was there before.

The manifest is a JSON file for each tree below :data:`STATE`. It is written
before the first file is replaced (with the paths whose activation is pending)
and once more when all is done, so an interrupted run can be made up for.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import dataclass, field, replace
from typing import Any, Dict, FrozenSet, Iterator, Mapping, Optional

from .entries import DIRECTORY, FILE, LINK, Entry, TreeError
from .files import Files

STATE = "/var/lib/groundwork/config_tree"
_VERSION = 1
_LOCK_SECONDS = 120


@dataclass(frozen=True)
class Owned:
    """A path that the tree owns: its type, and the entry that it replaced, without the content."""

    type: str
    backup: Optional[Entry] = None


@dataclass(frozen=True)
class Manifest:
    """entries: owned paths. parents: directories made on the way to them.
    pending: changed paths whose activation has not been completed."""

    entries: Mapping[str, Owned] = field(default_factory=dict)
    parents: FrozenSet[str] = frozenset()
    pending: FrozenSet[str] = frozenset()


class Store:
    """Manifest and backups of one tree."""

    def __init__(self, files: Files, name: str) -> None:
        self.files = files
        self.name = name
        self.path = f"{STATE}/{name}.json"
        self.backups = f"{STATE}/backup/{name}"

    def read(self) -> Manifest:
        """The manifest; an empty one when there is none. Raises :exc:`TreeError` when it is damaged."""
        found = self.files.read(self.path)
        if found is None:
            return Manifest()
        try:
            return _load(json.loads(found.content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TreeError(f"the manifest {self.path} is damaged: {error}") from error

    def write(self, manifest: Manifest) -> None:
        """Replace the manifest; one that owns nothing any more is removed, with its backups."""
        if not manifest.entries and not manifest.pending and not manifest.parents:
            self.files.remove(self.path)
            self._remove_backups()
            return
        self.files.make_parents(self.path, 0o700)
        content = json.dumps(_dump(manifest), indent=1, sort_keys=True).encode() + b"\n"
        self.files.write(_private(self.path, content))

    def backup_path(self, path: str) -> str:
        """Where the content of a file is kept that was at a path."""
        return self.backups + path

    def back_up(self, entry: Entry) -> Entry:
        """Keep what was at an entry's path; what the manifest has to remember of it."""
        if entry.type == FILE:
            kept = _private(self.backup_path(entry.path), entry.content)
            self.files.make_parents(kept.path, 0o700)
            self.files.write(kept)
        return replace(entry, content=b"")

    def backed_up(self, backup: Entry) -> Entry:
        """The backup with its content. Raises :exc:`TreeError` when it was removed."""
        if backup.type != FILE:
            return backup
        kept = self.files.read(self.backup_path(backup.path))
        if kept is None:
            raise TreeError(f"the backup {self.backup_path(backup.path)} is missing")
        return replace(backup, content=kept.content)

    def forget_backup(self, path: str) -> None:
        """Remove a backup that has been put back, and its directories when they are empty."""
        self.files.remove(self.backup_path(path))
        parent = os.path.dirname(self.backup_path(path))
        while parent.startswith(self.backups) and self.files.remove_empty(parent):
            parent = os.path.dirname(parent)

    def owners(self) -> Dict[str, str]:
        """Paths that other trees own, with the name of their tree."""
        owners: Dict[str, str] = {}
        try:
            names = sorted(os.listdir(self.files.real(STATE)))
        except FileNotFoundError:
            return owners
        for name in names:
            if name.endswith(".json") and name != f"{self.name}.json":
                other = name[: -len(".json")]
                owners.update(dict.fromkeys(Store(self.files, other).read().entries, other))
        return owners

    @contextlib.contextmanager
    def lock(self, create: bool) -> Iterator[None]:
        """Keep other runs on this host out; with ``create`` the state directory is made for it."""
        if create:
            self.files.make_parents(self.path, 0o700)
        try:
            descriptor = os.open(self.files.real(STATE), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            yield
            return
        try:
            _acquire(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _remove_backups(self) -> None:
        for parent, directories, files in os.walk(self.files.real(self.backups), topdown=False):
            for name in files:
                os.unlink(os.path.join(parent, name))
            for name in directories:
                os.rmdir(os.path.join(parent, name))
        self.files.remove_empty(self.backups)


def _acquire(descriptor: int) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TreeError(
                    f"another run has been working on {STATE} for {_LOCK_SECONDS} seconds"
                ) from None
            time.sleep(0.2)


def _private(path: str, content: bytes) -> Entry:
    return Entry(path, FILE, str(os.geteuid()), str(os.getegid()), 0o600, content)


def _dump(manifest: Manifest) -> Dict[str, Any]:
    return {
        "version": _VERSION,
        "entries": {
            path: {"type": owned.type, "backup": owned.backup.attributes() if owned.backup else None}
            for path, owned in manifest.entries.items()
        },
        "parents": sorted(manifest.parents),
        "pending": sorted(manifest.pending),
    }


def _load(document: Mapping[str, Any]) -> Manifest:
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']}, this collection writes version {_VERSION}")
    return Manifest(
        {
            path: Owned(item["type"], _entry(path, item["backup"]))
            for path, item in document["entries"].items()
        },
        frozenset(document["parents"]),
        frozenset(document["pending"]),
    )


def _entry(path: str, attributes: Optional[Mapping[str, Any]]) -> Optional[Entry]:
    if attributes is None:
        return None
    if attributes["type"] not in (FILE, LINK, DIRECTORY):
        raise ValueError(f"{path}: unknown type {attributes['type']}")
    mode = int(attributes["mode"], 8) if "mode" in attributes else None
    return Entry(
        path,
        attributes["type"],
        attributes["owner"],
        attributes["group"],
        mode,
        target=attributes.get("target", ""),
    )
