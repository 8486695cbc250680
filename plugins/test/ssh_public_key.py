# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Jinja test ``ssh_public_key``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.inputs import is_ssh_public_key

DOCUMENTATION = r"""
name: ssh_public_key
short_description: Whether a value is an SSH public key
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - One line C(type base64 [comment]); the encoded key must be whole and of the type that the line says.
    Options before the type, certificates and DSA keys are refused.
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
      - "'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f'
        is groundwork.platform.ssh_public_key"
      - "'ssh-ed25519 AAAA' is not groundwork.platform.ssh_public_key"
"""

RETURN = r"""
_value:
  description: Whether the value is an SSH public key.
  type: bool
"""


class TestModule:
    """Makes the test known to Jinja."""

    def tests(self) -> dict[str, Callable[[Any], bool]]:
        return {"ssh_public_key": is_ssh_public_key}
