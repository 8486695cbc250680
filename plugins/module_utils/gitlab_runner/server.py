# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runners at GitLab: what is there, what differs from the declaration, and how it is changed.

A token is shown once, when it is made. So a runner whose token did not reach its place (a run that was broken
off between the two) is found again by its description, and gets another token.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ..gitlab.client import Client, quoted
from ..plan import CREATE, DELETE, UPDATE, Change
from .config import Known
from .model import VARIABLE, Runner

ROTATE = "rotate"
PAUSE = "pause"
RESUME = "resume"

Say = Callable[[str], None]


class RunnerError(Exception):
    """What GitLab does not allow, or what did not end in time."""


@dataclass(frozen=True)
class Step:
    """A change, the runner that it is about (None: not declared any more), and its id where there is one."""

    change: Change
    label: str
    runner: Optional[Runner] = None
    runner_id: int = 0
    owner_id: Optional[int] = None
    projects: Sequence[int] = ()


@dataclass
class Server:
    """One GitLab, and the place whose runners are looked at.

    drain_seconds: how long jobs may take to end before a runner goes. ``tolerant`` lets a project or group be
    missing, for a dry run before it is made.
    """

    client: Client
    place: str
    drain_seconds: float = 3600
    tolerant: bool = False
    say: Say = field(default=lambda _line: None)
    _owners: Dict[str, Optional[int]] = field(default_factory=dict)
    _listed: Dict[str, List[Mapping[str, Any]]] = field(default_factory=dict)

    # -- reading and comparing

    def plan(
        self,
        runners: Sequence[Runner],
        known: Mapping[str, Known],
        rotating: Sequence[str],
        renew_before: datetime.datetime,
    ) -> List[Step]:
        """What turns the place's runners at GitLab into those declared, in the order of the declaration.

        rotating: labels whose rotation an earlier run did not end. Tokens that end before ``renew_before``
        are rotated.
        """
        labels = {runner.label(self.place): runner for runner in runners}
        steps: List[Step] = []
        for found in self.client.map(
            lambda item: self._steps(item[1], item[0], known.get(item[0]), rotating, renew_before),
            labels.items(),
        ):
            steps.extend(found)
        surplus = [label for label in known if label not in labels]
        for label in surplus:
            steps.append(
                Step(
                    Change(DELETE, label, {"id": known[label].runner_id}, None),
                    label,
                    None,
                    known[label].runner_id,
                )
            )
        return steps

    def _steps(
        self,
        runner: Runner,
        label: str,
        there: Optional[Known],
        rotating: Sequence[str],
        renew_before: datetime.datetime,
    ) -> List[Step]:
        owner = self.owner_id(runner)
        details = self.details(there.runner_id) if there and there.complete else None
        steps = []
        if details is not None and not _belongs(details, runner, owner):
            old = {"id": details["id"], "of": _owners_of(details)}
            steps.append(Step(Change(DELETE, f"{label} (moved)", old, None), label, None, int(details["id"])))
            details = None
        if details is None:
            lost = self._lost(runner, label, owner)
            if lost is None:
                created = Change(
                    CREATE, label, None, {**wanted(runner, label), "of": runner.owner or "the instance"}
                )
                return [Step(created, label, runner, 0, owner), *steps]
            details = lost
            steps.append(self._rotation(label, runner, int(lost["id"]), "its token did not reach its place"))
        elif there and label in rotating:
            steps.append(self._rotation(label, runner, there.runner_id, "a rotation was broken off"))
        elif there and there.expires_at and there.expires_at < renew_before:
            steps.append(
                self._rotation(
                    label, runner, there.runner_id, f"its token ends at {there.expires_at:%Y-%m-%d %H:%M} UTC"
                )
            )
        return [*steps, *self._differences(details, runner, label, owner)]

    def _differences(
        self, details: Mapping[str, Any], runner: Runner, label: str, owner: Optional[int]
    ) -> List[Step]:
        should = wanted(runner, label)
        actual = {key: _plain(key, details.get(key)) for key in should}
        steps = []
        differing = [key for key in should if should[key] != actual[key]]
        if differing:
            before = {key: actual[key] for key in differing}
            after = {key: should[key] for key in differing}
            steps.append(Step(Change(UPDATE, label, before, after), label, runner, int(details["id"])))
        strangers = [
            int(project["id"])
            for project in details.get("projects") or []
            if runner.locked and project["id"] != owner
        ]
        if strangers:
            paths = sorted(
                str(project.get("path_with_namespace", project["id"]))
                for project in details["projects"]
                if project["id"] != owner
            )
            change = Change(UPDATE, f"{label}: projects", [*paths, runner.owner], [runner.owner])
            steps.append(Step(change, label, runner, int(details["id"]), None, strangers))
        return steps

    def _rotation(self, label: str, runner: Optional[Runner], runner_id: int, reason: str) -> Step:
        return Step(Change(ROTATE, label, None, {"because": reason}), label, runner, runner_id)

    def rotation(self, label: str, runner: Optional[Runner], runner_id: int) -> Step:
        """A rotation that somebody asked for."""
        return self._rotation(label, runner, runner_id, "it was asked for")

    def details(self, runner_id: int) -> Optional[Mapping[str, Any]]:
        """A runner with tags and projects, None when GitLab does not have it any more."""
        found: Optional[Mapping[str, Any]] = self.client.find(f"/runners/{runner_id}")
        return found

    def owner_id(self, runner: Runner) -> Optional[int]:
        """The project or group; None for the instance, and for one that is tolerated not to exist."""
        if runner.kind == "instance":
            return None
        key = f"{runner.kind}s/{quoted(runner.owner)}"
        if key not in self._owners:
            found = self.client.find(f"/{key}")
            self._owners[key] = int(found["id"]) if found else None
        if self._owners[key] is None and not self.tolerant:
            raise RunnerError(
                f"{VARIABLE}[{runner.name}].{runner.kind} is {runner.owner!r}: "
                f"must be a {runner.kind} that the token can see"
            )
        return self._owners[key]

    def _lost(self, runner: Runner, label: str, owner: Optional[int]) -> Optional[Mapping[str, Any]]:
        """A runner of the owner that has our description."""
        if owner is None and runner.kind != "instance":
            return None
        path = "/runners/all" if runner.kind == "instance" else f"/{runner.kind}s/{owner}/runners"
        if path not in self._listed:
            self._listed[path] = self.client.pages(path, type=runner.runner_type)
        ids = [one["id"] for one in self._listed[path] if one.get("description") == label]
        found = self.details(int(ids[0])) if ids else None
        # A group's list has the runners of its parents too.
        return found if found is not None and _belongs(found, runner, owner) else None

    # -- changing

    def apply(self, step: Step) -> Optional[Dict[str, Any]]:
        """Carry one step out. What comes back are credentials, for those that make some."""
        kind = step.change.kind
        if kind == CREATE:
            return self._create(step)
        if kind == ROTATE:
            return self.rotate(step)
        if kind == DELETE:
            self._revoke(step)
        elif step.projects:
            for project in step.projects:
                self.client.delete(f"/projects/{project}/runners/{step.runner_id}")
        else:
            self.client.put(f"/runners/{step.runner_id}", dict(step.change.after))
        self.say(f"{kind} {step.change.key}")
        return None

    def _create(self, step: Step) -> Dict[str, Any]:
        runner = step.runner
        if runner is None:
            raise RunnerError(f"{step.label} can't be made: it is not declared")
        owner = {} if runner.kind == "instance" else {f"{runner.kind}_id": step.owner_id}
        attributes = {key: value for key, value in wanted(runner, step.label).items() if value is not None}
        given = self.client.post("/user/runners", {"runner_type": runner.runner_type, **owner, **attributes})
        self.say(f"create {step.label}: runner {given['id']}")
        return credentials(int(given["id"]), given)

    def rotate(self, step: Step) -> Dict[str, Any]:
        """Another token; the old one ends at once."""
        given = self.client.post(f"/runners/{step.runner_id}/reset_authentication_token")
        self.say(f"rotate {step.label}: {step.change.after['because']}")
        return credentials(step.runner_id, given)

    def _revoke(self, step: Step) -> None:
        details = self.details(step.runner_id)
        if details is None:
            return
        self.drain(step.label, step.runner_id)
        # GitLab deletes none that serves several projects. The first is the one that it was made for.
        for project in (details.get("projects") or [])[1:]:
            self.client.delete(f"/projects/{project['id']}/runners/{step.runner_id}")
        self.client.delete(f"/runners/{step.runner_id}")

    def pause(self, label: str, runner_id: int, paused: bool) -> None:
        """Let no new jobs come, or let them come again."""
        self.client.put(f"/runners/{runner_id}", {"paused": paused})
        self.say(f"{PAUSE if paused else RESUME} {label}")

    def drain(self, label: str, runner_id: int) -> None:
        """Let no new jobs come, and wait for those that run. Raises :exc:`RunnerError` when they go on."""
        self.pause(label, runner_id, paused=True)
        deadline = time.monotonic() + self.drain_seconds
        told = ""
        while jobs := self.client.pages(f"/runners/{runner_id}/jobs", status="running"):
            names = ", ".join(str(job.get("web_url") or job["id"]) for job in jobs)
            if time.monotonic() >= deadline:
                raise RunnerError(
                    f"{label} still has jobs after {self.drain_seconds:.0f} s, and is paused: {names}"
                )
            if names != told:
                self.say(f"wait for {names} on {label}")
                told = names
            time.sleep(min(5.0, max(0.1, self.drain_seconds / 20)))


