"""``./run test``: the parts, in order, with what each took and one closing line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.kubernetes import build
from tests import artifact, tools

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ("docs", "lab", "molecule", "plugins", "tests")
# Where the roles that ship a Python program of their own have it, by the name of its package.
SHIPPED = {
    package: str(ROOT / "roles" / role / "templates/tree/usr/local/lib/groundwork")
    for package, role in {"ipban": "ipban_agent", "wireguard": "wireguard"}.items()
}
PACKAGE = "ansible_collections.groundwork.platform.plugins"


# Real hosts on a busy machine: a failure is tried once more, and listed as a rerun whatever comes of it.
SECOND_TRY = ("--reruns=1", "--rerun-show-tracebacks", "-rR")


@dataclass(frozen=True)
class Outcome:
    """One command of a part: what ran, its exit code, and its seconds."""

    name: str
    code: int
    seconds: float


def run(name: str, *command: str, cwd: Path = ROOT, **environment: str) -> Outcome:
    """Run one command with its output going straight to the terminal: that is its progress."""
    print(f"\n=== {name}: {' '.join(command[:6])}{' ...' if len(command) > 6 else ''}", flush=True)
    begun = time.monotonic()
    code = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, check=False).returncode
    return Outcome(name, code, time.monotonic() - begun)


def tracked(*patterns: str) -> list[str]:
    """Files of the checkout that match, so that nothing generated is looked at."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def lint(_: Sequence[str]) -> list[Outcome]:
    scripts = [
        "run",
        ".ci/run",
        "roles/wireguard/files/groundwork-vpn",
        "molecule/shared/vpn/on_host/as",
        *tracked("*.sh"),
    ]
    return [
        run("lint: ruff", "ruff", "check", "."),
        run("lint: ruff format", "ruff", "format", "--check", "."),
        run(
            "lint: mypy of the tools",
            "mypy",
            "lab",
            "docs",
            "tests/parts.py",
            "tests/artifact.py",
            "tests/tools.py",
            "tests/bench",
            MYPYPATH=":".join(SHIPPED.values()),
        ),
        *(
            run(f"lint: mypy of the program {package}", "mypy", "-p", package, MYPYPATH=path)
            for package, path in SHIPPED.items()
        ),
        run(
            "lint: mypy of the plugins",
            "mypy",
            "-p",
            f"{PACKAGE}.module_utils",
            "-p",
            f"{PACKAGE}.modules",
            "-p",
            f"{PACKAGE}.action",
            "-p",
            f"{PACKAGE}.filter",
            "-p",
            f"{PACKAGE}.test",
            "-p",
            f"{PACKAGE}.plugin_utils",
            MYPYPATH=str(ROOT / "collections"),
        ),
        run("lint: shellcheck", "shellcheck", *scripts),
        run("lint: yamllint", "yamllint", "--strict", "."),
        run("lint: ansible-lint", "ansible-lint", "--offline", "--strict"),
        run("lint: changelog", "antsibull-changelog", "lint"),
    ]


def sanity(arguments: Sequence[str]) -> list[Outcome]:
    # A home of its own: ansible-test keeps one environment per test there, for the next run.
    home = Path(os.environ["GROUNDWORK_CACHE"]) / "ansible-test"
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "tests" / "sanity" / "get_pip.py", cache / "get_pip_24_2.py")
    # ansible-test drops the environment, and with it a mirror or a certificate set by PIP_* variables.
    (home / ".config" / "pip").mkdir(parents=True, exist_ok=True)
    settings = (
        f"{key[4:].lower().replace('_', '-')} = {value}"
        for key, value in os.environ.items()
        if key.startswith("PIP_")
    )
    (home / ".config" / "pip" / "pip.conf").write_text("\n".join(["[global]", *settings, ""]))
    return [
        run(
            "sanity: ansible-test on the built artifact",
            "ansible-test",
            "sanity",
            "--color",
            "no",
            "--requirements",
            # It wants one document a file, and takes charts' templates for YAML; part `lint` runs yamllint.
            "--skip-test=yamllint",
            *arguments,
            cwd=artifact.install(),
            HOME=str(home),
            # Interpreters of the system and our own: version managers answer to names that they can't run.
            PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin",
        )
    ]


def with_tools() -> str:
    """PATH with the programs that tests of rules need; says why, where one can't be had."""
    for why in tools.ensure().values():
        print(f"tests that need it are skipped: {why}", flush=True)
    return tools.search_path()


def unit(arguments: Sequence[str]) -> list[Outcome]:
    return [run("unit: pytest", "pytest", "tests/unit", *arguments, PATH=with_tools())]


