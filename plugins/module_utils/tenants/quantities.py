# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantities as Kubernetes reads them: ``500m``, ``2``, ``1.5Gi``, ``1e3``."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, Mapping, Optional

_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,3}))?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def parse(value: Any) -> Optional[Fraction]:
    """What a quantity comes to; ``None`` for what is none."""
    match = _QUANTITY.fullmatch(str(value)) if not isinstance(value, bool) else None
    if match is None:
        return None
    number, suffix, exponent = match.groups()
    if suffix in _BINARY:
        return Fraction(number) * (1 << _BINARY[suffix])
    power: int = _DECIMAL[suffix] if suffix else int(exponent or 0)
    size = Fraction(10 ** abs(power))
    return Fraction(number) * (size if power >= 0 else 1 / size)


def in_words_of(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """``live`` with each quantity written as ``wanted`` writes it, where both come to the same."""
    return {
        key: wanted[key] if key in wanted and parse(wanted[key]) == parse(value) else value
        for key, value in live.items()
    }
