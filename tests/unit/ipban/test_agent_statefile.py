"""The state file: cut, damaged, added to, written on a full disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ipban.model import BANNED_SETS, Change, Content, Position, entry_width
from ipban.statefile import StateError, StateFile
from ipban_fakes import allowed, named

STAMP = "0f0f0f0f-0000-4000-8000-000000000000"


def content(*texts: str, generation: int = 5) -> Content:
    by_name: dict[str, list[bytes]] = {name: [] for name in BANNED_SETS}
    for text in texts:
        name, entry = named(text)
        by_name[name].append(entry)
    chunks = {name: [b"".join(sorted(found))] if found else [] for name, found in by_name.items()}
    return Content(Position(generation, STAMP), chunks, allowed("10.0.0.0/8"), (b"\x0a\0\0\1",))


def texts(found: Content) -> set[tuple[str, bytes]]:
    return {
        (name, chunk[at : at + entry_width(name)])
        for name, chunks in found.chunks.items()
        for chunk in chunks
        for at in range(0, len(chunk), entry_width(name))
    }


BASE = ("192.0.2.7", "198.51.100.0/24", "2001:db8::7", "2001:db8:1::/48")


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    made = StateFile(tmp_path, ["ssh"])
    made.write(content(*BASE))
    return made


def again(file: StateFile) -> StateFile:
    return StateFile(file.path.parent, ["ssh"])


def test_what_was_written_is_read(file: StateFile) -> None:
    saved, refused = again(file).read()
    assert saved is not None
    assert not refused
    assert saved.merged() == content(*BASE)
    assert saved.lists == ["all", "ssh"]
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_nothing_was_ever_saved(tmp_path: Path) -> None:
    assert StateFile(tmp_path, []).read() == (None, [])


def test_deltas_are_added(file: StateFile) -> None:
    changes = [Change(*named("192.0.2.8"), True), Change(*named("192.0.2.7"), False)]
    file.note(Position(6, STAMP), changes, None)
    file.note(Position(7, STAMP), [Change(*named("203.0.113.0/24"), True)], allowed("172.16.0.0/12"))
    assert file.dirty
    file.flush()
    saved, _ = again(file).read()
    assert saved is not None
    merged = saved.merged()
    assert texts(merged) == texts(content("192.0.2.8", "203.0.113.0/24", *BASE[1:]))
    assert merged.position == Position(7, STAMP)
    assert merged.allowed == allowed("172.16.0.0/12")


def test_one_that_goes_and_comes_back_is_there(file: StateFile) -> None:
    entry = named("192.0.2.7")
    for generation, banned in ((6, False), (7, True)):
        file.note(Position(generation, STAMP), [Change(*entry, banned)], None)
    file.flush()
    saved, _ = again(file).read()
    assert saved is not None
    assert texts(saved.merged()) == texts(content(*BASE))


def test_every_place_where_a_file_can_be_cut(file: StateFile) -> None:
    """Within the content it is refused by name; within what was added, what was whole before counts."""
    base = file.path.stat().st_size
    file.note(Position(6, STAMP), [Change(*named("192.0.2.8"), True)], None)
    file.flush()
    whole = file.path.read_bytes()
    for length in range(len(whole)):
        file.path.write_bytes(whole[:length])
        saved, refused = again(file).read()
        if length < base:
            assert saved is None
            assert str(file.path) in str(refused[0])
        else:
            assert saved is not None
            assert saved.merged().position.generation == 5
            assert saved.torn == (length > base)


def test_every_byte_that_can_be_damaged(file: StateFile) -> None:
    whole = bytearray(file.path.read_bytes())
    for place in range(len(whole)):
        whole[place] ^= 0xFF
        file.path.write_bytes(whole)
        saved, refused = again(file).read()
        assert saved is None
        assert len(refused) == 1
        whole[place] ^= 0xFF


def test_the_previous_file_takes_its_place(file: StateFile) -> None:
    file.write(content("192.0.2.9", generation=6))
    file.path.write_bytes(file.path.read_bytes()[:-1])
    after = again(file)
    saved, refused = after.read()
    assert saved is not None
    assert saved.merged() == content(*BASE)
    assert "damaged or cut" in str(refused[0])
    assert after.stale, "nothing is added to a file that is not the one that was read"


def test_a_damaged_file_never_becomes_the_previous_one(file: StateFile) -> None:
    file.write(content("192.0.2.9", generation=6))
    file.path.write_bytes(b"rubbish")
    file.write(content("192.0.2.10", generation=7))
    file.path.unlink()
    saved, _ = again(file).read()
    assert saved is not None
    assert saved.merged() == content(*BASE)


def test_a_torn_tail_is_overwritten_by_what_is_added_next(file: StateFile) -> None:
    with file.path.open("ab") as tail:
        tail.write(b"half a record")
    after = again(file)
    saved, _ = after.read()
    assert saved is not None
    assert saved.torn
    after.note(Position(6, STAMP), [Change(*named("192.0.2.8"), True)], None)
    after.flush()
    saved, _ = again(file).read()
    assert saved is not None
    assert not saved.torn
    assert saved.merged().position.generation == 6


@pytest.mark.parametrize("step", ["open", "fsync", "rename", "link"])
def test_a_write_that_fails_keeps_the_old_file(
    file: StateFile, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file.write(content(*BASE))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        if step == "rename":
            patched.setattr(Path, "rename", full)
        else:
            patched.setattr(os, step, full)
        with pytest.raises(StateError, match="sets can't be written: No space left"):
            file.write(content("192.0.2.9", generation=6))
    saved, refused = again(file).read()
    assert saved is not None
    assert not refused
    assert saved.merged() == content(*BASE)
    file.note(Position(7, STAMP), [Change(*named("192.0.2.8"), True)], None)
    file.flush()
    saved, _ = again(file).read()
    assert saved is not None
    assert saved.merged() == content(*BASE), "a delta is not added to a content that it does not follow"


def test_an_addition_that_fails_is_tried_again(file: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file.note(Position(6, STAMP), [Change(*named("192.0.2.8"), True)], None)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StateError, match="can't be added to"):
            file.flush()
    assert file.dirty
    file.flush()
    saved, _ = again(file).read()
    assert saved is not None
    assert saved.merged().position.generation == 6
    assert not saved.torn


def test_much_that_was_added_is_written_into_the_content(file: StateFile) -> None:
    for number in range(40):
        changes = [
            Change(*named(f"10.{number}.{third}.{host}"), True) for third in range(20) for host in (1, 2, 3)
        ]
        file.note(Position(6 + number, STAMP), changes, None)
        file.flush()
    while not file.outgrown:
        file.note(Position(46, STAMP), [Change(*named("192.0.2.8"), True)] * 100, None)
        file.flush()
    before = file.path.stat().st_size
    file.compact()
    assert file.path.stat().st_size < before
    saved, _ = again(file).read()
    assert saved is not None
    assert not saved.changes
    assert saved.content.position == Position(46, STAMP)
    assert saved.content.size("hosts4") == 40 * 60 + 2
    for chunk in saved.content.chunks["hosts4"]:
        rows = [chunk[at : at + 4] for at in range(0, len(chunk), 4)]
        assert rows == sorted(set(rows))


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "sets").write_bytes(b"something else\n" * 10)
    saved, refused = StateFile(tmp_path, []).read()
    assert saved is None
    assert "no state file of this version" in str(refused[0])
