#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gitlab_config
short_description: Bring groups, projects and what is in them to what an inventory says
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Reads whole trees of groups and projects in a few requests and the declared sections with one request
    each, side by side over connections that are kept. Compares field by field, refuses or plans, and writes
    only what differs.
  - Everything that is wrong is reported in one failure before anything changes. Each line names the group or
    the project, the value and the rule.
  - A protection is changed in place, or under a second one that is put up first. It is never off.
  - Secrets that GitLab does not give back are told apart by a keyed digest that stands in the description of
    what has them. They are in no plan, difference or message.
  - What fails stops the group or the project that it is about and what is below it. All others are finished,
    and the failure tells what was done, what failed and what is left. The next run goes on from there.
  - A rate limit is waited for as long as GitLab says. What could be done twice is not sent again.
  - The model is described in the guide on GitLab and in the role
    P(groundwork.platform.gitlab_config#role).
options:
  url:
    description: The address of the GitLab, such as V(https://gitlab.example.com).
    type: str
    required: true
  token:
    description:
      - A personal, group or project access token with the scope C(api).
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
    description:
      - The tree of groups and projects, as C(gitlab_config_groups) of the role has it.
    type: list
    elements: dict
    default: []
  instance:
    description: Settings, variables and system hooks of the whole GitLab. Needs a token of an administrator.
    type: dict
    default: {}
  defaults:
    description: What all groups and all projects inherit, below V(groups) and V(projects).
    type: dict
    default: {}
  enforce:
    description:
      - For each section, what happens to things in it that are not declared. V(leave) lets them be, V(report)
        lists them in the result, V(remove) removes them.
    type: dict
    default: {}
  confirm_deletion:
    description:
      - Full paths of groups and projects with C(state=absent) that may be deleted. GitLab keeps them for the
        time that its settings say.
    type: list
    elements: str
    default: []
  digest_key:
    description: The key of the digests by which secrets are compared. Needed where a secret is declared.
    type: str
    default: ""
  check_input_only:
    description: Hold the model against its rules without asking GitLab anything.
    type: bool
    default: false
attributes:
  check_mode:
    description: Gives the plan and writes nothing.
    support: full
  diff_mode:
    description: Shows each field that differs, secrets masked.
    support: full
  action:
    description: Runs on the controller, which needs python-gitlab.
    support: full
seealso:
  - module: groundwork.platform.gitlab_export
  - ref: ansible_collections.groundwork.platform.gitlab_config_role
    description: The role that calls this module.
"""

EXAMPLES = r"""
- name: Bring the groups and projects of the company to what the inventory says
  groundwork.platform.gitlab_config:
    url: https://gitlab.example.com
    token_file: /run/secrets/gitlab_token
    groups:
      - path: acme
        visibility: private
        members:
          alice: owner
        defaults:
          projects:
            protected_branches:
              main: {push: no one, merge: maintainer}
        projects:
          - path: web
            variables:
              REGION: eu-central-1
    enforce:
      protected_branches: remove
"""

RETURN = r"""
plan:
  description: The differences, in the order of the model.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: One of V(create), V(update), V(delete), V(move), V(archive), V(unarchive), V(restore).
      type: str
    key:
      description: What it is about, such as V(acme/web protected_branches main).
      type: str
    before:
      description: The fields that differ, as they were.
      type: dict
    after:
      description: The fields that differ, as they are to be.
      type: dict
  sample:
    - kind: update
      key: acme/web protected_branches main
      before: {"push": ["maintainer"]}
      after: {"push": ["no one"]}
unlisted:
  description: Things that nobody declares, of sections that report them.
  type: list
  elements: dict
  returned: success
  sample: [{"object": "acme/web", "section": "labels", "key": "old"}]
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
  sample:
    - 'gitlab_config_groups[acme/web].visibility is "public": must not be wider than private, the visibility
      of the group acme'
failures:
  description: What failed, where some changes did.
  type: list
  elements: dict
  returned: failure
  sample: [{"object": "acme/web", "change": "create acme/web labels bug", "reason": "POST ...: 500 error"}]
applied:
  description: The changes that were made before and beside a failure.
  type: list
  elements: dict
  returned: failure
pending:
  description: The changes that were not tried because of a failure.
  type: list
  elements: dict
  returned: failure
"""
