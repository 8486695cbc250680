#!/usr/bin/python
# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bans and the allow list of the ban list's store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ipban
short_description: Ban, unban, allow and look up addresses in the ban list
version_added: 0.1.0
author:
  - Groundwork contributors (@groundwork-platform)
description:
  - Writes to the database that the role P(groundwork.platform.ipban_store#role) makes. Every host with the
    role P(groundwork.platform.ipban_agent#role) follows within milliseconds.
  - All networks are held against the rules before the store is asked anything. Then one query reads what is
    there, and one call makes the difference, all of it or nothing.
  - A ban belongs to a source and a list. The same network may be banned by several sources, and is open
    again only when none bans it any more.
  - What the allow list has is never dropped, whatever is banned.
options:
  networks:
    description:
      - Addresses and networks, of IPv4 and IPv6, without host bits. An address may go without a prefix.
      - Unspecified, loopback, link-local, multicast and IPv4-mapped addresses can't be banned.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) bans the networks, or allows them with O(kind=allow).
      - V(absent) takes that back.
    type: str
    choices: [present, absent]
    default: present
  kind:
    description:
      - Whether the networks are about bans or about the allow list, which needs a login of C(ipban_admin).
    type: str
    choices: [ban, allow]
    default: ban
  reason:
    description:
      - Why, in one line, for those who find the entry. Needed with O(state=present).
    type: str
  source:
    description:
      - Whose entry it is, of lower case letters, digits and C(_), C(.), C(:), C(-).
      - When left out, V(operator) with O(state=present), and every source with O(state=absent).
    type: str
  list:
    description:
      - The list that the ban is in. Hosts take the lists that they are set to, and always C(all).
      - When left out, C(all) with O(state=present), and every list with O(state=absent).
    type: str
  expires_in:
    description:
      - How long it is valid, such as V(45s), V(2h) or V(1d12h).
      - An entry that is there already is renewed when its end would move by more than a tenth of that.
    type: str
  expires_at:
    description:
      - Until when it is valid, a time of ISO 8601 with its zone, such as V(2027-01-31T12:00:00Z).
      - Without this and O(expires_in) it does not end by itself.
    type: str
  wide_reason:
    description:
      - Why so many addresses, for bans wider than V(/16) (IPv4) or V(/32) (IPv6). They need a login of
        C(ipban_admin) and are at most V(/8) and V(/19) wide.
    type: str
  actor:
    description:
      - Who does it, for the journal, which has the login beside it. The login when left out.
    type: str
  withdraw:
    description:
      - Takes back all bans of this source, in all lists, such as those of a feed that went bad. It needs a
        login of C(ipban_admin).
    type: str
  lookup:
    description:
      - Addresses and networks to find in bans and allow list, see RV(lookup). They are looked up after the
        change.
    type: list
    elements: str
    default: []
  conninfo:
    description:
      - Connection string or URI of libpq. The options O(host) to O(ssl_root_cert) go before what it says.
    type: str
    default: dbname=ipban
  host:
    description: The database's host name or address, or the folder of its socket.
    type: str
  port:
    description: The database's port.
    type: int
  database:
    description: The name of the database.
    type: str
  user:
    description: The login.
    type: str
  password:
    description: The login's password. It is handed over in memory only.
    type: str
  ssl_mode:
    description:
      - How far TLS is asked for. V(require) when neither this nor O(conninfo) says it, except for a socket of
        the host itself.
    type: str
    choices: [disable, require, verify-ca, verify-full]
  ssl_root_cert:
    description: A file with the certificates of authorities that the server is trusted by.
    type: path
  system_user:
    description:
      - The host's user to be while connecting, for PostgreSQL's peer authentication over a socket. The module
        has to run as root.
      - C(become_user) would do the same where sudo lets root become that user without a terminal.
    type: str
requirements:
  - psycopg 3.1 or later (C(python3-psycopg) on Debian) where the module runs
attributes:
  check_mode:
    description: Reads what is there and gives the same plan.
    support: full
  diff_mode:
    description: Gives reason, end and actor of each entry that differs.
    support: full
  platform:
    description: Hosts with psycopg.
    platforms: posix
    support: full
seealso:
  - ref: ansible_collections.groundwork.platform.ipban_store_role
    description: The database.
  - ref: ansible_collections.groundwork.platform.ipban_agent_role
    description: What follows it on each host.
"""

EXAMPLES = r"""
- name: Ban an address on all hosts for two hours
  groundwork.platform.ipban:
    networks: [203.0.113.7]
    reason: Scans for admin pages
    expires_in: 2h
  become: true
  become_user: postgres

- name: Open it again, whoever banned it, and see what is left
  groundwork.platform.ipban:
    networks: [203.0.113.7]
    state: absent
    lookup: [203.0.113.7]
  become: true
  become_user: postgres
  register: opened

- name: Never drop the office, from a host that is not the store's
  groundwork.platform.ipban:
    kind: allow
    networks: [198.51.100.0/24, 2001:db8:10::/48]
    reason: The office
    host: data.example.com
    user: admin1
    password: "{{ vault_ipban_password }}"
    ssl_mode: verify-full

- name: Take back everything that a bad feed has banned
  groundwork.platform.ipban:
    withdraw: some-feed
  become: true
  become_user: postgres
"""

RETURN = r"""
plan:
  description: The differences.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: One of V(create), V(update) and V(delete).
      type: str
    key:
      description: The network with its list, or C(allow), and its source.
      type: str
    before:
      description: Reason, end and actor as they were.
      type: dict
    after:
      description: The same as they are now.
      type: dict
  sample:
    - kind: create
      key: 203.0.113.7 (list all, source operator)
      before: null
      after: {"reason": "Scans for admin pages", "expires_at": "2027-01-31T12:00:00Z", "actor": "alice"}
generation:
  description: The number that the store has reached; an agent that has it has the change.
  type: int
  returned: success
  sample: 4711
lookup:
  description: What the store knows of each address asked for.
  type: list
  elements: dict
  returned: success
  contains:
    address:
      description: The address or network.
      type: str
    banned:
      description: Whether a ban covers it.
      type: bool
    allowed:
      description: Whether the allow list covers it; it is not dropped then.
      type: bool
    entries:
      description: All bans and entries of the allow list that cover it, newest first.
      type: list
      elements: dict
  sample:
    - address: 203.0.113.7
      banned: true
      allowed: false
      entries:
        - kind: ban
          network: 203.0.113.7
          list: all
          source: operator
          reason: Scans for admin pages
          actor: alice
          created_at: "2027-01-31T10:00:00Z"
          expires_at: "2027-01-31T12:00:00Z"
stats:
  description: Queries to the store, and seconds.
  type: dict
  returned: success
  sample: {"calls": 3, "seconds": 0.021}
"""

import datetime
import traceback
from typing import Any, List, Sequence

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.groundwork.platform.plugins.module_utils.ipban import store
from ansible_collections.groundwork.platform.plugins.module_utils.ipban.model import (
    RequestError,
    parse_request,
)
from ansible_collections.groundwork.platform.plugins.module_utils.ipban.plan import plan
from ansible_collections.groundwork.platform.plugins.module_utils.ipban.system_user import (
    UserError,
    acting_as,
)
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Meter, reconcile

try:
    import psycopg  # type: ignore[import-not-found, unused-ignore]

    MISSING = None
except ImportError:
    MISSING = traceback.format_exc()

# A socket of the host itself needs no TLS, and libpq knows that.
DEFAULTS = {"connect_timeout": 10, "application_name": "groundwork.platform.ipban", "sslmode": "require"}
# The module's options and what libpq calls them.
CONNECTION = {
    "host": "host",
    "port": "port",
    "database": "dbname",
    "user": "user",
    "password": "password",
    "ssl_mode": "sslmode",
    "ssl_root_cert": "sslrootcert",
}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "networks": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "kind": {"type": "str", "choices": ["ban", "allow"], "default": "ban"},
            "reason": {"type": "str"},
            "source": {"type": "str"},
            "list": {"type": "str"},
            "expires_in": {"type": "str"},
            "expires_at": {"type": "str"},
            "wide_reason": {"type": "str"},
            "actor": {"type": "str"},
            "withdraw": {"type": "str"},
            "lookup": {"type": "list", "elements": "str", "default": []},
            "conninfo": {"type": "str", "default": "dbname=ipban", "no_log": True},
            "host": {"type": "str"},
            "port": {"type": "int"},
            "database": {"type": "str"},
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "ssl_mode": {"type": "str", "choices": ["disable", "require", "verify-ca", "verify-full"]},
            "ssl_root_cert": {"type": "path"},
            "system_user": {"type": "str"},
        },
        mutually_exclusive=[("expires_in", "expires_at"), ("withdraw", "networks")],
        supports_check_mode=True,
    )
    meter = Meter()
    try:
        request = parse_request(module.params, datetime.datetime.now(datetime.timezone.utc))
    except RequestError as error:
        module.fail_json(msg=str(error))
    if MISSING:
        module.fail_json(
            msg=f"{missing_required_lib('psycopg')}; on Debian it is the package python3-psycopg",
            exception=MISSING,
        )

    def ask(statement: store.Statement) -> List[Sequence[Any]]:
        meter.count()
        rows: List[Sequence[Any]] = connection.execute(*statement).fetchall()
        return rows

    given = {name: module.params[option] for option, name in CONNECTION.items() if module.params[option]}
    try:
        with acting_as(module.params["system_user"]):
            opened = psycopg.connect(
                **{**DEFAULTS, **psycopg.conninfo.conninfo_to_dict(module.params["conninfo"]), **given}
            )
        with opened as connection:
            asked = bool(request.networks) or request.withdraw is not None
            planned = plan(request, store.entries(ask(store.reading(request)) if asked else []))
            if planned.changes and not module.check_mode:
                ask(store.writing(request, planned.networks))
                connection.commit()
            answers = ask(store.looking_up(request.lookup)) if request.lookup else []
            ((generation, *_stamp),) = ask(("SELECT * FROM ipban.head()", ()))
    except UserError as error:
        module.fail_json(msg=str(error))
    except psycopg.Error as error:
        module.fail_json(msg=f"the store: {_sentence(error)}")
    module.exit_json(
        **reconcile(planned.changes, lambda _change: None, meter, module.check_mode),
        generation=generation,
        lookup=store.found(request.lookup, answers),
    )


def _sentence(error: Exception) -> str:
    """What went wrong; a connection's failure has no diagnosis of the server's."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return str(primary or " ".join(str(error).split()))


if __name__ == "__main__":
    main()
