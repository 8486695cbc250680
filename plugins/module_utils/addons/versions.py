# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions, and the comparisons that an entry makes with that of Kubernetes."""

from __future__ import annotations

import re
from typing import Tuple

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_COMPARISON = re.compile(r"(>=|<=|>|<)(\d+\.\d+(?:\.\d+)?)")

Version = Tuple[int, int, int]


def parse(text: str) -> Version:
    """``v1.36.3+k3s1`` as ``(1, 36, 3)``: what vendors append is not compared. ValueError for others."""
    found = _NUMBERS.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no version")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def satisfies(version: str, comparisons: str) -> bool:
    """Whether all of ``>=1.30 <1.38`` hold. A bound of two numbers is about the first patch release."""
    actual = parse(version)
    return all(
        {
            ">=": actual >= parse(bound),
            "<=": actual <= parse(bound),
            ">": actual > parse(bound),
            "<": actual < parse(bound),
        }[operator]
        for operator, bound in _COMPARISON.findall(comparisons)
    )
