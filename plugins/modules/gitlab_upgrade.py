#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host's GitLab may be upgraded to a release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gitlab_upgrade
short_description: Refuse an upgrade of GitLab that would jump over a required stop
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Compares the installed package of GitLab with the release that is wanted, and fails when the way between
    them leads over a required stop, back to an older release, or from the Enterprise to the Community
    Edition. The error names the stops.
  - Fails as well when another release is wanted while background migrations are still to be done.
  - Changes nothing.
options:
  version:
    description: The release that is wanted, such as V(18.5.1).
    type: str
    required: true
  edition:
    description: The edition that is wanted.
    type: str
    choices: [ce, ee]
    required: true
  stops:
    description:
      - Releases that must not be jumped over. A stop with a condition is needed by some instances only; it
        is named in a warning.
    type: list
    elements: dict
    required: true
    suboptions:
      release:
        description: The release, such as V(17.8).
        type: str
        required: true
      condition:
        description: Which instances need it, when not all do.
        type: str
        default: ''
  since:
    description: The release from which on the stops of each major release are at O(minors).
    type: str
    required: true
  minors:
    description: The minor releases that are stops.
    type: list
    elements: int
    required: true
attributes:
  check_mode:
    description: Never changes anything.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
  platform:
    description: Hosts with dpkg.
    platforms: debian
    support: full
"""

EXAMPLES = r"""
- name: Refuse to jump over a stop
  groundwork.platform.gitlab_upgrade:
    version: 18.5.1
    edition: ce
    stops:
      - release: "17.11"
      - release: "17.1"
        condition: a large table of pipeline messages
    since: "17.5"
    minors: [2, 5, 8, 11]
"""

RETURN = r"""
installed:
  description: The release that is installed, empty when there is none.
  type: str
  returned: success
  sample: 18.2.4
upgrade:
  description: Whether another release is wanted than is installed.
  type: bool
  returned: success
"""

import shutil
from typing import Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_server import upgrade

STATUS = ("gitlab-rake", "gitlab:background_migrations:status")


def installed_package(module: AnsibleModule) -> Optional[upgrade.Installed]:
    """What dpkg has, of either edition."""
    command = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}\n", "gitlab-ce", "gitlab-ee"]
    # It fails as soon as one of the two is unknown to it.
    _code, output, _error = module.run_command(command, environ_update={"LC_ALL": "C"})
    lines = (line.split() for line in output.splitlines())
    versions = [words[1] for words in lines if len(words) == 2 and words[0] == "installed"]
    return upgrade.parse_package(versions[0]) if versions else None


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "edition": {"type": "str", "choices": ["ce", "ee"], "required": True},
            "stops": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "release": {"type": "str", "required": True},
                    "condition": {"type": "str", "default": ""},
                },
            },
            "since": {"type": "str", "required": True},
            "minors": {"type": "list", "elements": "int", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        target = upgrade.parse_version(module.params["version"])
        schedule = upgrade.parse_schedule(module.params)
        found = installed_package(module)
        conditional = upgrade.check(schedule, found, target, module.params["edition"])
    except upgrade.UpgradeError as error:
        module.fail_json(msg=str(error))
    for stop in conditional:
        module.warn(f"the upgrade jumps over {stop}.z, which is needed with {stop.condition}")
    if found is not None and found.version.release != target.release and shutil.which(STATUS[0]):
        code, output, error_text = module.run_command(list(STATUS))
        if code != 0:
            module.fail_json(
                msg=f"{' '.join(STATUS)} failed with exit code {code}: {error_text.strip()[-500:]}"
            )
        left = upgrade.unfinished(output)
        if left:
            module.fail_json(
                msg=f"version is {target}: must wait for the background migrations of {found.version}, of "
                f"which {len(left)} are not finished: {', '.join(left[:5])}"
            )
    module.exit_json(
        changed=False,
        installed=str(found.version) if found else "",
        upgrade=found is not None and found.version != target,
    )


if __name__ == "__main__":
    main()
