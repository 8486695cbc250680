# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that writes a gitlab.rb; its documentation stands in the file of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_server import ruby


def gitlab_rb(values: Any) -> str:
    """See the documentation of the filter."""
    if not isinstance(values, Mapping):
        raise AnsibleFilterError(
            f"gitlab_rb wants a mapping from sections to settings, not a {type(values).__name__}"
        )
    try:
        return ruby.settings(values)
    except ruby.RubyError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"gitlab_rb": gitlab_rb}
