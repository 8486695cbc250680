#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: addons
short_description: Plan and apply the addon catalog in a Kubernetes cluster
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Installs what O(selection) names of the catalog of the role P(groundwork.platform.k8s_addons#role), and of
    O(catalogs), with Helm, and keeps it as it is written.
  - A run that changes nothing makes two requests to the API, for the metadata of all releases and for the
    engine's own ConfigMap, and starts no process.
  - Everything that can be refused is refused before anything changes.
  - Each addon says in a line what it is at, as it happens.
options:
  state:
    description:
      - V(present) makes the cluster what the selection says. In check mode it only tells the plan, and with
        diff each object that would change.
      - V(absent) removes every addon that was installed by V(present), in reverse order.
      - V(drift) compares live objects with what was applied, and changes nothing.
      - V(valid) checks selection, layers and lock, and needs no cluster.
      - V(locked) writes the digest of each chart into the lock of its catalog.
    type: str
    choices: [present, absent, drift, valid, locked]
    default: present
  kubeconfig:
    description: The kubeconfig. When empty, what E(KUBECONFIG) names, or C(~/.kube/config).
    type: path
    default: ""
  context:
    description: The context in the kubeconfig. When empty, its current one.
    type: str
    default: ""
  catalogs:
    description: Folders of further catalogs.
    type: list
    elements: path
    default: []
  selection:
    description: Names of the addons. What they need has to be among them.
    type: list
    elements: str
    default: []
  environment:
    description: Which C(values.ENVIRONMENT.yml) of each addon goes over its C(values.yml).
    type: str
    default: ""
  environment_values:
    description: Values of charts by addon, over those of the catalog.
    type: dict
    default: {}
  values:
    description: Values of charts by addon, over O(environment_values).
    type: dict
    default: {}
  inline_values:
    description: Values of charts by addon, over O(values).
    type: dict
    default: {}
  resources:
    description:
      - Changes to the objects beside a chart, by addon and then by C(Kind/name) or C(Kind/namespace/name).
    type: dict
    default: {}
  secrets:
    description: Secrets by addon, name and key, made in the addon's namespace before its chart.
    type: dict
    default: {}
  prune:
    description: Whether addons that are not selected any more are removed.
    type: bool
    default: false
  remove_crds:
    description: Whether definitions of custom resources go with their addon, and all objects with them.
    type: bool
    default: false
  repair:
    description:
      - Whether live objects are compared with what was applied, as with O(state=drift), and addons of which
        an object differs are applied once more.
    type: bool
    default: false
  charts_mirror:
    description: A folder, or an C(oci://) prefix, that charts come from in place of upstream.
    type: str
    default: ""
  unavailable:
    description: Whether an addon whose chart has no source is refused, or left out with what needs it.
    type: str
    choices: [refuse, skip]
    default: refuse
  helm:
    description: Helm 3.17 or later, or 4, a name in E(PATH) or a path.
    type: str
    default: helm
  cache:
    description: Folder where charts are kept by their digest.
    type: path
    default: ~/.cache/groundwork/addons
  workers:
    description: How many addons are worked on at a time.
    type: int
    default: 6
requirements:
  - kubernetes 31 or later, from PyPI, on the controller
  - Helm 3.17 or later, or Helm 4, on the controller
attributes:
  check_mode:
    description: Reads what is there and gives the plan.
    support: full
  diff_mode:
    description: Shows each object as the API server would make it. Values of Secrets are masked.
    support: full
  action:
    description: Runs on the controller.
    support: full
seealso:
  - ref: ansible_collections.groundwork.platform.k8s_addons_role
    description: The catalog, and what an inventory says of it.
"""

EXAMPLES = r"""
- name: Install an ingress and certificates
  groundwork.platform.addons:
    kubeconfig: ~/.kube/shop
    selection: [gateway-api-crds, traefik, cert-manager]
    values:
      traefik:
        deployment: {replicas: 3}

- name: See whether somebody has changed what was installed
  groundwork.platform.addons:
    state: drift
    kubeconfig: ~/.kube/shop
    selection: [gateway-api-crds, traefik, cert-manager]
  register: drift
"""

RETURN = r"""
plan:
  description: What is to be done, in order.
  type: list
  elements: dict
  returned: with O(state=present), O(state=absent), O(state=drift) and O(state=locked)
  contains:
    kind:
      description: One of V(create), V(update) and V(delete).
      type: str
    key:
      description: The addon. C(ADDON.monitoring) are its monitors and alerts.
      type: str
    before:
      description: The version that was there.
      type: dict
    after:
      description: The version that is wanted, and why there is something to do.
      type: dict
  sample:
    - kind: update
      key: traefik
      before: {"version": "41.2.0"}
      after: {"version": "41.3.0", "reason": "version 41.2.0 -> 41.3.0"}
addons:
  description: What became of each addon.
  type: dict
  returned: with O(state=present), O(state=absent) and O(state=valid)
  sample: {"traefik": {"state": "ready", "version": "41.3.0", "seconds": 12.3}}
unselected:
  description: Addons that were installed, are not selected any more, and are kept.
  type: list
  elements: str
  returned: with O(state=present) and O(state=drift)
drift:
  description: Objects that are not as they were applied.
  type: list
  elements: dict
  returned: with O(state=drift)
  sample: [{"addon": "traefik", "kind": "update", "object": "Deployment traefik/traefik"}]
stats:
  description: Requests to the API, processes of Helm, and seconds.
  type: dict
  returned: with O(state=present), O(state=absent) and O(state=drift)
  sample: {"calls": 2, "processes": 0, "seconds": 0.041}
"""
