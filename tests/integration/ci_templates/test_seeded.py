"""The guide's own lines make the project on a double of GitLab, keep it, and never move a version."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.integration.ci_templates import project

sys.path.insert(0, str(project.ROOT / "collections"))

from tests.integration.gitlab.test_playbook import ROLE, inventory
from tests.integration.gitlab.world import world
from tests.integration.support import play


def model() -> dict[str, Any]:
    guide = (project.ROOT / "docs" / "guides" / "ci-templates.md").read_text()
    (block,) = [one for one in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if "ci_root" in one]
    return {**yaml.safe_load(block), "ci_root": str(project.PROJECT)}


def test_the_guide_seeds_the_project(tmp_path: Path) -> None:
    playbook = tmp_path / "role.yml"
    playbook.write_text(ROLE)
    shipped = {
        str(path.relative_to(project.PROJECT)): path.read_bytes()
        for path in project.PROJECT.rglob("*")
        if path.is_file()
    }
    with world("ce") as made:

        def converge(**variables: Any) -> bool:
            hosts = inventory(tmp_path, made, **variables)
            played = play(playbook, "--limit", "hub", inventory=hosts)
            assert played.returncode == 0, played.output
            return played.stats["hub"]["changed"] > 0

        assert converge(**model())
        seeded = made.root.projects.get("platform/ci")

        def content(path: str) -> bytes:
            return base64.b64decode(seeded.files.get(path, ref="main").content)

        assert {path: content(path) for path in shipped} == shipped
        version = seeded.tags.get("1.0.0").commit["id"]
        assert not converge(**model())
        seeded.files.update("README.md", {"branch": "main", "commit_message": "by hand", "content": "no"})
        assert content("README.md") == b"no"
        assert converge(**model())
        assert content("README.md") == shipped["README.md"]
        assert seeded.tags.get("1.0.0").commit["id"] == version
