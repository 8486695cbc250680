# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds, shows, rotates, revokes and ends peers in the peers' file."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import (
    client,
    edit,
    model,
    register,
)
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.reading import Violations
from ansible_collections.groundwork.platform.plugins.plugin_utils.wireguard.planning import Outcome, Planner

WRITING = ("add", "rotate", "revoke", "expire")
# An emergency must not wait for a name server.
RESOLVING = ("add", "propose")
_TEXT: dict[str, Any] = {"type": "str"}


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            {
                "state": {"choices": [*WRITING, "propose", "show"], "default": "show"},
                "name": _TEXT,
                "owner": _TEXT,
                "kind": {"choices": list(register.KINDS)},
                "group": _TEXT,
                # Not a secret, whatever the name suggests.
                "public_key": {"type": "str", "no_log": False},
                "addresses": {"type": "list", "elements": "str"},
                "networks": {"type": "list", "elements": "str"},
                "hub": _TEXT,
                "tunnel": {"choices": list(model.TUNNELS)},
                "endpoint": _TEXT,
                "expires_in": _TEXT,
                "expires_at": _TEXT,
                "reason": _TEXT,
                "by": _TEXT,
                "preshared": {"type": "dict", "default": {}, "no_log": True},
            },
            required_if=[("state", state, ("name",)) for state in (*WRITING, "propose")],
        )
        planner = Planner(self, task_vars or {})
        state, by = options["state"], options["by"] or planner.actor()
        if state == "propose":
            # Any key will do to see whether the rest holds; it is never written.
            options["public_key"] = base64.b64encode(os.urandom(32)).decode()
        request = edit.Request(
            state=state,
            name=options["name"] or "",
            options={key: value for key, value in options.items() if value is not None},
            by=by,
            now=planner.now,
        )

        def change(
            _policy: model.Policy, there: register.Register, violations: Violations
        ) -> register.Register:
            if state == "show":
                if request.name and not _traces(there, request.name):
                    violations.add("name", request.name, "is not in the peers' file")
                return there
            return edit.edit(there, request, violations)

        outcome = planner.run(change, by, state in WRITING, state in RESOLVING)
        result.update(outcome.result)
        if state == "propose":
            result.update(changed=False, plan=[], diff=[])
        result.update(_told(outcome, request.name, options["preshared"], proposed=state == "propose"))
        return result


def _told(outcome: Outcome, name: str, preshared: Mapping[str, Any], proposed: bool) -> dict[str, Any]:
    """What there is to know about one peer, or about all."""
    found = outcome.after.peer(name)
    if proposed and found:
        found = replace(found, public_key="")
    configurations = client.configurations(outcome.policy, outcome.after, found) if found else ()
    return {
        "peers": [register.public(peer) for peer in outcome.after.peers if name in ("", peer.name)],
        "released": _traces_of_left(outcome.after, name),
        "peer": register.public(found) if found else {},
        "configurations": [
            {
                "hub": one.hub,
                "file": one.file,
                "text": client.filled(outcome.policy, one, preshared, name) or one.text,
            }
            for one in configurations
        ],
    }


def _traces_of_left(there: register.Register, name: str) -> list[dict[str, Any]]:
    return [register.public(one) for one in there.released if name in ("", one.name)]


def _traces(there: register.Register, name: str) -> bool:
    return there.peer(name) is not None or bool(_traces_of_left(there, name))
