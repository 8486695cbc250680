"""The last good content on disk, so that a host is guarded from boot on, with the database away or not.

A file is a row of records: a tag of four letters, the payload's length, the payload, and a checksum of all
that. First comes the whole content, from META to DONE; it is written aside, synced and renamed, and the file
before it is kept under another name. Deltas are appended behind it. A file whose content is cut or damaged is
refused by name; of appended deltas those before the damage count.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ipban.model import BANNED_SETS, AgentError, Allowed, Change, Content, Position, entry_width
from ipban.packed import changed, without

_MAGIC = b"groundwork-ipban-1\n"
_HEAD = struct.Struct("!4sQ")
_SUM = struct.Struct("!I")
_META, _DONE, _DELTA, _ALLOW = b"META", b"DONE", b"DELT", b"ALOW"
_SETS = {"hosts4": b"HST4", "networks4": b"NET4", "hosts6": b"HST6", "networks6": b"NET6"}
_NAMES = {tag: name for name, tag in _SETS.items()}
_CODES = {name: code for code, name in enumerate(BANNED_SETS)}


class StateError(AgentError):
    """A file that can't be used, or can't be written; the message names it."""


@dataclass
class Saved:
    """What was found: the content as it was saved whole, and what has changed since."""

    content: Content
    lists: list[str]
    changes: dict[tuple[str, bytes], bool] = field(default_factory=dict)
    torn: bool = False

    def merged(self) -> Content:
        """The content with the changes in it."""
        chunks: dict[str, list[bytes]] = {}
        for name in BANNED_SETS:
            width = entry_width(name)
            mine = [(entry, banned) for (of, entry), banned in self.changes.items() if of == name]
            gone = sorted(entry for entry, _ignored in mine)
            kept = [without(chunk, gone)[0] for chunk in self.content.chunks.get(name, [])]
            come = sorted(entry for entry, banned in mine if banned)
            chunks[name] = _inserted([chunk for chunk in kept if chunk], come, width)
        return Content(self.content.position, chunks, self.content.allowed, self.content.store_addresses)


def _inserted(chunks: list[bytes], come: Sequence[bytes], width: int) -> list[bytes]:
    """Sorted chunks with sorted entries put where they belong."""
    result: list[bytes] = []
    place = 0
    for index, chunk in enumerate(chunks):
        bound = chunks[index + 1][:width] if index + 1 < len(chunks) else None
        start = place
        while place < len(come) and (bound is None or come[place] < bound):
            place += 1
        result.append(changed(chunk, width, ((entry, True) for entry in come[start:place])))
    if place < len(come):
        result.append(b"".join(come[place:]))
    return result


class StateFile:
    """``sets`` and ``sets.previous`` in a directory."""

    def __init__(self, directory: Path, lists: Iterable[str]) -> None:
        self.lists = sorted({"all", *lists})
        self.path = directory / "sets"
        self.previous = directory / "sets.previous"
        self._pending: list[bytes] = []
        # The length up to which the file is whole; None: it has to be written anew first.
        self._length: int | None = None
        self._base = 0

    @property
    def dirty(self) -> bool:
        return bool(self._pending)

    @property
    def stale(self) -> bool:
        """Whether only a new file would say what the kernel has."""
        return self._length is None

    @property
    def outgrown(self) -> bool:
        """Whether so much was appended that it should be written anew."""
        return self._length is not None and self._length - self._base > self._base // 4 + 65536

    def write(self, content: Content) -> None:
        """Replace the file. Raises :exc:`StateError`; the file is the old one then."""
        aside = self.path.with_name("sets.new")
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                if os.geteuid() == 0:
                    # A command of root's must leave a file that the service can go on with.
                    owner = self.path.parent.stat()
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
                for part in _written(content, self.lists):
                    file.write(part)
                length = file.tell()
                file.flush()
                os.fsync(descriptor)
            self._keep_previous()
            aside.rename(self.path)
            _sync_directory(self.path.parent)
        except OSError as error:
            # What is there is of another content than what follows.
            self._length = None
            self._pending.clear()
            aside.unlink(missing_ok=True)
            raise StateError(f"{self.path} can't be written: {error.strerror}") from error
        self._pending.clear()
        self._length = self._base = length

    def note(self, position: Position, changes: Sequence[Change], allowed: Allowed | None) -> None:
        """Remember a delta for the next :meth:`flush`; ``allowed`` when it is another."""
        if self._length is None:
            # It would be added to a content that it does not follow.
            return
        if allowed is not None:
            self._pending.append(_record(_ALLOW, *(allowed.networks[family] for family in (4, 6))))
        body = b"".join(bytes((_CODES[one.name] << 1 | one.banned,)) + one.entry for one in changes)
        self._pending.append(_record(_DELTA, _position(position), body))

    def flush(self) -> None:
        """Append what was noted, and sync. Raises :exc:`StateError`; the file is as whole as before then."""
        if not self._pending or self._length is None:
            return
        body = b"".join(self._pending)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                # What an append that failed has left behind it.
                os.ftruncate(descriptor, self._length)
                written = 0
                while written < len(body):
                    written += os.pwrite(descriptor, body[written:], self._length + written)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StateError(f"{self.path} can't be added to: {error.strerror}") from error
        self._length += len(body)
        self._pending.clear()

    def read(self) -> tuple[Saved | None, list[StateError]]:
        """The newest usable file, and why newer ones could not be used. None where nothing was ever saved."""
        refused: list[StateError] = []
        for path in (self.path, self.previous):
            try:
                saved, length, base = _read(path)
            except FileNotFoundError:
                continue
            except StateError as error:
                refused.append(error)
                continue
            if path == self.path:
                self._length, self._base = length, base
            return saved, refused
        return None, refused

    def compact(self) -> None:
        """Write what was appended into the content. Raises :exc:`StateError`."""
        self.flush()
        saved, _ignored = self.read()
        if saved:
            self.write(saved.merged())

    def _keep_previous(self) -> None:
        """The file that is replaced stays as the previous one, unless it can't be used."""
        try:
            data = memoryview(self.path.read_bytes())
        except FileNotFoundError:
            return
        if data[: len(_MAGIC)] != _MAGIC or not any(record[0] == _DONE for record in _records(data)):
            return
        spare = self.previous.with_name("sets.keep")
        spare.unlink(missing_ok=True)
        os.link(self.path, spare)
        spare.rename(self.previous)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _position(position: Position) -> bytes:
    return json.dumps([position.generation, position.stamp]).encode().ljust(80)


