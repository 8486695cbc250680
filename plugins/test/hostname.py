# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jinja test ``hostname``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.inputs import is_hostname

DOCUMENTATION = r"""
name: hostname
short_description: Whether a value is a host name
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - By RFC 1123, one label or several, without a final dot. An IP address is none.
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
      - "'gate.example.com' is groundwork.platform.hostname"
      - "'-gate' is not groundwork.platform.hostname"
"""

RETURN = r"""
_value:
  description: Whether the value is a host name.
  type: bool
"""


class TestModule:
    """Makes the test known to Jinja."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        return {"hostname": is_hostname}
