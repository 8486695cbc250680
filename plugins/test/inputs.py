# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jinja tests for the rules of assert_inputs; the documentation of each stands in the file of its name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils import inputs


class TestModule:
    def tests(self) -> dict[str, Callable[[Any], bool]]:
        return {
            "cidr": inputs.is_cidr,
            "cidr4": functools.partial(inputs.is_cidr, version=4),
            "cidr6": functools.partial(inputs.is_cidr, version=6),
            "duration": inputs.is_duration,
            "hostname": inputs.is_hostname,
            "ip_address": inputs.is_ip_address,
            "port": inputs.is_port,
            "ssh_public_key": inputs.is_ssh_public_key,
            "user_name": inputs.is_user_name,
        }
