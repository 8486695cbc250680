# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and applies the addon catalog on the controller, with a line for each addon as it happens."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.addons import api, catalog, session
from ansible_collections.groundwork.platform.plugins.module_utils.addons.helm import HelmError
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError

_OWN_CATALOG = ("roles", "k8s_addons", "files", "catalog")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {
        "type": "str",
        "choices": ["present", "absent", "drift", "valid", "locked"],
        "default": "present",
    },
    "kubeconfig": {"type": "path", "default": ""},
    "context": {"type": "str", "default": ""},
    "catalogs": {"type": "list", "elements": "path", "default": []},
    "selection": {"type": "list", "elements": "str", "default": []},
    "environment": {"type": "str", "default": ""},
    "environment_values": {"type": "dict", "default": {}},
    "values": {"type": "dict", "default": {}},
    "inline_values": {"type": "dict", "default": {}},
    "resources": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "prune": {"type": "bool", "default": False},
    "remove_crds": {"type": "bool", "default": False},
    "repair": {"type": "bool", "default": False},
    "charts_mirror": {"type": "str", "default": ""},
    "unavailable": {"type": "str", "choices": ["refuse", "skip"], "default": "refuse"},
    "helm": {"type": "str", "default": "helm"},
    "cache": {"type": "path", "default": "~/.cache/groundwork/addons"},
    "workers": {"type": "int", "default": 6},
}


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        host = str((task_vars or {}).get("inventory_hostname", "localhost"))
        _validated, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        try:
            result.update(self._answer(host, arguments))
        except (AddonError, api.ApiError, HelmError) as error:
            result.update(failed=True, changed=False, msg=str(error))
        return result

    def _answer(self, host: str, arguments: dict[str, Any]) -> dict[str, Any]:
        def say(line: str) -> None:
            self._display.display(f"[{host}] {line}")

        # Beside this file in a checkout, in an installed collection and in an execution environment.
        own = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", *_OWN_CATALOG))
        return session.answer(
            arguments,
            [own, *(os.path.abspath(folder) for folder in arguments["catalogs"])],
            os.path.join(own, catalog.SCHEMA),
            host,
            say,
            check=self._task.check_mode,
            diff=self._task.diff,
        )
