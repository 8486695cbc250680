# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All sections, in the order in which they are written."""

from __future__ import annotations

from typing import Dict, List, Tuple

from ..model import GROUP, INSTANCE, PROJECT
from .approvals import ApprovalRules, Approvals, PushRules
from .base import Section
from .files import Files, Tags
from .hooks import Hooks
from .integrations import Integrations
from .job_token import JobToken
from .keys import DeployKeys
from .labels import Badges, Labels
from .mirrors import Mirrors
from .people import Members, Shares
from .protections import ProtectedBranches, ProtectedEnvironments, ProtectedTags
from .runners import Runners
from .schedules import Schedules
from .tokens import AccessTokens, DeployTokens
from .variables import Variables

SECTIONS: Tuple[Section, ...] = (
    Shares(),
    Members(),
    Files(),
    ProtectedBranches(),
    ProtectedTags(),
    Tags(),
    ProtectedEnvironments(),
    PushRules(),
    Approvals(),
    ApprovalRules(),
    Variables(),
    DeployKeys(),
    DeployTokens(),
    AccessTokens(),
    Hooks(),
    Labels(),
    Badges(),
    Runners(),
    JobToken(),
    Schedules(),
    Integrations(),
    Mirrors(),
)


def of(kind: str) -> List[Section]:
    """The sections that a kind of node can have."""
    return [section for section in SECTIONS if kind in section.kinds]


NAMES: Dict[str, Tuple[str, ...]] = {
    kind: tuple(section.name for section in of(kind)) for kind in (GROUP, PROJECT, INSTANCE)
}
