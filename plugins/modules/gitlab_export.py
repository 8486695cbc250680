#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gitlab_export
short_description: Write what a GitLab has as the inventory that would declare it
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Writes C(gitlab_config_groups), and C(gitlab_config_instance) for an administrator, as YAML. A run of
    M(groundwork.platform.gitlab_config) with it has an empty plan.
  - No secret is written. The value of a CI variable is a reference to C(gitlab_config_values), to be filled
    from a vault. A reference that is not filled leaves the value as it is. Tokens of hooks, passwords of
    mirrors and the like are left out, and so left as they are.
  - Files, tags in git and tokens are not part of it, nor are settings of the instance.
options:
  url:
    description: The address of the GitLab, such as V(https://gitlab.example.com).
    type: str
    required: true
  token:
    description:
      - A personal, group or project access token with the scope C(read_api).
      - Give this or O(token_file).
    type: str
  token_file:
    description: A file on the controller with the token in it. Only its owner may be able to read it.
    type: path
  ca_file:
    description: The certificates to trust, where the GitLab's own is not from a public authority.
    type: path
  workers:
    description: How many requests may be under way at once, from 1 to 64. Each has a connection that is kept.
    type: int
    default: 8
  groups:
    description: Paths of top groups. All that the token can see where none is named.
    type: list
    elements: str
    default: []
  dest:
    description: The file on the controller. It is replaced as a whole, readable by its owner alone.
    type: path
    required: true
attributes:
  check_mode:
    description: Reads, and writes no file.
    support: full
  diff_mode:
    description: Shows the file before and after.
    support: full
  action:
    description: Runs on the controller, which needs python-gitlab.
    support: full
seealso:
  - module: groundwork.platform.gitlab_config
"""

EXAMPLES = r"""
- name: Take the groups of the company over into the inventory
  groundwork.platform.gitlab_export:
    url: https://gitlab.example.com
    token_file: /run/secrets/gitlab_token
    groups: [acme]
    dest: inventories/prod/host_vars/gitlab/config.yml
"""

RETURN = r"""
dest:
  description: The file.
  type: str
  returned: success
  sample: inventories/prod/host_vars/gitlab/config.yml
stats:
  description: Requests that were sent, repeated ones each time, and seconds.
  type: dict
  returned: success
  sample: {"calls": 38, "reads": 38, "writes": 0, "seconds": 0.41}
violations:
  description: The lines of the error, where input is refused.
  type: list
  elements: str
  returned: failure
  sample: ['gitlab_export.groups is "acme": must be the path of a top group that the token can see']
"""
