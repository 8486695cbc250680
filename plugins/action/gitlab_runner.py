# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings GitLab's runners, and the places where they run, to what is declared."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.client import ApiError, Client
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner import config, model, toml
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner.cluster import (
    Cluster,
    ClusterError,
)
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner.server import (
    ROTATE,
    RunnerError,
    Server,
    Step,
)
from ansible_collections.groundwork.platform.plugins.module_utils.plan import (
    DELETE,
    UPDATE,
    Change,
    Meter,
    diff,
)

VERBS = ("rotate", "drain", "resume", "revoke")
HEAD = "# Managed by Groundwork.\n"
_TEXT: dict[str, Any] = {"type": "str", "default": ""}
_SECRET: dict[str, Any] = {"type": "str", "default": "", "no_log": True}
_INT: dict[str, Any] = {"type": "int"}
OPTIONS: dict[str, Any] = {
    "state": {"choices": ["present", "absent", "validate", *VERBS], "default": "present"},
    "runners": {"type": "list", "elements": "dict", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "place": {"type": "str", "required": True},
    "kubernetes": {"type": "bool", "default": False},
    "kubeconfig": _TEXT,
    "context": _TEXT,
    "url": _TEXT,
    "token": _SECRET,
    "ca_file": _TEXT,
    "ca_path": _TEXT,
    "concurrent": {**_INT, "default": 0},
    "listen_address": _TEXT,
    "log_level": {"type": "str", "default": "info"},
    "shutdown_timeout": {**_INT, "default": 0},
    "cache": {"type": "dict", "default": {}},
    "cache_secret_key": _SECRET,
    "drain_seconds": {**_INT, "default": 3600},
    "renew_days": {**_INT, "default": 7},
}


class Place(Protocol):
    """Where tokens stay: a host, or a cluster."""

    def read(self) -> tuple[dict[str, config.Known], list[str]]:
        """The runners there, and those whose rotation was broken off."""

    def mark(self, labels: Sequence[str]) -> None:
        """Note that these are about to get another token."""

    def write(self, document: config.Document, credentials: Mapping[str, Any]) -> dict[str, Any]:
        """Put the configuration in place; ``{"changed": bool, "diff": [...]}``."""


class Host:
    """A host of the inventory: its module keeps the tokens, which are not read back."""

    def __init__(self, action: ActionModule, variables: dict[str, Any]) -> None:
        self._action = action
        self._variables = variables

    def _module(self, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = self._action._execute_module(
            module_name="groundwork.platform.gitlab_runner_config",
            module_args=arguments,
            task_vars=self._variables,
        )
        if result.get("failed"):
            raise RunnerError(str(result.get("msg") or result.get("module_stderr")))
        return result

    def read(self) -> tuple[dict[str, config.Known], list[str]]:
        result = self._module(step="read")
        return {
            label: config.Known(
                one["id"],
                datetime.datetime.fromisoformat(one["expires_at"]) if one["expires_at"] else None,
                one["complete"],
            )
            for label, one in result["known"].items()
        }, list(result["rotating"])

    def mark(self, labels: Sequence[str]) -> None:
        self._module(step="mark", rotating=list(labels))

    def write(self, document: config.Document, credentials: Mapping[str, Any]) -> dict[str, Any]:
        payload = json.dumps({"document": document, "credentials": credentials})
        return self._module(step="write", payload=payload)


class InCluster:
    """A cluster, whose Secret is written in one piece, with a note of rotations that are under way."""

    def __init__(self, cluster: Cluster, check_mode: bool) -> None:
        self._cluster = cluster
        self._check_mode = check_mode
        self._present: config.Document = {}
        self._rotating: list[str] = []

    def read(self) -> tuple[dict[str, config.Known], list[str]]:
        self._present = config.parse(self._cluster.read())
        self._rotating = list(self._present.pop("groundwork_rotating", []))
        return config.known(self._present), list(self._rotating)

    def mark(self, labels: Sequence[str]) -> None:
        marked = {**self._present, "groundwork_rotating": sorted({*self._rotating, *labels})}
        self._put(marked)
        self._cluster.read()

    def _put(self, document: config.Document) -> None:
        runners = document.get("runners", [])
        token = str(runners[0]["token"]) if runners else ""
        self._cluster.write(config.text(document, HEAD), token)

    def write(self, document: config.Document, credentials: Mapping[str, Any]) -> dict[str, Any]:
        wanted = config.merged(document, self._present, credentials)
        if config.same(wanted, self._present) and not self._rotating:
            return {"changed": False, "diff": []}
        before, after = (toml.dumps(config.without_secrets(one)) for one in (self._present, wanted))
        if not self._check_mode:
            self._put(wanted)
        return {"changed": True, "diff": [{"before": before, "after": after}]}


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(OPTIONS)
        try:
            declared = model.parse(options["runners"])
            if options["state"] == "validate":
                return {**result, "changed": False}
            with Client(
                options["url"], options["token"], options["ca_file"] or None, meter=Meter()
            ) as client:
                found = self._work(options, declared, client, task_vars or {})
                return {**result, **found, "stats": client.meter.stats()}
        except (
            ApiError,
            ClusterError,
            RunnerError,
            config.ConfigError,
            model.DeclarationError,
        ) as error:
            raise AnsibleActionFail(str(error)) from error

    def _work(
        self,
        options: dict[str, Any],
        declared: Sequence[model.Runner],
        client: Client,
        variables: dict[str, Any],
    ) -> dict[str, Any]:
        place = options["place"]
        store: Place = (
            InCluster(Cluster(options["kubeconfig"], options["context"]), self._task.check_mode)
            if options["kubernetes"]
            else Host(self, variables)
        )
        mine = model.at(declared, place, options["kubernetes"])
        server = Server(
            client,
            place,
            options["drain_seconds"],
            tolerant=self._task.check_mode,
            say=lambda line: self._display.display(f"{place}: {line}"),
        )
        if options["state"] in VERBS:
            return self._operate(options, mine, server, store)
        wanted = mine if options["state"] == "present" else ()
        known, rotating = store.read()
        renew = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=options["renew_days"])
        steps = server.plan(wanted, known, rotating, renew)
        return self._reconcile(options, wanted, steps, server, store)

    def _reconcile(
        self,
        options: dict[str, Any],
        wanted: Sequence[model.Runner],
        steps: Sequence[Step],
        server: Server,
        store: Place,
    ) -> dict[str, Any]:
        """What brings tokens goes first, then they are written down, then what is too much is revoked."""
        later = [step for step in steps if step.change.kind == DELETE]
        credentials: dict[str, Any] = {}
        rotated = [step.label for step in steps if step.change.kind == ROTATE]
        if rotated and not self._task.check_mode:
            store.mark(rotated)
        try:
            for step in steps:
                if step in later or self._task.check_mode:
                    continue
                given = server.apply(step)
                if given:
                    credentials[step.label] = given
            if self._task.check_mode:
                credentials = {
                    step.label: {"id": 1, "token": "not known yet"}
                    for step in steps
                    if step.change.kind in ("create", ROTATE)
                }
        except (ApiError, RunnerError):
            # Tokens that were made already are not lost with the one that failed.
            if credentials:
                self._keep(options, wanted, credentials, store)
            raise
        written = store.write(config.desired(wanted, server.place, _settings(options)), credentials)
        for step in later if not self._task.check_mode else ():
            server.apply(step)
        changes = [step.change for step in steps]
        if written["changed"]:
            changes.append(Change(UPDATE, f"configuration of {server.place}"))
        return {
            "changed": bool(changes),
            "plan": [change.public() for change in changes],
            "diff": [*diff([step.change for step in steps]), *written.get("diff", [])],
        }

    def _keep(
        self,
        options: dict[str, Any],
        wanted: Sequence[model.Runner],
        credentials: Mapping[str, Any],
        store: Place,
    ) -> None:
        known, _rotating = store.read()
        place = options["place"]
        have = [
            runner
            for runner in wanted
            if runner.label(place) in credentials
            or (runner.label(place) in known and known[runner.label(place)].complete)
        ]
        store.write(config.desired(have, place, _settings(options)), credentials)

    def _operate(
        self, options: dict[str, Any], mine: Sequence[model.Runner], server: Server, store: Place
    ) -> dict[str, Any]:
        """What an operator asks for, for runners by name."""
        unknown = sorted(set(options["names"]) - {runner.name for runner in mine})
        if unknown or not options["names"]:
            raise RunnerError(
                f"names is {options['names']!r}: must be runners that are declared for {server.place}: "
                f"{', '.join(runner.name for runner in mine) or 'none'}"
            )
        known, _rotating = store.read()
        verb = options["state"]
        chosen = [runner for runner in mine if runner.name in options["names"]]
        missing = [runner.name for runner in chosen if runner.label(server.place) not in known]
        if missing and verb != "revoke":
            raise RunnerError(f"{', '.join(missing)}: has never been converged on {server.place}")
        steps = []
        for runner in chosen:
            label = runner.label(server.place)
            if label not in known:
                continue
            number = known[label].runner_id
            if verb == "rotate":
                steps.append(server.rotation(label, runner, number))
            elif verb == "revoke":
                steps.append(Step(Change(DELETE, label, {"id": number}), label, None, number))
            else:
                steps.append(Step(Change(verb, label), label, runner, number))
        if verb in ("rotate", "revoke"):
            gone = {step.label for step in steps if step.change.kind == DELETE}
            have = [runner for runner in mine if runner.label(server.place) in set(known) - gone]
            return self._reconcile(options, have, steps, server, store)
        for step in steps if not self._task.check_mode else ():
            if verb == "drain":
                server.drain(step.label, step.runner_id)
            else:
                server.pause(step.label, step.runner_id, paused=False)
        return {"changed": bool(steps), "plan": [step.change.public() for step in steps], "diff": []}


def _settings(options: Mapping[str, Any]) -> config.Settings:
    cache = dict(options["cache"])
    if cache and options["cache_secret_key"]:
        cache["secret_key"] = options["cache_secret_key"]
    return config.Settings(
        url=options["url"],
        concurrent=options["concurrent"],
        listen_address=options["listen_address"],
        log_level=options["log_level"],
        shutdown_timeout=options["shutdown_timeout"],
        ca_path=options["ca_path"],
        cache=cache or None,
    )
