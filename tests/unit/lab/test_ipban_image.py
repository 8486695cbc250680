"""The ban list's image, as it is made from what the role ships. The system below is not built for it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from lab.kubernetes import images, ipban_image


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The files of the layer above the system."""
    monkeypatch.setattr(ipban_image, "_system", lambda: b"")
    image = ipban_image.image()
    with tarfile.open(fileobj=io.BytesIO(image.layers[1])) as packed:
        found = {member.name: packed.extractfile(member) for member in packed}
    return {name: file.read() for name, file in found.items() if file is not None}


def test_it_has_the_roles_own_program(program: dict[str, bytes]) -> None:
    own = ipban_image.TREE / ipban_image.LIBRARY
    for path in (own / "ipban").rglob("*.py"):
        assert program[str(ipban_image.LIBRARY / path.relative_to(own))] == path.read_bytes()
    assert not [name for name in program if "__pycache__" in name]


def test_its_command_is_the_program(program: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in program.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    script = program["usr/local/sbin/ipban"].decode().replace('"/usr', f'"{tmp_path}/usr')
    done = subprocess.run(
        [sys.executable, "-c", script, "denylist", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "deny list of a cluster's ingress" in done.stdout


def test_it_runs_as_nobody_unless_a_pod_asks_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipban_image, "_system", lambda: b"the system")
    image = ipban_image.image()
    described = json.loads(image.configuration)
    assert described["config"]["User"] == "65532:65532"
    assert described["config"]["Entrypoint"] == ["/usr/local/sbin/ipban"]
    assert len(described["rootfs"]["diff_ids"]) == len(described["history"]) == 2
    with tarfile.open(fileobj=io.BytesIO(images.archive(image))) as packed:
        manifest = packed.extractfile("manifest.json")
        assert manifest is not None
        (listed,) = json.load(manifest)
    assert listed["RepoTags"] == [image.reference]
    assert len(listed["Layers"]) == 2


def test_a_change_of_the_program_is_another_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = ipban_image.digest()
    assert ipban_image.digest() == before
    library = tmp_path / ipban_image.LIBRARY / "ipban"
    library.mkdir(parents=True)
    (library / "cli.py").write_text("")
    monkeypatch.setattr(ipban_image, "TREE", tmp_path)
    assert ipban_image.digest() != before


def test_what_a_container_does_not_need_is_left_out(tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as packed:
        for name in (
            "./usr/bin/python3",
            "./usr/share/doc/x",
            "./usr/lib/python3.13/json.py",
            "./var/cache/apt/x",
        ):
            entry = tarfile.TarInfo(name)
            entry.size = 1
            packed.addfile(entry, io.BytesIO(b"x"))
        link = tarfile.TarInfo("./lib")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/lib"
        packed.addfile(link)
    ipban_image._slim(whole, tmp_path / "slim.tar")
    with tarfile.open(tmp_path / "slim.tar") as packed:
        assert packed.getnames() == ["./usr/bin/python3", "./usr/lib/python3.13/json.py", "./lib"]
        assert packed.getmember("./lib").linkname == "usr/lib"