def _record(tag: bytes, *parts: bytes) -> bytes:
    if tag == _ALLOW:
        parts = (struct.pack("!I", len(parts[0])), *parts)
    head = _HEAD.pack(tag, sum(map(len, parts)))
    crc = zlib.crc32(head)
    for part in parts:
        crc = zlib.crc32(part, crc)
    return b"".join((head, *parts, _SUM.pack(crc)))


def _written(content: Content, lists: list[str]) -> Iterator[bytes]:
    yield _MAGIC
    meta = {
        "generation": content.position.generation,
        "stamp": content.position.stamp,
        "lists": lists,
        "sizes": content.sizes(),
        "store_addresses": [address.hex() for address in content.store_addresses],
    }
    yield _record(_META, json.dumps(meta, sort_keys=True).encode())
    yield _record(_ALLOW, *(content.allowed.networks[family] for family in (4, 6)))
    for name in BANNED_SETS:
        for chunk in content.chunks.get(name, ()):
            yield _record(_SETS[name], chunk)
    yield _record(_DONE)


def _records(data: memoryview) -> Iterator[tuple[bytes, memoryview, int]]:
    """(tag, payload, offset behind the record); ends before the first that is cut or damaged."""
    offset = len(_MAGIC)
    while offset + _HEAD.size + _SUM.size <= len(data):
        tag, length = _HEAD.unpack_from(data, offset)
        end = offset + _HEAD.size + length
        if end + _SUM.size > len(data):
            return
        if _SUM.unpack_from(data, end)[0] != zlib.crc32(data[offset:end]):
            return
        yield tag, data[offset + _HEAD.size : end], end + _SUM.size
        offset = end + _SUM.size


def _read(path: Path) -> tuple[Saved, int, int]:
    """A file's content, the length that counts, and the length of what was written whole."""
    try:
        data = memoryview(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StateError(f"{path} can't be read: {error.strerror}") from error
    if data[: len(_MAGIC)] != _MAGIC:
        raise StateError(f"{path} is no state file of this version")
    saved, base, length = _collected(path, data)
    saved.torn = length != len(data)
    return saved, length, base


def _collected(path: Path, data: memoryview) -> tuple[Saved, int, int]:
    meta: dict[str, object] = {}
    chunks: dict[str, list[bytes]] = {name: [] for name in BANNED_SETS}
    allowed = Allowed()
    saved: Saved | None = None
    base = length = 0
    for tag, payload, end in _records(data):
        if tag == _META:
            meta = json.loads(bytes(payload))
        elif tag == _ALLOW:
            (first,) = struct.unpack_from("!I", payload)
            allowed = Allowed({4: bytes(payload[4 : 4 + first]), 6: bytes(payload[4 + first :])})
            if saved:
                saved.content.allowed = allowed
        elif tag in _NAMES and saved is None:
            chunks[_NAMES[tag]].append(bytes(payload))
        elif tag == _DONE:
            saved = Saved(_content(path, meta, chunks, allowed), [str(one) for one in _list(meta, "lists")])
            base = end
        elif tag == _DELTA and saved:
            _apply(saved, payload)
        length = end
    if saved is None:
        raise StateError(f"{path} is damaged or cut: its content does not end")
    return saved, base, length


def _content(
    path: Path, meta: dict[str, object], chunks: dict[str, list[bytes]], allowed: Allowed
) -> Content:
    try:
        position = Position(int(str(meta["generation"])), str(meta["stamp"]))
        addresses = tuple(bytes.fromhex(str(one)) for one in _list(meta, "store_addresses"))
        content = Content(position, chunks, allowed, addresses)
        if meta["sizes"] != content.sizes():
            raise ValueError(f"{content.sizes()} entries where {meta['sizes']} were written")
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"{path} contradicts itself: {error}") from error
    return content


def _list(meta: dict[str, object], key: str) -> list[object]:
    found = meta.get(key)
    return found if isinstance(found, list) else []


def _apply(saved: Saved, payload: memoryview) -> None:
    generation, stamp = json.loads(bytes(payload[:80]))
    saved.content.position = Position(generation, stamp)
    offset = 80
    while offset < len(payload):
        code = payload[offset]
        name = BANNED_SETS[code >> 1]
        end = offset + 1 + entry_width(name)
        saved.changes[name, bytes(payload[offset + 1 : end])] = bool(code & 1)
        offset = end
