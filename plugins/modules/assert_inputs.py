#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: assert_inputs
short_description: Refuse input that an argument specification cannot express
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Evaluates rules about variables on the controller, before anything is touched, and reports all that are
    violated in one failure. Each line names the variable, its value and the rule.
  - In a role, the C(main) entry of its argument specification is checked first. This way a playbook can
    refuse bad input of all of its roles before the first of them changes anything.
  - Nothing is sent to the host.
  - A rule that cannot be evaluated, for example because it names an undefined variable, is reported as a
    violation with the reason.
options:
  rules:
    description:
      - The rules, written out in the task.
    type: list
    elements: dict
    required: true
    suboptions:
      variable:
        description:
          - The variable that the rule is about. The error names it and prints its value.
        type: str
        required: true
      that:
        description:
          - A condition as in C(when), without braces, that gives true or false.
          - With O(rules[].each), V(item) is the element and V(index) its position.
        type: str
        required: true
      rule:
        description:
          - What the error says. It reads on from C(variable is value), for example V(must be a port from 1
            to 65535).
          - May be a template; with O(rules[].each) it sees V(item) and V(index).
        type: str
        required: true
      each:
        description:
          - A template that gives a list. The rule is evaluated for each element.
        type: raw
      label:
        description:
          - A template with V(item) and V(index) that gives what the error calls the element.
          - Without it, the position.
        type: str
      secret:
        description:
          - Mask the value in the error.
          - Entries of mappings whose key says that they are secret, such as V(password), are masked in any
            case.
        type: bool
        default: false
attributes:
  check_mode:
    description: Can run in check mode and gives the same result.
    support: full
  diff_mode:
    description: There is nothing to show, as nothing is changed.
    support: none
  action:
    description: Runs on the controller.
    support: full
seealso:
  - plugin: groundwork.platform.port
    plugin_type: test
  - plugin: groundwork.platform.cidr
    plugin_type: test
  - module: ansible.builtin.assert
"""

EXAMPLES = r"""
- name: Validate | Refuse input that the specification cannot express
  groundwork.platform.assert_inputs:
    rules:
      - variable: host_ssh_port
        that: host_ssh_port is groundwork.platform.port
        rule: must be a TCP port from 1 to 65535
      - variable: host_accounts_users
        each: "{{ host_accounts_users }}"
        label: "{{ item.name }}"
        that: item.authorized_keys | default([]) | length > 0
        rule: a user needs at least one authorized key
"""

RETURN = r"""
msg:
  description: All violations, one a line, or that the inputs are valid.
  type: str
  returned: always
  sample: 'host_ssh_port is 70000: must be a TCP port from 1 to 65535'
violations:
  description: The lines of RV(msg).
  type: list
  elements: str
  returned: failure
"""
