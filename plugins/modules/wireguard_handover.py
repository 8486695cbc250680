#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_handover
short_description: Write what peers of a VPN get handed, on the controller
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Gives each peer a folder of its own with a configuration for each hub, a page of instructions, and the
    script that installs them. Only the user who runs Ansible can read it.
  - The configurations have no private key; the script puts it in on the peer's own machine. A peer whose
    key a hub has made gets the encrypted bundle in their place.
  - Nothing is sent to the host, and what is written is never part of the result.
options:
  directory:
    description: The folder in which each peer gets one.
    type: path
    required: true
  names:
    description: The peers. All of them when left out.
    type: list
    elements: str
    default: []
  preshared:
    description:
      - Preshared keys, for each hub a mapping from peers to keys, as the hubs tell them.
      - A hub that is missing, because it can't be reached, is left out of what is handed over.
      - Not needed where C(wireguard_preshared_keys) is false.
    type: dict
    default: {}
  script:
    description: The script to put beside them.
    type: path
  bundle:
    description: What a hub has encrypted to the peer, in base64. Goes with one name in O(names).
    type: str
attributes:
  check_mode:
    description: Tells which files would be written.
    support: full
  diff_mode:
    description: The files hold secrets, so there is nothing to show.
    support: none
  action:
    description: Runs on the controller.
    support: full
seealso:
  - module: groundwork.platform.wireguard_peer
  - module: groundwork.platform.wireguard_hub
"""

EXAMPLES = r"""
- name: Write what anna gets
  groundwork.platform.wireguard_handover:
    directory: ~/groundwork-vpn/dev
    names: [anna-laptop]
    preshared: "{{ preshared_by_hub }}"
  run_once: true
  no_log: true
"""

RETURN = r"""
directory:
  description: The folder.
  type: str
  returned: success
  sample: /home/carol/groundwork-vpn/dev
written:
  description: The files that differed.
  type: list
  elements: str
  returned: success
  sample: [/home/carol/groundwork-vpn/dev/anna-laptop/dev-gate.conf]
removed:
  description: Configurations of hubs that the peer does not use any more.
  type: list
  elements: str
  returned: success
  sample: []
hubs_left_out:
  description: Hubs that some peer got no configuration for.
  type: list
  elements: str
  returned: success
  sample: []
"""
