#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tenants
short_description: Plan and apply the tenants of a Kubernetes cluster
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - A tenant is a namespace and what bounds it, as Pod Security level, quota, limits, network policies, access
    for groups, and logins to registries.
  - What is there is read in eight requests, however many tenants there are, and one for each Secret that is
    copied. Nothing is written where nothing differs.
  - Everything that can be refused is refused before anything changes.
options:
  state:
    description:
      - V(present) makes the namespaces what the inventory says.
      - V(absent) removes all tenants of the cluster that V(present) has made, listed or not.
      - V(valid) checks the input, and needs no cluster.
    type: str
    choices: [present, absent, valid]
    default: present
  kubeconfig:
    description: The kubeconfig. When empty, what E(KUBECONFIG) names, or C(~/.kube/config).
    type: path
    default: ""
  context:
    description: The context in the kubeconfig. When empty, its current one.
    type: str
    default: ""
  defaults:
    description:
      - What holds for each tenant that does not say otherwise. Maps are merged, lists are replaced, and
        V(null) in a map takes away what is here.
    type: dict
    default: {}
    suboptions: &tenant
      adopt:
        description:
          - Whether a namespace that somebody else has made is taken over. It is refused otherwise. One that
            was taken over stays when the tenant goes; what we have put into it does not.
        type: bool
      labels:
        description: Labels of the namespace, beside those of Pod Security.
        type: dict
      annotations:
        description: Annotations of the namespace.
        type: dict
      pod_security:
        description: The Pod Security Standard that is enforced; V(restricted) when not given.
        type: str
        choices: [restricted, baseline, privileged]
      quota:
        description: Amounts of the ResourceQuota by the names of Kubernetes, such as C(limits.memory).
        type: dict
      container_limits:
        description: Limits for each container; Kubernetes derives what is not given from the others.
        type: dict
        suboptions:
          default:
            description: Limits of a container that has none, by resource.
            type: dict
          default_request:
            description: Requests of a container that has none, by resource.
            type: dict
          min:
            description: The least that a container may request, by resource.
            type: dict
          max:
            description: The most that a container may have as a limit, by resource.
            type: dict
      volume_limits:
        description: Limits for each claim for a volume.
        type: dict
        suboptions:
          min:
            description: The least size.
            type: str
          max:
            description: The greatest size.
            type: str
      network:
        description: What pods may be reached from, and what they may reach. All else is denied.
        type: dict
        suboptions:
          dns:
            description: Whether names can be asked of the cluster's DNS; true when not given.
            type: bool
          within:
            description: Whether pods of the namespace can reach each other; true when not given.
            type: bool
          internet:
            description: Whether addresses that are not private can be reached; false when not given.
            type: bool
          from_namespaces:
            description: Namespaces whose pods may come in, such as that of the ingress.
            type: list
            elements: str
          to_namespaces:
            description: Namespaces whose pods may be reached.
            type: list
            elements: str
          policies:
            description: Further network policies by name, each as the C(spec) of a NetworkPolicy.
            type: dict
      access:
        description: Groups of users, and what they may do in the namespace.
        type: list
        elements: dict
        suboptions:
          group:
            description: The group, as the cluster's login tells it.
            type: str
            required: true
          role:
            description: A ClusterRole, such as V(admin), V(edit) or V(view). V(cluster-admin) is refused.
            type: str
            required: true
      registry_secrets:
        description:
          - Logins to registries, by reference. Where neither source is named, somebody else makes the Secret.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the Secret in the namespace.
            type: str
            required: true
          pull:
            description: Whether pods of the default ServiceAccount pull images with it; true when not given.
            type: bool
          from_secret:
            description: The Secret that it is a copy of. Each run compares the two.
            type: dict
            suboptions:
              namespace:
                description: Where that Secret is.
                type: str
                required: true
              name:
                description: Its name.
                type: str
                required: true
          from_store:
            description: Where External Secrets fetches it.
            type: dict
            suboptions:
              name:
                description: Name of the store.
                type: str
                required: true
              kind:
                description: The cluster's store when not given, or one of the namespace's own.
                type: str
                choices: [ClusterSecretStore, SecretStore]
              key:
                description: The key in the store. Its value is a Docker configuration as JSON.
                type: str
                required: true
  namespaces:
    description: The tenants.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the namespace.
        type: str
        required: true
      <<: *tenant
  prune:
    description: Whether tenants that are not among O(namespaces) any more are removed.
    type: bool
    default: false
  remove_volumes:
    description: Whether a namespace is removed that still holds claims for volumes. It is refused otherwise.
    type: bool
    default: false
  timeout:
    description: Seconds that namespaces which are removed may take to go.
    type: int
    default: 300
requirements:
  - kubernetes 31 or later, from PyPI, on the controller
attributes:
  check_mode:
    description: Reads what is there and gives the plan.
    support: full
  diff_mode:
    description: Shows what of each object would change. Secrets are masked.
    support: full
  action:
    description: Runs on the controller.
    support: full
seealso:
  - ref: ansible_collections.groundwork.platform.k8s_tenants_role
    description: What an inventory says of tenants.
"""

EXAMPLES = r"""
- name: Give the shop's developers a namespace
  groundwork.platform.tenants:
    kubeconfig: ~/.kube/prod-1
    namespaces:
      - name: shop
        quota: {requests.cpu: 4, requests.memory: 8Gi, limits.memory: 16Gi, pods: 40}
        container_limits:
          default: {memory: 256Mi}
          default_request: {cpu: 50m, memory: 128Mi}
        network: {from_namespaces: [traefik]}
        access:
          - {group: shop-developers, role: edit}
        registry_secrets:
          - name: registry
            from_store: {name: openbao, key: registry/shop}
"""

RETURN = r"""
plan:
  description: What is to be done, in order.
  type: list
  elements: dict
  returned: with O(state=present) and O(state=absent)
  contains:
    kind:
      description: One of V(create), V(update) and V(delete).
      type: str
    key:
      description: The object.
      type: str
    before:
      description: What of it counts, as it was. Secrets are masked.
      type: raw
    after:
      description: What of it counts, as it should be.
      type: raw
  sample:
    - kind: update
      key: ResourceQuota shop/groundwork-quota
      before: {"spec": {"hard": {"pods": "20"}}}
      after: {"spec": {"hard": {"pods": "40"}}}
unlisted:
  description: Tenants that are there, that the inventory does not name any more, and that are kept.
  type: list
  elements: str
  returned: with O(state=present)
  sample: [former]
stats:
  description: Requests to the API, and seconds.
  type: dict
  returned: with O(state=present) and O(state=absent)
  sample: {"calls": 8, "seconds": 0.05}
"""
