# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes on the controller what peers get handed: configurations, instructions, the script."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import client, register
from ansible_collections.groundwork.platform.plugins.plugin_utils.wireguard.planning import (
    Outcome,
    Planner,
    Refused,
)

BUNDLE = "bundle.age"
INSTRUCTIONS = "instructions.md"
SCRIPT = "groundwork-vpn"


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(
            {
                "directory": {"type": "path", "required": True},
                "names": {"type": "list", "elements": "str", "default": []},
                "preshared": {"type": "dict", "default": {}, "no_log": True},
                "script": {"type": "path"},
                "bundle": {"type": "str"},
            }
        )
        planner = Planner(self, task_vars or {})
        outcome = planner.run(lambda _policy, there, _violations: there, "", write=False, resolve=False)
        written: list[str] = []
        removed: list[str] = []
        left_out: set[str] = set()
        for peer in _asked(outcome, options["names"]):
            folder = os.path.join(options["directory"], peer.name)
            content, missing = _content(outcome, peer, options)
            written += _write(folder, content, planner.check_mode)
            if not missing:
                removed += _sweep(folder, content, planner.check_mode)
            left_out.update(missing)
        result.update(
            changed=bool(written or removed),
            directory=options["directory"],
            written=written,
            removed=removed,
            hubs_left_out=sorted(left_out),
        )
        return result


def _asked(outcome: Outcome, names: list[str]) -> list[register.Peer]:
    peers = {peer.name: peer for peer in outcome.after.peers}
    unknown = [name for name in names if name not in peers]
    if unknown:
        raise Refused([f"names is {', '.join(unknown)}: must be peers of the peers' file"])
    return [peers[name] for name in names or peers]


def _content(
    outcome: Outcome, peer: register.Peer, options: Mapping[str, Any]
) -> tuple[dict[str, bytes], list[str]]:
    """The files of one peer, and the hubs that are left out for want of a preshared key.

    One with a bundle has its configurations in there alone.
    """
    content: dict[str, bytes] = {}
    found, missing = [], []
    for one in client.configurations(outcome.policy, outcome.after, peer):
        text = client.filled(outcome.policy, one, options["preshared"], peer.name)
        if text is None and not options["bundle"]:
            missing.append(one.hub)
            continue
        found.append(one)
        if text is not None and not options["bundle"]:
            content[one.file] = text.encode()
    if not found:
        hubs = ", ".join(missing) or "every hub"
        raise Refused([f"preshared has no key of {hubs} for {peer.name}; a configuration would not work"])
    if options["bundle"]:
        content[BUNDLE] = base64.b64decode(options["bundle"])
    page = client.instructions(outcome.policy, peer, found, BUNDLE if options["bundle"] else None)
    content[INSTRUCTIONS] = page.encode()
    if options["script"]:
        with open(options["script"], "rb") as file:
            content[SCRIPT] = file.read()
    return content, missing


def _write(folder: str, content: Mapping[str, bytes], check_mode: bool) -> list[str]:
    """Write what differs, readable by nobody else from the first byte on; gives the paths."""
    modes = {SCRIPT: 0o700}
    written = []
    for name, data in content.items():
        path, mode = os.path.join(folder, name), modes.get(name, 0o600)
        if _same(path, data, mode):
            continue
        written.append(path)
        if check_mode:
            continue
        for each in (os.path.dirname(folder), folder):
            os.makedirs(each, mode=0o700, exist_ok=True)
            os.chmod(each, 0o700)
        handle, fresh = tempfile.mkstemp(prefix=".", dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(fresh, mode)
        os.replace(fresh, path)
    return written


def _sweep(folder: str, content: Mapping[str, bytes], check_mode: bool) -> list[str]:
    """Take configurations away that lead nowhere any more; gives their paths. Bundles stay."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    stale = [name for name in sorted(names) if name.endswith(".conf") and name not in content]
    for name in stale if not check_mode else ():
        os.unlink(os.path.join(folder, name))
    return [os.path.join(folder, name) for name in stale]


def _same(path: str, data: bytes, mode: int) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == data and os.fstat(file.fileno()).st_mode & 0o7777 == mode
    except FileNotFoundError:
        return False
