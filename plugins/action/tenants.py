# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and applies the tenants of a cluster on the controller, with a line for each that changes."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.addons.api import ApiError
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError
from ansible_collections.groundwork.platform.plugins.module_utils.plan import PlanError
from ansible_collections.groundwork.platform.plugins.module_utils.tenants import run

_LEVELS = ["restricted", "baseline", "privileged"]
_NAMES = {"type": "list", "elements": "str"}
_MAP = {"type": "dict"}
_NAME = {"type": "str", "required": True}
# What a tenant may say, and so may the defaults, but for its name.
TENANT: dict[str, dict[str, Any]] = {
    "adopt": {"type": "bool"},
    "labels": _MAP,
    "annotations": _MAP,
    "pod_security": {"type": "str", "choices": _LEVELS},
    "quota": _MAP,
    "container_limits": {
        "type": "dict",
        "options": {"default": _MAP, "default_request": _MAP, "min": _MAP, "max": _MAP},
    },
    "volume_limits": {"type": "dict", "options": {"min": {"type": "str"}, "max": {"type": "str"}}},
    "network": {
        "type": "dict",
        "options": {
            "dns": {"type": "bool"},
            "within": {"type": "bool"},
            "internet": {"type": "bool"},
            "from_namespaces": _NAMES,
            "to_namespaces": _NAMES,
            "policies": _MAP,
        },
    },
    "access": {"type": "list", "elements": "dict", "options": {"group": _NAME, "role": _NAME}},
    "registry_secrets": {
        "type": "list",
        "elements": "dict",
        "no_log": False,
        "options": {
            "name": _NAME,
            "pull": {"type": "bool"},
            "from_secret": {"type": "dict", "no_log": False, "options": {"namespace": _NAME, "name": _NAME}},
            "from_store": {
                "type": "dict",
                "options": {
                    "name": _NAME,
                    "kind": {"type": "str", "choices": ["ClusterSecretStore", "SecretStore"]},
                    "key": {**_NAME, "no_log": False},
                },
            },
        },
    },
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent", "valid"], "default": "present"},
    "kubeconfig": {"type": "path", "default": ""},
    "context": {"type": "str", "default": ""},
    "namespaces": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": _NAME, **TENANT},
    },
    "defaults": {"type": "dict", "default": {}, "options": TENANT},
    "prune": {"type": "bool", "default": False},
    "remove_volumes": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 300},
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

        def say(line: str) -> None:
            self._display.display(f"[{host}] {line}")

        _validated, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        try:
            result.update(run.answer(arguments, host, say, check=self._task.check_mode))
        except PlanError as error:
            result.update(error.result(), failed=True)
        except (AddonError, ApiError) as error:
            result.update(failed=True, changed=False, msg=str(error))
        return result
