# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings groups, projects and what is in them to what the inventory says, over GitLab's API."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab import engine
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.client import ApiError
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.model import RefusedError
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Meter
from ansible_collections.groundwork.platform.plugins.plugin_utils.gitlab.controller import (
    CONNECTION,
    Files,
    Narrator,
    client,
)


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _checked, options = self.validate_argument_spec(
            {
                **{name: dict(option) for name, option in CONNECTION.items()},
                "groups": {"type": "list", "elements": "dict", "default": []},
                "instance": {"type": "dict", "default": {}},
                "defaults": {"type": "dict", "default": {}},
                "enforce": {"type": "dict", "default": {}},
                "confirm_deletion": {"type": "list", "elements": "str", "default": []},
                "digest_key": {"type": "str", "no_log": True, "default": ""},
                "check_input_only": {"type": "bool", "default": False},
            }
        )
        files = Files(self, variables)
        request = engine.Request(
            options["groups"],
            options["instance"],
            options["defaults"],
            options["enforce"],
            options["confirm_deletion"],
            options["digest_key"],
            files.render,
            files.find,
        )
        meter = Meter()
        try:
            if options["check_input_only"]:
                engine.modelled(request)
                return {**result, "changed": False}
            with client(options, meter) as connected:
                say = Narrator(str(variables.get("inventory_hostname", options["url"])))
                done = engine.converge(request, connected, meter, bool(self._task.check_mode), say)
        except RefusedError as error:
            return {**result, "failed": True, "msg": str(error), "violations": error.lines}
        except engine.FailedError as error:
            return {**result, **error.result}
        except ApiError as error:
            return {**result, "failed": True, "msg": f"gitlab_config_url is {options['url']}: {error}"}
        return {**result, **done}
