#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gitlab_runner
short_description: Bring GitLab's runners, and the place where they run, to what is declared
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Makes, changes, rotates and revokes the runners of one place at GitLab, and writes their configuration and
    tokens there. The place is a host (C(/etc/gitlab-runner/config.toml)), or a cluster (a Secret).
  - Runners are found again by the id beside their token, and by their description when a run was broken off
    between GitLab and the place. Those without our mark in their description are never touched.
  - A token is in no result, no variable and no line of output.
  - The role P(groundwork.platform.gitlab_runner#role) and C(playbooks/gitlab_runner.yml) call it.
options:
  state:
    description:
      - V(present) brings all to the declaration. Runners of the place that are not declared any more are
        drained and revoked.
      - V(absent) drains and revokes all of the place.
      - V(rotate), V(drain), V(resume) and V(revoke) do so with the runners in O(names). V(drain) lets no new
        jobs come and waits for those that run.
      - V(validate) holds O(runners) against the rules and asks nobody.
    type: str
    choices: [present, absent, validate, rotate, drain, resume, revoke]
    default: present
  runners:
    description: All declared runners, as C(gitlab_runner_runners) of the role.
    type: list
    elements: dict
    required: true
  names:
    description: Names of declared runners.
    type: list
    elements: str
    default: []
  place:
    description: What the declaration calls the host or cluster.
    type: str
    required: true
  kubernetes:
    description: Whether the place is a cluster.
    type: bool
    default: false
  kubeconfig:
    description: The cluster's kubeconfig on the controller.
    type: str
    default: ''
  context:
    description: The context in it.
    type: str
    default: ''
  url:
    description: GitLab's URL.
    type: str
    default: ''
  token:
    description: A token of GitLab's API with the scope C(api).
    type: str
    default: ''
  ca_file:
    description: A file on the controller with the certificates that GitLab is trusted by.
    type: str
    default: ''
  ca_path:
    description: The same, where the runners are.
    type: str
    default: ''
  concurrent:
    description: How many jobs run at a time in the place.
    type: int
    default: 0
  listen_address:
    description: Where metrics are told.
    type: str
    default: ''
  log_level:
    description: What is logged.
    type: str
    default: info
  shutdown_timeout:
    description: Seconds that jobs get when the service is told to stop at once.
    type: int
    default: 0
  cache:
    description: An S3 for caches.
    type: dict
    default: {}
  cache_secret_key:
    description: The secret of its access key.
    type: str
    default: ''
  drain_seconds:
    description: How long jobs are waited for.
    type: int
    default: 3600
  renew_days:
    description: A token that ends within so many days is replaced.
    type: int
    default: 7
requirements:
  - python-gitlab on the controller, and kubernetes for clusters
  - Python 3.11 or later on the host
attributes:
  check_mode:
    description: Asks GitLab and the place, and gives the same plan. Projects may be missing then.
    support: full
  diff_mode:
    description: Shows what differs at GitLab, and the configuration without secrets.
    support: full
  action:
    description: Runs on the controller, with one or two round trips to the host.
    support: full
"""

EXAMPLES = r"""
- name: One project's runner on a host
  groundwork.platform.gitlab_runner:
    url: https://gitlab.example.com
    token: "{{ vault_gitlab_token }}"
    place: "{{ inventory_hostname }}"
    runners:
      - name: shop-build
        project: shop/api
        "on": [node1]
        executor: docker
        image: debian:13
        tags: [build]
"""

RETURN = r"""
plan:
  description: The differences, at GitLab and in the place.
  type: list
  elements: dict
  returned: success
  sample:
    - kind: create
      key: shop-build on node1 (groundwork)
      before: null
      after: {"tag_list": ["build"], "locked": true}
stats:
  description: Requests to GitLab, and seconds.
  type: dict
  returned: success
  sample: {"calls": 1, "seconds": 0.02}
"""
