# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runners as they are declared: whose they are, where they run, and what they may.

One declaration gives both sides. A runner in several places is several runners at GitLab, so that a token is
in one place only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

VARIABLE = "gitlab_runner_runners"
# Tells at GitLab, and in a config.toml, which runners are ours.
MARK = " (groundwork)"

EXECUTORS = ("shell", "docker", "podman")
KUBERNETES = "kubernetes"
PULL_POLICIES = ("always", "if-not-present", "never")
OWNERS = ("project", "group", "instance")
# GitLab refuses less.
SHORTEST_TIMEOUT = 600

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_PATH = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(/[A-Za-z0-9_.][A-Za-z0-9_.-]*)*")
_TAG = re.compile(r"[^\s,][^,\r\n]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class DeclarationError(Exception):
    """A declaration that breaks rules; ``violations`` has a line for each."""

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__("\n".join(violations))
        self.violations = list(violations)


@dataclass(frozen=True)
class Egress:
    """Where jobs in a cluster may open connections to: a network, and TCP ports of it."""

    to: str
    ports: Tuple[int, ...]


@dataclass(frozen=True)
class Runner:
    """One declared runner. ``kind`` is project, group or instance, ``owner`` the path of the first two."""

    name: str
    kind: str
    owner: str
    places: Tuple[str, ...]
    executor: str
    tags: Tuple[str, ...] = ()
    run_untagged: bool = False
    locked: bool = True
    protected_only: bool = False
    concurrency: int = 1
    maximum_timeout: Optional[int] = None
    note: str = ""
    image: str = ""
    allowed_images: Tuple[str, ...] = ()
    allowed_services: Tuple[str, ...] = ()
    pull_policies: Tuple[str, ...] = ("always",)
    memory: str = ""
    cpus: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    egress: Tuple[Egress, ...] = ()

    @property
    def runner_type(self) -> str:
        return f"{self.kind}_type"

    def label(self, place: str) -> str:
        """What GitLab, and config.toml, call the runner in one place."""
        return f"{self.name} on {place}{MARK}"


def is_ours(label: str) -> bool:
    return label.endswith(MARK)


def parse(declared: Any) -> Tuple[Runner, ...]:
    """The declaration. Raises :exc:`DeclarationError` with all violations at once."""
    violations: List[str] = []
    if not isinstance(declared, (list, tuple)):
        raise DeclarationError([f"{VARIABLE} must be a list"])
    runners = []
    for index, entry in enumerate(declared):
        if not isinstance(entry, Mapping):
            violations.append(f"{VARIABLE}[{index}] is {entry!r}: must be a mapping")
            continue
        found = [f"{VARIABLE}[{entry.get('name', index)}]{line}" for line in [*_shape(entry), *_rules(entry)]]
        violations.extend(found)
        if not found:
            runners.append(_runner(entry))
    violations.extend(_across(runners))
    if violations:
        raise DeclarationError(violations)
    return tuple(runners)


def at(runners: Sequence[Runner], place: str, kubernetes: bool) -> Tuple[Runner, ...]:
    """Those that run in one place."""
    return tuple(
        runner
        for runner in runners
        if place in runner.places and (runner.executor == KUBERNETES) == kubernetes
    )


_LISTS = ("on", "kubernetes", "tags", "allowed_images", "allowed_services", "pull_policies", "egress")
_TEXTS = ("name", "project", "group", "executor", "note", "image", "memory", "cpus")
_SWITCHES = ("instance", "run_untagged", "locked", "protected_only")
_NUMBERS = ("concurrency", "maximum_timeout")
_KNOWN = (*_LISTS, *_TEXTS, *_SWITCHES, *_NUMBERS, "environment")


def _shape(entry: Mapping[str, Any]) -> List[str]:
    """Keys and types; the rules rely on them."""
    kinds: Dict[str, Tuple[type, str]] = {
        **dict.fromkeys(_LISTS, (list, "a list")),
        **dict.fromkeys(_TEXTS, (str, "a text")),
        **dict.fromkeys(_SWITCHES, (bool, "true or false")),
        **dict.fromkeys(_NUMBERS, (int, "a whole number")),
        "environment": (dict, "a mapping"),
    }
    lines = [
        f".{key}: is not known; it must be one of {', '.join(_KNOWN)}" for key in entry if key not in _KNOWN
    ]
    for key, value in entry.items():
        kind, words = kinds.get(key, (object, ""))
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            lines.append(f".{key} is {value!r}: must be {words}")
    return lines


def _rules(entry: Mapping[str, Any]) -> List[str]:
    if _shape(entry):
        return []
    lines = []
    if not _NAME.fullmatch(entry.get("name", "")):
        lines.append(".name: must have 1 to 40 lower case letters, digits and -, as a part of a host name")
    lines.extend([*_owner_rules(entry), *_place_rules(entry), *_job_rules(entry)])
    return lines


def _owner_rules(entry: Mapping[str, Any]) -> List[str]:
    owners = [key for key in OWNERS if entry.get(key)]
    if len(owners) != 1:
        return [f": must have exactly one of {', '.join(OWNERS)}"]
    lines = []
    (kind,) = owners
    if kind != "instance" and not _PATH.fullmatch(entry[kind]):
        lines.append(f".{kind} is {entry[kind]!r}: must be a full path such as group/project")
    if kind == "project" and "/" not in entry["project"]:
        lines.append(f".project is {entry['project']!r}: must be a full path such as group/project")
    if kind != "project" and "locked" in entry:
        lines.append(".locked: is for runners of projects; those of groups and the instance are never locked")
    return lines


def _place_rules(entry: Mapping[str, Any]) -> List[str]:
    lines = []
    if bool(entry.get("on")) == bool(entry.get("kubernetes")):
        return [": must have either on, a list of hosts, or kubernetes, a list of clusters"]
    executor = entry.get("executor", "")
    if entry.get("on") and executor not in EXECUTORS:
        lines.append(f".executor is {executor!r}: must be one of {', '.join(EXECUTORS)}")
    if entry.get("kubernetes") and executor not in ("", KUBERNETES):
        lines.append(f".executor is {executor!r}: must be left out in a cluster")
    if executor == "shell":
        # A shell has no such limits: whoever writes them would believe in them.
        idle = ("image", "allowed_images", "allowed_services", "pull_policies", "memory", "cpus")
        lines.extend(f".{key}: has no meaning with the executor shell" for key in idle if key in entry)
    elif not entry.get("image"):
        lines.append(".image: must name the image of jobs that name none")
    if entry.get("egress") and not entry.get("kubernetes"):
        lines.append(".egress: is for runners in a cluster; on a host the firewall decides")
    return lines


def _job_rules(entry: Mapping[str, Any]) -> List[str]:
    lines = []
    if not entry.get("tags") and not entry.get("run_untagged", False):
        lines.append(".tags: must not be empty, or run_untagged is true; no job would ever come")
    for tag in entry.get("tags", []):
        if not isinstance(tag, str) or not _TAG.fullmatch(tag):
            lines.append(
                f".tags: {tag!r} must have 1 to 100 characters, no comma, and no blank at its beginning"
            )
    if entry.get("concurrency", 1) < 1:
        lines.append(f".concurrency is {entry['concurrency']}: must be 1 or more")
    timeout = entry.get("maximum_timeout")
    if timeout is not None and timeout < SHORTEST_TIMEOUT:
        lines.append(f".maximum_timeout is {timeout}: must be {SHORTEST_TIMEOUT} seconds or more")
    for policy in entry.get("pull_policies", ["always"]):
        if policy not in PULL_POLICIES:
            lines.append(f".pull_policies: {policy!r} must be one of {', '.join(PULL_POLICIES)}")
    if entry.get("pull_policies") == []:
        lines.append(".pull_policies: must not be empty")
    for key, value in entry.get("environment", {}).items():
        if not _VARIABLE.fullmatch(str(key)) or not isinstance(value, str):
            lines.append(f".environment: {key!r} must be the name of a variable, and its value a text")
    for rule in entry.get("egress", []):
        if not isinstance(rule, Mapping) or set(rule) != {"to", "ports"} or not rule["ports"]:
            lines.append(f".egress: {rule!r} must have to, a network, and ports, a list")
    return lines


def _runner(entry: Mapping[str, Any]) -> Runner:
    (kind,) = (key for key in OWNERS if entry.get(key))
    kubernetes = bool(entry.get("kubernetes"))
    return Runner(
        name=str(entry["name"]),
        kind=kind,
        owner="" if kind == "instance" else str(entry[kind]),
        places=tuple(str(place) for place in entry["kubernetes" if kubernetes else "on"]),
        executor=KUBERNETES if kubernetes else str(entry["executor"]),
        tags=tuple(sorted({str(tag) for tag in entry.get("tags", [])})),
        run_untagged=bool(entry.get("run_untagged", False)),
        locked=kind == "project" and bool(entry.get("locked", True)),
        protected_only=bool(entry.get("protected_only", False)),
        concurrency=int(entry.get("concurrency", 1)),
        maximum_timeout=entry.get("maximum_timeout"),
        note=str(entry.get("note", "")),
        image=str(entry.get("image", "")),
        allowed_images=tuple(str(one) for one in entry.get("allowed_images", [])),
        allowed_services=tuple(str(one) for one in entry.get("allowed_services", [])),
        pull_policies=tuple(str(one) for one in entry.get("pull_policies", ["always"])),
        memory=str(entry.get("memory", "")),
        cpus=str(entry.get("cpus", "")),
        environment={str(key): str(value) for key, value in entry.get("environment", {}).items()},
        egress=tuple(
            Egress(str(rule["to"]), tuple(int(port) for port in rule["ports"]))
            for rule in entry.get("egress", [])
        ),
    )


def _across(runners: Sequence[Runner]) -> List[str]:
    """What only shows when runners are seen together."""
    lines = []
    seen = set()
    for runner in runners:
        if runner.name in seen:
            lines.append(f"{VARIABLE}[{runner.name}].name: must be there once only")
        seen.add(runner.name)
    shells: Dict[str, Runner] = {}
    for runner in runners:
        for place in runner.places if runner.executor == "shell" else ():
            other = shells.setdefault(place, runner)
            if (other.kind, other.owner) != (runner.kind, runner.owner):
                lines.append(
                    f"{VARIABLE}[{runner.name}].on: {place} has the shell runner {other.name} of "
                    f"{other.owner or 'the instance'}; their jobs would be one user and could read "
                    "each other's files"
                )
    return lines
