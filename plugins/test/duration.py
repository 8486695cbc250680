# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jinja test ``duration``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.inputs import is_duration

DOCUMENTATION = r"""
name: duration
short_description: Whether a value is a time span
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Positive whole numbers with the units V(w), V(d), V(h), V(m), V(s), largest first, such as V(1h30m), as
    sshd, systemd and nft all read it.
  - A value of another type is refused, not an error.
options:
  _input:
    description: The value.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Accept and refuse
  ansible.builtin.assert:
    that:
      - "'1h30m' is groundwork.platform.duration"
      - "'30m1h' is not groundwork.platform.duration"
"""

RETURN = r"""
_value:
  description: Whether the value is a time span.
  type: bool
"""


class TestModule:
    """Makes the test known to Jinja."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        return {"duration": is_duration}
