"""The rules that match the sets of ipset: nf_tables can't, so they are iptables'. Written once, when missing.

Packets are dropped in table raw, before connection tracking and address translation. To reject is only
possible in table filter, so there the chain is jumped to first thing from INPUT and FORWARD.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from ipban.backends import ALLOWED, HOSTS, NETWORKS, BackendError, Counter, Policy, family_of, run

CHAIN = "GROUNDWORK-IPBAN"
BANNED = "GROUNDWORK-IPBAN-BANNED"
_COMMANDS = {4: "iptables", 6: "ip6tables"}
_TABLES = {"raw": ("PREROUTING",), "filter": ("INPUT", "FORWARD")}
_PROHIBITED = {4: "icmp-admin-prohibited", 6: "icmp6-adm-prohibited"}


def table_of(policy: Policy) -> str:
    return "filter" if policy.reject else "raw"


def _other(table: str) -> str:
    return "raw" if table == "filter" else "filter"


def _in_chain(family: int, names: dict[str, str], *, paused: bool) -> Iterable[str]:
    if paused:
        yield f"-A {CHAIN} -j RETURN"
    for name in (*ALLOWED, *HOSTS, *NETWORKS):
        if family_of(name) == family:
            target = "-j RETURN" if name in ALLOWED else f"-g {BANNED}"
            yield f"-A {CHAIN} -m set --match-set {names[name]} src {target}"


def _in_banned(family: int, policy: Policy) -> Iterable[str]:
    if policy.log_sample:
        limit = f"-m limit --limit {policy.log_sample}/min"
        yield f'-A {BANNED} {limit} -j LOG --log-prefix "groundwork-ipban: "'
    if policy.reject:
        yield f"-A {BANNED} -p tcp -j REJECT --reject-with tcp-reset"
        yield f"-A {BANNED} -j REJECT --reject-with {_PROHIBITED[family]}"
    else:
        yield f"-A {BANNED} -j DROP"


def _saved(family: int, table: str) -> list[str]:
    return run([_COMMANDS[family], "-w", "10", "-t", table, "-S"]).splitlines()


def _restore(family: int, table: str, lines: Iterable[str]) -> None:
    script = "\n".join((f"*{table}", *lines, "COMMIT", ""))
    run([f"{_COMMANDS[family]}-restore", "-w", "10", "--noflush"], stdin=script)


def read(family: int, policy: Policy, names: dict[str, str]) -> tuple[bool, bool]:
    """Whether the rules are as they have to be, and whether they let everything through."""
    table = table_of(policy)
    lines = _saved(family, table)
    inside = [line for line in lines if line.startswith(f"-A {CHAIN} ")]
    paused = f"-A {CHAIN} -j RETURN" in inside
    wanted = [
        *_in_chain(family, names, paused=paused),
        *_in_banned(family, policy),
        *(f"-A {hook} -j {CHAIN}" for hook in _TABLES[table]),
    ]
    # Not the text of each: versions of iptables write the same rule differently.
    banned = [line for line in lines if line.startswith(f"-A {BANNED} ")]
    whole = (
        all(line in lines for line in wanted if CHAIN in line and BANNED not in line.split()[1])
        and len(inside) == len(list(_in_chain(family, names, paused=paused)))
        and len(banned) == len(list(_in_banned(family, policy)))
    )
    return whole, paused


def write(family: int, policy: Policy, names: dict[str, str], *, paused: bool) -> None:
    """Both chains anew, in one step, and the jumps to the first where they are missing."""
    table = table_of(policy)
    lines = _saved(family, table)
    jumps = [f"-I {hook} 1 -j {CHAIN}" for hook in _TABLES[table] if f"-A {hook} -j {CHAIN}" not in lines]
    chains = (f":{CHAIN} - [0:0]", f":{BANNED} - [0:0]")
    rules = (*_in_chain(family, names, paused=paused), *_in_banned(family, policy))
    _restore(family, table, (*chains, *rules, *jumps))
    _remove_from(family, _other(table))


def remove(family: int) -> None:
    if shutil.which(_COMMANDS[family]) is None:
        # Where there is no iptables, it has no rules of ours.
        return
    for table in _TABLES:
        _remove_from(family, table)


def _remove_from(family: int, table: str) -> None:
    lines = _saved(family, table)
    if f"-N {CHAIN}" not in lines and f"-N {BANNED}" not in lines:
        return
    jumps = [f"-D {line[3:]}" for line in lines if line.endswith(f" -j {CHAIN}") and line.startswith("-A ")]
    present = [chain for chain in (CHAIN, BANNED) if f"-N {chain}" in lines]
    _restore(
        family, table, (*jumps, *(f"-F {chain}" for chain in present), *(f"-X {chain}" for chain in present))
    )


def counter(family: int, policy: Policy) -> Counter:
    """What the last rules have dropped or rejected."""
    listed = run([_COMMANDS[family], "-w", "10", "-t", table_of(policy), "-nvxL", BANNED])
    rows = [line.split() for line in listed.splitlines()]
    counted = [row for row in rows if len(row) > 2 and row[2] in ("DROP", "REJECT")]
    try:
        return Counter(sum(int(row[0]) for row in counted), sum(int(row[1]) for row in counted))
    except ValueError as error:
        raise BackendError(f"{_COMMANDS[family]}: the counters of {BANNED} can't be read: {error}") from error
