# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``--diff`` shows for files: text as text, the rest by size and digest, secrets not at all."""

from __future__ import annotations

import hashlib
from typing import Dict, Iterator, List, Optional

from ..plan import MASK
from .entries import FILE, LINK, Entry
from .planning import FilePlan

_LARGEST_SHOWN = 100 * 1024


def differences(plan: FilePlan) -> List[Dict[str, str]]:
    """Before/after pairs of texts: the attributes of a path when they differ, the content when it differs."""
    return [pair for path in plan.paths() for pair in _pairs(path, plan.before[path], plan.after[path])]


def _pairs(path: str, before: Optional[Entry], after: Optional[Entry]) -> Iterator[Dict[str, str]]:
    secret = any(entry is not None and entry.secret for entry in (before, after))
    old, new = _content(before), _content(after)
    old_attributes, new_attributes = _attributes(before), _attributes(after)
    header = path
    if (before is not None and after is not None) or not (old or new):
        if old_attributes != new_attributes:
            yield _pair(f"{path} (attributes)", old_attributes, new_attributes)
    else:
        header = f"{path} ({(old_attributes or new_attributes).strip()})"
    if old == new:
        return
    if secret:
        yield _pair(header, _masked(old, ""), _masked(new, " differs" if old is not None else ""))
    elif _is_text(old) and _is_text(new):
        yield _pair(header, _text(old), _text(new))
    else:
        yield _pair(header, _summary(old), _summary(new))


def _content(entry: Optional[Entry]) -> Optional[bytes]:
    return entry.content if entry is not None and entry.type == FILE else None


def _pair(header: str, before: str, after: str) -> Dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def _attributes(entry: Optional[Entry]) -> str:
    if entry is None:
        return ""
    shown = f"{entry.type} {entry.owner}:{entry.group}"
    return f"{shown} -> {entry.target}\n" if entry.type == LINK else f"{shown} {entry.mode or 0:04o}\n"


def _masked(content: Optional[bytes], suffix: str) -> str:
    return "" if content is None else f"{MASK}{suffix}\n"


def _is_text(content: Optional[bytes]) -> bool:
    if content is None:
        return True
    if len(content) > _LARGEST_SHOWN or b"\0" in content:
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _text(content: Optional[bytes]) -> str:
    return (content or b"").decode("utf-8")


def _summary(content: Optional[bytes]) -> str:
    if content is None:
        return ""
    kind = "text" if _is_text(content) else "binary or large"
    return f"({kind}, {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()})\n"
