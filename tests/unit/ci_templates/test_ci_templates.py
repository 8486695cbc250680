"""The CI templates: what each must have, and what none may do."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.integration.ci_templates import project

TEMPLATES = project.templates()
DIGEST = re.compile(r"[a-z0-9][a-z0-9._/:-]*:[\w.-]+@sha256:[0-9a-f]{64}")
CHANGING = {"push", "sign", "release", "helm-publish", "deploy"}
ENDINGS = {"sbom", "sign", "release", "lint", "test", "android"}  # their images have no digest that is known
by_name = pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.name)


def test_all_templates_are_there() -> None:
    assert {one.name for one in TEMPLATES} == {
        *("build", "test", "lint", "shellcheck", "dockerfile", "scan", "sbom", "sign", "push", "version"),
        *("release", "helm-lint", "helm-publish", "terraform", "android", "deploy"),
    }


@by_name
def test_inputs_are_described_and_bounded(template: project.Template) -> None:
    for name, declared in template.inputs.items():
        assert declared.get("description"), name
        kind = declared.get("type", "string")
        assert kind in ("string", "number", "boolean", "array"), name
        if kind != "string":
            continue
        assert ("options" in declared) != ("regex" in declared), f"{name} takes anything"
        default = declared.get("default")
        if "regex" in declared:
            assert declared["regex"].startswith("^"), name
            assert declared["regex"].endswith("$"), name
            assert default is None or re.search(declared["regex"], default), name
        else:
            assert default is None or default in declared["options"], name


@by_name
def test_every_declared_input_is_used_and_no_other(template: project.Template) -> None:
    used = set(re.findall(r"\$\[\[ inputs\.(\w+) \]\]", template.text))
    assert used == set(template.inputs)


@by_name
def test_no_text_input_can_carry_what_a_shell_or_gitlab_expands(template: project.Template) -> None:
    for name, declared in template.inputs.items():
        if "regex" not in declared:
            continue
        pattern = declared["regex"]
        for attack in (
            "$(id)",
            "`id`",
            "a;id",
            "a b",
            "a\nb",
            "a$CI_JOB_TOKEN",
            "${IFS}",
            "a'b",
            'a"b',
            "a|b",
            "-o/x",
        ):
            assert not re.search(pattern.replace("$|", r"\Z|").removesuffix("$") + r"\Z", attack), (
                name,
                attack,
            )


@by_name
def test_images_are_pinned_by_digest(template: project.Template) -> None:
    declared = template.inputs["image"]
    assert re.search(declared["regex"], "a/b:1@sha256:" + "0" * 64)
    for bad in ("a/b:1", "a/b:latest", "a/b@sha256:0", "a/b:1@sha256:" + "0" * 64 + " ", ""):
        assert not re.search(declared["regex"].removesuffix("$") + r"\Z", bad), bad
    assert ("default" in declared) != (template.name in ENDINGS)
    assert "default" not in declared or DIGEST.fullmatch(declared["default"])
    assert template.job["image"] == {"name": "$[[ inputs.image ]]", "entrypoint": [""]}


@by_name
def test_jobs_are_bounded_and_only_a_runners_failure_is_tried_again(template: project.Template) -> None:
    job = template.job
    assert re.fullmatch(r"\d+[mh]", job["timeout"])
    assert job["retry"] == {"max": 2, "when": ["runner_system_failure", "scheduler_failure"]}
    assert job["interruptible"] is not (template.name in CHANGING or template.name == "terraform")
    assert (
        template.name not in {"push", "release", "helm-publish", "deploy", "terraform"}
        or job["resource_group"]
    )
    assert "allow_failure" not in job


@by_name
def test_what_changes_something_outside_runs_for_protected_refs_alone(template: project.Template) -> None:
    conditions = [rule["if"] for rule in template.job["rules"] if rule.get("when") != "never"]
    assert all("CI_COMMIT_REF_PROTECTED" in one for one in conditions) is (template.name in CHANGING)
    if template.name in CHANGING and template.name != "helm-publish":
        assert template.job["rules"][0] == {
            "if": '$CI_PIPELINE_SOURCE == "merge_request_event"',
            "when": "never",
        }


@by_name
def test_caches_are_the_projects_own(template: project.Template) -> None:
    if "cache" in template.job:
        assert "$CI_PROJECT_ID" in template.job["cache"]["key"]
        assert "CI_COMMIT" not in template.job["cache"]["key"]


@by_name
def test_inputs_are_never_part_of_a_script(template: project.Template) -> None:
    if template.name in ("lint", "test"):
        assert template.job["script"] == "$[[ inputs.commands ]]"
    else:
        assert "$[[" not in template.script


def test_scripts_quote_every_variable(tmp_path: Path) -> None:
    paths = []
    for template in TEMPLATES:
        if isinstance(template.job["script"], list):
            path = tmp_path / f"{template.name}.sh"
            path.write_text("#!/bin/sh\n" + template.script)
            paths.append(str(path))
    # SC1128: the shebang of a carried program. SC2154: variables are the job's.
    result = subprocess.run(
        [
            "shellcheck",
            "--shell=sh",
            "--enable=quote-safe-variables",
            "--exclude=SC1128,SC2154,SC2250",
            *paths,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@by_name
def test_no_secret_is_an_argument(template: project.Template) -> None:
    if not isinstance(template.job["script"], list):
        return
    for line in template.script.splitlines():
        if re.search(r"\$\{?\w*(?:PASSWORD|TOKEN)", line):
            words = shlex.split(line.strip().rstrip("|\\"), comments=True)
            assert not words or words[0] in ("printf", ":"), line
    assert "set -x" not in template.script


def test_generated_parts_are_in_step() -> None:
    for path, content in project.generated().items():
        assert path.read_text() == content, f"{path.name}: python -m tests.integration.ci_templates.project"


def test_readme_has_every_template_once_and_the_changelog_the_version_it_names() -> None:
    readme = (project.PROJECT / "README.md").read_text()
    for template in TEMPLATES:
        assert readme.count(project.BEGIN.format(template.name)) == 1, template.name
    versions = set(re.findall(r"platform/ci/\w+@(\S+)", readme))
    changelog = (project.PROJECT / "CHANGELOG.md").read_text()
    assert versions == set(re.findall(r"^## (\S+)$", changelog, re.MULTILINE)[:1])


def test_jobs_name_no_key_that_gitlab_lacks() -> None:
    known = {
        *(
            "stage",
            "tags",
            "image",
            "interruptible",
            "timeout",
            "retry",
            "rules",
            "resource_group",
            "variables",
        ),
        *("cache", "script", "artifacts", "needs", "id_tokens", "environment"),
    }
    for template in TEMPLATES:
        assert set(template.job) <= known, template.name
