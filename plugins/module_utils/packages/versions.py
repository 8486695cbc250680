# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's order of version numbers (deb-version(7)), so that no process is needed to compare two."""

from __future__ import annotations

import re
from typing import List, Tuple

_END: Tuple[List[int], int] = ([0], 0)


def compare_versions(first: str, second: str) -> int:
    """Negative, zero or positive as ``first`` is older than, equal to or newer than ``second``."""
    left, right = _key(first), _key(second)
    return (left > right) - (left < right)


def _key(version: str) -> Tuple[int, List[Tuple[List[int], int]], List[Tuple[List[int], int]]]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, ""
    return int(epoch) if epoch.isdigit() else 0, _parts(upstream), _parts(revision)


def _parts(text: str) -> List[Tuple[List[int], int]]:
    """Pieces of letters with a number; where letters end sorts after ``~`` and before all else."""
    pieces = re.findall(r"(\D*)(\d*)", text)
    parts = [([_weight(letter) for letter in letters] + [0], int(number or 0)) for letters, number in pieces]
    while parts and parts[-1] == _END:
        parts.pop()
    return [*parts, _END]


def _weight(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
