"""The next version, from the commits of real repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.ci_templates import project

PROGRAM = project.PROJECT / "tools" / "semantic_version.sh"
IDENTITY = {
    **{
        f"GIT_{who}_{what}": "test@example.com"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    },
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


class Repository:
    """A repository with empty commits and tags."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.path, env={**os.environ, **IDENTITY}, check=True)

    def history(self, *steps: str) -> None:
        for step in steps:
            if step.startswith("tag "):
                self.git("tag", step.removeprefix("tag "))
            else:
                self.git("commit", "-q", "--allow-empty", "-m", step)

    def version(self) -> tuple[str, str]:
        subprocess.run(["sh", str(PROGRAM)], cwd=self.path, check=True, capture_output=True)
        lines = dict(line.split("=") for line in (self.path / "version.env").read_text().splitlines())
        assert set(lines) == {"VERSION", "RELEASE"}
        return lines["VERSION"], lines["RELEASE"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["feat: a"], ("0.1.0", "true")),
        (["docs: a"], ("0.1.0", "false")),
        (["feat: a", "tag v1.2.3", "fix: b"], ("1.2.4", "true")),
        (["feat: a", "tag v1.2.3", "feat(ui): b", "fix: c"], ("1.3.0", "true")),
        (["feat: a", "tag v1.2.3", "fix!: b", "feat: c"], ("2.0.0", "true")),
        (["feat: a", "tag v1.2.3", "refactor(api)!: b"], ("2.0.0", "true")),
        (["feat: a", "tag v1.2.3", "fix: b\n\nBREAKING CHANGE: c"], ("2.0.0", "true")),
        (["feat: a", "tag v0.2.3", "feat!: b"], ("0.3.0", "true")),
        (["feat: a", "tag v1.2.3", "chore: b", "feature: c", "fixes: d"], ("1.2.3", "false")),
        (["feat: a", "tag v1.2.3"], ("1.2.3", "false")),
        (["feat: a", "tag v1.9.0", "fix: b", "tag v1.10.0", "fix: c"], ("1.10.1", "true")),
        (["feat: a", "tag v1.0.0", "fix: b", "tag v2.0.0-rc.1", "tag v01.0.0", "tag vx"], ("1.0.1", "true")),
    ],
)
def test_the_version_follows_the_commits(
    repository: Repository, steps: list[str], expected: tuple[str, str]
) -> None:
    repository.history(*steps)
    assert repository.version() == expected


def test_titles_are_data(repository: Repository) -> None:
    repository.history(
        "feat: $(touch pwned) `touch pwned` ; touch pwned # %s @all <script>", "fix(x): \\n'\""
    )
    assert repository.version() == ("0.1.0", "true")
    assert sorted(path.name for path in repository.path.iterdir()) == [".git", "notes.md", "version.env"]
    notes = (repository.path / "notes.md").read_text()
    assert "- feat: $(touch pwned) touch pwned ; touch pwned # %s all script\n" in notes
    assert "- fix(x): \\n'\"\n" in notes


def test_a_tag_of_another_branch_counts_for_nothing(repository: Repository) -> None:
    repository.history("feat: a", "tag v1.0.0")
    repository.git("switch", "-q", "-c", "old")
    repository.history("feat: b", "tag v9.0.0")
    repository.git("switch", "-q", "main")
    repository.history("fix: c")
    assert repository.version() == ("1.0.1", "true")
