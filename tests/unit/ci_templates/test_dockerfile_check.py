"""The Dockerfile convention check: each rule found where it is broken, and nowhere else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.integration.ci_templates import project


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "dockerfile_check", project.PROJECT / "tools/dockerfile_check.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK = load()
BASE = "debian:13@sha256:" + "a" * 64
IGNORE = "# dockerfile-check: ignore"
GOOD = f"FROM {BASE}\nUSER 1000\nHEALTHCHECK CMD true\n"


def findings(text: str) -> list[tuple[int, str]]:
    return [(line, rule) for line, rule, _subject in CHECK.check(text)]


def test_a_good_one_has_no_findings() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM debian:13\nUSER 1\nHEALTHCHECK CMD x\n", [(1, "base-digest")]),
        ("FROM debian\nUSER 1\nHEALTHCHECK CMD x\n", [(1, "base-digest"), (1, "base-latest")]),
        (GOOD.replace(":13", ":latest"), [(1, "base-latest")]),
        ("FROM host:5000/debian\nUSER 1\nHEALTHCHECK CMD x\n", [(1, "base-digest"), (1, "base-latest")]),
        (f"FROM {BASE}\nHEALTHCHECK CMD x\n", [(1, "user-root")]),
        (f"FROM {BASE}\nUSER 1000\nUSER root\nHEALTHCHECK CMD x\n", [(3, "user-root")]),
        (f"FROM {BASE}\nUSER 0:1000\nHEALTHCHECK CMD x\n", [(2, "user-root")]),
        (f"FROM {BASE}\nUSER 1\n", [(1, "healthcheck")]),
        (f"FROM {BASE}\nUSER 1\nHEALTHCHECK NONE\n", [(1, "healthcheck")]),
        (GOOD + "ADD https://example.com/x /x\n", [(4, "add-url")]),
        (GOOD + 'ADD ["https://example.com/x", "/x"]\n', [(4, "add-url")]),
        (GOOD + "ADD git@example.com:a/b.git /x\n", [(4, "add-url")]),
        (GOOD + "add --chown=1 HTTPS://example.com/x /x\n", [(4, "add-url")]),
        (GOOD + "ENV NPM_TOKEN=x\n", [(4, "secret")]),
        (GOOD + "ENV DB_PASSWORD hunter2\n", [(4, "secret")]),
        (GOOD + 'ENV A="b c" \\\n    API_KEY=x\n', [(4, "secret")]),
        (GOOD + "ARG GITHUB_TOKEN\n", [(4, "secret")]),
        (GOOD + "RUN curl -fsSL https://x | sudo bash\n", [(4, "pipe-to-shell")]),
        (GOOD + "RUN set -e \\\n # why\n && wget -O- x \\\n | sh\n", [(4, "pipe-to-shell")]),
        (
            GOOD + "RUN <<EOF\nset -e\ncurl x | sh\nEOF\nENV A_SECRET=1\n",
            [(4, "pipe-to-shell"), (8, "secret")],
        ),
        (GOOD + "COPY --from=busybox:1 /bin/sh /sh\n", [(4, "base-digest")]),
        (GOOD + "ONBUILD ADD https://example.com/x /x\n", [(4, "add-url")]),
        ("ARG TAG=13\nFROM debian:${TAG}\nUSER 1\nHEALTHCHECK CMD x\n", [(2, "base-digest")]),
        ("ARG IMAGE\nFROM $IMAGE\nUSER 1\nHEALTHCHECK CMD x\n", [(2, "base-digest"), (2, "base-latest")]),
        ("# dockerfile-check: ignore healthcheck\n" + GOOD, [(1, "ignore")]),
        ("# dockerfile-check: ignore everything because I can\n" + GOOD, [(1, "ignore")]),
        ("# only a comment\n", [(1, "base-digest")]),
    ],
)
def test_what_breaks_a_rule_is_found_at_its_line(text: str, expected: list[tuple[int, str]]) -> None:
    assert findings(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"ARG IMAGE={BASE}\nFROM $IMAGE AS a\nFROM a\nUSER 1\nHEALTHCHECK CMD x\n",
        f"FROM {BASE} AS build\nRUN make\nFROM scratch\nCOPY --from=build /x /x\nUSER 1\nHEALTHCHECK CMD x\n",
        f"FROM --platform=linux/amd64 {BASE}\nUSER app:app\nHEALTHCHECK CMD x\n",
        GOOD + "ADD --checksum=sha256:00 https://example.com/x /x\nADD local.tar /\n",
        GOOD + "ENV DB_PASSWORD_FILE=/run/secrets/db TOKENIZER=x NOTE='API_KEY=no'\n",
        GOOD + "RUN curl -o x https://x && sha256sum -c x.sum && sh x\n",
        GOOD + "RUN <<EOF\nUSER root\nEOF\n",
        f"{IGNORE} healthcheck because a probe is there\nFROM {BASE}\nUSER 1\n",
        f"FROM {BASE}\n{IGNORE} user-root because it drops it\nUSER root\nHEALTHCHECK CMD x\n",
        f"# escape=`\nFROM {BASE}\nRUN a `\n  b\nUSER 1\nHEALTHCHECK CMD x\n",
    ],
)
def test_what_keeps_the_rules_is_left_alone(text: str) -> None:
    assert findings(text) == []


def test_an_ignored_rule_is_ignored_there_alone() -> None:
    text = GOOD + "# dockerfile-check: ignore secret because it names a header\nARG A_TOKEN\nARG B_TOKEN\n"
    assert findings(text) == [(6, "secret")]


def test_findings_name_file_line_and_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Dockerfile").write_text(GOOD + "ENV A_TOKEN=hunter2\n")
    (tmp_path / "Dockerfile.ok").write_text(GOOD)
    assert CHECK.main(["**/Dockerfile*"]) == 1
    out = capsys.readouterr().out
    assert "app/Dockerfile:4: secret: A_TOKEN: " in out
    assert "hunter2" not in out
    assert "2 checked, 1 findings" in out
    assert CHECK.main(["Dockerfile.ok"]) == 0


def test_no_file_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    assert CHECK.main(["nowhere/Dockerfile"]) == 2
    assert "no file matches nowhere/Dockerfile" in capsys.readouterr().err
