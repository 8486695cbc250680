# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of config_tree: find the tree, render it, send it once, confirm a guarded change."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Mapping, Optional

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import spec
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import (
    Tree,
    TreeError,
    pack,
)
from ansible_collections.groundwork.platform.plugins.plugin_utils.config_tree.confirmation import Confirmation
from ansible_collections.groundwork.platform.plugins.plugin_utils.config_tree.rendering import (
    Renderer,
    shipped,
)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _VALID_ARGS = frozenset(("name", "src", "state", "validate", "activate", "guard"))
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = {key: value for key, value in self._task.args.items() if value is not None}
        arguments["name"] = self._tree_name(arguments)
        if arguments.get("state", "present") == "present":
            try:
                arguments["_payload"] = pack(self._tree(str(arguments.get("src", "tree")), variables))
            except TreeError as error:
                raise AnsibleActionFail(str(error)) from error
        return self._apply(arguments, variables)

    def _apply(self, arguments: Dict[str, Any], variables: Dict[str, Any]) -> Dict[str, Any]:
        guard = arguments.get("guard") if not self._task.check_mode else None
        confirmation = Confirmation(self, arguments["name"], guard) if guard else None
        try:
            result: Dict[str, Any] = self._execute_module(
                module_name="groundwork.platform.config_tree", module_args=arguments, task_vars=variables
            )
        except AnsibleConnectionFailure as failure:
            if confirmation is None:
                raise
            return confirmation.lost(failure)
        result.get("invocation", {}).get("module_args", {}).pop("_payload", None)
        if confirmation is not None and result.get("guard") == "armed":
            confirmation.confirm(result)
        return result

    def _tree_name(self, arguments: Mapping[str, Any]) -> str:
        role = self._task._role
        name = arguments.get("name") or (role.get_name(include_role_fqcn=False) if role else None)
        if not name:
            raise AnsibleActionFail("name is missing: outside a role there is none to take it from")
        if not _NAME.fullmatch(str(name)):
            raise AnsibleActionFail(f"name is {name!r}: must consist of letters, digits, '_', '.' and '-'")
        return str(name)

    def _tree(self, src: str, variables: Dict[str, Any]) -> Tree:
        name = f"{src}.yml"
        folder, spec_file = self._find(src), self._find(name)
        if folder is None and spec_file is None:
            searched = ", ".join(os.path.join(path, "templates") for path in self._task.get_search_path())
            raise TreeError(f"src is {src}: neither such a folder nor {name} is in {searched}")
        if folder is not None and not os.path.isdir(folder):
            raise TreeError(f"src is {src}: {folder} is not a folder")
        document = self._loader.load_from_file(spec_file, trusted_as_template=True) if spec_file else {}
        parsed = spec.parse(document, name)
        renderer = Renderer(self._templar, self._loader, variables, folder or str(spec_file)[: -len(".yml")])
        sources = spec.resolve(parsed, list(shipped(folder)) if folder else [], name, renderer.value)
        return Tree(
            tuple(renderer.entry(source) for source in sources),
            spec.directory_mode(parsed, name, renderer.value),
        )

    def _find(self, needle: str) -> Optional[str]:
        try:
            return str(self._find_needle("templates", needle))
        except AnsibleError:
            return None
