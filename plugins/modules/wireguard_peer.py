#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_peer
short_description: Add, show, rotate, revoke and end the peers of a VPN in its peers' file
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Changes one peer in the file that C(wireguard_peers_file) names. The policy and all peers are held
    against each other as M(groundwork.platform.wireguard_plan) does, with the change made, and refused
    before anything is written.
  - The hubs follow when their role runs. C(playbooks/vpn_peer.yml) does both.
  - Nothing is sent to the host.
options:
  state:
    description:
      - V(add) adds a peer, which gets its addresses at once. One that is there already may only differ in
        its end.
      - V(propose) shows what V(add) would give for a peer whose key does not exist yet, and writes nothing.
        That is for a hub that makes the key.
      - V(rotate) replaces the public key. The addresses stay.
      - V(revoke) takes the peer out and keeps who, when and why. Its key is never accepted again, and its
        addresses rest.
      - V(expire) sets or removes the end of the access.
      - V(show) changes nothing.
    type: str
    choices: [add, rotate, revoke, expire, propose, show]
    default: show
  name:
    description:
      - The peer's name. Needed, except to show all.
    type: str
  owner:
    description: Who answers for it. Needed for a new peer.
    type: str
  kind:
    description: What it is. A V(person) when left out.
    type: str
    choices: [person, service, site]
  group:
    description: The group whose access it gets. Needed for a new peer.
    type: str
  public_key:
    description: Its WireGuard public key. Needed with O(state=add) and O(state=rotate).
    type: str
  addresses:
    description: Its addresses, in the pool of its group. The lowest free ones when left out.
    type: list
    elements: str
  networks:
    description: The networks behind a site.
    type: list
    elements: str
  hub:
    description:
      - The hub that it lives on. Services and sites need one where there are several hubs; people are on
        all of them otherwise.
    type: str
  tunnel:
    description: What its configuration sends through the tunnel, where it differs from C(wireguard_tunnel).
    type: str
    choices: [split, full]
  endpoint:
    description: Where the hub reaches it, as C(host:port), for peers that do not begin themselves.
    type: str
  expires_in:
    description:
      - When the access ends, as a time span such as V(90d), or V(never).
      - A peer that is added again keeps an end that differs by less than a tenth of it.
    type: str
  expires_at:
    description: When the access ends, as a time such as V(2027-01-31T12:00:00Z), a date, or V(never).
    type: str
  reason:
    description: Why, in one line. Needed with O(state=revoke).
    type: str
  by:
    description:
      - Who asks for it, for the trace. The user of AWX or of the controller when left out.
    type: str
  preshared:
    description:
      - Preshared keys to fill into RV(configurations), for each hub a mapping from peers to keys. The task
        wants C(no_log) then.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Never writes, and gives the same plan.
    support: full
  diff_mode:
    description: Shows the peers' file before and after.
    support: full
  action:
    description: Runs on the controller.
    support: full
seealso:
  - module: groundwork.platform.wireguard_plan
  - module: groundwork.platform.wireguard_handover
  - ref: ansible_collections.groundwork.platform.wireguard_role
    description: The hubs.
"""

EXAMPLES = r"""
- name: Let a colleague in for a quarter of a year
  groundwork.platform.wireguard_peer:
    state: add
    name: anna-laptop
    owner: anna
    group: developers
    public_key: fhP4+oGO5JTCG5FV65sdSGROFKJo1qZ/l4JIYMQ5b6M=
    expires_in: 90d
  run_once: true
  register: anna

- name: Take it back
  groundwork.platform.wireguard_peer:
    state: revoke
    name: anna-laptop
    reason: The laptop was stolen
  run_once: true
"""

RETURN = r"""
peer:
  description: The peer as the file has it now. Empty where there is none.
  type: dict
  returned: success
  sample:
    name: anna-laptop
    owner: anna
    kind: person
    group: developers
    public_key: fhP4+oGO5JTCG5FV65sdSGROFKJo1qZ/l4JIYMQ5b6M=
    addresses: [10.80.0.17, "fd42:80::11"]
    expires_at: "2027-01-31T12:00:00Z"
peers:
  description: The same as a list, with all peers where O(name) was left out.
  type: list
  elements: dict
  returned: success
  sample: []
released:
  description: Keys that the peer, or anybody, had before, with who took them back, when and why.
  type: list
  elements: dict
  returned: success
  sample:
    - name: bob-phone
      owner: bob
      public_key: VVebVXiW0M4XZMR/7WRPmzX1i61iBnSvI/NW2A7QxQM=
      addresses: [10.80.0.18, "fd42:80::12"]
      released_at: "2027-01-31T12:00:00Z"
      released_by: carol
      reason: The phone was stolen
configurations:
  description: The peer's configuration for each hub. The keys that are secret are placeholders.
  type: list
  elements: dict
  returned: success
  contains:
    hub:
      description: The hub.
      type: str
    file:
      description: The name of the file.
      type: str
    text:
      description:
        - The configuration. The line C(# PrivateKey = PRIVATE_KEY) stands for the private key, and
          C(PRESHARED_KEY) for the preshared key.
      type: str
  sample:
    - hub: gate
      file: dev-gate.conf
      text: |
        # anna-laptop (anna): the VPN into dev through gate
        [Interface]
        # PrivateKey = PRIVATE_KEY
plan:
  description: The differences, as in M(groundwork.platform.wireguard_plan).
  type: list
  elements: dict
  returned: success
  sample: []
revision:
  description: The revision of the peers' file.
  type: int
  returned: success
  sample: 12
peers_file:
  description: The peers' file.
  type: str
  returned: success
  sample: /srv/inventories/dev/group_vars/all/wireguard_peers.yml
settings:
  description: What each hub has to know, as in M(groundwork.platform.wireguard_plan).
  type: dict
  returned: success
  sample: {"gate": {"interface": "wg-dev", "revision": 12, "peers": []}}
calendar:
  description: When peers expire, as systemd's C(OnCalendar) takes it.
  type: list
  elements: str
  returned: success
  sample: ["2027-01-31 12:00:00 UTC"]
hub_keys:
  description: The public keys of hubs, as the file has them.
  type: dict
  returned: success
  sample: {"gate": {"public_key": "vh/+LSGMIJDuAIlDYgXsYz0kQN1vCuJyhPtYcyY2Y3Q=", "port": 51820}}
hub_keys_missing:
  description: Hubs whose public key the file does not have, nor that of a hub that they share it with.
  type: list
  elements: str
  returned: success
  sample: []
violations:
  description: The lines of the error.
  type: list
  elements: str
  returned: failure
  sample: ['name is "anna-laptop": is not in the peers'' file']
"""
