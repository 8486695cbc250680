# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests: what tells without a request that a release is as it should be."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Mapping

# A label's value has at most 63 characters.
LENGTH = 40
LABEL = "groundwork.platform/digest"


def of_bytes(content: bytes) -> str:
    """``sha256:<64 hex>``, as locks and registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def of_file(path: str) -> str:
    """The same of a file."""
    with open(path, "rb") as opened:
        return of_bytes(opened.read())


def of_parts(parts: Mapping[str, Any]) -> str:
    """40 hex digits over JSON-serialisable parts, whatever the order of their keys."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]


def of_secrets(secrets: Mapping[str, Mapping[str, str]], salt: str) -> str:
    """A digest of secrets that is too dear to be guessed by: it goes into a label that many may read."""
    if not secrets:
        return ""
    text = json.dumps(secrets, sort_keys=True)
    return hashlib.scrypt(text.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=32).hex()


def of_folder(folder: str) -> str:
    """Of all files below a folder, by name and content."""
    found = {}
    for root, _folders, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            found[os.path.relpath(path, folder)] = of_file(path)
    return f"sha256:{hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()}"
