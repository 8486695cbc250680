"""The text of a feed as networks, or a refusal that names the line and the rule."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator

from . import networks
from .networks import Network, Ranges, RefusedError
from .settings import Feed

_MARKUP = re.compile(r"\s*<(!doctype|html|head|body|\?xml|script)\b", re.IGNORECASE)
# Fewer entries than this come and go in small lists every day.
UNUSUAL = 100


def parse(feed: Feed, content: bytes, own_networks: Iterable[str]) -> list[str]:
    """The feed's networks, sorted, each once. Raises :exc:`RefusedError`; one bad line refuses all."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise RefusedError("must be text in UTF-8") from None
    if _MARKUP.match("\n".join(lines[:20]).lstrip()):
        raise RefusedError(f"must be a list of networks, it is a page: {networks.shown(lines[0])}")
    forbidden = (
        ("must not hold private, reserved or multicast networks", Ranges(networks.PRIVATE)),
        ("must not hold networks of our own", Ranges(own_networks)),
    )
    ignored = Ranges(feed.ignore)
    found: set[Network] = set()
    for number, word in _words(feed, lines):
        try:
            network = networks.parse(word)
            if ignored.hold(network):
                continue
            _check(network, word, forbidden)
        except RefusedError as refused:
            raise RefusedError(f"line {number}: {refused}") from None
        found.add(network)
    check_size(feed, len(found))
    return [networks.text(network) for network in sorted(found)]


def check_size(feed: Feed, count: int) -> None:
    if count < feed.min_entries:
        raise RefusedError(f"has {count} entries: must have at least {feed.min_entries} (min_entries)")
    if count > feed.max_entries:
        raise RefusedError(f"has {count} entries: must have at most {feed.max_entries} (max_entries)")


def check_change(feed: Feed, count: int, usual: int) -> None:
    """Hold the number of entries against that of the last good state."""
    if abs(count - usual) < UNUSUAL:
        return
    if count > usual * feed.max_change or count < usual / feed.max_change:
        raise RefusedError(
            f"has {count} entries after {usual}: must not change by more than the factor {feed.max_change:g}"
            f" (max_change); `ipban import {feed.name} --accept` takes it once"
        )


def _words(feed: Feed, lines: list[str]) -> Iterator[tuple[int, str]]:
    """Number of the line (from 1) and the word that must be a network."""
    if feed.format == "plain":
        for number, line in enumerate(lines[feed.skip_lines :], feed.skip_lines + 1):
            words = line.split("#", 1)[0].split(";", 1)[0].split(None, 1)
            if words:
                yield number, words[0]
        return
    rows = csv.reader(lines[feed.skip_lines :], delimiter=feed.delimiter, skipinitialspace=True)
    try:
        for row in rows:
            if not row or not "".join(row).strip() or row[0].startswith("#"):
                continue
            number = feed.skip_lines + rows.line_num
            if len(row) < feed.column:
                raise RefusedError(f"line {number}: must have at least {feed.column} columns")
            yield number, row[feed.column - 1].strip()
    except csv.Error as error:
        raise RefusedError(f"line {feed.skip_lines + rows.line_num}: must be CSV: {error}") from None


def _check(network: Network, word: str, forbidden: Iterable[tuple[str, Ranges]]) -> None:
    family, _ignored, prefix = network
    if prefix < networks.WIDEST[family]:
        raise RefusedError(
            f"{networks.shown(word)}: the prefix must be at least {networks.WIDEST[family]}"
            " (such networks can be named in ignore)"
        )
    for rule, ranges in forbidden:
        if ranges.overlap(network):
            raise RefusedError(f"{networks.shown(word)}: {rule} (those to leave out can be named in ignore)")
