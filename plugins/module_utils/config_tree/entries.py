# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree consists of, what the host has at the same paths, and the form in which one travels.

An :class:`Entry` describes one path completely, desired or actual, so that the
two sides can be compared and either can be written.
"""

from __future__ import annotations

import base64
import binascii
import grp
import hashlib
import json
import pwd
import zlib
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Optional, Sequence

FILE = "file"
LINK = "link"
DIRECTORY = "directory"


class TreeError(Exception):
    """The tree cannot be laid down; the message is for the person who runs the play."""


@dataclass(frozen=True)
class Entry:
    """One path: a file with its content, a symbolic link with its target, or a directory.

    path: absolute. owner, group: names, or numbers as text where the host has no name for them.
    mode: permission bits; ``None`` for a link, which has none of its own.
    content: of a file. target: of a link. secret: content is never shown.
    """

    path: str
    type: str
    owner: str = "root"
    group: str = "root"
    mode: Optional[int] = None
    content: bytes = field(default=b"", repr=False)
    target: str = ""
    secret: bool = False

    def attributes(self) -> Dict[str, Any]:
        """Everything but the content: ``{"type", "owner", "group"}`` with ``mode`` or ``target``."""
        shown: Dict[str, Any] = {"type": self.type, "owner": self.owner, "group": self.group}
        if self.type == LINK:
            shown["target"] = self.target
        else:
            shown["mode"] = f"{self.mode or 0:04o}"
        return shown

    def fingerprint(self) -> Dict[str, Any]:
        """What two entries must share to be equal: attributes, and the digest of a file's content."""
        shown = self.attributes()
        if self.type == FILE:
            shown["sha256"] = hashlib.sha256(self.content).hexdigest()
        return shown


class Accounts:
    """Users and groups of the host, by name and by number."""

    def uid(self, name: str) -> Optional[int]:
        """The number of a user; ``None`` when there is no such user."""
        try:
            return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
        except KeyError:
            return None

    def gid(self, name: str) -> Optional[int]:
        """The number of a group; ``None`` when there is no such group."""
        try:
            return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
        except KeyError:
            return None

    def user(self, uid: int) -> str:
        """The name of a user, or the number as text."""
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def group(self, gid: int) -> str:
        """The name of a group, or the number as text."""
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

    def canonical(self, entry: Entry) -> Entry:
        """The entry with the names that the host itself would show; unknown names stay as they are."""
        uid, gid = self.uid(entry.owner), self.gid(entry.group)
        return replace(
            entry,
            owner=entry.owner if uid is None else self.user(uid),
            group=entry.group if gid is None else self.group(gid),
        )

    def unknown(self, entries: Sequence[Entry]) -> List[str]:
        """Sentences about owners and groups that the host does not have, sorted."""
        missing = {f"user {e.owner} of {e.path}" for e in entries if self.uid(e.owner) is None}
        missing |= {f"group {e.group} of {e.path}" for e in entries if self.gid(e.group) is None}
        return sorted(missing)


@dataclass(frozen=True)
class Tree:
    """The desired set of entries, and the mode of parent directories that have to be made for it."""

    entries: Sequence[Entry] = ()
    directory_mode: int = 0o755


def pack(tree: Tree) -> str:
    """The tree as compressed text: a JSON header line, then the files' contents one after the other."""
    header = {
        "directory_mode": tree.directory_mode,
        "entries": [
            {
                "path": entry.path,
                "type": entry.type,
                "owner": entry.owner,
                "group": entry.group,
                "mode": entry.mode,
                "target": entry.target,
                "secret": entry.secret,
                "size": len(entry.content),
            }
            for entry in tree.entries
        ],
    }
    blob = b"".join([json.dumps(header).encode(), b"\n", *(entry.content for entry in tree.entries)])
    return base64.b64encode(zlib.compress(blob)).decode("ascii")


def unpack(payload: str) -> Tree:
    """The tree that :func:`pack` made text of. Raises :exc:`TreeError` when it is damaged."""
    try:
        head, _newline, contents = zlib.decompress(base64.b64decode(payload, validate=True)).partition(b"\n")
        header = json.loads(head)
        entries, position = [], 0
        for item in header["entries"]:
            size = item.pop("size")
            entries.append(Entry(content=contents[position : position + size], **item))
            position += size
        return Tree(tuple(entries), header["directory_mode"])
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError) as error:
        raise TreeError(f"the tree did not arrive whole: {error}") from error
