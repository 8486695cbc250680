# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory says about a GitLab: a tree of groups and projects, each with all that it inherits.

Every error is collected, so that one run tells all of them: each names the variable, the group or project,
the value and the rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ..inputs import shown
from .layers import merge, without_nulls
from .levels import VISIBILITIES, wider

GROUP = "group"
PROJECT = "project"
INSTANCE = "instance"

VARIABLE = "gitlab_config_groups"
LEAVE, REPORT, REMOVE = ENFORCE = ("leave", "report", "remove")

# Keys of a node that are about it alone; all others may come from `defaults` of the groups above it.
OWN = ("path", "name", "previous_path", "state", "defaults", "groups", "projects")
COMMON: Mapping[str, Tuple[str, ...]] = {
    GROUP: ("visibility", "description", "settings", "enforce", "avatar"),
    PROJECT: ("visibility", "description", "settings", "enforce", "avatar", "archived"),
}

# Gitlab::PathRegex: what a path may be; `-` and `.` neither first nor last, no `.git` or `.atom` at the end.
_PATH = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]*")
_ENDINGS = (".git", ".atom", ".", "-")


class RefusedError(Exception):
    """Input that is refused; ``lines`` are the violations, one sentence each."""

    def __init__(self, lines: List[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Violations:
    """Collects what is wrong, each line once, in the order it was found."""

    def __init__(self) -> None:
        self.lines: List[str] = []

    def add(self, place: str, value: Any, rule: str, secret: bool = False) -> None:
        """Note that the value at a place, ``gitlab_config_groups[acme/web].path``, breaks a rule."""
        line = f"{place} is {shown(value, secret)}: {rule}"
        if line not in self.lines:
            self.lines.append(line)

    def finish(self) -> None:
        """Raise all of them, if there are any."""
        if self.lines:
            raise RefusedError(self.lines)


@dataclass
class Node:
    """A group, a project, or the instance, with everything that it inherits already in ``options``.

    path: the full path as it should be; empty for the instance. previous: the full path that it had before.
    """

    kind: str
    path: str
    options: Dict[str, Any]
    name: str = ""
    parent: Optional[Node] = None
    previous: str = ""
    absent: bool = False
    # Filled while it is worked on: GitLab's row of it, and its id once there is one.
    row: Dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> Any:
        return self.row.get("id")

    @property
    def slug(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def depth(self) -> int:
        return self.path.count("/")

    @property
    def address(self) -> str:
        """Where the API has it."""
        if self.kind == INSTANCE:
            return ""
        return f"/{self.kind}s/{self.id}"

    @property
    def place(self) -> str:
        """How errors call it."""
        return f"{VARIABLE}[{self.path}]" if self.kind != INSTANCE else "gitlab_config_instance"

    @property
    def archived(self) -> bool:
        return bool(self.options.get("archived", False))

    def enforced(self, section: str) -> str:
        """What happens to unlisted things of a section: leave, report or remove."""
        return str(self.options.get("enforce", {}).get(section, LEAVE))

    def ancestors(self) -> Iterator[Node]:
        """The groups above it, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


@dataclass(frozen=True)
class Model:
    """All that is declared: groups and projects, each before what is in it, and the instance."""

    nodes: Tuple[Node, ...]
    instance: Optional[Node]

    def of(self, kind: str) -> List[Node]:
        return [node for node in self.nodes if node.kind == kind]


def parse(
    groups: Any,
    instance: Any,
    defaults: Any,
    enforce: Any,
    sections: Mapping[str, Any],
    violations: Violations,
) -> Model:
    """The model of ``gitlab_config_groups``, ``…_instance``, ``…_defaults`` and ``…_enforce``.

    sections: for each kind of node, the names of the sections that it can have.
    """
    base = {"enforce": _enforce(enforce, "gitlab_config_enforce", sections, violations)}
    reader = _Reader(sections, violations)
    layers = reader.defaults(defaults, "gitlab_config_defaults", {GROUP: base, PROJECT: base})
    nodes: List[Node] = []
    for entry in reader.listed(groups, VARIABLE):
        nodes.extend(reader.tree(entry, None, layers))
    reader.unique(nodes)
    for node in nodes:
        _visibility(node, violations)
    top = None
    if instance:
        # What is enforced everywhere is not meant for the variables and hooks of everybody.
        options = without_nulls(instance) if isinstance(instance, Mapping) else {}
        reader.known(instance, "gitlab_config_instance", (*sections[INSTANCE], "settings", "enforce"))
        reader.options(options, "gitlab_config_instance")
        top = Node(INSTANCE, "", options, row={"id": INSTANCE})
    return Model(tuple(nodes), top)


class _Reader:
    def __init__(self, sections: Mapping[str, Any], violations: Violations) -> None:
        self._sections = sections
        self._violations = violations

    def listed(self, value: Any, place: str) -> List[Any]:
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
            self._violations.add(place, value, "must be a list of mappings", secret=True)
            return []
        return value

    def known(self, value: Any, place: str, keys: Tuple[str, ...]) -> None:
        if not isinstance(value, Mapping):
            self._violations.add(place, value, "must be a mapping", secret=True)
            return
        for key in value:
            if key not in keys:
                # It may be a section with a letter wrong, and that may have secrets.
                rule = f"is not known; must be one of {', '.join(sorted(keys))}"
                self._violations.add(f"{place}.{key}", value[key], rule, secret=True)

    def defaults(self, value: Any, place: str, above: Mapping[str, Any]) -> Dict[str, Any]:
        """Defaults of a group over those above it: ``{"group": options, "project": options}``."""
        self.known(value or {}, place, ("groups", "projects"))
        layers = dict(above)
        for kind in (GROUP, PROJECT):
            options = (value or {}).get(f"{kind}s") or {}
            spot = f"{place}.{kind}s"
            self.known(options, spot, (*COMMON[kind], *self._sections[kind]))
            if isinstance(options, Mapping):
                self.options(options, spot)
                layers[kind] = merge(layers[kind], options)
        return layers

    def tree(
        self, entry: Mapping[str, Any], parent: Optional[Node], layers: Mapping[str, Any]
    ) -> Iterator[Node]:
        group = self._node(GROUP, entry, parent, layers[GROUP])
        if group is None:
            return
        yield group
        below = self.defaults(entry.get("defaults"), f"{group.place}.defaults", layers)
        for project in self.listed(entry.get("projects"), f"{group.place}.projects"):
            node = self._node(PROJECT, project, group, below[PROJECT])
            if node is not None:
                yield node
        for subgroup in self.listed(entry.get("groups"), f"{group.place}.groups"):
            yield from self.tree(subgroup, group, below)

    def _node(
        self, kind: str, entry: Mapping[str, Any], parent: Optional[Node], inherited: Mapping[str, Any]
    ) -> Optional[Node]:
        slug = entry.get("path")
        outer = f"{VARIABLE}[{parent.path}].{kind}s" if parent else VARIABLE
        if not isinstance(slug, str) or not _PATH.fullmatch(slug) or slug.lower().endswith(_ENDINGS):
            rule = (
                "must be a path of GitLab: letters, digits, _ - and . (not last), one level of the tree each"
            )
            self._violations.add(f"{outer}[].path", slug, rule)
            return None
        path = f"{parent.path}/{slug}" if parent else slug
        keys = OWN if kind == GROUP else OWN[:4]
        options = {key: value for key, value in entry.items() if key not in OWN}
        node = Node(
            kind,
            path,
            merge(inherited, options),
            name=str(entry.get("name") or slug),
            parent=parent,
            previous=str(entry.get("previous_path") or ""),
            absent=entry.get("state", "present") == "absent",
        )
        self.known(entry, node.place, (*keys, *COMMON[kind], *self._sections[kind]))
        if entry.get("state", "present") not in ("present", "absent"):
            self._violations.add(f"{node.place}.state", entry["state"], "must be present or absent")
        if node.previous == path:
            self._violations.add(
                f"{node.place}.previous_path", path, "must be another path than the current one"
            )
        self.options(options, node.place)
        return node

    def options(self, options: Mapping[str, Any], place: str) -> None:
        visibility = options.get("visibility")
        if visibility is not None and visibility not in VISIBILITIES:
            self._violations.add(
                f"{place}.visibility", visibility, f"must be one of {', '.join(VISIBILITIES)}"
            )
        for key in ("settings", "enforce"):
            if not isinstance(options.get(key) or {}, Mapping):
                self._violations.add(f"{place}.{key}", options[key], "must be a mapping")
        if isinstance(options.get("enforce"), Mapping):
            _enforce(options["enforce"], f"{place}.enforce", self._sections, self._violations)

    def unique(self, nodes: List[Node]) -> None:
        """Groups and projects share one space of names, in which case does not matter."""
        seen: Dict[str, Node] = {}
        for node in nodes:
            other = seen.setdefault(node.path.lower(), node)
            if other is not node:
                rule = f"must be the path of one group or project only; {other.kind} {other.path} has it"
                self._violations.add(f"{node.place}.path", node.slug, rule)
        for node in nodes:
            if node.previous.lower() in seen and node.previous != node.path:
                rule = "must be a path that nothing else has now; it is declared as well"
                self._violations.add(f"{node.place}.previous_path", node.previous, rule)


def _enforce(value: Any, place: str, sections: Mapping[str, Any], violations: Violations) -> Dict[str, str]:
    """``{section: leave | report | remove}``; groups and projects themselves can't be removed in passing."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        violations.add(place, value, "must be a mapping from sections to leave, report or remove")
        return {}
    names = {"groups", "projects"}.union(*sections.values())
    for section, verdict in value.items():
        if section not in names:
            violations.add(
                f"{place}.{section}", verdict, f"is no section; must be one of {', '.join(sorted(names))}"
            )
        elif verdict not in ENFORCE:
            violations.add(f"{place}.{section}", verdict, f"must be one of {', '.join(ENFORCE)}")
        elif verdict == REMOVE and section in ("groups", "projects"):
            rule = (
                "must be leave or report; a group or project goes by `state: absent` and a confirmation alone"
            )
            violations.add(f"{place}.{section}", verdict, rule)
    return dict(value)


def _visibility(node: Node, violations: Violations) -> None:
    visibility = node.options.get("visibility")
    limit = node.parent.options.get("visibility") if node.parent else None
    if node.parent is not None and visibility in VISIBILITIES and wider(visibility, limit):
        rule = f"must not be wider than {limit}, the visibility of the group {node.parent.path}"
        violations.add(f"{node.place}.visibility", visibility, rule)
