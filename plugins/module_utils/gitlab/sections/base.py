# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: ARG002  # because all sections answer the same calls, whether they need each argument or not
"""What a section is: a kind of thing that a group, a project or the instance has several of, each with a key.

A section is declared as data: where its list is, which field is the key, which fields there are, and by which
verb one is changed. What differs from that is overridden by the section itself.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from ...plan import MASK
from ..client import quoted
from ..context import Context
from ..levels import LEVELS, name_of
from ..model import Node

Row = Dict[str, Any]
Item = Dict[str, Any]

UNSET = object()


@dataclass(frozen=True)
class Field:
    """One field of a thing.

    type: text, flag, number, texts, level, date, mapping. api: its name in the API, where another.
    default: what it is compared with where the inventory does not say; UNSET leaves GitLab's value alone.
    fixed: can't be changed in place, so the thing is made anew. secret: never shown.
    """

    type: str = "text"
    api: str = ""
    default: Any = UNSET
    required: bool = False
    fixed: bool = False
    secret: bool = False
    choices: Tuple[Any, ...] = ()
    # Only in the Enterprise Edition: passed over with a warning elsewhere.
    enterprise: bool = False


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be.

    actual: GitLab's row, None where it is to be created. wanted: fields, None where it is to be removed.
    changed: names of the fields that differ.
    """

    key: str
    actual: Optional[Row]
    wanted: Optional[Item]
    changed: Tuple[str, ...] = ()

    @property
    def row(self) -> Row:
        """What is there; only asked for where something is."""
        if self.actual is None:
            raise ValueError(f"{self.key} is not there")
        return self.actual

    @property
    def item(self) -> Item:
        """What should be there; only asked for where something should."""
        if self.wanted is None:
            raise ValueError(f"{self.key} is to go")
        return self.wanted


def declare(**fields: Field) -> Mapping[str, Field]:
    """The fields of a section, by the names that an inventory uses."""
    return MappingProxyType(fields)


