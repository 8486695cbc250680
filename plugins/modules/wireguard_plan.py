#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_plan
short_description: Hold a VPN's policy and peers against each other, and compute what each hub is told
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Reads the policy from the variables of the role P(groundwork.platform.wireguard#role) and the peers from
    the file that C(wireguard_peers_file) names, always all of them. Hosts of the play do not matter, so a
    limited run forgets nobody.
  - Everything that breaks a rule is reported in one failure, before anything is touched. Each line names the
    variable, its value and the rule.
  - Peers without addresses get the lowest free ones of their group's pool, at the same place in both of its
    networks. Addresses that nobody had yet go first; addresses of peers that left rest for
    C(wireguard_quarantine).
  - Networks must not overlap those of the environments beside this one, which are read from
    C(inventories/*/group_vars/all/wireguard.yml) where the peers' file is in an inventory of that shape.
  - Nothing is sent to the host. The plan is one for all hubs, so a play runs it once (C(run_once)).
options:
  write:
    description:
      - Write the peers' file when there is something new. Its revision rises then.
      - A lock keeps other runs on the controller from writing at the same time. The file is replaced as a
        whole.
    type: bool
    default: false
  resolve:
    description:
      - Ask the controller's resolver whether the endpoints' names have addresses.
    type: bool
    default: true
  hub_keys:
    description:
      - Public keys of hubs that the file does not have yet, or not any more, by the hub's name.
      - Each is a mapping with V(public_key) and V(port), and V(next_public_key) and V(next_port) while the
        hub's key is being changed. Other keys are passed over, as are hubs without a value.
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
  - module: groundwork.platform.wireguard_peer
  - ref: ansible_collections.groundwork.platform.wireguard_role
    description: The hubs.
"""

EXAMPLES = r"""
- name: Refuse bad input
  groundwork.platform.wireguard_plan:
  run_once: true

- name: Give addresses to new peers, and learn what the hubs have to know
  groundwork.platform.wireguard_plan:
    write: true
    hub_keys:
      gate: {public_key: "vh/+LSGMIJDuAIlDYgXsYz0kQN1vCuJyhPtYcyY2Y3Q=", port: 51820}
  run_once: true
  register: vpn
"""

RETURN = r"""
plan:
  description: The differences between the file as it was and as it is.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: One of V(create), V(update) and V(delete).
      type: str
    key:
      description: The entry, such as V(peer anna-laptop).
      type: str
    before:
      description: The entry as it was.
      type: dict
    after:
      description: The entry as it is.
      type: dict
  sample:
    - kind: update
      key: peer anna-laptop
      before: {"name": "anna-laptop"}
      after: {"name": "anna-laptop", "addresses": ["10.80.0.17", "fd42:80::11"]}
new:
  description: Names of the peers that got addresses.
  type: list
  elements: str
  returned: success
  sample: [anna-laptop]
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
  description:
    - What each hub has to know, by the hub's name. Nothing in it is secret.
    - The program on the hubs reads it as JSON.
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
  sample:
    - 'wireguard_pools[people].networks is "10.80.0.0/24": must not overlap 10.80.0.0/16 of the environment
      stage; an address has to lead to one peer'
"""
