# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jinja test ``ip_address``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.inputs import is_ip_address

DOCUMENTATION = r"""
name: ip_address
short_description: Whether a value is an IPv4 or IPv6 address
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Without prefix and without zone.
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
      - "'2001:db8::1' is groundwork.platform.ip_address"
      - "'192.0.2.0/24' is not groundwork.platform.ip_address"
"""

RETURN = r"""
_value:
  description: Whether the value is an IPv4 or IPv6 address.
  type: bool
"""


class TestModule:
    """Makes the test known to Jinja."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        return {"ip_address": is_ip_address}
