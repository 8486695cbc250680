# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both action plugins do: read policy and peers, refuse, change, give addresses, write, tell."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Change, compare
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import addresses, model, register
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.compile import (
    calendar,
    compile_settings,
    hub_key,
)
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.reading import Violations
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.validate import lookup, validate
from ansible_collections.groundwork.platform.plugins.plugin_utils.wireguard.peers_file import PeersFile

_PEERS_FILE = "wireguard_peers_file"


@dataclass(frozen=True)
class Outcome:
    """before, after: the register. new: who got addresses. result: of the task, as far as it is common."""

    policy: model.Policy
    before: register.Register
    after: register.Register
    new: tuple[str, ...]
    result: dict[str, Any]


Edit = Callable[[model.Policy, register.Register, Violations], register.Register]


class Planner:
    """One task's view of the variables and of the peers' file."""

    def __init__(self, action: ActionBase, task_vars: Mapping[str, Any]) -> None:
        self._templar = action._templar
        self._variables = task_vars
        self.check_mode = bool(action._task.check_mode)
        self.now = int(time.time())
        self.file = PeersFile(self._path())

    def variable(self, name: str) -> Any:
        """A variable, templated; ``None`` where there is none."""
        return self._templar.template(self._variables[name]) if name in self._variables else None

    def actor(self) -> str:
        """Who runs this: the user of AWX, else the one of the controller."""
        named = (self.variable(name) for name in ("awx_user_name", "tower_user_name"))
        return str(next((name for name in named if name), None) or os.environ.get("USER") or "ansible")

    def run(self, edit: Edit, by: str, write: bool, resolve: bool) -> Outcome:
        """Read, change by ``edit``, hold everything against the rules, write what is new."""
        write = write and not self.check_mode
        violations = Violations()
        policy = model.parse(
            {name: self.variable(name) for name in model.VARIABLES if name in self._variables}, violations
        )
        with self.file.locked() if write else contextlib.nullcontext():
            text, content = self.file.read()
            before = register.parse(content, violations)
            _refuse(violations)
            changed = edit(policy, before, violations)
            if not violations.lines:
                validate(
                    policy,
                    changed,
                    self.now,
                    violations,
                    self.file.environments(policy.environment),
                    lookup if resolve else None,
                )
            _refuse(violations)
            after, new = addresses.allocate(policy, changed, self.now, by, violations)
            _refuse(violations)
            if after != before:
                after = replace(after, revision=before.revision + 1)
                if write:
                    self.file.write(register.render(after))
        return Outcome(policy, before, after, new, self._result(policy, before, after, text))

    def _result(
        self, policy: model.Policy, before: register.Register, after: register.Register, text: str
    ) -> dict[str, Any]:
        changes = plan(before, after)
        settings = compile_settings(policy, after)
        return {
            "changed": bool(changes),
            "plan": [change.public() for change in changes],
            "diff": [
                {
                    "before_header": self.file.path,
                    "after_header": self.file.path,
                    "before": text,
                    "after": register.render(after) if changes else text,
                }
            ],
            "revision": after.revision,
            "peers_file": self.file.path,
            "settings": {name: one.document() for name, one in settings.items()},
            "calendar": calendar(after),
            "hub_keys": {name: register.public(key) for name, key in after.hub_keys},
            "hub_keys_missing": [hub.name for hub in policy.hubs if hub_key(policy, after, hub.name) is None],
        }

    def _path(self) -> str:
        given = self.variable(_PEERS_FILE)
        if given:
            return str(given)
        folder = self.variable("inventory_dir")
        if not folder:
            raise AnsibleActionFail(
                f"{_PEERS_FILE} is not set, and there is no folder of an inventory to look in"
            )
        return os.path.join(str(folder), "group_vars", "all", "wireguard_peers.yml")


def plan(before: register.Register, after: register.Register) -> list[Change]:
    """The differences by entry; the revision follows from them."""
    return compare(_entries(after), _entries(before), prune=True)


def _entries(content: register.Register) -> dict[str, Any]:
    found = {f"hub {name}": register.public(key) for name, key in content.hub_keys}
    found.update((f"peer {peer.name}", register.public(peer)) for peer in content.peers)
    found.update(
        (f"released {one.name} {register.iso(one.released_at)}", register.public(one))
        for one in content.released
    )
    return found


def _refuse(violations: Violations) -> None:
    if violations.lines:
        raise Refused(violations.lines)


class Refused(AnsibleActionFail):  # type: ignore[misc]
    """Input that breaks rules: all lines in one failure, as assert_inputs tells them."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines), result={"violations": lines})
