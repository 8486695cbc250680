#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_tree
short_description: Lay a role's tree of files on a host, validated, activated and guarded, in one round trip
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - A role keeps its files as a folder in C(templates/) that mirrors the host, such as
    C(templates/tree/etc/ssh/sshd_config.d/10-site.conf.j2). This task lays all of it on the host.
  - Files that end in C(.j2) are rendered on the controller and lose the suffix; all others are copied byte
    for byte. Symbolic links in the folder become symbolic links. Empty
    directories are named in the specification, because git does not keep them.
  - Only what differs is written, each file atomically, after the validators agreed to the whole set.
  - Files that the role no longer ships are removed. A file that was there before the role came is backed up
    once and put back when the role stops shipping it. Files that no tree owns are never touched.
  - A manifest on the host, C(/var/lib/groundwork/config_tree/NAME.json), says what a tree owns, and which
    reloads an interrupted run still owes; the next run makes up for them.
  - C(systemctl daemon-reload) is run when a path below C(/etc/systemd/system/) has changed.
  - Owners and modes stand in a specification beside the folder, see the notes.
options:
  name:
    description:
      - Name of the tree; its manifest on the host has this name.
      - The role's name when it is left out.
    type: str
  src:
    description:
      - The folder in the role's C(templates/). Its specification is the file C(SRC.yml) beside it.
    type: str
    default: tree
  state:
    description:
      - V(present) lays the tree down.
      - V(absent) removes everything that the tree owns, and puts back what was there before.
    type: str
    choices: [present, absent]
    default: present
  validate:
    description:
      - Commands that must agree before anything is replaced.
      - They run in a private mount namespace in which the host looks as it would after the change; a
        rejected change leaves no trace.
      - In check mode they run too, except for programs that the host does not have yet.
    type: list
    elements: dict
    default: []
    suboptions:
      command:
        description: Program and arguments. No shell is involved.
        type: list
        elements: str
        required: true
      paths:
        description:
          - Run it only when a changed path starts with, or as a glob matches, one of these.
          - Relative to the root of the file system, without a leading slash.
        type: list
        elements: str
      requires:
        description: Leave it out on hosts where this path would not exist after the change.
        type: path
  activate:
    description:
      - What follows a change, in this order. Each element has either O(activate[].unit) or
        O(activate[].command).
      - When one fails, the previous files are put back and activated again, and the task fails.
    type: list
    elements: dict
    default: []
    suboptions:
      unit:
        description: A systemd unit, with its suffix.
        type: str
      command:
        description: Program and arguments, run when a path changed.
        type: list
        elements: str
      enabled:
        description: Whether the unit is to start at boot; ensured on every run.
        type: bool
      state:
        description: Whether the unit is to run; ensured on every run.
        type: str
        choices: [started, stopped]
      on_change:
        description: What a running unit needs after a change.
        type: str
        choices: [reload, restart]
      holds:
        description:
          - A command that succeeds while the effect of a running unit is in place, and changes nothing.
          - It is run on every run, in check mode too. When it fails, or its program is missing, the unit gets
            what O(activate[].on_change) says, as if a path had changed.
        type: list
        elements: str
      paths:
        description:
          - Only changes of these paths count, see O(validate[].paths). Any path of the tree when left out.
        type: list
        elements: str
      requires:
        description: Leave it out on hosts where this path would not exist after the change.
        type: path
  guard:
    description:
      - Arms a rollback on the host before files are replaced. It is disarmed over a new connection, made
        after the activation; when none can be made in time, the host puts the previous files back by itself
        and the task fails.
      - A reboot in between starts the clock again.
    type: dict
    suboptions:
      seconds:
        description: Time for the confirmation, from the end of the activation.
        type: int
        default: 60
      revert:
        description:
          - Commands that the rollback runs after the files are back.
          - When left out, it repeats the reloads, restarts and commands of O(activate), and stops and
            disables what they started and enabled.
        type: list
        elements: list
        default: []
  _payload:
    description: The rendered tree; the action plugin fills it in.
    type: str
attributes:
  check_mode:
    description: Tells what would be changed and changes nothing. It works on a host on which nothing is
      installed yet.
    support: full
  diff_mode:
    description: Shows attributes and text of each path that differs. Secret content is masked.
    support: full
  platform:
    description: Hosts on which it works. Validators need CAP_SYS_ADMIN; units and the guard need systemd.
    support: full
    platforms: linux
notes:
  - Needs root on the host.
  - 'The specification C(SRC.yml) has two keys. C(defaults) holds C(owner), C(group) (V(root)), C(mode)
    (V("0644")) and C(directory_mode) (V("0755"), for parent directories that have to be made).'
  - 'C(paths) maps a path relative to the root of the file system to what is special about it. With a
    trailing slash it is about everything below. C(owner), C(group), C(mode) (a quoted octal string),
    C(secret) (mode C(0600), content never shown), C(when) (a boolean, usually templated), C(each) (a list:
    one entry for each C(item), at C(path)), C(type) V(directory) (a directory that may stay empty) or
    V(link) with C(target).'
  - A rule about everything below may have C(directory_mode), the mode of that directory itself. The directory
    is then an entry of its own, with the rule's owner and group.
  - A directory that was there before is neither removed nor changed when the tree no longer ships it.
  - Values of the specification are templated. A key that is unknown, or that matches nothing in the tree,
    is an error.
  - Parent directories that are not entries of their own are made when they are missing, and removed with
    the last file when they are empty.
  - A path on whose way other users than root and the entry's owner can write is refused.
