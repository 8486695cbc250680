# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jinja test ``port``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.inputs import is_port

DOCUMENTATION = r"""
name: port
short_description: Whether a value is a TCP or UDP port
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Whole numbers from 1 to 65535, also as text.
  - A value of another type is refused, not an error.
options:
  _input:
    description: The value.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Accept and refuse
  ansible.builtin.assert:
    that:
      - 22 is groundwork.platform.port
      - 70000 is not groundwork.platform.port
"""

RETURN = r"""
_value:
  description: Whether the value is a TCP or UDP port.
  type: bool
"""


class TestModule:
    """Makes the test known to Jinja."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        return {"port": is_port}
