# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jinja test ``cidr4``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.inputs import is_cidr

DOCUMENTATION = r"""
name: cidr4
short_description: Whether a value is an IPv4 network
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - C(address/prefix) with no host bits set.
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
      - "'192.0.2.0/24' is groundwork.platform.cidr4"
      - "'2001:db8::/32' is not groundwork.platform.cidr4"
"""

RETURN = r"""
_value:
  description: Whether the value is an IPv4 network.
  type: bool
"""


class TestModule:
    """Makes the test known to Jinja."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        return {"cidr4": functools.partial(is_cidr, version=4)}
