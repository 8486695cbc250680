"""The CI templates under gitlab-ci-local: expanded, refused, and run for real where that needs no network.

Programs that would need one (skopeo, trivy, terraform, argocd, glab) are doubles: they log their calls.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.ci_templates import pipeline as pipelines
from tests.integration.ci_templates import project

Make = Callable[..., pipelines.Pipeline]
PROTECTED = {"CI_COMMIT_REF_PROTECTED": "true"}
REGISTRY = {
    "CI_REGISTRY": "registry.example.com",
    "CI_REGISTRY_IMAGE": "registry.example.com/acme/web",
    "CI_REGISTRY_USER": "job",
    "CI_REGISTRY_PASSWORD": "hunter2",
}
TOKEN = {"ARGOCD_AUTH_TOKEN": "ey.token"}
DIGEST = "sha256:" + "d" * 64
# What Git takes as a name of a branch or a tag, and what a shell would make of it.
ATTACK = "x$(touch${IFS}pwned);touch${IFS}pwned;`touch${IFS}pwned`|touch&pwned'\"#"


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda **options: pipelines.Pipeline(tmp_path / "web", **options)


def refused(pipeline: pipelines.Pipeline, *jobs: str, **variables: str) -> str:
    with pytest.raises(pipelines.PipelineError) as error:
        if jobs:
            pipeline.run(*jobs, **variables)
        else:
            pipeline.expanded()
    return str(error.value)


def test_templates_expand_to_what_is_reviewed(tmp_path: Path) -> None:
    expansions = pipelines.expansions(tmp_path)
    assert sorted(path.stem for path in pipelines.GOLDEN.glob("*.yml")) == sorted(expansions)
    for name, content in expansions.items():
        again = "python -m tests.integration.ci_templates.pipeline"
        assert (pipelines.GOLDEN / f"{name}.yml").read_text() == content, f"{name}: if it is meant: {again}"


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("build", {"image": "moby/buildkit:latest"}, "`image` input: `moby/buildkit:latest` does not match"),
        ("build", {"context": "$(id)"}, "`context` input: `$(id)` does not match required regex"),
        (
            "build",
            {"platform": "plan9"},
            "`platform` input: `plan9` cannot be used because it is not in the list",
        ),
        ("scan", {"severity": "LOW"}, "`severity` input: `LOW` cannot be used because it is not in the list"),
        ("scan", {"unfixed": "yes"}, "`unfixed` input: provided value is not a boolean"),
        ("deploy", {"environment": "a b"}, "`environment` input: `a b` does not match required regex"),
        ("push", {"tags": None}, "`tags` input: required value has not been provided"),
        ("push", {"tags": []}, "'tags' must not have fewer than 1 items"),
        ("sbom", {"image": None}, "`image` input: required value has not been provided"),
    ],
)
def test_a_bad_input_stops_the_expansion(make: Make, name: str, inputs: dict[str, Any], message: str) -> None:
    pipeline = make()
    pipeline.include(name, **inputs)
    assert message in refused(pipeline)


def test_dockerfile_check(make: Make) -> None:
    pipeline = make()
    pipeline.include("dockerfile")
    pipeline.write("Dockerfile", f"FROM debian:13@{DIGEST}\nUSER 1000\nHEALTHCHECK CMD true\n")
    assert "1 checked, 0 findings" in pipeline.run("dockerfile")
    pipeline.write("app/Dockerfile", "FROM debian:latest\nUSER 1000\nHEALTHCHECK CMD true\n")
    message = refused(pipeline, "dockerfile")
    assert "app/Dockerfile:1: base-digest: debian:latest" in message
    assert "app/Dockerfile:1: base-latest: debian:latest" in message


def test_lint_test_and_shellcheck_run_what_they_are_given(make: Make) -> None:
    pipeline = make()
    commands = ["python3 -m py_compile app.py", "test -s app.py"]
    pipeline.include("shellcheck", "test", "lint", commands=commands)
    pipeline.write("Makefile", "test:\n\t@echo tested >tested\njunit:\n\t@echo '<testsuites/>' >junit.xml\n")
    pipeline.write("app.py", "print(1)\n")
    pipeline.write("run.sh", '#!/bin/sh\necho "$1"\n')
    pipeline.run("lint", "test", "shellcheck")
    assert (pipeline.path / "tested").exists()
    pipeline.write("app.py", "print(\n")
    assert "SyntaxError" in refused(pipeline, "lint")
    pipeline.write("run.sh", "#!/bin/sh\necho $1\n")
    assert "SC2086" in refused(pipeline, "shellcheck")


def test_version_then_release(make: Make) -> None:
    pipeline = make()
    calls = pipeline.programs({"glab": "cp notes.md ../notes"})
    pipeline.include("version", "release")
    pipeline.git("tag", "v1.2.3")
    pipeline.commit("chore: nothing")
    pipeline.run("version", "release", **PROTECTED)
    assert not calls.exists()
    pipeline.commit("feat: $(touch pwned)")
    pipeline.run("version", "release", **PROTECTED)
    (call,) = calls.read_text().splitlines()
    assert call.startswith("glab release create v1.3.0 --ref ")
    assert call.endswith("--name v1.3.0 --notes-file notes.md --no-update")
    assert "- feat: $(touch pwned)" in (pipeline.path.parent / "notes").read_text()
    assert not (pipeline.path / "pwned").exists()


def test_helm_lint_with_the_real_helm(make: Make) -> None:
    cache = Path(os.environ.get("GROUNDWORK_CACHE", Path.home() / ".cache" / "groundwork"))
    helm = cache / "kubernetes" / "programs" / "helm"
    if not helm.exists():
        pytest.skip("the lab's helm is not built: ./run lab up builds it")
    pipeline = make()
    pipeline.programs({"helm": f'exec {helm} "$@"'})
    pipeline.include("helm-lint")
    pipeline.write(
        "chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\nicon: https://example.com/i.svg\n"
    )
    pipeline.write("chart/values.yaml", "name: web\n")
    service = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ %s }}\n"
    pipeline.write("chart/templates/map.yaml", service % ".Values.name")
    pipeline.run("helm-lint")
    assert "kind: ConfigMap" in (pipeline.path / "rendered.yaml").read_text()
    pipeline.write("chart/templates/map.yaml", service % 'required "name it" .Values.missing')
    assert "name it" in refused(pipeline, "helm-lint")


SKOPEO = f"""case $1 in
  login) [ "$(cat)" = hunter2 ] ;;
  copy) while [ "$1" != --digestfile ]; do shift; done; printf %s {DIGEST} >"$2" ;;