def wanted(runner: Runner, label: str) -> Dict[str, Any]:
    """What GitLab is to know of a runner, in the words of its API."""
    return {
        "description": label,
        "tag_list": list(runner.tags),
        "run_untagged": runner.run_untagged,
        "locked": runner.locked,
        "access_level": "ref_protected" if runner.protected_only else "not_protected",
        "maximum_timeout": runner.maximum_timeout,
        "maintenance_note": runner.note,
    }


def credentials(runner_id: int, given: Mapping[str, Any]) -> Dict[str, Any]:
    """What config.toml has of an answer that brings a token."""
    end = given.get("token_expires_at")
    return {
        "id": runner_id,
        "token": str(given["token"]),
        "token_obtained_at": datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0).isoformat(),
        "token_expires_at": str(end) if end else None,
    }


def _plain(key: str, value: Any) -> Any:
    if key == "tag_list":
        return sorted(value or [])
    if key == "maintenance_note":
        return value or ""
    return value


def _belongs(details: Mapping[str, Any], runner: Runner, owner: Optional[int]) -> bool:
    """Whether a runner at GitLab is one of the declared owner."""
    if details.get("runner_type") != runner.runner_type:
        return False
    if runner.kind == "instance" or owner is None:
        return True
    return owner in [one["id"] for one in details.get(f"{runner.kind}s") or []]


def _owners_of(details: Mapping[str, Any]) -> List[str]:
    found = [*(details.get("projects") or []), *(details.get("groups") or [])]
    return [str(one.get("path_with_namespace") or one.get("full_path") or one["id"]) for one in found]
