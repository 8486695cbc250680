"""Programs for tests of rules and routes: brought by apt where that is there, and otherwise told missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tools

# In place of apt-get and dpkg-deb: the archive is a name, and what is in it is made on the spot.
APT = '#!/bin/sh\n[ "$2" = download ] || exit 1\n: >"$3_1_all.deb"\n'
DPKG = '#!/bin/sh\nmkdir -p "$3/usr/bin"\nfor it in promtool amtool; do echo "$it" >"$3/usr/bin/$it"; done\n'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing of it, and with an empty cache; the folder of its programs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("env", "mkdir"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("GROUNDWORK_CACHE", str(tmp_path / "cache"))
    return programs


def test_what_can_not_be_had_is_told(machine: Path) -> None:
    missing = tools.ensure()
    assert set(missing) == {"promtool", "amtool"}
    assert "there is no apt-get that could bring it" in missing["amtool"]
    assert tools.find("amtool") is None


def test_they_are_brought_once(machine: Path) -> None:
    for name, text in (("apt-get", APT), ("dpkg-deb", DPKG)):
        (machine / name).write_text(text)
        (machine / name).chmod(0o755)
    assert tools.ensure() == {}
    found = tools.find("amtool")
    assert found is not None and Path(found).read_text() == "amtool\n"
    (machine / "apt-get").unlink()
    assert tools.ensure() == {}
    assert sorted(path.name for path in tools.folder().iterdir()) == ["amtool", "promtool"]


def test_what_the_machine_has_itself_comes_first(machine: Path) -> None:
    for name in ("promtool", "amtool"):
        (machine / name).touch(mode=0o755)
    assert tools.ensure() == {}
    assert tools.find("promtool") == str(machine / "promtool")