esac"""


def test_push_hands_on_the_digest_and_keeps_the_password(make: Make) -> None:
    pipeline = make()
    calls = pipeline.programs({"skopeo": SKOPEO})
    pipeline.include("push")
    pipeline.run("push", **PROTECTED, **REGISTRY, CI_COMMIT_TAG="v1.0.0")
    log = calls.read_text()
    assert "oci-archive:image.tar docker://registry.example.com/acme/web:v1.0.0" in log
    assert "hunter2" not in log
    assert (pipeline.path / "image.env").read_text() == f"IMAGE=registry.example.com/acme/web@{DIGEST}\n"


def test_sign_takes_a_digest_alone(make: Make) -> None:
    pipeline = make()
    calls = pipeline.programs({"skopeo": SKOPEO, "cosign": '[ "$1" != login ] || [ "$(cat)" = hunter2 ]'})
    pipeline.include("push", "sign")
    pipeline.run("push", "sign", **PROTECTED, **REGISTRY)
    log = calls.read_text()
    sigstore = "--fulcio-url https://fulcio.sigstore.dev --rekor-url https://rekor.sigstore.dev"
    assert f"cosign sign {sigstore} {REGISTRY['CI_REGISTRY_IMAGE']}@{DIGEST}\n" in log
    assert "cosign attest" in log
    assert "hunter2" not in log
    pipeline.include("push", "sign")
    calls.unlink()
    pipeline.programs({"skopeo": SKOPEO.replace("sha256:", "sha512:")})
    assert "is no digest" in refused(pipeline, "push", "sign", **PROTECTED, **REGISTRY)
    assert "cosign" not in calls.read_text()


@pytest.mark.parametrize("code", [0, 1])
def test_scan_fails_with_the_scanner_and_shows_the_table(make: Make, code: int) -> None:
    pipeline = make()
    scanner = f"if [ $1 = convert ]; then echo the-table; else echo '{{}}' >scan.json; exit {code}; fi"
    calls = pipeline.programs({"trivy": scanner})
    pipeline.include("scan")
    output = refused(pipeline, "scan") if code else pipeline.run("scan")
    assert "the-table" in output
    assert calls.read_text().splitlines()[0] == (
        "trivy image --input image.tar --ignore-unfixed --exit-code 1 --format json --output scan.json"
    )


def test_terraform_reports_three_numbers(make: Make) -> None:
    changes = '{"add":2,"change":1,"import":0,"remove":3,"operation":"plan"}'
    summary = '{"@level":"info","changes":' + changes + ',"type":"change_summary"}'
    plan = f"""case $1 in
      plan) echo '{{"type":"version","add":9}}'; echo '{summary}'; : >"${{3#-out=}}" ;;
      show) echo the plan ;;
    esac"""
    pipeline = make()
    calls = pipeline.programs({"terraform": plan})
    pipeline.include("terraform", path="infra")
    pipeline.write("infra/main.tf", "")
    pipeline.run("terraform")
    assert (pipeline.path / "plan.json").read_text() == '{"create":2,"update":1,"delete":3}\n'
    assert "terraform init -lockfile=readonly" in calls.read_text()
    pipeline.programs({"terraform": 'if [ "$1" = plan ]; then echo "no provider"; exit 1; fi'})
    assert "no provider" in refused(pipeline, "terraform")


def test_deploy_needs_its_token_and_takes_the_digest(make: Make) -> None:
    pipeline = make()
    calls = pipeline.programs({"skopeo": SKOPEO, "argocd": ":"})
    pipeline.include("push", "deploy", image_parameter="image.reference", when="on_success")
    assert "ARGOCD_AUTH_TOKEN" in refused(pipeline, "push", "deploy", **PROTECTED, **REGISTRY)
    assert "argocd" not in calls.read_text()
    pipeline.run("push", "deploy", **PROTECTED, **REGISTRY, **TOKEN)
    log = calls.read_text()
    image = f"{REGISTRY['CI_REGISTRY_IMAGE']}@{DIGEST}"
    assert f"argocd app set acme-web --helm-set-string image.reference={image}\n" in log
    assert log.splitlines()[-1] == "argocd app wait acme-web --sync --health --timeout 600"
    assert "ey.token" not in log


def test_what_changes_something_is_there_for_protected_refs_alone(make: Make) -> None:
    pipeline = make()
    pipeline.include(*(template.name for template in project.templates()))

    def listed(**variables: str) -> set[str]:
        lines = pipeline.local("--list-csv", **variables).splitlines()
        return {line.split(";")[0] for line in lines[1:]}

    changing = {"push", "sign", "release", "deploy"}
    assert changing <= listed(CI_COMMIT_REF_PROTECTED="true")
    assert "build" in listed(CI_COMMIT_REF_PROTECTED="false")
    assert not changing & listed(CI_COMMIT_REF_PROTECTED="false")
    merge = listed(CI_COMMIT_REF_PROTECTED="true", CI_PIPELINE_SOURCE="merge_request_event")
    assert "build" in merge
    assert not changing & merge
    assert "helm-publish" not in listed(CI_COMMIT_REF_PROTECTED="true")
    assert "helm-publish" in listed(CI_COMMIT_REF_PROTECTED="true", CI_COMMIT_TAG="v1.0.0")
    assert "helm-publish" not in listed(CI_COMMIT_REF_PROTECTED="false", CI_COMMIT_TAG="v1.0.0")


@pytest.mark.parametrize("name", ["push", "helm-publish"])
def test_a_hostile_tag_is_refused_and_not_run(make: Make, name: str) -> None:
    pipeline = make()
    calls = pipeline.programs({"skopeo": SKOPEO, "helm": ":"})
    pipeline.include(name)
    message = refused(pipeline, name, **PROTECTED, **REGISTRY, CI_COMMIT_TAG=ATTACK)
    assert "can't be one of an image" in message or "is no version" in message
    assert not list(pipeline.path.parent.rglob("pwned*"))
    assert "copy" not in calls.read_text() if calls.exists() else True


def test_a_hostile_branch_and_title_are_data(make: Make) -> None:
    pipeline = make(branch="x$(touch${IFS}pwned);touch${IFS}pwned;`touch${IFS}pwned`")
    calls = pipeline.programs({"skopeo": SKOPEO, "buildctl-daemonless.sh": ": >image.tar", "argocd": ":"})
    names = ["dockerfile", "version", "build", "push", "deploy"]
    pipeline.include(*names, when="on_success")
    pipeline.write("Dockerfile", f"FROM debian:13@{DIGEST}\nUSER 1000\nHEALTHCHECK CMD true\n")
    pipeline.commit(f"feat: {ATTACK}")
    given = {**PROTECTED, **REGISTRY, "ARGOCD_AUTH_TOKEN": "x", "CI_MERGE_REQUEST_TITLE": ATTACK}
    pipeline.run(*names, **given, CI_PIPELINE_SOURCE="push", CI_COMMIT_TITLE=ATTACK)
    assert [line.split()[0] for line in calls.read_text().splitlines()].count("argocd") == 2
    assert "RELEASE=true" in (pipeline.path / "version.env").read_text()
    assert not list(pipeline.path.parent.rglob("pwned*"))


def test_the_lock_names_no_registry_and_checks_what_it_gets() -> None:
    lock = (pipelines.LOCK / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert "resolved" not in lock
