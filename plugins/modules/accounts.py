#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups and users of a host in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accounts
short_description: Groups, users and offboarding in one round trip
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Reads C(/etc/passwd), C(/etc/group) and C(/etc/shadow) once, plans all differences, and makes them with
    the system's own tools. When nothing differs, no process is started.
  - A user who leaves (O(users[].state=absent)) is locked and expired first. Then sessions and processes are
    ended, cron and at jobs deleted, and the user removed. The home directory is kept for root alone, unless
    O(users[].remove_home).
  - A user whose O(users[].expires) has come has its processes ended as well.
  - Refuses to remove or expire root and the user of the current connection, before anything is changed.
  - Accounts that are not named are left alone, and so is every property that is not given.
options:
  groups:
    description:
      - Groups of the host.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      gid:
        description: Number of the group. Files keep their old number when it changes.
        type: int
      system:
        description: Take the number of a new group from the range for services.
        type: bool
        default: false
      state:
        description: Whether the group is there. The primary group of a user who stays can't be removed.
        type: str
        choices: [present, absent]
        default: present
  users:
    description:
      - Users of the host.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      uid:
        description: Number of the user.
        type: int
      group:
        description:
          - Name of the primary group. It must exist or be in O(groups).
          - Without it, a new user gets a group of its own name.
        type: str
      groups:
        description:
          - Names of supplementary groups. They must exist or be in O(groups).
          - Without it, memberships are left alone; an empty list ends all.
        type: list
        elements: str
      groups_exclusive:
        description: Whether the user leaves groups that are not in O(users[].groups).
        type: bool
        default: true
      comment:
        description: Full name or purpose.
        type: str
      home:
        description:
          - Home directory. When it changes, the contents move along, unless the new directory exists.
        type: path
      create_home:
        description:
          - Make the home directory, with mode 0700, when it does not exist.
          - The default is V(true), and V(false) with O(users[].system).
        type: bool
      shell:
        description: Login shell.
        type: path
      system:
        description: Take the number of a new user from the range for services.
        type: bool
        default: false
      password:
        description:
          - Password as a crypt hash. V(!) locks the password.
          - A new user without one is exempt from the password age of C(/etc/login.defs), which would lock out
            logins by key too.
          - It is handed to C(chpasswd) on its standard input and never shown.
        type: str
      password_locked:
        description:
          - Whether the password is locked. Keys still open the account; to close it altogether, let it
            expire.
          - Without it, the lock is left alone.
        type: bool
      expires:
        description:
          - The day, as C(YYYY-MM-DD), from which on the account is closed; V(none) for never.
        type: str
      state:
        description: Whether the user is there.
        type: str
        choices: [present, absent]
        default: present
      remove_home:
        description: With O(users[].state=absent), also delete the home directory and the mail spool.
        type: bool
        default: false
  root_locked:
    description:
      - Whether the password of root is locked. Without it, it is left alone.
    type: bool
attributes:
  check_mode:
    description: Can run in check mode and gives the same plan.
    details:
      - A group that does not exist and is not in O(groups) is a warning in check mode, as a package may
        bring it, and an error otherwise.
    support: full
  diff_mode:
    description: Gives the properties that differ. Passwords are masked.
    support: full
  platform:
    description: Hosts with the shadow tools.
    platforms: posix
    support: full
seealso:
  - module: ansible.builtin.user
  - module: ansible.builtin.group
"""

EXAMPLES = r"""
- name: Accounts | Groups and users of the host
  groundwork.platform.accounts:
    groups:
      - name: operators
    users:
      - name: alice
        comment: Alice Example
        groups: [operators, sudo]
        shell: /bin/bash
        expires: "2027-12-31"
      - name: mallory
        state: absent
    root_locked: true
"""

RETURN = r"""
plan:
  description: The changes, in the order in which they are applied.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description:
        - One of V(create), V(update), V(delete), V(lock), V(end_sessions), V(delete_jobs).
      type: str
    key:
      description: What is changed, such as V(user alice) or V(group operators).
      type: str
    before:
      description: The properties that differ, as they were.
      type: raw
    after:
      description: The properties that differ, as they are now.
      type: raw
  sample:
    - kind: update
      key: user alice
      before: {"shell": "/bin/sh"}
      after: {"shell": "/bin/bash"}
stats:
  description: Processes started, and seconds.
  type: dict
  returned: success
  sample: {"calls": 0, "seconds": 0.002}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.groundwork.platform.plugins.module_utils.accounts.apply import Applier
from ansible_collections.groundwork.platform.plugins.module_utils.accounts.model import (
    RequestError,
    parse_request,
)
from ansible_collections.groundwork.platform.plugins.module_utils.accounts.plan import (
    missing_groups,
    plan_steps,
)
from ansible_collections.groundwork.platform.plugins.module_utils.accounts.read import read_host
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Meter, PlanError, reconcile

GROUP = {
    "name": {"type": "str", "required": True},
    "gid": {"type": "int"},
    "system": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
USER = {
    "name": {"type": "str", "required": True},
    "uid": {"type": "int"},
    "group": {"type": "str"},
    "groups": {"type": "list", "elements": "str"},
    "groups_exclusive": {"type": "bool", "default": True},
    "comment": {"type": "str"},
    "home": {"type": "path"},
    "create_home": {"type": "bool"},
    "shell": {"type": "path"},
    "system": {"type": "bool", "default": False},
    "password": {"type": "str", "no_log": True},
    "password_locked": {"type": "bool", "no_log": False},
    "expires": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "remove_home": {"type": "bool", "default": False},
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "groups": {"type": "list", "elements": "dict", "default": [], "options": GROUP},
            "users": {"type": "list", "elements": "dict", "default": [], "options": USER},
            "root_locked": {"type": "bool"},
        },
        supports_check_mode=True,
    )
    meter = Meter()

    def run(arguments: list[str], stdin: str | None) -> tuple[int, str, str]:
        meter.count()
        status, out, err = module.run_command(
            arguments, data=stdin, binary_data=True, environ_update={"LC_ALL": "C.UTF-8"}
        )
        return status, out, err

    try:
        request = parse_request(module.params)
        host = read_host(request, os.environ)
        missing = missing_groups(request, host)
        if missing and not module.check_mode:
            raise RequestError("; ".join(missing))
        for line in missing:
            module.warn(line)
        steps = plan_steps(request, host)
        changes = [step.change for step in steps]
        module.exit_json(**reconcile(changes, Applier(steps, run), meter, module.check_mode))
    except RequestError as error:
        module.fail_json(msg=str(error))
    except PlanError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