seealso:
  - module: ansible.builtin.template
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Configure | Lay down the SSH server's files and reload it
  groundwork.platform.config_tree:
    validate:
      - command: [/usr/sbin/sshd, -t]
        paths: [etc/ssh/]
    activate:
      - unit: ssh.service
        enabled: true
        state: started
        on_change: reload
        paths: [etc/ssh/]
      - unit: nftables.service
        on_change: reload
        holds: [/usr/sbin/nft, list, table, inet, site]
    guard:
      seconds: 60

# templates/tree.yml beside templates/tree/ may look like this:
#
# defaults: {mode: "0644"}
# paths:
#   etc/sudoers.d/: {mode: "0440", directory_mode: "0750"}
#   etc/sudoers.d/account: {each: "{{ host_accounts_users }}", path: "etc/sudoers.d/{{ item.name }}"}
#   etc/app/token: {secret: true}
#   var/lib/app/: {type: directory, owner: app, mode: "0750"}

- name: Remove | Take the files away and put back what was there before
  groundwork.platform.config_tree:
    state: absent
    activate:
      - unit: ssh.service
        on_change: reload
"""

RETURN = r"""
plan:
  description:
    - Every difference, in the order in which it is carried out.
    - Kinds of files are V(create), V(update), V(delete), V(restore) (a backup is put back), V(adopt) and
      V(release) (the path stays as it is, its ownership changes). Others are the verbs of systemctl, and
      V(run) for a command.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: update
      key: /etc/motd
      before: {type: file, owner: root, group: root, mode: "0644", sha256: 01ba4719}
      after: {type: file, owner: root, group: root, mode: "0644", sha256: 4355a46b}
paths:
  description: Paths that changed, absolute and sorted.
  returned: success
  type: list
  elements: str
  sample: [/etc/motd]
activated:
  description: What was done after the change, in order, with the command of C(holds) where that failed.
  returned: success
  type: list
  elements: str
  sample: [reload ssh.service, reload nftables.service because /usr/sbin/nft list table inet site failed]
guard:
  description: V(confirmed) when a rollback was armed and a new connection disarmed it, V(unset) when none
    was armed.
  returned: success
  type: str
  sample: confirmed
stats:
  description: Processes that were started on the host, and seconds spent there.
  returned: success
  type: dict
  sample: {calls: 1, seconds: 0.041}
command:
  description: The validator that refused the change.
  returned: when a validator refused
  type: list
  elements: str
rc:
  description: Its exit code.
  returned: when a validator refused
  type: int
output:
  description: What it wrote, with secrets masked.
  returned: when a validator refused
  type: str
"""

import os
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.activation import Item
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.engine import (
    Request,
    Run,
    RunError,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import (
    Tree,
    TreeError,
    unpack,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.guard import Guard
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.validation import Validator

CONDITIONS: Dict[str, Any] = {"paths": {"type": "list", "elements": "str"}, "requires": {"type": "path"}}
COMMAND: Dict[str, Any] = {"type": "list", "elements": "str"}
ARGUMENTS: Dict[str, Any] = {
    "name": {"type": "str"},
    "src": {"type": "str", "default": "tree"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "validate": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"command": {"required": True, **COMMAND}, **CONDITIONS},
    },
    "activate": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "unit": {"type": "str"},
            "command": COMMAND,
            "enabled": {"type": "bool"},
            "state": {"type": "str", "choices": ["started", "stopped"]},
            "on_change": {"type": "str", "choices": ["reload", "restart"]},
            "holds": COMMAND,
            **CONDITIONS,
        },
        "mutually_exclusive": [("unit", "command")],
        "required_one_of": [("unit", "command")],
        "required_by": {"holds": ["unit", "on_change"]},
    },
    "guard": {
        "type": "dict",
        "options": {
            "seconds": {"type": "int", "default": 60},
            "revert": {"type": "list", "elements": "list", "default": []},
        },
    },
    "_payload": {"type": "str", "no_log": True},
}


def fixed(values: Optional[List[Any]]) -> Optional[Tuple[str, ...]]:
    """A list argument as a tuple of text; ``None`` stays ``None``."""
    return None if values is None else tuple(str(value) for value in values)


def request_from(params: Mapping[str, Any], check_mode: bool, show_diff: bool) -> Request:
    """The arguments as the engine takes them. Raises TreeError for a payload that is damaged or missing."""
    absent = params["state"] == "absent"
    if not absent and not params["_payload"]:
        raise TreeError("config_tree is used through its action plugin, which was bypassed")
    guard = params["guard"]
    return Request(
        name=params["name"],
        tree=Tree() if absent else unpack(params["_payload"]),
        validators=[
            Validator(fixed(v["command"]) or (), fixed(v["paths"]), v["requires"]) for v in params["validate"]
        ],
        items=[
            Item(**{**item, **{key: fixed(item[key]) for key in ("command", "holds", "paths")}})
            for item in params["activate"]
        ],
        guard=guard and Guard(guard["seconds"], tuple(fixed(command) or () for command in guard["revert"])),
        absent=absent,
        check_mode=check_mode,
        show_diff=show_diff,
    )


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if os.geteuid() != 0:
        module.fail_json(msg="config_tree needs root on the host: set become: true")
    try:
        result = Run(request_from(module.params, module.check_mode, module._diff), module.warn).execute()
    except RunError as failure:
        module.fail_json(**failure.result)
    except TreeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
