# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of JSON Schema that addon.schema.json uses: the catalog's schema is the one truth of an entry.

A keyword that is not known here is an error and never ignored.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Mapping

_TYPES: Dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
_NOTES = frozenset(("$schema", "$id", "$defs", "title", "description", "default", "then", "else"))


@dataclass(frozen=True)
class At:
    """A value, the rule for it, the schema that the rule is of, the root of it all, and the value's path."""

    value: Any
    rule: Any
    schema: Any
    root: Mapping[str, Any]
    path: str

    @property
    def name(self) -> str:
        return self.path or "it"


def violations(value: Any, schema: Any, root: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """A line ``path: rule`` for each rule that the value breaks; ``root`` is where ``$ref`` looks."""
    if schema is True:
        return
    if schema is False:
        yield f"{path or 'it'}: must not be there"
        return
    for keyword, rule in schema.items():
        if keyword in _NOTES:
            continue
        check = _CHECKS.get(keyword)
        if check is None:
            raise ValueError(f"the keyword {keyword} of the schema is not known to the engine")
        yield from check(At(value, rule, schema, root, path))


def _below(path: str, key: object) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _holds(value: Any, schema: Any, root: Mapping[str, Any]) -> bool:
    return next(violations(value, schema, root), None) is None


def _ref(at: At) -> Iterator[str]:
    found: Any = at.root
    for part in str(at.rule)[2:].split("/"):
        found = found[part]
    yield from violations(at.value, found, at.root, at.path)


def _type(at: At) -> Iterator[str]:
    if not _TYPES[at.rule](at.value):
        yield f"{at.name}: must be of type {at.rule}"


def _properties(at: At) -> Iterator[str]:
    if isinstance(at.value, dict):
        for key, below in at.rule.items():
            if key in at.value:
                yield from violations(at.value[key], below, at.root, _below(at.path, key))


def _additional(at: At) -> Iterator[str]:
    if isinstance(at.value, dict) and at.rule is False:
        for key in at.value:
            if key not in at.schema.get("properties", {}):
                yield f"{_below(at.path, key)}: is not known"


def _required(at: At) -> Iterator[str]:
    if isinstance(at.value, dict):
        for key in at.rule:
            if key not in at.value:
                yield f"{_below(at.path, key)}: is missing"


def _dependent(at: At) -> Iterator[str]:
    if isinstance(at.value, dict):
        for key, needed in at.rule.items():
            for other in needed:
                if key in at.value and other not in at.value:
                    yield f"{_below(at.path, other)}: is missing; {key} needs it"


def _pattern(at: At) -> Iterator[str]:
    if isinstance(at.value, str) and not re.search(at.rule, at.value):
        yield f"{at.name}: {at.value!r} must match {at.rule}"


def _enum(at: At) -> Iterator[str]:
    if at.value not in at.rule:
        yield f"{at.name}: {at.value!r} must be one of {', '.join(map(str, at.rule))}"


def _const(at: At) -> Iterator[str]:
    if at.value != at.rule:
        yield f"{at.name}: must be {at.rule!r}"


def _size(kind: str, least: bool) -> Callable[[At], Iterator[str]]:
    def check(at: At) -> Iterator[str]:
        if _TYPES[kind](at.value):
            size = len(at.value)
            if size < at.rule if least else size > at.rule:
                yield f"{at.name}: its size must be {'at least' if least else 'at most'} {at.rule}"

    return check


def _items(at: At) -> Iterator[str]:
    if isinstance(at.value, list):
        for position, item in enumerate(at.value):
            yield from violations(item, at.rule, at.root, _below(at.path, position))


def _unique(at: At) -> Iterator[str]:
    if at.rule and isinstance(at.value, list):
        texts = [json.dumps(item, sort_keys=True, default=str) for item in at.value]
        if len(set(texts)) != len(texts):
            yield f"{at.name}: must not name anything twice"


def _one_of(at: At) -> Iterator[str]:
    holding = [below for below in at.rule if _holds(at.value, below, at.root)]
    if len(holding) == 1:
        return
    if holding:
        yield f"{at.name}: must be one of {len(at.rule)} shapes, it is {len(holding)} of them"
        return
    # The shape that is nearest tells best what is wrong.
    yield from min((list(violations(at.value, below, at.root, at.path)) for below in at.rule), key=len)


def _all_of(at: At) -> Iterator[str]:
    for below in at.rule:
        yield from violations(at.value, below, at.root, at.path)


def _if(at: At) -> Iterator[str]:
    then = at.schema.get("then" if _holds(at.value, at.rule, at.root) else "else", True)
    yield from violations(at.value, then, at.root, at.path)


def _not(at: At) -> Iterator[str]:
    if _holds(at.value, at.rule, at.root):
        names = " and ".join(at.rule.get("required", ())) if isinstance(at.rule, dict) else ""
        yield f"{at.name}: must not have {names or 'this shape'}"


_CHECKS: Dict[str, Callable[[At], Iterator[str]]] = {
    "$ref": _ref,
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "dependentRequired": _dependent,
    "pattern": _pattern,
    "enum": _enum,
    "const": _const,
    "minLength": _size("string", least=True),
    "maxLength": _size("string", least=False),
    "minItems": _size("array", least=True),
    "minProperties": _size("object", least=True),
    "items": _items,
    "uniqueItems": _unique,
    "oneOf": _one_of,
    "allOf": _all_of,
    "if": _if,
    "not": _not,
}
