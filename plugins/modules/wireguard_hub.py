#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hub's own program does, for playbooks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: wireguard_hub
short_description: Ask a VPN's hub, and have it do something
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Runs C(groundwork-wireguard), which the role P(groundwork.platform.wireguard#role) lays down on hubs.
  - Private keys never leave the hub. Preshared keys and encrypted bundles are for handing over.
options:
  action:
    description:
      - V(apply) holds interfaces, addresses, routes, peers and the firewall against the hub's settings, and
        repairs what differs. Sessions of peers that do not change live on.
      - V(show) gives public keys, and what the peers do.
      - V(key) makes the hub's key where there is none.
      - V(rotate) gives the hub a new key, in the steps that O(step) names.
      - V(preshared) gives the preshared keys of O(peers) and of the peers in O(names).
      - V(rotate_preshared) gives the peer O(name) another preshared key. It is cut until it has it too.
      - V(bundle) makes a key for the peer O(name), fills it into O(files), and encrypts them to O(recipient).
        The hub keeps nothing of it.
      - V(share_key) hands the hub's keys to a hub that shares them, in the steps that O(step) names.
    type: str
    choices: [apply, show, key, rotate, preshared, rotate_preshared, bundle, share_key]
    required: true
  step:
    description:
      - Of O(action=rotate), V(begin) brings the new key up beside the old one, V(finish) takes the old one
        away, V(abort) the new one.
      - Of O(action=share_key), V(recipient) tells to whom this hub wants the keys encrypted, V(export)
        encrypts them to O(recipient), V(import) takes them from O(ciphertext).
    type: str
    choices: [begin, finish, abort, recipient, export, import]
  interface:
    description: The hub's interface, for O(action=key) and O(action=share_key) on a hub without settings.
    type: str
  port:
    description: The port of the first key, for O(action=key) on a hub without settings.
    type: int
    default: 51820
  rotation_port:
    description: The port of the second key, for O(action=key) on a hub without settings.
    type: int
    default: 51821
  accept_older:
    description: Take settings that are older than those before, with O(action=apply).
    type: bool
    default: false
  names:
    description: Peers that the hub's settings have.
    type: list
    elements: str
    default: []
  peers:
    description: Peers that the hub's settings may not have yet.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The peer's name.
        type: str
        required: true
      addresses:
        description: The peer's addresses, without a prefix.
        type: list
        elements: str
        required: true
  name:
    description: The peer's name.
    type: str
  addresses:
    description: The peer's addresses, without a prefix, for O(action=bundle).
    type: list
    elements: str
    default: []
  recipient:
    description: A recipient of age, C(age1...), or with O(action=bundle) a public key of SSH.
    type: str
  files:
    description:
      - Texts by the names of files. In them, the line C(# PrivateKey = PRIVATE_KEY) becomes the private key,
        and C(PresharedKey = PRESHARED_KEY) this hub's preshared key. Those that end with C(.conf) get QR
        codes as PNG and as text.
    type: dict
    default: {}
  ciphertext:
    description: What O(step=export) gave on the other hub.
    type: str
requirements:
  - the role P(groundwork.platform.wireguard#role) on the host
attributes:
  check_mode:
    description: Changes nothing. O(action=apply) gives the same plan, others only say that they would change.
    support: full
  diff_mode:
    description: Shows what differs with O(action=apply), without secrets.
    support: full
  platform:
    description: Hubs.
    platforms: linux
    support: full
notes:
  - Needs root on the host.
  - Tasks with O(action=preshared) and O(action=bundle) want C(no_log).
seealso:
  - module: groundwork.platform.wireguard_plan
  - module: groundwork.platform.wireguard_peer
  - ref: ansible_collections.groundwork.platform.wireguard_role
    description: The hubs.
"""

EXAMPLES = r"""
- name: Repair what has drifted
  groundwork.platform.wireguard_hub:
    action: apply

- name: See who is there
  groundwork.platform.wireguard_hub:
    action: show
  register: hub

- name: Give the hub a new key beside the old one
  groundwork.platform.wireguard_hub:
    action: rotate
    step: begin

- name: Get the preshared key of a peer that is about to be added
  groundwork.platform.wireguard_hub:
    action: preshared
    peers:
      - name: anna-laptop
        addresses: [10.80.0.17, "fd42:80::11"]
  register: handover
  no_log: true
"""

RETURN = r"""
plan:
  description: The differences between the kernel and the settings.
  type: list
  elements: dict
  returned: with O(action=apply), O(action=rotate) and O(action=rotate_preshared)
  contains:
    kind:
      description: One of V(create), V(update) and V(delete).
      type: str
    key:
      description: What differs.
      type: str
    before:
      description: How it was; never a secret.
      type: raw
    after:
      description: How it is.
      type: raw
  sample:
    - kind: create
      key: wg-dev peer anna-laptop
      before: null
      after: {"allowed": ["10.80.0.17/32", "fd42:80::11/128"], "preshared_key": true}
warnings:
  description: What could not be done and is tried again, such as an endpoint that does not resolve.
  type: list
  elements: str
  returned: when there are any
stats:
  description: Programs that were run, seconds, peers, and tracked connections that were cut.
  type: dict
  returned: with O(action=apply), O(action=rotate) and O(action=rotate_preshared)
  sample: {"calls": 7, "seconds": 0.05, "peers": 1000, "purged_connections": 0}
public_key:
  description: The public half of the hub's key, or with O(action=bundle) of the peer's.
  type: str
  returned: with O(action=key), O(action=show), O(action=rotate) and O(action=bundle)
  sample: vh/+LSGMIJDuAIlDYgXsYz0kQN1vCuJyhPtYcyY2Y3Q=
port:
  description: The port of that key.
  type: int
  returned: with O(action=key), O(action=show) and O(action=rotate)
  sample: 51820
next_public_key:
  description: The public half of the key that takes over, while the hub's key is being rotated.
  type: str
  returned: with O(action=key), O(action=show) and O(action=rotate)
next_port:
  description: The port of that key.
  type: int
  returned: with O(action=key), O(action=show) and O(action=rotate)
active:
  description: The slot, V(a) or V(b), of the key that clients have.
  type: str
  returned: with O(action=key), O(action=show) and O(action=rotate)
  sample: a
waiting:
  description: Peers that came by the old key, and never by the new one.
  type: list
  elements: str
  returned: with O(action=rotate)
  sample: [anna-laptop]
hub:
  description:
    - The hub with its peers. Each has C(name), C(owner), C(group), C(addresses), C(public_key), C(endpoint),
      C(handshake_at), C(handshake_age), C(received) and C(sent), C(expires_at) and C(expired), and C(slot).
  type: dict
  returned: with O(action=show)
  sample: {"hub": "gate", "backend": "kernel", "revision": 12, "peers": []}
preshared_keys:
  description: Preshared keys by the peers' names; null where peers have none.
  type: dict
  returned: with O(action=preshared)
bundle:
  description: A tar, encrypted by age, as Base64.
  type: str
  returned: with O(action=bundle)
recipient:
  description: To whom this hub wants keys encrypted.
  type: str
  returned: with O(action=share_key)
ciphertext:
  description: The hub's keys, encrypted.
  type: str
  returned: with O(action=share_key)
"""

import json
import os
from typing import Any, Dict, List, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.groundwork.platform.plugins.module_utils import plan

PROGRAM = "/usr/local/sbin/groundwork-wireguard"
STEPS = {"rotate": ("begin", "finish", "abort"), "share_key": ("recipient", "export", "import")}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "action": {
                "type": "str",
                "choices": [
                    "apply",
                    "show",
                    "key",
                    "rotate",
                    "preshared",
                    "rotate_preshared",
                    "bundle",
                    "share_key",
                ],
                "required": True,
            },
            "step": {
                "type": "str",
                "choices": ["begin", "finish", "abort", "recipient", "export", "import"],
            },
            "interface": {"type": "str"},
            "port": {"type": "int", "default": 51820},
            "rotation_port": {"type": "int", "default": 51821},
            "accept_older": {"type": "bool", "default": False},
            "names": {"type": "list", "elements": "str", "default": []},
            "peers": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "addresses": {"type": "list", "elements": "str", "required": True},
                },
            },
            "name": {"type": "str"},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "recipient": {"type": "str"},
            "files": {"type": "dict", "default": {}, "no_log": True},
            "ciphertext": {"type": "str"},
        },
        required_if=[
            ("action", "rotate", ["step"]),
            ("action", "share_key", ["step"]),
            ("action", "rotate_preshared", ["name"]),
            ("action", "bundle", ["name", "recipient"]),
        ],
        supports_check_mode=True,
    )
    action, step = module.params["action"], module.params["step"]
    if action in STEPS and step not in STEPS[action]:
        module.fail_json(
            msg=f"step is {step}: must be one of {', '.join(STEPS[action])} with action {action}"
        )
    if module.check_mode and not os.path.exists(PROGRAM):
        module.exit_json(
            changed=action in ("apply", "key"), msg="the hub's program would be laid down before"
        )
    if module.check_mode and action in ("rotate", "rotate_preshared", "bundle", "share_key"):
        module.exit_json(changed=step not in ("recipient", "export"))
    found = run(module, arguments(module), request(module))
    if "plan" in found:
        changes = [plan.Change(**change) for change in found["plan"]]
        for warning in found.pop("warnings", []):
            module.warn(warning)
        module.exit_json(**found, diff=plan.diff(changes))
    if action == "preshared":
        module.exit_json(changed=False, preshared_keys=found)
    if action == "show":
        keys = {key: found[key] for key in ("public_key", "port", "next_public_key", "next_port", "active")}
        module.exit_json(changed=False, hub=found, **keys)
    module.exit_json(**found)


def arguments(module: AnsibleModule) -> List[str]:
    """The program's arguments; nothing secret is among them."""
    given = module.params
    words = [given["action"].replace("_", "-"), "--json"]
    if given["action"] in STEPS:
        words.append(given["step"])
    if given["action"] == "rotate_preshared":
        words.append(given["name"])
    if given["action"] == "preshared":
        words += given["names"]
    if given["action"] == "apply" and given["accept_older"]:
        words.append("--accept-older")
    if given["action"] in ("apply", "key") and module.check_mode:
        words.append("--check")
    if given["action"] in ("key", "share_key") and given["interface"]:
        words += ["--interface", given["interface"]]
        words += ["--port", str(given["port"]), "--rotation-port", str(given["rotation_port"])]
    if given["action"] == "share_key" and given["step"] == "export":
        words += ["--recipient", given["recipient"] or ""]
    return words


def request(module: AnsibleModule) -> Optional[str]:
    """What the program reads from its standard input."""
    given = module.params
    if given["action"] == "preshared" and not given["names"]:
        return json.dumps(given["peers"])
    if given["action"] == "bundle":
        return json.dumps({key: given[key] for key in ("name", "addresses", "recipient", "files")})
    return given["ciphertext"] if given["action"] == "share_key" else None


def run(module: AnsibleModule, words: List[str], stdin: Optional[str]) -> Dict[str, Any]:
    """What the program says; ends the module with its words when it fails."""
    code, out, err = module.run_command([PROGRAM, *words], data=stdin)
    if code != 0:
        said = err.strip().replace("groundwork-wireguard: ", "", 1)
        module.fail_json(msg=said or f"{PROGRAM} ended with {code}", rc=code)
    found: Dict[str, Any] = json.loads(out)
    return found


if __name__ == "__main__":
    main()
