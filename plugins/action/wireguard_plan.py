# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds policy and peers of the VPN against each other, gives addresses, and says what each hub is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import model, register
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.reading import Violations
from ansible_collections.groundwork.platform.plugins.plugin_utils.wireguard.planning import Planner


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            {
                "write": {"type": "bool", "default": False},
                "resolve": {"type": "bool", "default": True},
                "hub_keys": {"type": "dict", "default": {}},
            }
        )
        planner = Planner(self, task_vars or {})

        def take_keys(
            policy: model.Policy, there: register.Register, violations: Violations
        ) -> register.Register:
            return with_hub_keys(policy, there, options["hub_keys"], violations)

        outcome = planner.run(take_keys, planner.actor(), options["write"], options["resolve"])
        result.update(outcome.result, new=list(outcome.new))
        return result


def with_hub_keys(
    policy: model.Policy, there: register.Register, told: Mapping[str, Any], violations: Violations
) -> register.Register:
    """The register with the public keys that hubs have told; a hub that told nothing keeps what it has.

    Hubs that share a key follow the one that they have it of.
    """
    read = {
        name: register.hub_key(content, f"hub_keys[{name}]", violations)
        for name, content in told.items()
        if content
    }
    known = dict(there.hub_keys)
    following = {hub: read[of] for hub, of in policy.key_of.items() if hub in known and of in read}
    return replace(there, hub_keys=tuple(sorted({**known, **following, **read}.items())))
