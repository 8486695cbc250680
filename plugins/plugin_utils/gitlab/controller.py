# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side: the token's file, templates and pictures, and a line for each change."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible.utils.display import Display
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.client import Client
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Meter

# What both modules are told about where GitLab is.
CONNECTION: Mapping[str, Mapping[str, Any]] = {
    "url": {"type": "str", "required": True},
    "token": {"type": "str", "no_log": True},
    "token_file": {"type": "path"},
    "ca_file": {"type": "path"},
    "workers": {"type": "int", "default": 8},
}
MOST_WORKERS = 64


def client(options: Mapping[str, Any], meter: Meter) -> Client:
    """A client for a task's options; its token comes from the task or from a file of its owner's alone."""
    if not 1 <= options["workers"] <= MOST_WORKERS:
        raise AnsibleActionFail(f"workers is {options['workers']}: must be from 1 to {MOST_WORKERS}")
    return Client(options["url"], token(options), options["ca_file"] or None, options["workers"], meter=meter)


def token(options: Mapping[str, Any]) -> str:
    """The token, without the line's end that files have."""
    if bool(options["token"]) == bool(options["token_file"]):
        raise AnsibleActionFail("token is (secret): must be given, or token_file in its place")
    if options["token"]:
        return str(options["token"])
    path = options["token_file"]
    try:
        with open(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read().strip()
    except OSError as error:
        raise AnsibleActionFail(f"token_file is {path}: can't be read: {error.strerror}") from error
    if mode & 0o077:
        raise AnsibleActionFail(
            f"token_file is {path}: must be readable by its owner alone, its mode is {mode:04o}"
        )
    if not content:
        raise AnsibleActionFail(f"token_file is {path}: must not be empty")
    return content


class Narrator:
    """Prints a line for each change as it happens; several threads may have something to tell."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._display = Display()

    def __call__(self, line: str) -> None:
        with self._lock:
            self._display.display(f"[{self._host}] {line}")


class Files:
    """Files beside the playbook, the role or the inventory, as the task's own modules would find them."""

    def __init__(self, action: ActionBase, variables: Mapping[str, Any]) -> None:
        self._action = action
        self._variables = variables

    def render(self, name: str, extra: Mapping[str, Any]) -> str:
        """A template's text, with the variables of the host and a few more."""
        path = self._action._find_needle("templates", name)
        text = self._action._loader.get_text_file_contents(path)
        templar = self._action._templar.copy_with_new_env(
            searchpath=[os.path.dirname(path)], available_variables={**self._variables, **extra}
        )
        overrides = {"trim_blocks": True, "keep_trailing_newline": True}
        return str(templar.template(trust_as_template(text), overrides=overrides))

    def find(self, name: str) -> str:
        """The path of a file such as a picture."""
        return str(self._action._find_needle("files", name))