class Section:
    """See the module; subclasses say what they are by class attributes."""

    name = ""
    kinds: Tuple[str, ...] = ("project",)
    # Kinds in which the Enterprise Edition alone has it.
    enterprise: Tuple[str, ...] = ()
    path = ""
    query: Mapping[str, Any] = MappingProxyType({})
    identity = "name"
    item = "id"
    fields: Mapping[str, Field] = MappingProxyType({})
    # The field that a bare value stands for: ``members: {alice: developer}``.
    shorthand = ""
    # False where GitLab has no request that changes one in place.
    updatable = True

    # -- input

    def entries(self, node: Node) -> Dict[str, Item]:
        """What the inventory declares, in full: ``{key: {field: value}}``."""
        declared = node.options.get(self.name) or {}
        if not isinstance(declared, Mapping):
            return {}
        found: Dict[str, Item] = {}
        for key, value in declared.items():
            if isinstance(value, Mapping):
                found[str(key)] = dict(value)
            elif self.shorthand:
                found[str(key)] = {self.shorthand: value}
            else:
                found[str(key)] = {}
        return found

    def validate(self, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        """What is wrong without asking GitLab: ``(place, value, rule, secret)``."""
        declared = node.options.get(self.name)
        place = f"{node.place}.{self.name}"
        if declared is not None and not isinstance(declared, Mapping):
            yield place, declared, "must be a mapping from keys to settings", True
            return
        for key, item in self.entries(node).items():
            for field_name, value in item.items():
                spot = f"{place}[{key}].{field_name}"
                declared_field = self.fields.get(field_name)
                if declared_field is None:
                    yield spot, value, f"is not known; must be one of {', '.join(sorted(self.fields))}", True
                    continue
                rule = wrong(declared_field, value)
                if rule:
                    yield spot, value, rule, declared_field.secret
            for field_name, declared_field in self.fields.items():
                if declared_field.required and item.get(field_name) in (None, "", []):
                    yield f"{place}[{key}]", dict.fromkeys(item, "…"), f"needs {field_name}", False
            yield from self.rules(node, key, item)

    def rules(self, node: Node, key: str, item: Item) -> Iterator[Tuple[str, Any, str, bool]]:
        """Rules of the section's own, in the shape of :meth:`validate`."""
        return iter(())

    def users(self, node: Node) -> Iterable[str]:
        """User names that the declaration needs resolved."""
        return ()

    def resolve(self, context: Context, node: Node) -> Iterator[Tuple[str, Any, str, bool]]:
        """What is wrong that only GitLab can tell, in the shape of :meth:`validate`."""
        return iter(())

    # -- reading

    def address(self, node: Node) -> str:
        return f"{node.address}/{self.path}"

    def rows(self, context: Context, node: Node) -> List[Row]:
        """GitLab's rows."""
        return list(context.client.pages(self.address(node), **self.query))

    def read(self, context: Context, node: Node) -> Dict[str, Row]:
        """GitLab's rows by key."""
        return {self.key_of(row): row for row in self.rows(context, node)}

    def key_of(self, row: Row) -> str:
        return str(row[self.identity])

    def view(self, context: Context, node: Node, row: Row) -> Item:
        """A row in the fields that the inventory uses, values made comparable."""
        return {name: plain(field, row.get(field.api or name)) for name, field in self.fields.items()}

    def wanted(self, context: Context, node: Node, key: str, item: Item) -> Item:
        """An entry in full, values made comparable; fields that are to be left alone are missing."""
        full: Item = {}
        for name, field in self.fields.items():
            if field.enterprise and not context.enterprise:
                if name in item:
                    place = f"{node.place}.{self.name}[{key}].{name}"
                    context.warn(f"{place}: passed over, it needs the Enterprise Edition")
                continue
            value = item.get(name, field.default)
            if value is not UNSET:
                full[name] = plain(field, value)
        return full

    # -- writing

    def payload(self, context: Context, node: Node, item: Mapping[str, Any]) -> Dict[str, Any]:
        """Fields as a request takes them."""
        return {self.fields[name].api or name: sent(self.fields[name], value) for name, value in item.items()}

    def create(self, context: Context, node: Node, difference: Difference) -> None:
        body = {name: value for name, value in difference.item.items() if value not in (None, "")}
        context.client.post(
            self.address(node), {self.identity: difference.key, **self.payload(context, node, body)}
        )

    def update(self, context: Context, node: Node, difference: Difference) -> None:
        if not self.updatable or any(self.fields[name].fixed for name in difference.changed):
            self.replace(context, node, difference)
            return
        body = {name: difference.item[name] for name in difference.changed}
        context.client.put(self.item_address(node, difference.row), self.payload(context, node, body))

    def replace(self, context: Context, node: Node, difference: Difference) -> None:
        """Make the new one before the old one goes."""
        self.create(context, node, difference)
        self.delete(context, node, difference)

    def delete(self, context: Context, node: Node, difference: Difference) -> None:
        context.client.delete(self.item_address(node, difference.row))

    def item_address(self, node: Node, row: Row) -> str:
        return f"{self.address(node)}/{quoted(row[self.item])}"

    def apply(self, context: Context, node: Node, difference: Difference) -> None:
        """Write one difference."""
        if difference.actual is None:
            self.create(context, node, difference)
        elif difference.wanted is None:
            self.delete(context, node, difference)
        else:
            self.update(context, node, difference)

    # -- comparing and showing

    def spared(self, context: Context, node: Node, row: Row) -> bool:
        """Whether an unlisted thing is none of the section's business: not reported, not removed."""
        return False

    def active(self, node: Node) -> bool:
        """Whether it has to be read for a node at all."""
        return self.name in node.options or node.enforced(self.name) != "leave"

    def available(self, context: Context, node: Node) -> bool:
        """Whether this GitLab has it; a declared section that it has not is warned of."""
        if node.kind not in self.enterprise or context.enterprise:
            return True
        if node.options.get(self.name):
            context.warn(f"{node.place}.{self.name}: passed over, it needs the Enterprise Edition")
        return False

    def differences(self, context: Context, node: Node, actual: Mapping[str, Row]) -> Iterator[Difference]:
        """What has to change for one node, unlisted things last."""
        declared = self.entries(node)
        for key, item in declared.items():
            wanted = self.wanted(context, node, key, item)
            row = actual.get(key)
            if row is None:
                yield Difference(key, None, wanted, tuple(wanted))
                continue
            seen = self.view(context, node, row)
            changed = tuple(name for name, value in wanted.items() if seen.get(name) != value)
            if changed:
                yield Difference(key, row, wanted, changed)
        verdict = node.enforced(self.name)
        if verdict == "leave":
            return
        for key, row in actual.items():
            if key in declared or self.spared(context, node, row):
                continue
            if verdict == "remove":
                yield Difference(key, row, None)
            else:
                context.note_unlisted(node, self.name, key)

    def shown(self, context: Context, node: Node, difference: Difference) -> Tuple[Any, Any]:
        """Before and after as they may be printed: the fields that differ, secrets masked."""
        before = after = None
        if difference.actual is not None:
            seen = self.view(context, node, difference.row)
            names = difference.changed or tuple(
                name for name, value in seen.items() if value not in (None, "")
            )
            before = {name: self.mask(name, seen.get(name)) for name in names}
        if difference.wanted is not None:
            after = {name: self.mask(name, difference.item[name]) for name in difference.changed}
        return before, after

    def mask(self, name: str, value: Any) -> Any:
        field = self.fields.get(name)
        return MASK if field is not None and field.secret and value not in (None, "") else value

    # What a declaration has to say for everything to be read that an export tells.
    probe: Mapping[str, Any] = MappingProxyType({})

    def exported(self, context: Context, node: Node, rows: Mapping[str, Row]) -> Any:
        """The section as an inventory would declare it; empty where there is nothing to declare."""
        found = {}
        for key, row in rows.items():
            entry = None if self.spared(context, node, row) else self.export(context, node, row)
            if key and entry is not None:
                found[key] = entry
        return found

    def export(self, context: Context, node: Node, row: Row) -> Any:
        """The entry for a row; secrets are left out, None where an inventory can't have one."""
        entry = {}
        for name, value in self.view(context, node, row).items():
            field = self.fields[name]
            if field.secret or value in (None, "", []) or value == field.default:
                continue
            entry[name] = value
        if self.shorthand and set(entry) == {self.shorthand}:
            return entry[self.shorthand]
        return entry


def wrong(field: Field, value: Any) -> str:
    """The rule that a value breaks, or nothing."""
    if field.choices and value not in field.choices:
        return f"must be one of {', '.join(str(choice) for choice in field.choices)}"
    if field.type == "text" and (isinstance(value, (Mapping, list, bool)) or value is None):
        return "must be a text"
    if field.type == "flag" and not isinstance(value, bool):
        return "must be true or false"
    if field.type == "number" and (isinstance(value, bool) or not isinstance(value, int)):
        return "must be a whole number"
    if field.type == "texts" and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        return "must be a list of texts"
    if field.type == "level" and value not in LEVELS:
        return f"must be one of {', '.join(LEVELS)}"
    if field.type == "mapping" and not isinstance(value, Mapping):
        return "must be a mapping"
    if field.type == "date" and not _is_date(value):
        return "must be a date such as 2027-01-31"
    return ""


def _is_date(value: Any) -> bool:
    try:
        datetime.date.fromisoformat(str(value))
    except ValueError:
        return False
    return True


def plain(field: Field, value: Any) -> Any:
    """A value of either side in the form in which both are compared."""
    if value is None:
        return "" if field.type == "text" else None
    if field.type == "text":
        return str(value)
    if field.type == "level":
        return name_of(value) if isinstance(value, int) else value
    if field.type == "date":
        return str(value)[:10]
    if field.type == "texts":
        return sorted(str(one) for one in value)
    return value


def sent(field: Field, value: Any) -> Any:
    """A comparable value as a request takes it."""
    if field.type == "level":
        return LEVELS[value]
    if field.type == "date":
        return value or ""
    return value
