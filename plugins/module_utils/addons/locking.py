# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refreshing the locks of catalogs: which file each version is, by its digest."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Dict, List, Sequence, Tuple

from . import catalog, charts, documents, lock
from .model import AddonError, Entry, Json


def refresh(
    folders: Sequence[str], schema: str, store: charts.Store, say: Callable[[str], None], check: bool
) -> Json:
    """Write the lock of each catalog where it is to change; the result of the task.

    A file of the same version with another digest than the lock's is an error: a version stays what it is.
    """
    changes: List[Json] = []
    differences: List[Dict[str, str]] = []
    wrong: List[str] = []
    for folder in folders:
        path = os.path.join(folder, lock.FILE)
        before = ""
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as opened:
                before = opened.read()
        former = lock.parse(documents.load(before, path), path)
        entries = catalog.read_catalogs([folder], schema)
        digests, refused = _digests(entries, former, store, say)
        wrong.extend(refused)
        document = lock.refreshed(entries, digests, former)
        after = _header(before) + documents.dump(document, in_order=False) if document else before
        if lock.parse(document, path) == former and before:
            continue
        for name, pinned in lock.parse(document, path).items():
            if former.get(name) != pinned:
                old = former.get(name)
                changes.append(
                    {
                        "kind": "update" if old else "create",
                        "key": name,
                        "before": {"version": old.version, "digest": old.digest} if old else None,
                        "after": {"version": pinned.version, "digest": pinned.digest},
                    }
                )
        shown = {"before_header": path, "after_header": path}
        differences.append({**shown, "before": before, "after": after})
        if not check and not wrong and after != before:
            part = f"{path}.part"
            with open(part, "w", encoding="utf-8") as opened:
                opened.write(after)
            os.replace(part, path)
    if wrong:
        raise AddonError(wrong)
    return {"changed": bool(changes), "plan": changes, "diff": differences}


def _digests(
    entries: Dict[str, Entry],
    former: Dict[str, lock.Locked],
    store: charts.Store,
    say: Callable[[str], None],
) -> Tuple[Dict[str, str], List[str]]:
    """The digest of each entry's file, where there is a source; and what differs from the lock."""
    found: Dict[str, str] = {}
    wrong: List[str] = []

    def one(entry: Entry) -> Tuple[Entry, str, str]:
        try:
            return entry, store.fetch(entry), ""
        except charts.NoSourceError as error:
            return entry, "", str(error)

    sourced = [entry for entry in entries.values() if entry.source()]
    with ThreadPoolExecutor(max_workers=4) as pool:
        for entry, digest, why in pool.map(one, sourced):
            pinned = former.get(entry.id)
            if why:
                say(why)
            elif pinned is not None and _differs(pinned, entry, digest):
                wrong.append(
                    f"{entry.id} {entry.version()} has digest {digest}, the lock says {pinned.digest}: "
                    "a version is never published twice; find out why, and take the entry out of the lock"
                )
            else:
                found[entry.id] = digest
    return found, wrong


def _differs(pinned: lock.Locked, entry: Entry, digest: str) -> bool:
    """Whether the lock has another digest for the same version."""
    same = (pinned.version, pinned.source) == (entry.version(), entry.source())
    return same and pinned.digest not in ("", digest)


def _header(text: str) -> str:
    """What a lock begins with: its comments, and the mark of a document."""
    lines: List[str] = []
    for line in text.splitlines():
        if not line.startswith(("#", "---")):
            break
        lines.append(line)
    return "".join(f"{line}\n" for line in lines or [f"# Written by {lock.PLAYBOOK}.", "---"])
