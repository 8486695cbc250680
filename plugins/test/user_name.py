# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jinja test ``user_name``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.inputs import is_user_name

DOCUMENTATION = r"""
name: user_name
short_description: Whether a value is a name for a user or a group
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Lower case letters, digits, V(_) and V(-), not starting with a digit or V(-), at most 32 characters.
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
      - "'alice' is groundwork.platform.user_name"
      - "'Alice Smith' is not groundwork.platform.user_name"
"""

RETURN = r"""
_value:
  description: Whether the value is a name for a user or a group.
  type: bool
"""


class TestModule:
    """Makes the test known to Jinja."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        return {"user_name": is_user_name}