def docs(_: Sequence[str]) -> list[Outcome]:
    return [
        run("docs: generated pages are current", "python", "-m", "docs.generate", "--check"),
        run("docs: the site builds strictly", "python", "-m", "docs.site", "build"),
        run(
            "docs: antsibull-docs",
            "antsibull-docs",
            "lint-collection-docs",
            "--plugin-docs",
            "--skip-rstcheck",
            str(artifact.install()),
        ),
    ]


def integration(arguments: Sequence[str]) -> list[Outcome]:
    command = ("pytest", *SECOND_TRY, "tests/integration", *arguments)
    return [run("integration: pytest", *command, PATH=with_tools())]


def molecule(arguments: Sequence[str]) -> list[Outcome]:
    """All scenarios, or those named, each over a pool of hosts that is fresh at the start."""
    found = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")} - {"default"}
    unknown = set(arguments) - found
    if unknown:
        raise SystemExit(f"test molecule {' '.join(unknown)}: must be of {', '.join(sorted(found))}")
    inventory = str(ROOT / "molecule" / "inventory")
    outcomes = [
        run(
            "molecule: no hosts of an earlier run", "python", "-m", "lab", "destroy", "--inventory", inventory
        )
    ]
    # A pool for each: it boots in seconds, and what one scenario leaves on purpose is no riddle to the next.
    for name in arguments or sorted(found):
        outcomes.append(
            run(
                f"molecule: {name}",
                "molecule",
                "test",
                "--no-command-borders",
                f"--scenario-name={name}",
                MOLECULE_GLOB="molecule/*/molecule.yml",
            )
        )
    return outcomes


PARTS: dict[str, Callable[[Sequence[str]], list[Outcome]]] = {
    part.__name__: part for part in (lint, unit, docs, sanity, integration, molecule)
}
# Each has hosts and a network of its own and waits for them more than it computes.
SIDE_BY_SIDE = ("integration", "molecule")


def main(arguments: Sequence[str]) -> int:
    begun = time.monotonic()
    wanted, rest = (arguments[0], arguments[1:]) if arguments and arguments[0] != "all" else (None, ())
    if wanted:
        outcomes = PARTS[wanted](rest)
    else:
        # Minutes of compiling, beside what mostly waits; the tests of Kubernetes wait for what is left.
        build.start()
        outcomes = [
            outcome for name, part in PARTS.items() if name not in SIDE_BY_SIDE for outcome in part(rest)
        ]
        outcomes += side_by_side(SIDE_BY_SIDE)
    print("\n" + table(outcomes, time.monotonic() - begun))
    failed = sum(outcome.code != 0 for outcome in outcomes)
    print(f"{len(outcomes) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def side_by_side(names: Sequence[str]) -> list[Outcome]:
    """Run parts at the same time; a line a minute says how far each is, its output follows when it ends."""
    begun = time.monotonic()
    outcomes: list[Outcome] = []
    facts = os.environ["ANSIBLE_CACHE_PLUGIN_CONNECTION"]
    with TemporaryDirectory() as folder:
        logs = {name: Path(folder) / name for name in names}
        running = {}
        for name, log in logs.items():
            print(f"\n=== {name}: its output follows when it ends", flush=True)
            with log.open("wb") as output:
                running[name] = subprocess.Popen(
                    [sys.executable, "-m", "tests.parts", name],
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # Their hosts have the same names.
                    env={**os.environ, "ANSIBLE_CACHE_PLUGIN_CONNECTION": f"{facts}-{name}"},
                )
        told = begun
        while running:
            time.sleep(1)
            tell = time.monotonic() - told >= 60
            for name, process in list(running.items()):
                if process.poll() is not None:
                    outcomes.append(Outcome(name, process.returncode, time.monotonic() - begun))
                    print(f"\n=== {name}\n{logs[name].read_text(errors='replace')}", flush=True)
                    del running[name]
                elif tell:
                    print(
                        f"=== {name}, {time.monotonic() - begun:.0f} s: {last_line(logs[name])}", flush=True
                    )
            if tell:
                told = time.monotonic()
    return outcomes


def last_line(log: Path) -> str:
    """The last thing that a part has said, short enough for a line."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:120] if lines else ""


def table(outcomes: Sequence[Outcome], total: float) -> str:
    """What each command of each part took, and all of it, in seconds."""
    width = min(shutil.get_terminal_size().columns - 24, max(len(outcome.name) for outcome in outcomes))
    lines = [
        f"{outcome.name:<{width}}  {outcome.seconds:7.1f} s  {'FAILED' if outcome.code else 'ok'}"
        for outcome in outcomes
    ]
    return "\n".join([*lines, f"{'all':<{width}}  {total:7.1f} s"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
