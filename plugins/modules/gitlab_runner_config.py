#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The config.toml of gitlab-runner on a host, in which the tokens of its runners stay."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gitlab_runner_config
short_description: The half of M(groundwork.platform.gitlab_runner) that works on the host
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Reads and writes C(/etc/gitlab-runner/config.toml). M(groundwork.platform.gitlab_runner) calls it;
    there is little reason to do so by hand.
  - What it tells of a runner never has its token.
options:
  step:
    description:
      - V(read) tells which runners there are, and V(mark) notes that some are about to get another token, so
        that a run that is broken off is made up for by the next.
      - V(write) puts a file in place that holds what O(payload) says, with the tokens that are there.
    type: str
    choices: [read, mark, write]
    default: read
  rotating:
    description: Runners that are about to get another token, for O(step=mark).
    type: list
    elements: str
    default: []
  payload:
    description: The file without tokens, and tokens that are new, as JSON, for O(step=write).
    type: str
  path:
    description: The file.
    type: path
    default: /etc/gitlab-runner/config.toml
requirements:
  - Python 3.11 or later on the host
attributes:
  check_mode:
    description: Reads what is there and gives the same plan.
    support: full
  diff_mode:
    description: Shows the file before and after, without tokens, keys and variables.
    support: full
  platform:
    description: Hosts with gitlab-runner.
    platforms: posix
    support: full
"""

EXAMPLES = r"""
- name: See which runners a host has
  groundwork.platform.gitlab_runner_config:
  register: runners
"""

RETURN = r"""
known:
  description: Our runners in the file, by name.
  type: dict
  returned: success
  sample:
    shop-build on node1 (groundwork):
      id: 7
      expires_at: "2027-01-31T12:00:00+00:00"
      complete: true
rotating:
  description: Runners whose rotation was begun and not ended.
  type: list
  elements: str
  returned: success
"""

import json
import os
import tempfile
from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner import config, toml
from ansible_collections.groundwork.platform.plugins.module_utils.plan import UPDATE, Change, Meter, reconcile

MARKS = "groundwork-rotating.json"
HEAD = "# Managed by Groundwork. gitlab-runner writes here too, when it renews a token.\n"


def replace(path: str, text: str) -> None:
    """Put a file in place atomically, readable for root alone."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def read(path: str) -> str:
    """A file's content, empty where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["read", "mark", "write"], "default": "read"},
            "rotating": {"type": "list", "elements": "str", "default": []},
            "payload": {"type": "str", "no_log": True},
            "path": {"type": "path", "default": "/etc/gitlab-runner/config.toml"},
        },
        required_if=[("step", "write", ("payload",))],
        supports_check_mode=True,
    )
    path, step = module.params["path"], module.params["step"]
    marks = os.path.join(os.path.dirname(path), MARKS)
    meter = Meter()
    rotating: List[str] = json.loads(read(marks) or "[]")
    changes: List[Change] = []
    texts: Dict[str, str] = {}
    differences = []
    try:
        meter.count()
        present = config.parse(read(path))
        if step == "mark":
            rotating = sorted({*rotating, *module.params["rotating"]})
            texts[marks] = json.dumps(rotating)
            changes.append(Change(UPDATE, marks, None, rotating))
        elif step == "write":
            payload = json.loads(module.params["payload"])
            wanted: Dict[str, Any] = config.merged(payload["document"], present, payload["credentials"])
            loose = os.path.exists(path) and os.stat(path).st_mode & 0o177 != 0
            if loose or not config.same(wanted, present):
                before, after = (
                    toml.dumps(config.without_secrets(document)) for document in (present, wanted)
                )
                texts[path] = config.text(wanted, HEAD)
                changes.append(Change(UPDATE, path, before, after))
                differences = [
                    {"before_header": path, "after_header": path, "before": before, "after": after}
                ]
            present = wanted
    except (config.ConfigError, ValueError) as error:
        module.fail_json(msg=f"{path}: {error}")
    result = reconcile(
        changes, lambda change: replace(change.key, texts[change.key]), meter, module.check_mode, differences
    )
    if step == "write" and not module.check_mode and os.path.exists(marks):
        os.unlink(marks)
    module.exit_json(
        **result,
        known={
            label: {
                "id": one.runner_id,
                "expires_at": one.expires_at.isoformat() if one.expires_at else None,
                "complete": one.complete,
            }
            for label, one in config.known(present).items()
        },
        rotating=rotating,
    )


if __name__ == "__main__":
    main()
