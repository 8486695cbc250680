# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths have to change: desired entries against the host's and the manifest's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Mapping, Optional, Set

from ..plan import CREATE, DELETE, MASK, UPDATE, Change, compare
from .entries import DIRECTORY, Entry, Tree, TreeError
from .files import Files
from .manifest import Manifest, Owned, Store

RESTORE = "restore"
ADOPT = "adopt"
RELEASE = "release"
_CHANGING = (CREATE, UPDATE, DELETE, RESTORE)


@dataclass(frozen=True)
class FilePlan:
    """The plan for the files of one tree.

    changes: create, update, delete; ``restore`` puts a backup back; ``adopt`` takes over and ``release``
    gives up a path that stays as it is. before, after: entries with content for each path of a change.
    parents: directories that the tree has made or will make.
    """

    changes: List[Change] = field(default_factory=list)
    before: Dict[str, Optional[Entry]] = field(default_factory=dict)
    after: Dict[str, Optional[Entry]] = field(default_factory=dict)
    parents: Set[str] = field(default_factory=set)

    def paths(self) -> List[str]:
        """Paths at which something on the host changes, sorted."""
        return sorted(change.key for change in self.changes if change.kind in _CHANGING)

    def will_exist(self, files: Files, path: str) -> bool:
        """Whether the path exists once the plan is carried out."""
        for key, entry in self.after.items():
            if entry is not None and (key == path or key.startswith(path.rstrip("/") + "/")):
                return True
        return files.exists(path) and self.after.get(path, True) is not None


def plan_files(tree: Tree, manifest: Manifest, files: Files, store: Store) -> FilePlan:
    """Compare. Raises :exc:`TreeError` for what must not be touched: another tree's path, a directory."""
    desired = {entry.path: files.accounts.canonical(entry) for entry in tree.entries}
    actual = {path: files.read(path) for path in {**desired, **dict.fromkeys(manifest.entries)}}
    for entry in desired.values():
        _check_replaceable(entry, actual[entry.path], manifest)
    _check_owners(desired, manifest, store)

    plan = FilePlan(before=actual)
    prints = {path: entry.fingerprint() for path, entry in actual.items() if entry is not None}
    for change in compare({path: entry.fingerprint() for path, entry in desired.items()}, prints):
        files.check_way(desired[change.key])
        plan.changes.append(_masked(change, desired[change.key].secret))
        plan.after[change.key] = desired[change.key]
    for path, entry in desired.items():
        if path not in manifest.entries and path not in plan.after:
            plan.changes.append(Change(ADOPT, path, None, entry.attributes()))
    for path in sorted(set(manifest.entries) - set(desired), reverse=True):
        plan.changes.append(_no_longer_shipped(path, manifest.entries[path], plan, files, store))

    plan.parents.update(manifest.parents)
    for path, after in plan.after.items():
        if after is not None:
            plan.parents.update(files.missing_parents(path))
    plan.parents.difference_update(desired)
    return plan


def owned_during(plan: FilePlan, manifest: Manifest, store: Store, tree: Tree) -> Manifest:
    """The manifest while the plan is carried out: it covers both what was owned and what will be.

    Backups are taken here, so that a run that is interrupted anywhere leaves nothing unaccounted for.
    """
    entries: Dict[str, Owned] = dict(manifest.entries)
    for entry in tree.entries:
        owned = manifest.entries.get(entry.path)
        backup = owned.backup if owned else _back_up(plan.before[entry.path], store)
        entries[entry.path] = Owned(entry.type, backup)
    return Manifest(entries, frozenset(plan.parents), manifest.pending | frozenset(plan.paths()))


def owned_after(during: Manifest, tree: Tree) -> Manifest:
    """The manifest when everything is done: what the tree ships, and the parents that this needs."""
    entries = {entry.path: during.entries[entry.path] for entry in tree.entries}
    return Manifest(
        entries, frozenset(p for p in during.parents if any(e.startswith(p + "/") for e in entries))
    )


def _back_up(found: Optional[Entry], store: Store) -> Optional[Entry]:
    return store.back_up(found) if found is not None else None


def _no_longer_shipped(path: str, owned: Owned, plan: FilePlan, files: Files, store: Store) -> Change:
    found = plan.before[path]
    if owned.backup is not None:
        backup = files.accounts.canonical(store.backed_up(owned.backup))
        if found is not None and (found.type == backup.type == DIRECTORY or _equal(found, backup)):
            # A directory that was there before is given up as it is: others may have come to rely on it.
            return Change(RELEASE, path, found.attributes())
        plan.after[path] = backup
        return Change(RESTORE, path, found.attributes() if found else None, backup.attributes())
    if found is None:
        return Change(RELEASE, path)
    if found.type == DIRECTORY and (owned.type != DIRECTORY or _keeps_content(found, plan, files)):
        return Change(RELEASE, path, found.attributes())
    plan.after[path] = None
    return Change(DELETE, path, found.attributes())


def _equal(found: Entry, backup: Entry) -> bool:
    return found.fingerprint() == backup.fingerprint()


def _keeps_content(directory: Entry, plan: FilePlan, files: Files) -> bool:
    names = os.listdir(files.real(directory.path))
    return any(plan.after.get(f"{directory.path}/{name}", directory) is not None for name in names)


def _check_replaceable(entry: Entry, found: Optional[Entry], manifest: Manifest) -> None:
    if found is None or found.type != DIRECTORY or entry.type == DIRECTORY:
        return
    owned = manifest.entries.get(entry.path)
    if owned is None or owned.type != DIRECTORY:
        raise TreeError(
            f"{entry.path} is to be a {entry.type}, but is a directory on the host: remove it first"
        )


def _check_owners(desired: Mapping[str, Entry], manifest: Manifest, store: Store) -> None:
    new = [path for path in desired if path not in manifest.entries]
    owners = store.owners() if new else {}
    for path in new:
        if path in owners:
            raise TreeError(
                f"{path} already belongs to the tree {owners[path]}: two trees can't ship one path"
            )


def _masked(change: Change, secret: bool) -> Change:
    """A secret's attributes may be seen; even the digest of its content may not."""
    if not secret:
        return change
    return replace(change, before=_without_digest(change.before), after=_without_digest(change.after))


def _without_digest(value: Optional[Mapping[str, Any]]) -> Optional[Dict[str, Any]]:
    if value is None:
        return None
    return {key: MASK if key == "sha256" else item for key, item in value.items()}
