# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that make of declared runners what a cluster gets; each is documented in the file of its name."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner import (
    config,
    kubernetes,
    model,
)

# The objects of the admission policy are a file of the role, to be read by people too.
POLICY = Path(os.path.realpath(__file__)).parents[2] / "roles/gitlab_runner/files/admission_policy.yml"


@functools.cache
def policy() -> tuple[dict[str, Any], ...]:
    return tuple(yaml.safe_load_all(POLICY.read_text()))


def _runners(declared: Sequence[Mapping[str, Any]], cluster: str) -> tuple[model.Runner, ...]:
    try:
        return model.at(model.parse(declared), cluster, kubernetes=True)
    except model.DeclarationError as error:
        raise AnsibleFilterError(str(error)) from error


def gitlab_runner_values(
    declared: Sequence[Mapping[str, Any]],
    cluster: str,
    url: str,
    concurrent: int = 0,
    cache: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """See the documentation of the filter."""
    settings = config.Settings(url=url, concurrent=concurrent, cache=cache)
    return kubernetes.values(_runners(declared, cluster), cluster, settings)


def gitlab_runner_objects(
    declared: Sequence[Mapping[str, Any]], cluster: str, quotas: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """See the documentation of the filter."""
    return kubernetes.objects(_runners(declared, cluster), quotas or {}, policy())


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "gitlab_runner_objects": gitlab_runner_objects,
            "gitlab_runner_values": gitlab_runner_values,
        }
