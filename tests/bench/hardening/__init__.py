"""Hardening: converged hosts, judged by Lynis, OpenSCAP (ANSSI BP-028 enhanced) and ssh-audit."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab import hosts
from lab.process import run
from lab.progress import step
from lab.topology import Host, read
from tests.bench.budgets import budget
from tests.bench.hardening import scap
from tests.bench.report import Figure

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
INVENTORY = FOLDER / "inventory"
PROVISION = FOLDER / "provision.sh"
# The release that ships content for OpenSCAP.
CONTENT_IMAGE = "debian13"

INSTALL = """\
apt-get -qq update && apt-get -qq install -y --no-install-recommends lynis openscap-scanner >/dev/null
"""
LYNIS = """\
lynis audit system --quick --no-colors >/dev/null
sed -n 's/^hardening_index=//p' /var/log/lynis-report.dat
"""


def measure() -> Sequence[Figure]:
    """Converge throwaway hosts as a strict site would, and let the tools judge them."""
    topology = read(INVENTORY)
    hosts.create(topology)
    try:
        with step("provisioning and converging"):
            converge(topology.hosts)
        return judge(topology.hosts)
    finally:
        # GROUNDWORK_KEEP=1 leaves them for a look.
        if not os.environ.get("GROUNDWORK_KEEP"):
            hosts.destroy(topology)


def converge(machines: Sequence[Host]) -> None:
    """Twice: what a role finds on a host that others have hardened may differ."""
    for host in machines:
        on(host, PROVISION.read_text())
    for _ in range(2):
        run("ansible-playbook", "--inventory", str(INVENTORY), str(ROOT / "playbooks" / "hosts.yml"))


def judge(machines: Sequence[Host]) -> Sequence[Figure]:
    """All figures of all hosts, and what the remaining rules fail for."""
    with step("installing the tools"), ThreadPoolExecutor() as pool:
        list(pool.map(lambda host: on(host, INSTALL), machines))
    with step("fetching OpenSCAP's content"):
        content = on(next(host for host in machines if host.image == CONTENT_IMAGE), scap.FETCH)
    with step("Lynis and OpenSCAP"), ThreadPoolExecutor() as pool:
        judged = list(pool.map(lambda host: judge_host(host, content), machines))
    failing = {rule for _, rules in judged for rule in rules}
    reasons = scap.reasons()
    explain(failing, reasons)
    return [
        *(figure for figures, _ in judged for figure in figures),
        Figure("failing rules without a reason", len(failing - reasons.keys()), "rules", 0),
        Figure("reasons of rules that no longer fail", len(reasons.keys() - failing), "rules", 0),
    ]


def judge_host(host: Host, content: str) -> tuple[list[Figure], frozenset[str]]:
    """One host's figures, and the rules that fail there in any view."""
    index = float(on(host, LYNIS))
    on(host, scap.PREPARE, content)
    container = scap.results(on(host, scap.AS_CONTAINER))
    machine = scap.results(on(host, scap.AS_MACHINE))
    kernel = scap.results(on(host, scap.WITH_KERNEL))
    figures = [
        Figure(f"{host.name}: Lynis hardening index", index, "points", budget("lynis_index"), "higher"),
        *scap_figures(f"{host.name}: OpenSCAP as a container", container, budget("scap_container_percent")),
        *scap_figures(f"{host.name}: OpenSCAP as a machine", machine, budget("scap_machine_percent")),
        *scap_figures(f"{host.name}: OpenSCAP as a machine with a kernel package", kernel, None),
        Figure(f"{host.name}: ssh-audit failures and warnings", ssh_audit(host), "findings", 0),
    ]
    return figures, container.failed | machine.failed | kernel.failed


def scap_figures(name: str, results: scap.Results, goal: float | None) -> list[Figure]:
    return [
        Figure(name, results.percent, "% of rules", goal, "higher"),
        Figure(f"{name}, rules that apply", len(results.passed) + len(results.failed), "rules"),
        Figure(f"{name}, rules that fail", len(results.failed), "rules"),
    ]


def ssh_audit(host: Host) -> int:
    """How often ssh-audit says `fail` or `warn` of an algorithm, and of the server as a whole."""
    done = run("ssh-audit", "--json", "--skip-rate-test", host.address, check=False)
    report = json.loads(done.stdout)
    notes = [
        algorithm.get("notes", {}) for kind in ("kex", "key", "enc", "mac") for algorithm in report[kind]
    ]
    found = sum(len(note.get(level, [])) for note in notes for level in ("fail", "warn"))
    # Its exit code tells of what is in no list.
    return found or int(done.returncode != 0)


def explain(failing: set[str], reasons: Mapping[str, str]) -> None:
    """Print every failing rule with its reason; one that has none makes the benchmark fail."""
    for rule in sorted(failing):
        print(f"{rule}: {reasons.get(rule, 'NO REASON IN tests/bench/hardening/remaining.yml')}")
    print()


def on(host: Host, script: str, stdin: str | None = None) -> str:
    """What a script prints on a host."""
    done = subprocess.run(
        [*hosts.ssh_command(host), script],
        input=stdin or "",
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode != 0:
        said = f"{done.stdout[-2000:]}{done.stderr[-2000:]}"
        raise RuntimeError(f"{host.name}: exit code {done.returncode}\n{said}")
    return done.stdout
