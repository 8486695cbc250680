"""One download: conditional, limited in time and size while it streams, held against its checksum."""

from __future__ import annotations

import hashlib
import http.client
import re
import socket
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from .networks import RefusedError, shown
from .settings import Feed

_BLOCK = 1 << 16
_CHECKSUM_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
_AGENT = "groundwork-ipban"


@dataclass(frozen=True)
class Validators:
    """What a server recognises an unchanged file by."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True)
class Fetched:
    """content: unpacked; ``None`` when nothing changed since the validators."""

    content: bytes | None
    validators: Validators


def fetch(feed: Feed, known: Validators) -> Fetched:
    """The feed's file. Raises :exc:`RefusedError` when it can't be had or may not be taken."""
    deadline = time.monotonic() + feed.timeout
    headers = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    raw, validators = _get(feed.url, headers, feed.max_bytes, deadline)
    if raw is None:
        return Fetched(None, known)
    expected = feed.sha256 or (_published(feed, deadline) if feed.checksum_url else "")
    actual = hashlib.sha256(raw).hexdigest()
    if expected and actual != expected:
        raise RefusedError(f"{feed.url}: has the checksum {actual}: must have {expected}")
    return Fetched(_unpacked(raw, feed), validators)


def _published(feed: Feed, deadline: float) -> str:
    """The first SHA-256 of a file as sha256sum writes it."""
    raw, _ignored = _get(feed.checksum_url, {}, _CHECKSUM_BYTES, deadline)
    found = re.search(rb"\b[0-9a-fA-F]{64}\b", raw or b"")
    if not found:
        raise RefusedError(f"{feed.checksum_url}: must hold a checksum of SHA-256")
    return found[0].decode().lower()


def _get(url: str, headers: dict[str, str], limit: int, deadline: float) -> tuple[bytes | None, Validators]:
    request = urllib.request.Request(url, headers={"User-Agent": _AGENT})  # noqa: S310  # because settings allow no other scheme
    for name, value in headers.items():
        if value:
            request.add_header(name, value)
    try:
        with _OPENER.open(request, timeout=max(deadline - time.monotonic(), 0.001)) as answer:
            validators = Validators(answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", ""))
            length = answer.headers.get("Content-Length", "")
            if length.isdigit() and int(length) > limit:
                raise RefusedError(f"{url}: has {length} bytes: must have at most {limit}")
            raw = b"".join(_blocks(url, answer, limit, deadline))
            if length.isdigit() and len(raw) < int(length):
                raise RefusedError(f"{url}: ended after {len(raw)} of {length} bytes")
            return raw, validators
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.NOT_MODIFIED:
            return None, Validators()
        raise RefusedError(f"{url}: the server answered {error.code} {shown(str(error.reason))}") from None
    except (TimeoutError, socket.timeout):
        raise RefusedError(f"{url}: took too long") from None
    except urllib.error.URLError as error:
        raise RefusedError(f"{url}: can't be fetched: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise RefusedError(f"{url}: can't be fetched: {error or type(error).__name__}") from None


def _blocks(url: str, answer: IO[bytes], limit: int, deadline: float) -> Iterator[bytes]:
    size = 0
    # One receive at a time where there is one: a server that drips would hold a full read for ever.
    read = getattr(answer, "read1", answer.read)
    while block := read(_BLOCK):
        size += len(block)
        if size > limit:
            raise RefusedError(f"{url}: has more than {limit} bytes (max_bytes)")
        if time.monotonic() > deadline:
            raise TimeoutError
        yield block


def _unpacked(raw: bytes, feed: Feed) -> bytes:
    if not raw.startswith(_GZIP):
        return raw
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(raw, feed.max_bytes)
    except zlib.error as error:
        raise RefusedError(f"{feed.url}: must be whole: {error}") from None
    if unpacker.unconsumed_tail:
        raise RefusedError(f"{feed.url}: has more than {feed.max_bytes} bytes unpacked (max_bytes)")
    if not unpacker.eof:
        raise RefusedError(f"{feed.url}: must be whole: the end is missing")
    return content


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """From https only to https: the way there must not lead over something that anyone can change."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise RefusedError(f"{req.full_url}: leads to {shown(newurl)}: must stay https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_SafeRedirects)
