#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages of a host in one transaction."""

from __future__ import annotations

DOCUMENTATION = r"""
module: packages
short_description: Install, remove, hold and upgrade packages in one transaction
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Reads the packages of the host once, works out what is missing or too much, and hands all of it to the
    package manager as one transaction.
  - When nothing is to be done, one process is started (two with O(upgrade)), and package lists are left
    alone.
  - A run of dpkg that was broken off is finished first; the plan says so with the kind V(configure).
  - Other runs of the package manager are waited for.
options:
  install:
    description:
      - Packages that must be there, each as V(name), V(name:architecture) or V(name=version). The version
        may be a pattern, such as V(openssh-server=1:9.2*).
      - A virtual package is there when an installed package provides it.
      - A package that is on hold is changed only when it has a version here or is also in O(unhold). It
        stays on hold in the first case.
    type: list
    elements: str
    default: []
  remove:
    description:
      - Packages that must not be there, with what depends on them.
    type: list
    elements: str
    default: []
  purge:
    description:
      - Remove configuration files with the packages in O(remove), also those of packages removed earlier.
    type: bool
    default: false
  hold:
    description:
      - Packages that no upgrade may change.
    type: list
    elements: str
    default: []
  unhold:
    description:
      - Packages that upgrades may change again.
    type: list
    elements: str
    default: []
  upgrade:
    description:
      - V(security) upgrades installed packages to the newest version that a security archive
        (C(*-security)) has.
      - V(full) upgrades all packages, and may remove some for it.
    type: str
    choices: [none, security, full]
    default: none
  refresh:
    description:
      - Seconds for which package lists stay valid. They are fetched again when they are older, missing,
        older than the list of sources, or lack a package, and only when something is to be installed or
        upgraded.
    type: int
    default: 3600
  recommends:
    description:
      - Also install the packages that those in O(install) recommend.
    type: bool
    default: false
  lock_timeout:
    description:
      - Seconds to wait for another run of the package manager.
    type: int
    default: 120
attributes:
  check_mode:
    description: Can run in check mode and gives the same plan.
    details:
      - Package lists are not fetched in check mode. Where they are missing, the plan holds only the
        packages asked for, without versions and dependencies.
    support: full
  diff_mode:
    description: Gives the packages that differ, one a line.
    support: full
  platform:
    description: Hosts with dpkg and apt.
    platforms: debian
    support: full
seealso:
  - module: ansible.builtin.apt
"""

EXAMPLES = r"""
- name: Install | Packages of the SSH server
  groundwork.platform.packages:
    install:
      - openssh-server=1:9.2*
      - nftables
    remove:
      - telnet
    purge: true

- name: Upgrade | Security fixes, but leave the database alone
  groundwork.platform.packages:
    hold:
      - postgresql-15
    upgrade: security
"""

RETURN = r"""
plan:
  description: The changes, in the order in which they are applied, dependencies included.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description:
        - One of V(configure), V(unhold), V(install), V(upgrade), V(downgrade), V(remove), V(purge), V(hold).
      type: str
    key:
      description: The package.
      type: str
    before:
      description: The version that was there.
      type: str
    after:
      description: The version that is there now.
      type: str
  sample: [{"kind": "install", "key": "nftables", "before": null, "after": "1.0.6-2+deb12u2"}]
stats:
  description: Processes started, and seconds.
  type: dict
  returned: success
  sample: {"calls": 1, "seconds": 0.05}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.groundwork.platform.plugins.module_utils.packages.apt import ENVIRONMENT, Apt
from ansible_collections.groundwork.platform.plugins.module_utils.packages.model import (
    PackageManagerError,
    RequestError,
    parse_request,
)
from ansible_collections.groundwork.platform.plugins.module_utils.packages.plan import Converger
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Meter, PlanError


def main() -> None:
    """Entry point."""
    names = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "install": names,
            "remove": names,
            "purge": {"type": "bool", "default": False},
            "hold": names,
            "unhold": names,
            "upgrade": {"type": "str", "choices": ["none", "security", "full"], "default": "none"},
            "refresh": {"type": "int", "default": 3600},
            "recommends": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    if module.get_bin_path("dpkg-query") is None or module.get_bin_path("apt-get") is None:
        module.fail_json(msg="The host has no dpkg and apt, the only package manager that this module knows")
    meter = Meter()
    # Package lists are for every user of the host, also where the login's umask is stricter.
    os.umask(0o022)

    def run(arguments: list[str]) -> tuple[int, str, str]:
        meter.count()
        status, out, err = module.run_command(arguments, environ_update=ENVIRONMENT)
        return status, out, err

    converger = Converger(Apt(run, module.params["lock_timeout"]), meter, module.check_mode, module.warn)
    try:
        module.exit_json(**converger.run(parse_request(module.params)))
    except (RequestError, PackageManagerError) as error:
        module.fail_json(msg=str(error))
    except PlanError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
