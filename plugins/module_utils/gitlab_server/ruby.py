# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Structured data as the Ruby of a gitlab.rb.

Texts are written in single quotes, where Ruby knows two escapes only and evaluates nothing. So no value can
become code, whatever it holds.
"""

from __future__ import annotations

import math
import re
from typing import Any, List, Mapping

SYMBOL = "ruby_symbol"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*[?!]?")


class RubyError(ValueError):
    """Data that has no Ruby; the message names the place, the value and the rule."""


def literal(value: Any, where: str = "value", depth: int = 0) -> str:
    """One value as a Ruby literal.

    Mappings become hashes with texts as keys, lists become arrays, null becomes ``nil``. A mapping with the
    single key ``ruby_symbol`` becomes a symbol. Raises :exc:`RubyError` for what is none of these.
    """
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        if not math.isfinite(value):
            raise RubyError(f"{where} is {value}: must be a finite number")
        return repr(float(value))
    if isinstance(value, str):
        return text(value, where)
    if isinstance(value, Mapping):
        return _symbol(value, where) if SYMBOL in value else _hash(value, where, depth)
    if isinstance(value, (list, tuple)):
        return _array(value, where, depth)
    raise RubyError(
        f"{where} is a {type(value).__name__}: must be a text, number, boolean, null, list or mapping"
    )


def text(value: str, where: str = "value") -> str:
    """A text in single quotes; only the backslash and the quote itself are escaped there."""
    if "\0" in value:
        raise RubyError(f"{where}: must not hold a NUL character")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _symbol(value: Mapping[str, Any], where: str) -> str:
    name = value[SYMBOL]
    if len(value) != 1 or not isinstance(name, str) or not _SYMBOL.fullmatch(name):
        raise RubyError(
            f"{where}: {SYMBOL} must be the only key, and its value a name of letters, digits and _"
        )
    return f":{name}"


def _hash(value: Mapping[Any, Any], where: str, depth: int) -> str:
    if not value:
        return "{}"
    inner = "  " * (depth + 1)
    lines: List[str] = []
    for key, entry in value.items():
        if not isinstance(key, str):
            raise RubyError(f"{where}: the key {key!r} must be a text")
        place = f"{where}['{key}']"
        lines.append(f"{inner}{text(key, place)} => {literal(entry, place, depth + 1)},")
    return "\n".join(["{", *lines, "  " * depth + "}"])


def _array(value: Any, where: str, depth: int) -> str:
    entries = [literal(entry, f"{where}[{index}]", depth + 1) for index, entry in enumerate(value)]
    if not any("\n" in entry for entry in entries):
        return f"[{', '.join(entries)}]"
    inner = "  " * (depth + 1)
    return "\n".join(["[", *(f"{inner}{entry}," for entry in entries), "  " * depth + "]"])


def settings(values: Mapping[str, Any]) -> str:
    """Sections as the lines of a gitlab.rb, sorted, so that the order of input changes nothing.

    A section whose value is a mapping gets one line for each key, ``section['key'] = value``; another value
    is given to the section's function, as in ``external_url 'https://gitlab.example.com'``.
    """
    lines: List[str] = []
    for section in sorted(values, key=str):
        if not isinstance(section, str) or not _NAME.fullmatch(section):
            raise RubyError(
                f"the section {section!r} must have lower case letters, digits and _ only, a letter first"
            )
        content = values[section]
        if not isinstance(content, Mapping) or SYMBOL in content:
            lines.append(f"{section}({literal(content, section)})")
            continue
        for key in sorted(content, key=str):
            if not isinstance(key, str) or not _NAME.fullmatch(key):
                raise RubyError(
                    f"{section}: the key {key!r} must have lower case letters, digits and _ only, "
                    "a letter first"
                )
            place = f"{section}['{key}']"
            lines.append(f"{section}['{key}'] = {literal(content[key], place)}")
    return "".join(f"{line}\n" for line in lines)
