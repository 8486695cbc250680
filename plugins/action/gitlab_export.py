# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what a GitLab has as the inventory that would declare it."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import yaml
from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.client import ApiError
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.export import export
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.model import RefusedError
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Meter
from ansible_collections.groundwork.platform.plugins.plugin_utils.gitlab.controller import CONNECTION, client


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            {
                **{name: dict(option) for name, option in CONNECTION.items()},
                "groups": {"type": "list", "elements": "str", "default": []},
                "dest": {"type": "path", "required": True},
            }
        )
        meter = Meter()
        try:
            with client(options, meter) as connected:
                model = export(connected, options["groups"])
                stats = {**meter.stats(), "reads": connected.reads, "writes": connected.writes}
        except RefusedError as error:
            return {**result, "failed": True, "msg": str(error), "violations": error.lines}
        except ApiError as error:
            return {**result, "failed": True, "msg": f"gitlab_config_url is {options['url']}: {error}"}
        text = "---\n" + yaml.safe_dump(model, sort_keys=False, allow_unicode=True, width=130)
        before = _content(options["dest"])
        if before != text and not self._task.check_mode:
            _write(options["dest"], text)
        return {
            **result,
            "changed": before != text,
            "dest": options["dest"],
            "diff": [
                {
                    "before": before,
                    "after": text,
                    "before_header": options["dest"],
                    "after_header": options["dest"],
                }
            ],
            "stats": stats,
        }


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path: str, text: str) -> None:
    """As a whole or not at all; it names people and projects, so it is its owner's alone."""
    folder = os.path.dirname(path) or "."
    handle, fresh = tempfile.mkstemp(prefix=".", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(fresh, path)
