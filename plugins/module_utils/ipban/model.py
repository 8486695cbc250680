# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asks of the ban list, checked before the store is asked anything."""

from __future__ import annotations

import datetime
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

BAN = "ban"
ALLOW = "allow"
OPERATOR = "operator"
EVERY_HOST = "all"

# The widest prefix of a ban, of one without a reason of its own, and of an entry of the allow list.
_WIDEST = {4: 8, 6: 19}
_WIDEST_BY_DEFAULT = {4: 16, 6: 32}

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,62}")
_LIST = re.compile(r"[a-z][a-z0-9_-]{0,30}")
_SPAN = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNITS = (604800, 86400, 3600, 60, 1)

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_RESERVED: Tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "::/127",
        "::ffff:0:0/96",
        "fe80::/10",
        "ff00::/8",
    )
)


class RequestError(ValueError):
    """The request breaks a rule; nothing was asked of the store."""


@dataclass(frozen=True)
class Request:
    """The module's options, parsed.

    kind: ``ban`` or ``allow``. networks: as the store writes them, each once, in the order given.
    source, list: ``None`` for any, where something is to be absent.
    expires_at: when it ends; ``None`` for never. span: seconds until then, when that is what was given.
    withdraw: a source that is to have no bans. lookup: addresses that the task wants to know about.
    """

    kind: str = BAN
    present: bool = True
    networks: Tuple[str, ...] = ()
    reason: Optional[str] = None
    source: Optional[str] = None
    list: Optional[str] = None
    expires_at: Optional[datetime.datetime] = None
    span: Optional[int] = None
    wide_reason: Optional[str] = None
    actor: Optional[str] = None
    withdraw: Optional[str] = None
    lookup: Tuple[str, ...] = ()


def parse_request(options: Mapping[str, Any], now: datetime.datetime) -> Request:
    """The module's parameters as a :class:`Request`; RequestError names option, value and rule."""
    kind, present = options["kind"], options["state"] == "present"
    span = _span(options["expires_in"])
    request = Request(
        kind=kind,
        present=present,
        networks=_networks("networks", options["networks"], _rules(kind, present, options["wide_reason"])),
        reason=_line("reason", options["reason"]),
        source=_matching("source", options["source"], _SOURCE, "of lower case letters, digits and _ . : -"),
        list=_matching("list", options["list"], _LIST, "of lower case letters, digits, - and _"),
        expires_at=_moment(options["expires_at"], now) if span is None else now + _delta(span),
        span=span,
        wide_reason=_line("wide_reason", options["wide_reason"]),
        actor=_line("actor", options["actor"]),
        withdraw=_matching(
            "withdraw", options["withdraw"], _SOURCE, "of lower case letters, digits and _ . : -"
        ),
        lookup=_networks("lookup", options["lookup"], ()),
    )
    return _complete(request)


def _complete(request: Request) -> Request:
    if not request.networks:
        return request
    if request.kind == ALLOW and request.list is not None:
        raise RequestError(f"list is {request.list}: entries of the allow list are valid for all lists")
    if not request.present:
        if request.expires_at is not None:
            raise RequestError("expires_in or expires_at is given: what is absent does not expire")
        return request
    if request.reason is None:
        raise RequestError("reason is missing: who finds an entry in the list has to learn why it is there")
    return Request(
        **{
            **vars(request),
            "source": request.source or OPERATOR,
            "list": request.list or (EVERY_HOST if request.kind == BAN else None),
        }
    )


Rule = Tuple[Callable[[Network], bool], str]


def _rules(kind: str, present: bool, wide_reason: Optional[str]) -> Tuple[Rule, ...]:
    """What each network has to keep; what is taken away has to keep nothing."""
    if not present:
        return ()

    def not_too_wide(network: Network) -> bool:
        return network.prefixlen >= _WIDEST[network.version]

    limits = f"/{_WIDEST[4]} (IPv4) or /{_WIDEST[6]} (IPv6)"
    if kind == ALLOW:
        return ((not_too_wide, f"an allow entry must not be wider than {limits}"),)
    needing = f"/{_WIDEST_BY_DEFAULT[4]} (IPv4) or /{_WIDEST_BY_DEFAULT[6]} (IPv6)"
    return (
        (not_too_wide, f"must not be wider than {limits}, whatever the reason"),
        (
            _not_reserved,
            "must not touch unspecified, loopback, link-local, multicast or IPv4-mapped addresses",
        ),
        (
            lambda network: bool(wide_reason) or network.prefixlen >= _WIDEST_BY_DEFAULT[network.version],
            f"wider than {needing} needs a wide_reason",
        ),
    )


def _not_reserved(network: Network) -> bool:
    return not any(network.version == other.version and network.overlaps(other) for other in _RESERVED)


def _networks(option: str, given: List[str], rules: Tuple[Rule, ...]) -> Tuple[str, ...]:
    found: Dict[str, None] = {}
    for index, text in enumerate(given):
        network = _network(f"{option}[{index}]", text)
        for keeps, rule in rules:
            if not keeps(network):
                raise RequestError(f'{option}[{index}] is "{text}": {rule}')
        found[canonical(network)] = None
    return tuple(found)


def _network(element: str, text: str) -> Network:
    try:
        # A prefix as a network mask is read differently by others.
        if not re.fullmatch(r"[0-9A-Fa-f:.]+(/(0|[1-9][0-9]{0,2}))?", text):
            raise ValueError(text)
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise RequestError(
            f'{element} is "{text}": must be an address or a network,'
            " such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48"
        ) from None
    if interface.ip != interface.network.network_address:
        raise RequestError(
            f'{element} is "{text}": must not have host bits set; its network is {interface.network}'
        )
    return interface.network


def canonical(network: Network) -> str:
    """As people write it: an address has no prefix."""
    single = network.prefixlen == network.max_prefixlen
    return str(network.network_address) if single else str(network)


def _line(option: str, text: Optional[str]) -> Optional[str]:
    if text is None:
        return None
    if not text.strip() or not text.isprintable() or len(text) > 500:
        raise RequestError(f'{option} is "{text}": must be one line of 1 to 500 characters')
    return text


def _matching(option: str, text: Optional[str], pattern: re.Pattern[str], rule: str) -> Optional[str]:
    if text is not None and not pattern.fullmatch(text):
        raise RequestError(f'{option} is "{text}": must be {rule}')
    return text


def _span(text: Optional[str]) -> Optional[int]:
    if text is None:
        return None
    match = _SPAN.fullmatch(text)
    seconds = sum(int(n or 0) * unit for n, unit in zip(match.groups(), _UNITS)) if match else 0
    if seconds < 1:
        raise RequestError(f'expires_in is "{text}": must be a time span such as 45s, 2h or 1d12h')
    return seconds


def _delta(seconds: int) -> datetime.timedelta:
    try:
        return datetime.timedelta(seconds=min(seconds, 1000 * 366 * 86400))
    except OverflowError:
        raise RequestError("expires_in: must be less than a thousand years") from None


def _moment(text: Optional[str], now: datetime.datetime) -> Optional[datetime.datetime]:
    if text is None:
        return None
    try:
        # Python before 3.11 does not know the Z.
        moment = datetime.datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RequestError(
            f'expires_at is "{text}": must be a time with its zone, such as 2027-01-31T12:00:00Z'
        )
    if moment <= now:
        raise RequestError(f'expires_at is "{text}": must be in the future; it is {now.isoformat()} here')
    return moment
