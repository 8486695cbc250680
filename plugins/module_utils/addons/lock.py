# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock: version, source and digest of everything that comes from elsewhere."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from . import documents
from .model import AddonError, Entry

FILE = "lock.yml"
PLAYBOOK = "playbooks/addons_lock.yml"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Part of the lock: what an entry's source is called there.
_PARTS = {"charts": "repository", "manifests": "url"}


@dataclass(frozen=True)
class Locked:
    """digest: ``sha256:`` of the file's bytes; empty where upstream was out of reach so far."""

    version: str
    source: str
    digest: str = ""


def parse(document: Any, name: str) -> Dict[str, Locked]:
    """The lock by addon. AddonError names what is wrong in the file ``name``."""
    wrong: List[str] = []
    found: Dict[str, Locked] = {}
    for part, source in _PARTS.items():
        entries = (document or {}).get(part) or {}
        for addon, pinned in entries.items():
            digest = pinned.get("digest") or ""
            if digest and not _DIGEST.fullmatch(digest):
                wrong.append(f"{name}: {part}.{addon}.digest is {digest}: must be empty or sha256:<64 hex>")
            missing = [key for key in ("version", source) if not pinned.get(key)]
            wrong.extend(f"{name}: {part}.{addon}.{key} is missing" for key in missing)
            if not missing:
                found[addon] = Locked(str(pinned["version"]), str(pinned[source]), digest)
    if wrong:
        raise AddonError(wrong)
    return found


def read(folders: Sequence[str]) -> Dict[str, Locked]:
    """The locks of all catalogs; a catalog without one trusts what it sees first."""
    found: Dict[str, Locked] = {}
    for folder in folders:
        path = os.path.join(folder, FILE)
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as opened:
                found.update(parse(documents.load(opened, path), path))
    return found


def violations(entries: Mapping[str, Entry], locked: Mapping[str, Locked]) -> List[str]:
    """Where entries and lock disagree: the lock is of another version than what would be installed."""
    wrong: List[str] = []
    for entry in entries.values():
        pinned = locked.get(entry.id)
        if pinned is None or not entry.source():
            continue
        for what, wanted, had in (
            ("version", entry.version(), pinned.version),
            ("source", entry.source(), pinned.source),
        ):
            if wanted != had:
                wrong.append(
                    f"{entry.id}: its entry has {what} {wanted}, the lock {had}: run {PLAYBOOK} and commit"
                )
    return wrong


def refreshed(
    entries: Mapping[str, Entry], digests: Mapping[str, str], former: Mapping[str, Locked]
) -> Dict[str, Any]:
    """The lock as it should be: digests that were found, or of the former lock for the same version."""
    parts: Dict[str, Any] = {part: {} for part in _PARTS}
    for entry in sorted(entries.values(), key=lambda entry: entry.id):
        if not entry.source():
            continue
        part, source = next(
            item for item in _PARTS.items() if (item[0] == "charts") == (entry.chart is not None)
        )
        pinned = former.get(entry.id)
        same = pinned is not None and (pinned.version, pinned.source) == (entry.version(), entry.source())
        digest = digests.get(entry.id) or (pinned.digest if pinned is not None and same else "")
        name: Tuple[Tuple[str, str], ...] = (("name", entry.chart.name),) if entry.chart is not None else ()
        parts[part][entry.id] = {
            **dict(name),
            "version": entry.version(),
            source: entry.source(),
            "digest": digest,
        }
    return {part: pinned for part, pinned in parts.items() if pinned}
