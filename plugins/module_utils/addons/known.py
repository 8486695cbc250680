# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys of the values a chart does not know: they would be ignored without a word."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from .layers import split_path

Path = Tuple[str, ...]


@dataclass(frozen=True)
class ChartKeys:
    """What a chart says of its values: the defaults, the schema (empty where it has none), its subcharts.

    subcharts: by the key that their values go under, which is the alias where there is one.
    """

    defaults: Mapping[str, Any]
    schema: Mapping[str, Any] = field(default_factory=dict)
    subcharts: Mapping[str, ChartKeys] = field(default_factory=dict)


def unknown(values: Mapping[str, Any], chart: ChartKeys, free_form: Sequence[str] = ()) -> List[str]:
    """Paths of keys that neither defaults nor schema nor ``free_form`` have, with dots between the keys.

    A map that is empty by default, and a value that is null by default, are free form by themselves.
    """
    opened = [split_path(path) for path in free_form]
    return [".".join(path) for path in _unknown(values, chart, opened, ())]


def _unknown(values: Any, chart: ChartKeys, opened: Sequence[Path], path: Path) -> Iterator[Path]:
    for key, value in values.items():
        here = (*path, str(key))
        if _open(here, opened) or (not path and key == "global"):
            continue
        subchart = chart.subcharts.get(str(key))
        if subchart is not None:
            below = [rest[1:] for rest in opened if rest[0] in (key, "*") and len(rest) > 1]
            if isinstance(value, Mapping):
                for found in _unknown(value, _laid_over(subchart, chart.defaults.get(key)), below, ()):
                    yield (*here, *found)
            continue
        schemas = _below(chart.schema, str(key), chart.schema)
        if key not in chart.defaults and schemas is None:
            yield here
            continue
        default = chart.defaults.get(key)
        if not isinstance(value, Mapping) or (not default and not (schemas or {}).get("properties")):
            continue
        deeper = ChartKeys(
            default if isinstance(default, Mapping) else {}, _with_definitions(schemas, chart.schema)
        )
        yield from _unknown(value, deeper, opened, here)


def _open(path: Path, opened: Sequence[Path]) -> bool:
    """Whether a free form path covers it: everything below one does."""
    return any(
        len(form) <= len(path) and all(part in (key, "*") for part, key in zip(form, path)) for form in opened
    )


def _laid_over(subchart: ChartKeys, defaults: Any) -> ChartKeys:
    """A chart may give its subchart more defaults."""
    if not isinstance(defaults, Mapping):
        return subchart
    return ChartKeys(_union(subchart.defaults, defaults), subchart.schema, subchart.subcharts)


def _union(below: Mapping[str, Any], above: Mapping[str, Any]) -> Dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[key] = _union(under, value) if both else value  # type: ignore[arg-type]
    return merged


def _with_definitions(schema: Any, root: Mapping[str, Any]) -> Dict[str, Any]:
    """A part of a schema that still finds what ``$ref`` names."""
    kept = {key: root[key] for key in ("definitions", "$defs") if key in root}
    return {**kept, **(schema or {})}


def _below(schema: Mapping[str, Any], key: str, root: Mapping[str, Any]) -> Any:
    """The schema of a key; ``None`` where the schema does not name it."""
    for shape in _shapes(schema, root, 0):
        if key in shape.get("properties", {}):
            found = shape["properties"][key]
            return {} if not isinstance(found, Mapping) else _flat(found, root)
        more = shape.get("additionalProperties")
        if isinstance(more, Mapping):
            return _flat(more, root)
    return None


def _flat(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Dict[str, Any]:
    """The properties of all shapes that a schema puts together."""
    properties: Dict[str, Any] = {}
    extra: Dict[str, Any] = {}
    for shape in _shapes(schema, root, 0):
        properties.update(shape.get("properties", {}))
        if isinstance(shape.get("additionalProperties"), Mapping):
            extra["additionalProperties"] = shape["additionalProperties"]
    return {**({"properties": properties} if properties else {}), **extra}


def _shapes(schema: Any, root: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    if not isinstance(schema, Mapping) or depth > 16:
        return
    yield schema
    reference = str(schema.get("$ref", ""))
    if reference.startswith("#/"):
        found: Any = root
        for part in reference[2:].split("/"):
            found = found.get(part, {}) if isinstance(found, Mapping) else {}
        yield from _shapes(found, root, depth + 1)
    for keyword in ("allOf", "anyOf", "oneOf"):
        for shape in schema.get(keyword, ()):
            yield from _shapes(shape, root, depth + 1)
